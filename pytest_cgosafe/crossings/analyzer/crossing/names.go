package crossing

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// names tells what the source calls a value.
type names struct {
	pass *analysis.Pass
	vars map[token.Pos]string // by the position of an expression: the variable that it is assigned to
}

func newNames(pass *analysis.Pass) *names {
	n := &names{pass: pass, vars: make(map[token.Pos]string)}
	for _, file := range pass.Files {
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.AssignStmt:
				if len(node.Lhs) == len(node.Rhs) {
					for i := range node.Lhs {
						n.assigned(node.Lhs[i], node.Rhs[i])
					}
				}
			case *ast.ValueSpec:
				if len(node.Names) == len(node.Values) {
					for i := range node.Names {
						n.assigned(node.Names[i], node.Values[i])
					}
				}
			}
			return true
		})
	}
	return n
}

// assigned notes the name of a variable for the positions at which SSA places what it is assigned.
func (n *names) assigned(to, from ast.Expr) {
	name := ""
	switch to := to.(type) {
	case *ast.Ident:
		name = to.Name
	case *ast.SelectorExpr:
		name = to.Sel.Name
	}
	if name == "" || name == "_" || strings.HasPrefix(name, "_cgo") {
		return
	}
	switch from := from.(type) {
	case *ast.CompositeLit:
		n.vars[from.Lbrace] = name
	case *ast.CallExpr:
		n.vars[from.Lparen] = name
	case *ast.UnaryExpr:
		n.assigned(to, from.X)
		return
	}
	n.vars[from.Pos()] = name
}

// of returns the name of the variable that v is, or is assigned to; "" if there is none.
func (n *names) of(v ssa.Value) string {
	switch v := v.(type) {
	case *ssa.Parameter, *ssa.FreeVar, *ssa.Global:
		return v.Name()
	case *ssa.Function:
		return v.Name()
	case *ssa.Alloc:
		switch v.Comment {
		case "new", "complit", "slicelit", "makeslice", "varargs", "arraylit", "makemap":
		default:
			return v.Comment
		}
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return n.of(v.X)
		}
	case *ssa.FieldAddr:
		return fieldName(elementOf(v.X.Type()), v.Field)
	case *ssa.Field:
		return fieldName(v.X.Type(), v.Field)
	case *ssa.Phi:
		return v.Comment
	}
	return n.vars[v.Pos()]
}

func fieldName(t types.Type, i int) string {
	if fields := structOf(t); fields != nil {
		return fields.Field(i).Name()
	}
	return ""
}

// typ returns how the source writes a type: those of C as C.name.
func (n *names) typ(t types.Type) string {
	text := types.TypeString(t, types.RelativeTo(n.pass.Pkg))
	for _, prefix := range []string{"_Ctype_struct_", "_Ctype_union_", "_Ctype_enum_", "_Ctype_"} {
		text = strings.ReplaceAll(text, prefix, "C."+strings.TrimPrefix(prefix, "_Ctype_"))
	}
	return text
}

// birth tells what an object is where it is made.
func (e *engine) birth(o *object) string {
	if o.name != "" && o.typ != "" {
		return fmt.Sprintf("%s: %s", o.name, o.typ)
	}
	if o.typ != "" {
		return "a " + o.typ
	}
	noun := "memory"
	if o.kind != Pointer && o.kind != "" {
		noun = string(o.kind)
	}
	for _, s := range o.slots {
		if o.kind == Pointer && s.declared() {
			noun = fmt.Sprintf("memory that holds a %s", s.kind)
			break
		}
	}
	if o.name == "" {
		return noun
	}
	return fmt.Sprintf("%s: %s", o.name, noun)
}
