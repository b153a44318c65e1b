package crossing

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// A reflect.Value has an entry at 0 for what it is, and at addressed for where the variable lies that it is.
const addressed = int64(1) << 36

func reflectValueOf(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		for _, it := range f.unboxed(args[0], site).items() {
			e, way := it.entry, it.way
			f.add(v, e, way.then(site.Pos(), "looked into by reflect"))
		}
	}
}

// reflectParts calls found with the words that a reflect.Value may be, and with the addresses of the variables that it may be.
func (f *function) reflectParts(v ssa.Value, site ssa.Instruction, word, address func(label, *step)) {
	for _, it := range f.value(v).items() {
		e, way := it.entry, it.way
		switch {
		case e.at.within(0, 1):
			word(e.label, way)
		case e.at.within(addressed, addressed+1) && address != nil:
			address(e.label, way)
		case e.at.within(addressed, addressed+1):
			f.e.load(e.label, types.Typ[types.UnsafePointer], site, way, func(e entry, way *step) { word(e.label, way) })
		}
	}
}

// reflectElem is the variable that a pointer points to, or what is in an interface.
func reflectElem(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.reflectParts(args[0], site, func(l label, way *step) { f.add(v, entry{at(addressed), l}, way) }, nil)
	}
}

// reflectWord is the word itself, as an integer or unsafe.Pointer.
func reflectWord(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.reflectParts(args[0], site, func(l label, way *step) {
			f.add(v, entry{at(0), l}, way.then(site.Pos(), "converted by reflect"))
		}, nil)
	}
}

func reflectAddress(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.reflectParts(args[0], site, func(label, *step) {}, func(l label, way *step) {
			f.add(v, entry{at(0), l}, way.then(site.Pos(), "address taken by reflect"))
		})
	}
}

// reflectField is a field of a struct, or an element: somewhere in the same memory.
func reflectField(f *function, site ssa.CallInstruction, args []ssa.Value) {
	v := site.Value()
	if v == nil {
		return
	}
	f.reflectParts(args[0], site,
		func(l label, way *step) { f.add(v, entry{at(addressed), l.shift(anywhere)}, way) },
		func(l label, way *step) { f.add(v, entry{at(addressed), l.shift(anywhere)}, way) })
}

func reflectMapIndex(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.reflectParts(args[0], site, func(l label, way *step) {
			f.e.load(l, types.Typ[types.UnsafePointer], site, way, func(e entry, way *step) { f.add(v, e, way) })
		}, nil)
	}
}

// reflectInterface puts the value into an interface again.
func reflectInterface(f *function, site ssa.CallInstruction, args []ssa.Value) {
	v := site.Value()
	if v == nil {
		return
	}
	o := f.e.object(objectKey{site: v}, func() *object {
		return &object{kind: Interface, name: f.e.names.of(v), pos: position(v), owner: f.fn}
	})
	f.reflectParts(args[0], site, func(l label, way *step) {
		if o.put(entry{at(0), l}, way, nil) {
			f.e.changed = true
		}
	}, nil)
	f.add(v, entry{at(f.e.layouts.word), label{obj: o}}, nil)
}

func reflectNewAt(f *function, site ssa.CallInstruction, args []ssa.Value) {
	if v := site.Value(); v != nil {
		f.flow(v, args[1])
	}
}
