package inventory

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// store sets memory.
func (t *tracker) store(s *state, address, v ssa.Value) {
	to := contentOf(placeOf(address), v)
	rests := t.reach(s, v)
	s.forget(to)
	for _, rest := range rests {
		s.add(place{to.base, to.path + rest})
	}
	if len(rests) > 0 && !local(address, 0) {
		s.escape("stored in %s", t.describe(address))
	}
}

// put adds an element to a map or a slice.
func (t *tracker) put(s *state, to place, v ssa.Value) {
	rests := t.reach(s, v)
	to = contentOf(to, v)
	for _, rest := range rests {
		s.add(place{to.base, to.path + rest})
	}
	if len(rests) > 0 && !local(to.base, 0) {
		s.escape("stored in %s", t.describe(to.base))
	}
}

// local tells whether what an address leads to belongs to the function alone, until it hands it out.
func local(v ssa.Value, depth int) bool {
	if depth > longest {
		return false
	}
	switch v := v.(type) {
	case *ssa.Alloc, *ssa.MakeSlice, *ssa.MakeMap:
		return true
	case *ssa.FieldAddr:
		return local(v.X, depth+1)
	case *ssa.IndexAddr:
		return local(v.X, depth+1)
	case *ssa.Const:
		return v.IsNil()
	case *ssa.Phi:
		for _, edge := range v.Edges {
			if !local(edge, depth+1) {
				return false
			}
		}
		return true
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return localContent(v.X, depth)
		}
	case *ssa.Call:
		if builtin, ok := v.Call.Value.(*ssa.Builtin); ok && builtin.Name() == "append" {
			return local(v.Call.Args[0], depth+1)
		}
	}
	if inner := unconverted(v); inner != v {
		return local(inner, depth+1)
	}
	return false
}

// localContent tells whether all that a variable is set to is local.
func localContent(address ssa.Value, depth int) bool {
	cell, ok := address.(*ssa.Alloc)
	if !ok {
		return false
	}
	for _, user := range *cell.Referrers() {
		if store, ok := user.(*ssa.Store); ok && (store.Val == cell || !local(store.Val, depth+1)) {
			return false
		}
	}
	return true
}

// describe names memory as far as the source names it.
func (t *tracker) describe(address ssa.Value) string {
	switch v := address.(type) {
	case *ssa.FieldAddr:
		structure := v.X.Type().Underlying().(*types.Pointer).Elem()
		field := structure.Underlying().(*types.Struct).Field(v.Field).Name()
		return typeName(structure, t.pass.Pkg) + "." + field
	case *ssa.Global:
		return v.Name()
	case *ssa.FreeVar:
		return v.Name()
	case *ssa.IndexAddr:
		return "an element of " + typeName(v.X.Type(), t.pass.Pkg)
	case *ssa.UnOp:
		return t.describe(v.X)
	case *ssa.Alloc:
		if v.Comment != "" {
			return v.Comment
		}
	case *ssa.Convert:
		return t.describe(v.X)
	}
	return "memory elsewhere"
}
