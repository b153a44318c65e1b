package crossing

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

type bindingKey struct {
	site   ssa.Instruction
	callee *function
}

// A binding is a callee's summary as it applies at one place where it is called: it says what the callee's symbolic objects
// stand for there, and keeps a copy of each object that the callee makes, as each call makes its own.
type binding struct {
	e       *engine
	caller  *function
	site    ssa.Instruction
	callee  *function
	args    []set
	copies  map[*object]*object
	copying map[*object]bool
	results map[*object]set // of calls that the callee makes of functions that it is given
	meaning map[*object]set // what symbolic objects stand for, in this round
}

func (e *engine) bind(caller *function, site ssa.Instruction, callee *function, args []set) *binding {
	key := bindingKey{site, callee}
	b, ok := e.bindings[key]
	if !ok {
		b = &binding{e: e, caller: caller, site: site, callee: callee,
			copies: make(map[*object]*object), results: make(map[*object]set)}
		e.bindings[key] = b
	}
	b.args = args
	b.copying = make(map[*object]bool)
	b.meaning = make(map[*object]set)
	return b
}

// object returns the addresses that an object of the callee stands for.
func (b *binding) object(o *object) set {
	switch {
	case o.c || o.owner != b.callee.fn:
		return single(entry{label: label{obj: o}}, nil)
	case !o.symbolic:
		return single(entry{label: label{obj: b.copyOf(o)}}, nil)
	}
	if known, ok := b.meaning[o]; ok {
		return known
	}
	found := new(entries)
	b.meaning[o] = found
	switch {
	case o.parent == nil:
		if o.root < len(b.args) {
			pick(b.args[o.root], o.place, found)
		}
	case o.parent.root == resultOfCall:
		pick(b.results[o.parent], o.place, found)
	default:
		for _, it := range b.object(o.parent).items() {
			p, way := it.entry, it.way
			if dyn := p.label.obj.dynID; o.asserted != "" && dyn != "" && dyn != o.asserted {
				continue
			}
			if o.asserted != "" && p.label.obj.symbolic {
				if c := p.label.obj.childLike(o, b.e.layouts); c != nil {
					found.add(entry{label: label{obj: c}}, way)
				}
				continue
			}
			b.e.load(p.label.shift(o.place), types.Typ[types.UnsafePointer], b.site, way, func(e entry, way *step) {
				e.label.header = "" // as what the callee reads it, its own label says
				found.add(entry{label: e.label}, way)
			})
		}
	}
	b.meaning[o] = found
	return found
}

// pick adds to found the entries of a value that lie at a place.
func pick(from set, place offset, found set) {
	for _, it := range from.items() {
		e, way := it.entry, it.way
		if e.at.meets(place) {
			found.add(entry{label: e.label}, way)
		}
	}
}

// copyOf returns the copy of an object that the callee makes.
func (b *binding) copyOf(o *object) *object {
	c, ok := b.copies[o]
	if !ok {
		if o.depth >= maxDepth || b.e.copied >= maxCopies {
			return o
		}
		b.e.copied++
		copied := *o
		c = &copied
		c.owner, c.depth = b.caller.fn, o.depth+1
		c.contents, c.kills, c.pins, c.children, c.caught = nil, nil, nil, nil, nil
		b.copies[o] = c
	}
	if b.copying[o] {
		return c
	}
	b.copying[o] = true
	for _, what := range o.contents {
		e := what.entry
		for _, it := range b.label(e.label).items() {
			l, way := it.entry, it.way
			if c.put(entry{e.at, l.label}, what.way.join(way), b.site) {
				b.e.changed = true
			}
		}
	}
	for i, caught := range o.caught {
		if i == len(c.caught) {
			c.caught = append(c.caught, new(entries))
		}
		for _, it := range b.set(caught).items() {
			e, way := it.entry, it.way
			if c.caught[i].add(e, way) {
				b.e.changed = true
			}
		}
	}
	if len(o.pins) > 0 && len(c.pins) == 0 {
		c.pins = []pin{{site: b.site}}
	}
	return c
}

// maxCopies bounds the copies of objects in a package, which recursion through many calls could multiply.
const maxCopies = 50000

// label returns what a label of the callee stands for, as entries at 0.
func (b *binding) label(l label) set {
	found := new(entries)
	b.e.work++
	for _, it := range b.object(l.obj).items() {
		o, way := it.entry, it.way
		b.e.work++
		found.add(entry{label: o.label.apply(l)}, way)
	}
	return found
}

// set returns what the entries of a value of the callee stand for.
func (b *binding) set(s set) set {
	found := new(entries)
	for _, it := range s.items() {
		e, way := it.entry, it.way
		for _, it := range b.label(e.label).items() {
			l, first := it.entry, it.way
			found.add(entry{e.at, l.label}, way.join(first))
		}
	}
	return found
}

// apply lets the caller have the effects of the callee, and returns the callee's results.
func (b *binding) apply() set {
	for i := 0; i < len(b.callee.order) && b.e.work < b.e.maxWork; i++ {
		e := b.callee.order[i]
		b.effect(e, b.callee.effects[e])
	}
	return b.set(b.callee.results)
}

func (b *binding) effect(e effect, how *effected) {
	for _, it := range b.label(e.label).items() {
		l, way := it.entry, it.way
		way = how.way.join(way)
		switch e.kind {
		case sinkEffect:
			b.e.sink(b.caller, b.site, l.label, way, e.sink)
		case storeEffect:
			b.store(e, how, l.label)
		case callEffect:
			b.call(e, how, l.label)
		case pinEffect:
			b.e.pin(b.caller, b.site, l.label, e.pinner, e.unpin)
		}
	}
}

func (b *binding) store(e effect, how *effected, target label) {
	for _, it := range b.label(e.value.label).items() {
		v, way := it.entry, it.way
		way = how.way.join(way)
		if target.obj.c {
			b.e.sink(b.caller, b.site, v.label, way, b.e.stored(how.pos))
			continue
		}
		b.e.storeValue(b.caller, b.site, target, entry{e.value.at, v.label}, way)
	}
}

func (b *binding) call(e effect, how *effected, callee label) {
	args := make([]set, len(how.args))
	for i, arg := range how.args {
		args[i] = b.set(arg)
	}
	results := b.caller.callLabel(b.site, callee, e.method, args)
	known := b.results[e.result]
	if known == nil {
		known = new(entries)
		b.results[e.result] = known
	}
	for _, it := range results.items() {
		r, way := it.entry, it.way
		if known.add(r, way) {
			b.e.changed = true
		}
	}
}
