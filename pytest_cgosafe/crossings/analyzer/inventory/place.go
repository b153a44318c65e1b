package inventory

import (
	"go/constant"
	"go/token"
	"go/types"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// A place names a value, or memory, as a base and the way from there: ".0" a field, "[3]" and "[]" an element with a
// known or unknown index, "*" what the memory reached so far contains. A struct or array that is a value is named as
// the memory that it would be loaded from. Of a closure, "!" is that calling it frees, "$" that it captures.
type place struct {
	base ssa.Value
	path string
}

const (
	content  = "*"
	releases = "!"
	captures = "$"
)

// within is the rest of the way from outer to p; not ok where p is not part of outer.
func (p place) within(outer place) (rest string, ok bool) {
	if p.base != outer.base {
		return "", false
	}
	own, other := steps(p.path), steps(outer.path)
	if len(own) < len(other) {
		return "", false
	}
	for i, step := range other {
		if !sameStep(own[i], step) {
			return "", false
		}
	}
	return strings.Join(own[len(other):], ""), true
}

// element tells whether the way goes through an element whose index is not known.
func (p place) element() bool { return strings.Contains(p.path, "[]") }

// sameStep tells whether two steps may lead to the same part.
func sameStep(a, b string) bool {
	return a == b || a[0] == '[' && b[0] == '[' && (a == "[]" || b == "[]")
}

func steps(path string) []string {
	var all []string
	for len(path) > 0 {
		end := strings.IndexAny(path[1:], ".[*!$") + 1
		if end == 0 {
			end = len(path)
		}
		all = append(all, path[:end])
		path = path[end:]
	}
	return all
}

// placeOf names a value.
func placeOf(v ssa.Value) place {
	switch v := v.(type) {
	case *ssa.FieldAddr:
		return extend(placeOf(v.X), "."+strconv.Itoa(v.Field))
	case *ssa.IndexAddr:
		return extend(placeOf(v.X), index(v.Index))
	case *ssa.Field:
		return contentOf(extend(placeOf(v.X), "."+strconv.Itoa(v.Field)), v)
	case *ssa.Index:
		return contentOf(extend(placeOf(v.X), index(v.Index)), v)
	case *ssa.Lookup:
		return contentOf(extend(placeOf(v.X), "[]"), v)
	case *ssa.Extract:
		if ranged, ok := rangedOver(v); ok {
			return contentOf(extend(placeOf(ranged), "[]"), v)
		}
		return contentOf(extend(placeOf(v.Tuple), "."+strconv.Itoa(v.Index)), v)
	case *ssa.UnOp:
		if v.Op == token.MUL {
			if held, ok := onlyContent(v.X); ok {
				return placeOf(held)
			}
			return contentOf(placeOf(v.X), v)
		}
	case *ssa.Call:
		if builtin, ok := v.Call.Value.(*ssa.Builtin); ok && builtin.Name() == "Slice" {
			return placeOf(v.Call.Args[0]) // unsafe.Slice
		}
	}
	if inner := unconverted(v); inner != v {
		return placeOf(inner)
	}
	return place{base: v}
}

// rangedOver is the map that a range statement takes v, a value of it, from.
func rangedOver(v *ssa.Extract) (ssa.Value, bool) {
	if next, ok := v.Tuple.(*ssa.Next); ok && v.Index == 2 {
		if loop, ok := next.Iter.(*ssa.Range); ok {
			return loop.X, true
		}
	}
	return nil, false
}

// unconverted is what a conversion converts; v itself where it is none.
func unconverted(v ssa.Value) ssa.Value {
	switch v := v.(type) {
	case *ssa.Slice:
		return v.X
	case *ssa.Convert:
		return v.X
	case *ssa.ChangeType:
		return v.X
	case *ssa.ChangeInterface:
		return v.X
	case *ssa.MakeInterface:
		return v.X
	case *ssa.SliceToArrayPointer:
		return v.X
	case *ssa.TypeAssert:
		if !v.CommaOk {
			return v.X
		}
	}
	return v
}

// contentOf names what v, loaded from memory, is.
func contentOf(memory place, v ssa.Value) place {
	if composite(v.Type()) {
		return memory
	}
	return extend(memory, content)
}

// composite tells whether values of a type have parts that are values.
func composite(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Struct, *types.Array, *types.Tuple:
		return true
	}
	return false
}

func extend(p place, step string) place { return place{p.base, p.path + step} }

func index(v ssa.Value) string {
	if known, ok := v.(*ssa.Const); ok && known.Value != nil && known.Value.Kind() == constant.Int {
		return "[" + known.Value.ExactString() + "]"
	}
	return "[]"
}

// onlyContent is what a variable holds that is set once, where it is declared: a parameter, say, which a closure reads.
func onlyContent(address ssa.Value) (ssa.Value, bool) {
	cell, ok := address.(*ssa.Alloc)
	if !ok {
		return nil, false
	}
	var held ssa.Value
	for _, user := range *cell.Referrers() {
		switch user := user.(type) {
		case *ssa.Store:
			if user.Addr != cell || held != nil {
				return nil, false
			}
			held = user.Val
		case *ssa.UnOp, *ssa.DebugRef:
		case *ssa.MakeClosure:
			for i, binding := range user.Bindings {
				if binding == cell && writes(user.Fn.(*ssa.Function).FreeVars[i]) {
					return nil, false
				}
			}
		default:
			return nil, false
		}
	}
	return held, held != nil
}

// writes tells whether a closure does more with a captured variable than to read it.
func writes(captured *ssa.FreeVar) bool {
	for _, user := range *captured.Referrers() {
		switch user := user.(type) {
		case *ssa.UnOp, *ssa.DebugRef:
		case *ssa.MakeClosure:
			for i, binding := range user.Bindings {
				if binding == captured && writes(user.Fn.(*ssa.Function).FreeVars[i]) {
					return true
				}
			}
		default:
			return true
		}
	}
	return false
}
