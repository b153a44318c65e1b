package crossing

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// What cmd/cgo generates (cmd/cgo/out.go): for the C function f, _Cfunc_f and, for its form with an error, _C2func_f; for the C
// variable v, a pointer _Cvar_v; for a C function that is used as a value, _Cfpvar_fp_f; for the C type t, _Ctype_t.
const gotypes = "_cgo_gotypes.go"

// generated reports whether a function's body is cgo's own.
func (e *engine) generated(fn *ssa.Function) bool {
	return fn.Parent() == nil && isGenerated(e.pass.Fset, fn.Pos())
}

func isGenerated(fset *token.FileSet, pos token.Pos) bool {
	return pos.IsValid() && filepath.Base(fset.PositionFor(pos, false).Filename) == gotypes
}

// usesC reports whether a package has C.
func usesC(pass *analysis.Pass) bool {
	for _, file := range pass.Files {
		if isGenerated(pass.Fset, file.Package) {
			return true
		}
	}
	return false
}

// isC reports whether fn stands for a C function, and not for a Go function whose name looks like one.
func (e *engine) isC(fn *ssa.Function) bool {
	return e.generated(fn) && (cFunction(fn) != "" || fn.Name() == "_Cgo_ptr")
}

// cFunction returns the name of the C function that fn stands for.
func cFunction(fn *ssa.Function) string {
	for _, prefix := range []string{"_Cfunc_", "_C2func_"} {
		if strings.HasPrefix(fn.Name(), prefix) {
			return strings.TrimPrefix(fn.Name(), prefix)
		}
	}
	return ""
}

// copying are the functions of package C that copy what they are given, and C.malloc.
var copying = map[string]bool{
	"CString": true, "CBytes": true, "GoString": true, "GoStringN": true, "GoBytes": true, "_CMalloc": true,
}

// isCVariable reports whether g is what cgo makes for a C variable, or for a C function used as a value.
func (e *engine) isCVariable(g *ssa.Global) bool {
	return (strings.HasPrefix(g.Name(), "_Cvar_") || strings.HasPrefix(g.Name(), "_Cfpvar_")) &&
		isGenerated(e.pass.Fset, g.Pos())
}

// pointsToC reports whether t is a pointer that C code may have made: to a C type, or to a pointer.
func (e *engine) pointsToC(t types.Type) bool {
	p, ok := t.Underlying().(*types.Pointer)
	if !ok {
		return false
	}
	if named, ok := p.Elem().(interface{ Obj() *types.TypeName }); ok {
		return strings.HasPrefix(named.Obj().Name(), "_Ctype_")
	}
	return isPointer(p.Elem()) && (e.pointsToC(p.Elem()) || p.Elem() == types.Typ[types.UnsafePointer])
}

// fromC returns the entries of what a C function returns.
func (f *function) fromC(sig *types.Signature) set {
	results := new(entries)
	for i := 0; i < sig.Results().Len(); i++ {
		for _, s := range f.e.layouts.of(sig.Results().At(i).Type()).slots {
			if s.kind == "" || s.kind == Pointer {
				results.add(entry{at(part(i) + s.off), label{obj: f.e.cMemory}}, nil)
			}
		}
	}
	return results
}

// cCall looks at what a call gives to C.
func (f *function) cCall(site ssa.CallInstruction, callee *ssa.Function) {
	name := cFunction(callee)
	if name == "" || copying[name] {
		return
	}
	params := callee.Signature.Params()
	callback := false
	for i := 0; i < params.Len(); i++ {
		callback = callback || isFunctionPointer(params.At(i).Type())
	}
	for i, arg := range site.Common().Args {
		t := params.At(i).Type()
		if isString(t) {
			continue // a _GoString_: C has functions to look into it
		}
		rule := ruleOf(t, callback)
		s := f.e.sinkAt(site, i, func() *sink {
			return &sink{pos: f.callPosition(site), rule: rule, function: name,
				keeps: rule == asData && isPointer(t) && registers(name)}
		})
		entries := f.value(arg)
		if isFunctionPointer(t) || rule == byValue {
			entries = f.typed(arg)
		}
		for _, it := range entries.items() {
			e, way := it.entry, it.way
			f.e.sink(f, site, e.label, way, s)
		}
	}
}

// callPosition returns where a call of C stands: cgo wraps many into a literal, which stands where the call stood.
func (f *function) callPosition(site ssa.Instruction) token.Pos {
	outer := f.fn
	for outer.Parent() != nil && onlyCgo(outer) {
		if literal, ok := outer.Syntax().(*ast.FuncLit); ok {
			parent := outer.Parent()
			if !isWrapper(literal) {
				break
			}
			if !isWrapperOf(parent) {
				return literal.Pos()
			}
			outer = parent
			continue
		}
		break
	}
	if literal, ok := outer.Syntax().(*ast.FuncLit); ok && isWrapper(literal) {
		return literal.Pos()
	}
	return site.Pos()
}

func onlyCgo(fn *ssa.Function) bool {
	literal, ok := fn.Syntax().(*ast.FuncLit)
	return ok && isWrapper(literal)
}

func isWrapperOf(fn *ssa.Function) bool { return fn.Parent() != nil && onlyCgo(fn) }

// isWrapper reports whether a function literal is cgo's own around a call: it uses variables that only cgo makes.
func isWrapper(literal *ast.FuncLit) bool {
	found := false
	for _, stmt := range literal.Body.List {
		ast.Inspect(stmt, func(n ast.Node) bool {
			if _, inner := n.(*ast.FuncLit); inner {
				_, returned := stmt.(*ast.ReturnStmt)
				return returned && !found
			}
			if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, "_cgo") {
				found = true
			}
			return !found
		})
	}
	return found
}

func isFunctionPointer(t types.Type) bool {
	p, ok := t.Underlying().(*types.Pointer)
	if !ok {
		return false
	}
	array, ok := p.Elem().Underlying().(*types.Array)
	return ok && array.Len() == 0 && types.Identical(array.Elem(), types.Typ[types.Byte])
}

// exportedToC returns the functions of the package that C may call, with the names by which it does.
func exportedToC(pass *analysis.Pass, pkg *ssa.Package) map[*ssa.Function]string {
	all := make(map[*ssa.Function]string)
	for _, file := range pass.Files {
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Doc == nil {
				continue
			}
			for _, comment := range fn.Doc.List {
				words := strings.Fields(comment.Text)
				if len(words) < 2 || words[0] != "//export" {
					continue
				}
				if obj, ok := pass.TypesInfo.Defs[fn.Name].(*types.Func); ok {
					all[pkg.Prog.FuncValue(obj)] = words[1]
				}
			}
		}
	}
	return all
}
