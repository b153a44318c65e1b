package crossing

import "golang.org/x/tools/go/ssa"

// A pin is a call of (*runtime.Pinner).Pin for an object.
type pin struct {
	site   ssa.Instruction
	pinner *object
}

// pin notes that site pins the object that l points to, or undoes all pins of a pinner.
func (e *engine) pin(f *function, site ssa.Instruction, l label, pinner *object, unpin bool) {
	if unpin {
		e.unpin(l.obj, site)
	} else {
		l.obj.pin(pin{site, pinner})
	}
	if l.obj.symbolic && l.obj.owner == f.fn {
		f.effect(effect{kind: pinEffect, label: l, pinner: pinner, unpin: unpin}, nil, site, nil)
	}
}

func (o *object) pin(p pin) {
	for _, known := range o.pins {
		if known == p {
			return
		}
	}
	o.pins = append(o.pins, p)
}

func (e *engine) unpin(pinner *object, site ssa.Instruction) {
	for _, known := range e.unpins[pinner] {
		if known == site {
			return
		}
	}
	e.unpins[pinner] = append(e.unpins[pinner], site)
}

// pinned reports whether an object may be pinned when reader runs.
func (e *engine) pinned(o *object, reader ssa.Instruction) bool {
	for _, p := range o.pins {
		if p.site.Parent() != reader.Parent() || runsLater(reader) {
			return true
		}
		if e.orderOf(reader.Parent()).before(p.site, reader) && !e.unpinned(p, reader) {
			return true
		}
	}
	return false
}

// unpinned reports whether a pin is always undone before reader runs.
func (e *engine) unpinned(p pin, reader ssa.Instruction) bool {
	for _, site := range e.unpins[p.pinner] {
		if _, deferred := site.(*ssa.Defer); deferred || site.Parent() != reader.Parent() {
			continue
		}
		order := e.orderOf(site.Parent())
		if order.before(p.site, site) && order.always(site, reader) {
			return true
		}
	}
	return false
}
