package crossing

import (
	"go/constant"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// instruction draws from an instruction what it says about values and memory.
func (f *function) instruction(instr ssa.Instruction) {
	switch i := instr.(type) {
	case ssa.CallInstruction:
		f.call(i)
	case *ssa.Alloc:
		f.alloc(i)
	case *ssa.Phi:
		for _, edge := range i.Edges {
			f.flow(i, edge)
		}
	case *ssa.BinOp:
		f.arithmetic(i)
	case *ssa.UnOp:
		f.unary(i)
	case *ssa.ChangeType:
		f.flow(i, i.X)
	case *ssa.ChangeInterface:
		f.flow(i, i.X)
	case *ssa.Convert:
		f.convert(i, i.X)
	case *ssa.MultiConvert:
		f.convert(i, i.X)
	case *ssa.SliceToArrayPointer:
		f.flow(i, i.X)
	case *ssa.MakeInterface:
		f.box(i)
	case *ssa.MakeClosure:
		f.closure(i)
	case *ssa.MakeMap:
		f.make(i, slot{kind: Map})
	case *ssa.MakeChan:
		f.make(i, slot{kind: Chan})
	case *ssa.MakeSlice:
		f.make(i, slot{kind: Slice, elem: elementOf(i.Type())})
	case *ssa.TypeAssert:
		f.unbox(i)
	case *ssa.Extract:
		f.copyPart(i, 0, i.Tuple, part(i.Index), partSize)
	case *ssa.Store:
		f.store(i)
	case *ssa.MapUpdate:
		f.mapUpdate(i)
	case *ssa.Send:
		f.each(i.Chan, func(l label, way *step) { f.storeTo(i, l, i.X, "sent on a channel") })
	case *ssa.Panic:
		f.storeTo(i, label{obj: f.e.panics}, i.X, "thrown by panic")
	case *ssa.Return:
		f.returns(i)
	default:
		if v, ok := instr.(ssa.Value); ok {
			f.element(v)
		}
	}
}

// element draws from an instruction which part of another value it takes.
func (f *function) element(v ssa.Value) {
	switch i := v.(type) {
	case *ssa.FieldAddr:
		f.fieldAddr(i)
	case *ssa.Field:
		off, typ := f.e.layouts.field(i.X.Type(), i.Field)
		f.copyPart(i, 0, i.X, off, f.e.layouts.of(typ).size)
	case *ssa.IndexAddr:
		f.indexAddr(i)
	case *ssa.Index:
		f.index(i)
	case *ssa.Slice:
		f.slice(i)
	case *ssa.Lookup:
		if !i.CommaOk {
			f.loadFrom(i, i.X, at(0), 0, i.Type(), "taken from a map")
		} else {
			f.loadFrom(i, i.X, at(0), 0, i.Type().(*types.Tuple).At(0).Type(), "taken from a map")
		}
	case *ssa.Range:
		f.flow(i, i.X)
	case *ssa.Next:
		f.next(i)
	case *ssa.Select:
		f.selects(i)
	}
}

// flow lets v be all that x is.
func (f *function) flow(v ssa.Value, x ssa.Value) {
	for _, it := range f.value(x).items() {
		e, way := it.entry, it.way
		f.add(v, e, way)
	}
}

// copyPart lets the part of v at to be the part of x of size bytes at from.
func (f *function) copyPart(v ssa.Value, to int64, x ssa.Value, from, size int64) {
	for _, it := range f.value(x).items() {
		e, way := it.entry, it.way
		rel := e.at.minus(at(from))
		if rel.within(0, size) {
			f.add(v, entry{rel.plus(at(to)), e.label}, way)
		}
	}
}

func (f *function) alloc(i *ssa.Alloc) {
	elem := elementOf(i.Type())
	o := f.e.object(objectKey{site: i}, func() *object {
		lay := f.e.layouts.of(elem)
		return &object{kind: Pointer, name: f.e.names.of(i), typ: f.e.names.typ(elem), pos: i.Pos(), slots: lay.slots, owner: f.fn}
	})
	f.add(i, entry{at(0), label{obj: o}}, (*step)(nil).then(i.Pos(), f.e.birth(o)))
}

func (f *function) make(v ssa.Value, s slot) {
	o := f.e.object(objectKey{site: v}, func() *object {
		o := &object{name: f.e.names.of(v), typ: f.e.names.typ(v.Type()), pos: position(v), owner: f.fn}
		o.declare(s, f.e.layouts)
		return o
	})
	f.add(v, entry{at(0), label{obj: o}}, (*step)(nil).then(o.pos, f.e.birth(o)))
}

func (f *function) arithmetic(i *ssa.BinOp) {
	if !f.e.layouts.holdsWord(i.Type()) {
		return
	}
	switch i.Op {
	case token.ADD, token.SUB:
		f.displace(i, i.X, i.Y, i.Op == token.SUB)
		if i.Op == token.ADD {
			f.displace(i, i.Y, i.X, false)
		}
	case token.AND, token.OR, token.XOR, token.AND_NOT:
		f.mask(i, i.X, i.Y)
		if i.Op != token.AND_NOT {
			f.mask(i, i.Y, i.X)
		}
	}
}

// displace lets v be the address x moved by y. The difference of two addresses is none.
func (f *function) displace(v, x, y ssa.Value, minus bool) {
	if len(f.value(y).items()) > 0 && minus && !f.onlySymbols(y) {
		return
	}
	by := anywhere
	if n, ok := constantInt(y); ok {
		if by = at(n); minus {
			by = at(-n)
		}
	}
	f.each(x, func(l label, way *step) {
		f.add(v, entry{at(0), l.shift(by)}, way.then(v.Pos(), "moved by arithmetic"))
	})
}

// onlySymbols reports whether all that x may be comes from the caller, so that it may well be a number.
func (f *function) onlySymbols(x ssa.Value) bool {
	for _, it := range f.value(x).items() {
		e := it.entry
		if !e.label.obj.symbolic {
			return false
		}
	}
	return true
}

// mask lets v be the address x with some bits changed by y; with a mask for low bits only, no address is left.
func (f *function) mask(v *ssa.BinOp, x, y ssa.Value) {
	if n, ok := constantInt(y); ok && v.Op == token.AND && n >= 0 && n < 1<<40 {
		return
	}
	f.each(x, func(l label, way *step) {
		f.add(v, entry{at(0), l.shift(anywhere)}, way.then(v.Pos(), "bits changed"))
	})
}

func constantInt(v ssa.Value) (int64, bool) {
	c, ok := v.(*ssa.Const)
	if !ok || c.Value == nil || c.Value.Kind() != constant.Int {
		return 0, false
	}
	if n, exact := constant.Int64Val(c.Value); exact {
		return n, true
	}
	n, exact := constant.Uint64Val(c.Value)
	return int64(n), exact
}

func (f *function) unary(i *ssa.UnOp) {
	switch i.Op {
	case token.MUL:
		f.loadFrom(i, i.X, at(0), 0, i.Type(), "")
	case token.ARROW:
		elem := elementOf(i.X.Type())
		f.loadFrom(i, i.X, at(0), 0, elem, "received from a channel")
	}
}

// loadFrom lets the part of v at to be what lies off bytes behind where x points to, of type t.
func (f *function) loadFrom(v, x ssa.Value, off offset, to int64, t types.Type, note string) {
	instr := v.(ssa.Instruction)
	f.each(x, func(l label, way *step) {
		if l.obj.kind == Map || l.obj.kind == Chan {
			if note == "" {
				return // the runtime's own data
			}
		}
		f.e.load(l.shift(off), t, instr, way, func(e entry, way *step) {
			e.at = e.at.plus(at(to))
			f.add(v, e, way.then(v.Pos(), note))
		})
	})
}

func (f *function) convert(v ssa.Value, x ssa.Value) {
	from, to := x.Type(), v.Type()
	if isString(from) != isString(to) { // copies bytes, or makes a string of a number
		kind := slot{kind: String}
		if s, ok := to.Underlying().(*types.Slice); ok {
			kind = slot{kind: Slice, elem: s.Elem()}
		}
		f.make(v, kind)
		return
	}
	if !f.e.layouts.holdsWord(to) && f.e.layouts.of(to).size <= f.e.layouts.word {
		return // truncated, or a floating-point number
	}
	pointers := isPointer(from) || isPointer(to)
	if isPointer(from) && f.e.pointsToC(to) && f.e.exported[f.fn] != "" {
		f.add(v, entry{at(0), label{obj: f.e.cMemory}}, nil)
		return
	}
	for _, it := range f.typed(x).items() {
		e, way := it.entry, it.way
		if isInteger(to) && (pointers || isInteger(from)) {
			way = way.then(v.Pos(), "converted to "+f.e.names.typ(to))
		}
		f.add(v, e, way)
	}
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

func isInteger(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

func (f *function) fieldAddr(i *ssa.FieldAddr) {
	off, typ := f.e.layouts.field(elementOf(i.X.Type()), i.Field)
	size := f.e.layouts.of(typ).size
	f.each(i.X, func(l label, way *step) { f.add(i, entry{at(0), l.narrow(off, size)}, way) })
}

func (f *function) indexAddr(i *ssa.IndexAddr) {
	by := f.elementOffset(elementOf(i.Type()), i.Index)
	f.each(i.X, func(l label, way *step) { f.add(i, entry{at(0), l.shift(by)}, way) })
}

func (f *function) elementOffset(elem types.Type, index ssa.Value) offset {
	size := f.e.layouts.of(elem).size
	if n, ok := constantInt(index); ok {
		return at(n * size)
	}
	if size == 0 {
		return at(0)
	}
	return offset{0, size}
}

func (f *function) index(i *ssa.Index) {
	if _, ok := i.X.Type().Underlying().(*types.Array); !ok {
		return // a byte of a string
	}
	size := f.e.layouts.of(i.Type()).size
	by := f.elementOffset(i.Type(), i.Index)
	for _, it := range f.value(i.X).items() {
		e, way := it.entry, it.way
		if rel := e.at.minus(by); rel.within(0, size) {
			f.add(i, entry{rel, e.label}, way)
		}
	}
}

func (f *function) slice(i *ssa.Slice) {
	by := at(0)
	if i.Low != nil {
		switch t := i.Type().Underlying().(type) {
		case *types.Slice:
			by = f.elementOffset(t.Elem(), i.Low)
		default:
			by = anywhere
		}
	}
	f.each(i.X, func(l label, way *step) { f.add(i, entry{at(0), l.shift(by)}, way) })
}

// keys is where the keys of a map are kept in the object that stands for it; its values are at 0.
const keys = int64(1) << 32

func (f *function) next(i *ssa.Next) {
	if i.IsString {
		return
	}
	tuple := i.Type().(*types.Tuple)
	f.loadFrom(i, i.Iter, at(keys), part(1), tuple.At(1).Type(), "taken from a map")
	f.loadFrom(i, i.Iter, at(0), part(2), tuple.At(2).Type(), "taken from a map")
}

func (f *function) selects(i *ssa.Select) {
	received := 2
	for _, state := range i.States {
		if state.Dir == types.SendOnly {
			f.each(state.Chan, func(l label, way *step) { f.storeTo(i, l, state.Send, "sent on a channel") })
			continue
		}
		elem := elementOf(state.Chan.Type())
		f.loadFrom(i, state.Chan, at(0), part(received), elem, "received from a channel")
		received++
	}
}

func (f *function) box(i *ssa.MakeInterface) {
	o := f.e.object(objectKey{site: i}, func() *object {
		return &object{kind: Interface, name: f.e.names.of(i.X), typ: f.e.names.typ(i.X.Type()), pos: position(i), dyn: i.X.Type(), dynID: typeID(i.X.Type()), owner: f.fn}
	})
	for _, it := range f.typed(i.X).items() {
		e, way := it.entry, it.way
		if o.put(e, way, nil) {
			f.e.changed = true
		}
	}
	f.add(i, entry{at(f.e.layouts.word), label{obj: o}}, (*step)(nil).then(o.pos, f.e.birth(o)))
}

func (f *function) unbox(i *ssa.TypeAssert) {
	if types.IsInterface(i.AssertedType) {
		f.flow(i, i.X)
		return
	}
	asserted := typeID(i.AssertedType)
	for _, it := range f.value(i.X).items() {
		e, way := it.entry, it.way
		o := e.label.obj
		if o.dynID != "" && o.dynID != asserted {
			continue
		}
		if o.symbolic && o.kind == Interface {
			for _, s := range f.e.layouts.of(i.AssertedType).slots {
				if c := o.childAs(at(s.off), s, asserted, f.e.layouts); c != nil {
					f.add(i, entry{at(s.off), label{obj: c}}, way)
				}
			}
			continue
		}
		f.e.load(e.label, i.AssertedType, i, way, func(e entry, way *step) { f.add(i, e, way) })
	}
}

func (f *function) store(i *ssa.Store) {
	targets := 0
	f.each(i.Addr, func(l label, way *step) {
		targets++
		f.storeTo(i, l, i.Val, "")
	})
	if targets == 1 {
		f.each(i.Addr, func(l label, _ *step) { f.kill(i, l) })
	}
}

// kill notes that a store always replaces what was there before.
func (f *function) kill(i *ssa.Store, l label) {
	if l.off.stride != 0 || l.obj.owner != f.fn || l.obj.foreign || l.obj.stride != 0 {
		return
	}
	for _, k := range l.obj.kills {
		if k.site == i {
			return
		}
	}
	l.obj.kills = append(l.obj.kills, kill{i, l.off.base, l.off.base + f.e.layouts.of(i.Val.Type()).size})
}

// storeTo stores a value where l points.
func (f *function) storeTo(site ssa.Instruction, l label, v ssa.Value, note string) {
	entries := f.value(v)
	if l.obj.c {
		entries = f.typed(v)
	}
	for _, it := range entries.items() {
		e, way := it.entry, it.way
		if l.obj.c && e.label.header == "" {
			e.label.header = f.headerAt(v.Type(), e.at)
		}
		f.e.storeValue(f, site, l, e, way.then(site.Pos(), note))
	}
}

// headerAt returns the header that a value of type t has at a place: Slice or String; else "".
func (f *function) headerAt(t types.Type, place offset) Kind {
	for _, s := range f.e.layouts.of(t).slots {
		if place.meets(at(s.off)) {
			return header(s)
		}
	}
	return ""
}

func (f *function) mapUpdate(i *ssa.MapUpdate) {
	f.each(i.Map, func(l label, way *step) {
		f.storeTo(i, l, i.Value, "put into a map")
		f.storeTo(i, l.shift(at(keys)), i.Key, "put into a map")
	})
}

func (f *function) returns(i *ssa.Return) {
	for n, v := range i.Results {
		for _, it := range f.value(v).items() {
			e, way := it.entry, it.way
			e.at = e.at.plus(at(part(n)))
			if f.results.add(e, way) {
				f.e.changed = true
			}
		}
	}
	if name := f.e.exported[f.fn]; name != "" {
		f.returnsToC(i, name)
	}
}
