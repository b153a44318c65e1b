package crossing

import "go/types"

// A slot is a word of a type's memory that can hold a pointer, be it as an integer.
type slot struct {
	off  int64
	kind Kind       // of the reference that the type declares it to be; "" for integers and unsafe.Pointer
	elem types.Type // what a pointer or slice points to; nil for the others

	handle   bool // a cgo.Handle
	typeWord bool // the first word of an interface: what it refers to is the type, not the value
}

// declared reports whether the type alone says that the slot holds a reference which C must not see.
func (s slot) declared() bool { return s.kind != "" && s.kind != Pointer }

// A layout is the size of a type in bytes, and its slots.
type layout struct {
	size, align int64
	slots       []slot
}

// Slots beyond these are left out: what is stored there is still known by its offset.
const (
	maxArrayElems = 8
	maxSlots      = 128
)

// layouts computes the memory layouts of types. Unlike types.Sizes it answers for type parameters too: two words.
type layouts struct {
	word  int64
	known map[types.Type]*layout
}

func newLayouts(sizes types.Sizes) *layouts {
	return &layouts{word: sizes.Sizeof(types.Typ[types.Uintptr]), known: make(map[types.Type]*layout)}
}

func (ls *layouts) of(t types.Type) *layout {
	if l, ok := ls.known[t]; ok {
		return l
	}
	l := &layout{size: ls.word, align: ls.word}
	ls.known[t] = l // for a type that contains itself, which the compiler refuses
	ls.fill(l, t)
	if len(l.slots) > maxSlots {
		l.slots = l.slots[:maxSlots]
	}
	return l
}

func (ls *layouts) fill(l *layout, t types.Type) {
	if _, ok := t.(*types.TypeParam); ok {
		l.size = 2 * ls.word
		l.slots = []slot{{}, {off: ls.word}}
		return
	}
	if isNamed(t, "reflect", "Value") {
		l.size = 3 * ls.word
		l.slots = []slot{{}, {off: addressed}} // what it stands for: see reflect.go
		return
	}
	if isNamed(t, "runtime/cgo", "Handle") {
		l.slots = []slot{{handle: true}}
		return
	}
	switch t := t.Underlying().(type) {
	case *types.Basic:
		ls.fillBasic(l, t)
	case *types.Pointer:
		l.slots = []slot{{kind: Pointer, elem: t.Elem()}}
	case *types.Map:
		l.slots = []slot{{kind: Map}}
	case *types.Chan:
		l.slots = []slot{{kind: Chan}}
	case *types.Signature:
		l.slots = []slot{{kind: Func}}
	case *types.Interface:
		l.size = 2 * ls.word
		l.slots = []slot{{kind: Interface, typeWord: true}, {off: ls.word, kind: Interface}}
	case *types.Slice:
		l.size = 3 * ls.word
		l.slots = []slot{{kind: Slice, elem: t.Elem()}}
	case *types.Array:
		ls.fillArray(l, t)
	case *types.Struct:
		ls.fillStruct(l, t)
	}
}

func isNamed(t types.Type, path, name string) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == path
}

func (ls *layouts) fillBasic(l *layout, t *types.Basic) {
	switch t.Kind() {
	case types.String, types.UntypedString:
		l.size = 2 * ls.word
		l.slots = []slot{{kind: String}}
	case types.Uintptr, types.UnsafePointer, types.Int, types.Uint, types.UntypedInt, types.UntypedNil:
		l.slots = []slot{{}}
	case types.Int64, types.Uint64:
		l.size, l.align = 8, ls.word
		l.slots = []slot{{}}
	case types.Bool, types.UntypedBool, types.Int8, types.Uint8:
		l.size, l.align = 1, 1
	case types.Int16, types.Uint16:
		l.size, l.align = 2, 2
	case types.Int32, types.Uint32, types.Float32, types.UntypedRune:
		l.size, l.align = 4, 4
	case types.Float64, types.Complex64, types.UntypedFloat:
		l.size, l.align = 8, min64(ls.word, 8)
		if t.Kind() == types.Complex64 {
			l.align = 4
		}
	case types.Complex128, types.UntypedComplex:
		l.size = 16
	}
}

func (ls *layouts) fillArray(l *layout, t *types.Array) {
	elem := ls.of(t.Elem())
	l.align = elem.align
	l.size = elem.size * t.Len()
	for i := int64(0); i < t.Len() && i < maxArrayElems; i++ {
		l.add(i*elem.size, elem)
	}
}

func (ls *layouts) fillStruct(l *layout, t *types.Struct) {
	l.size, l.align = 0, 1
	for i := 0; i < t.NumFields(); i++ {
		field := ls.of(t.Field(i).Type())
		l.size = alignUp(l.size, field.align)
		l.add(l.size, field)
		l.size += field.size
		if field.align > l.align {
			l.align = field.align
		}
	}
	l.size = alignUp(l.size, l.align)
}

func (l *layout) add(off int64, part *layout) {
	for _, s := range part.slots {
		s.off += off
		l.slots = append(l.slots, s)
	}
}

// field returns where the i-th field of a struct lies, in bytes, and its type.
func (ls *layouts) field(t types.Type, i int) (int64, types.Type) {
	fields := structOf(t)
	if fields == nil {
		return 0, types.Typ[types.Uintptr]
	}
	off := int64(0)
	for j := 0; ; j++ {
		field := ls.of(fields.Field(j).Type())
		off = alignUp(off, field.align)
		if j == i {
			return off, fields.Field(j).Type()
		}
		off += field.size
	}
}

// holdsWord reports whether a value of type t is one word wide, so that it can hold a pointer.
func (ls *layouts) holdsWord(t types.Type) bool {
	l := ls.of(t)
	return len(l.slots) > 0 && l.size == ls.word
}

func alignUp(n, align int64) int64 { return (n + align - 1) / align * align }

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
