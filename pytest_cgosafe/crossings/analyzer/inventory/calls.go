package inventory

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// copies are cgo's own helpers that copy between the languages, and where to.
var copies = map[string]string{
	"CString": "to C", "CBytes": "to C", "GoString": "to Go", "GoStringN": "to Go", "GoBytes": "to Go",
}

// functionPointer begins the names of the variables in which cgo keeps the addresses of functions.
const functionPointer = "_Cfpvar_fp_"

// A lister collects the entries of one package that its syntax tells.
type lister struct {
	pass    *analysis.Pass
	caller  string
	locals  map[types.Object]ast.Expr // what cgo's own variables (_cgo0) were set to
	givenTo map[*ast.Ident]string     // the C function whose argument a name stands in
	taken   []*ast.Ident              // where the address of a function is taken
	entries []Entry
}

// calls lists the calls into C, the exported functions, the function pointers and the copies.
func calls(pass *analysis.Pass, gotypes *ast.File) []Entry {
	l := &lister{pass: pass, locals: map[types.Object]ast.Expr{}, givenTo: map[*ast.Ident]string{}}
	for _, file := range pass.Files {
		if file == gotypes {
			continue
		}
		for _, decl := range file.Decls {
			l.caller = "package variable"
			if function, ok := decl.(*ast.FuncDecl); ok {
				l.caller = callerName(pass, function)
				l.export(function)
			}
			ast.Inspect(decl, l.visit)
			l.pointers()
		}
	}
	return l.entries
}

// callerName is the function's name within its package: early, (*T).close.
func callerName(pass *analysis.Pass, function *ast.FuncDecl) string {
	object, ok := pass.TypesInfo.Defs[function.Name].(*types.Func)
	if !ok {
		return function.Name.Name
	}
	receiver := object.Type().(*types.Signature).Recv()
	if receiver == nil {
		return object.Name()
	}
	name := typeName(receiver.Type(), pass.Pkg)
	if strings.HasPrefix(name, "*") {
		name = "(" + name + ")"
	}
	return name + "." + object.Name()
}

// export lists a function that has an //export line.
func (l *lister) export(function *ast.FuncDecl) {
	if function.Doc == nil {
		return
	}
	for _, comment := range function.Doc.List {
		words := strings.Fields(comment.Text)
		if len(words) < 2 || words[0] != "//export" {
			continue
		}
		signature, ok := l.pass.TypesInfo.Defs[function.Name].Type().(*types.Signature)
		if !ok {
			continue
		}
		l.entries = append(l.entries, Entry{
			What:      Export,
			Caller:    l.caller,
			Function:  words[1],
			Arguments: l.crossing(signature.Params()),
			Results:   l.crossing(signature.Results()),
			pos:       function.Name.Pos(),
		})
	}
}

// crossing is what a tuple of an exported function's types looks like from Go; C has the same.
func (l *lister) crossing(tuple *types.Tuple) []Value {
	var values []Value
	for i := 0; i < tuple.Len(); i++ {
		name := typeName(tuple.At(i).Type(), l.pass.Pkg)
		values = append(values, Value{Go: name, C: name})
	}
	return values
}

func (l *lister) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.AssignStmt:
		l.remember(node)
	case *ast.ValueSpec:
		for i, name := range node.Names {
			if i < len(node.Values) {
				l.locals[l.pass.TypesInfo.Defs[name]] = node.Values[i]
			}
		}
	case *ast.CallExpr:
		if name := cFunction(l.pass.Fset, l.callee(node)); name != "" {
			l.call(node, name)
		}
	case *ast.Ident:
		object := l.pass.TypesInfo.Uses[node]
		if strings.HasPrefix(node.Name, functionPointer) && object != nil && isGotypes(l.pass.Fset, object.Pos()) {
			l.taken = append(l.taken, node)
		}
	}
	return true
}

// remember keeps what cgo's own variables stand for.
func (l *lister) remember(assign *ast.AssignStmt) {
	if assign.Tok != token.DEFINE || len(assign.Lhs) != len(assign.Rhs) {
		return
	}
	for i, left := range assign.Lhs {
		if name, ok := left.(*ast.Ident); ok && strings.HasPrefix(name.Name, "_cgo") {
			l.locals[l.pass.TypesInfo.Defs[name]] = assign.Rhs[i]
		}
	}
}

func (l *lister) callee(call *ast.CallExpr) types.Object {
	if name, ok := unparen(call.Fun).(*ast.Ident); ok {
		return l.pass.TypesInfo.Uses[name]
	}
	return nil
}

func (l *lister) call(call *ast.CallExpr, name string) {
	signature := l.pass.TypesInfo.TypeOf(call.Fun).(*types.Signature)
	entry := Entry{What: Call, Caller: l.caller, Function: name, pos: call.Fun.Pos()}
	for i, argument := range call.Args {
		written := l.written(argument)
		l.note(written, name)
		entry.Arguments = append(entry.Arguments, Value{
			Go: typeName(l.pass.TypesInfo.TypeOf(l.unconverted(written)), l.pass.Pkg),
			C:  typeName(signature.Params().At(i).Type(), l.pass.Pkg),
		})
	}
	for i := 0; i < signature.Results().Len(); i++ {
		result := typeName(signature.Results().At(i).Type(), l.pass.Pkg)
		if result != "C.void" {
			entry.Results = append(entry.Results, Value{Go: result, C: result})
		}
	}
	if to, ok := copies[name]; ok {
		entry.What, entry.Note = Copy, to
	}
	l.entries = append(l.entries, entry)
}

// written is the expression that the user wrote where cgo put a variable of its own.
func (l *lister) written(expr ast.Expr) ast.Expr {
	for {
		name, ok := unparen(expr).(*ast.Ident)
		if !ok || !strings.HasPrefix(name.Name, "_cgo") {
			return expr
		}
		next, ok := l.locals[l.pass.TypesInfo.Uses[name]]
		if !ok {
			return expr
		}
		expr = next
	}
}

// unconverted is the expression within all conversions.
func (l *lister) unconverted(expr ast.Expr) ast.Expr {
	for {
		expr = l.written(unparen(expr))
		call, ok := expr.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 || !l.pass.TypesInfo.Types[call.Fun].IsType() {
			return expr
		}
		expr = call.Args[0]
	}
}

// note remembers that what stands in an argument goes to a C function.
func (l *lister) note(argument ast.Expr, name string) {
	ast.Inspect(argument, func(node ast.Node) bool {
		if ident, ok := node.(*ast.Ident); ok {
			l.givenTo[ident] = name
		}
		return true
	})
}

// pointers lists the places of a declaration where the address of a C function, or of an exported one, is taken.
func (l *lister) pointers() {
	for _, name := range l.taken {
		l.entries = append(l.entries, Entry{
			What:     Pointer,
			Caller:   l.caller,
			Function: strings.TrimPrefix(name.Name, functionPointer),
			GivenTo:  l.givenTo[name],
			pos:      name.Pos(),
		})
	}
	l.taken = nil
}

func unparen(expr ast.Expr) ast.Expr {
	for {
		paren, ok := expr.(*ast.ParenExpr)
		if !ok {
			return expr
		}
		expr = paren.X
	}
}
