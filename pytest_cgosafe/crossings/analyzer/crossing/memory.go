package crossing

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// load calls found with each entry of the value of type t that lies where l points, as reader sees it.
func (e *engine) load(l label, t types.Type, reader ssa.Instruction, way *step, found func(entry, *step)) {
	lay := e.layouts.of(t)
	if len(lay.slots) == 0 {
		return // too narrow for a pointer, or of a kind that holds none
	}
	o := l.obj
	switch {
	case o.c:
		for _, s := range lay.slots {
			if s.kind == Pointer || s.kind == "" && isPointer(t) {
				found(entry{at(s.off), label{obj: e.cMemory}}, way)
			}
		}
		return
	case o.kind == Func:
		found(entry{at(0), label{obj: o}}, way) // the address of its code
		return
	case o.kind == String:
		return
	}
	e.work += 1 + len(o.contents)
	for _, c := range o.contents {
		en := c.entry
		rel := en.at.minus(l.off)
		if rel.within(0, lay.size) && e.visible(o, en.at, c.sites, reader) {
			found(entry{rel, e.seenAs(o, en, t)}, c.way.join(way))
		}
	}
	e.loadDeclared(l, lay, reader, way, found)
	if o.symbolic {
		for _, s := range lay.slots {
			place := l.off.plus(at(s.off))
			if c := o.child(place, o.slotFor(place, s), e.layouts); c != nil {
				found(entry{at(s.off), label{obj: c}}, way)
			}
		}
	}
}

// seenAs returns the label of an entry of o, with the header that it is part of if it is read as something else.
func (e *engine) seenAs(o *object, en entry, t types.Type) label {
	if !e.layouts.holdsWord(t) {
		return en.label
	}
	for _, s := range o.slots {
		if (s.kind == Slice || s.kind == String) && o.slotAt(s).meets(en.at) {
			en.label.header = s.kind
		}
	}
	return en.label
}

// loadDeclared finds what memory holds by its type, where nothing is known of how it came there.
func (e *engine) loadDeclared(l label, lay *layout, reader ssa.Instruction, way *step, found func(entry, *step)) {
	o := l.obj
	for _, s := range o.slots {
		rel := o.slotAt(s).minus(l.off)
		if !s.declared() || !rel.within(0, lay.size) || e.known(o, o.slotAt(s), reader) {
			continue
		}
		lab := label{obj: e.declared(o, s)}
		if one := len(lay.slots) == 1; one && lay.slots[0].kind != s.kind {
			lab.header = header(s)
		}
		found(entry{rel, lab}, way)
	}
}

// known reports whether what o holds at off was stored by instructions that were seen.
func (e *engine) known(o *object, off offset, reader ssa.Instruction) bool {
	if o.symbolic {
		return true // its caller knows, by way of its child
	}
	for _, c := range o.contents {
		en := c.entry
		if en.at.meets(off) && e.visible(o, en.at, c.sites, reader) {
			return true
		}
	}
	return false
}

// declared returns the object that the word at slot s of o refers to, of which only its type is known.
func (e *engine) declared(o *object, s slot) *object {
	if o.depth >= maxDepth && o.foreign {
		s.elem = nil
	}
	return e.object(objectKey{of: o, place: o.slotAt(s)}, func() *object {
		d := &object{name: o.name, typ: o.typ, pos: o.pos, owner: o.owner, depth: o.depth + 1, foreign: true}
		d.declare(s, e.layouts)
		return d
	})
}

// storeValue notes that site stores an entry where l points.
func (e *engine) storeValue(f *function, site ssa.Instruction, l label, en entry, way *step) {
	o := l.obj
	if o.c {
		e.sink(f, site, en.label, way, e.stored(site.Pos()))
		return
	}
	relative := en
	en.at = en.at.plus(l.off)
	if o.put(en, way, site) {
		e.changed = true
	}
	if o.symbolic || o.owner != f.fn && en.label.obj.owner == f.fn {
		f.effect(effect{kind: storeEffect, label: l, value: relative}, way, site, nil)
	}
}

// copyMemory notes that site copies all that lies where from points to where to points.
func (e *engine) copyMemory(f *function, site ssa.Instruction, to, from label, way *step) {
	e.loadAll(from, site, way, func(en entry, way *step) {
		e.storeValue(f, site, to, en, way)
	})
}

// loadAll is load for memory of an unknown size.
func (e *engine) loadAll(l label, reader ssa.Instruction, way *step, found func(entry, *step)) {
	o := l.obj
	if o.c || o.kind != Pointer && !o.symbolic {
		return
	}
	for _, c := range o.contents {
		en := c.entry
		if e.visible(o, en.at, c.sites, reader) {
			found(entry{en.at.minus(l.off), en.label}, c.way.join(way))
		}
	}
	if o.symbolic && len(o.slots) == 0 {
		if c := o.child(anywhere, slot{}, e.layouts); c != nil {
			found(entry{anywhere, label{obj: c}}, way)
		}
	}
	for _, s := range o.slots {
		place := o.slotAt(s)
		switch {
		case o.symbolic:
			if c := o.child(place, s, e.layouts); c != nil {
				found(entry{place.minus(l.off), label{obj: c}}, way)
			}
		case s.declared() && !e.known(o, place, reader):
			found(entry{place.minus(l.off), label{obj: e.declared(o, s)}}, way)
		}
	}
}

func isPointer(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Pointer:
		return true
	case *types.Basic:
		return t.Kind() == types.UnsafePointer
	}
	return false
}
