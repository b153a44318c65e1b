package crossing

import "go/types"

// core returns the underlying type of t, for a type parameter that of the first type that it may be.
func core(t types.Type) types.Type {
	if _, ok := t.(*types.TypeParam); !ok {
		return t.Underlying()
	}
	constraint, ok := t.Underlying().(*types.Interface)
	for ok && constraint.NumEmbeddeds() > 0 {
		first := constraint.EmbeddedType(0)
		if union, is := first.(*types.Union); is && union.Len() > 0 {
			first = union.Term(0).Type()
		}
		under := first.Underlying()
		if constraint, ok = under.(*types.Interface); !ok {
			return under
		}
	}
	return t.Underlying()
}

// typeID returns a text that two types share if they are identical; "" for one that depends on a type parameter.
func typeID(t types.Type) string {
	if _, ok := t.(*types.TypeParam); ok {
		return ""
	}
	return types.TypeString(t, nil)
}

// elementOf returns the type of what a pointer, slice, array or channel is of; a byte for all others, such as a string.
func elementOf(t types.Type) types.Type {
	if of, ok := core(t).(interface{ Elem() types.Type }); ok {
		return of.Elem()
	}
	return types.Typ[types.Byte]
}

// structOf returns t as a struct, or nil.
func structOf(t types.Type) *types.Struct {
	s, _ := core(t).(*types.Struct)
	return s
}
