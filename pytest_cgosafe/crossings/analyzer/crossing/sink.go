package crossing

import (
	"go/token"
	"go/types"
	"regexp"

	"golang.org/x/tools/go/ssa"
)

// A rule is the way in which C gets a value. Its text is what follows "reaches C".
type rule struct{ id, text string }

var (
	asPointer = rule{"CGS001", "as a pointer"}
	asInteger = rule{"CGS002", "as an integer"}
	inMemory  = rule{"CGS003", "stored in C memory"}
	asResult  = rule{"CGS004", "as the result of an exported function"}
	asData    = rule{"CGS005", "as data for a callback"}
	byValue   = rule{"CGS006", "in a struct"}
)

func ruleOf(param types.Type, callback bool) rule {
	switch t := param.Underlying().(type) {
	case *types.Struct, *types.Array:
		return byValue
	case *types.Pointer:
		return asPointer
	case *types.Basic:
		if callback {
			return asData
		}
		if t.Info()&types.IsInteger != 0 {
			return asInteger
		}
	}
	return asPointer
}

// A sink is a place where C gets a value.
type sink struct {
	pos      token.Pos
	rule     rule
	function string
	// keeps says that C has the value for longer than a call lasts, so that it may be no unpinned Go pointer at all.
	keeps bool
}

// sinkAt returns the sink of a call's i-th argument, or of a store or return.
func (e *engine) sinkAt(site any, i int, build func() *sink) *sink {
	key := sinkKey{site, i}
	s, ok := e.sinks[key]
	if !ok {
		s = build()
		e.sinks[key] = s
	}
	return s
}

type sinkKey struct {
	site any // the instruction; its position for a store
	arg  int
}

// stored returns the sink of a store into C memory at pos.
func (e *engine) stored(pos token.Pos) *sink {
	return e.sinkAt(pos, 0, func() *sink { return &sink{pos: pos, rule: inMemory, keeps: true} })
}

func (f *function) returnsToC(i *ssa.Return, name string) {
	for n, v := range i.Results {
		s := f.e.sinkAt(i, n, func() *sink { return &sink{pos: i.Pos(), rule: asResult, function: name, keeps: true} })
		for _, it := range f.typed(v).items() {
			e, way := it.entry, it.way
			if e.label.header == "" {
				e.label.header = f.headerAt(v.Type(), e.at)
			}
			if !e.label.obj.symbolic {
				f.e.sink(f, i, e.label, way, s)
			}
		}
	}
}

var registering = regexp.MustCompile(`(?i)(^|_)(register|set|add|on|install|subscribe|attach|connect|bind|listen|hook|watch|` +
	`schedule|defer|atexit|observe)(_|$|[a-z]*_?(callback|handler|cb|hook|listener|userdata|data|func|fn|notify))`)

// registers reports whether a C function by its name keeps the function that it is given, and the data for it. What it really
// does only its C code tells.
func registers(name string) bool { return registering.MatchString(name) }

// sink notes that site gives C what l says, or leaves it to the callers of f when only they know what it is.
func (e *engine) sink(f *function, site ssa.Instruction, l label, way *step, s *sink) {
	if held, bad := e.judge(l, s.keeps, site, nil); bad {
		e.findings.add(s, held, way)
		return
	}
	if e.dependsOnCaller(l, f.fn, nil) {
		f.effect(effect{kind: sinkEffect, label: l, sink: s}, way, site, nil)
	}
}

// held is a Go reference that C gets: itself, or in memory that C may look at.
type held struct {
	kind Kind
	obj  *object // what it refers to, or the memory that holds it
	in   *object // the memory that holds it; nil if C gets it itself
	way  *step   // how it came into that memory
}

// judge reports whether the cgo rules forbid that C gets what l says when reader runs. With keeps, C must not get any unpinned
// Go pointer; without, it may get one to memory that holds none itself.
func (e *engine) judge(l label, keeps bool, reader ssa.Instruction, seen map[label]bool) (held, bool) {
	o := l.obj
	switch {
	case o.c:
		return held{}, false
	case o.kind == Map || o.kind == Chan || o.kind == Func || o.kind == Interface:
		return held{kind: o.kind, obj: o}, true
	case o.kind == String:
		return held{kind: String, obj: o}, keeps && !e.pinned(o, reader)
	}
	if seen == nil {
		seen = make(map[label]bool)
	}
	worst, bad := held{}, false
	if !seen[l] && len(seen) < maxJudged {
		seen[l] = true
		worst, bad = e.judgeMemory(l, reader, seen)
	}
	if keeps && !o.isHandle() && (l.header != "" || !o.symbolic && !o.foreign) && !e.pinned(o, reader) {
		own := held{kind: Pointer, obj: o}
		if l.header != "" {
			own.kind = l.header
		}
		if !bad || rank[own.kind] >= rank[worst.kind] {
			return own, true
		}
	}
	return worst, bad
}

// maxJudged bounds how many objects are looked at that C could reach through one value.
const maxJudged = 100

// judgeMemory looks for what C must not see in the memory that l points to.
func (e *engine) judgeMemory(l label, reader ssa.Instruction, seen map[label]bool) (worst held, bad bool) {
	o := l.obj
	consider := func(inner label, way *step, s slot) {
		h, found := e.judge(inner, true, reader, seen)
		if !found {
			return
		}
		if s.declared() {
			h.kind = s.kind
		}
		if rank[h.kind] > rank[worst.kind] {
			h.in, h.way = o, way
			worst, bad = h, true
		}
	}
	e.work += 1 + len(o.contents)
	for _, c := range o.contents {
		en := c.entry
		if l.covers(en.at) && e.visible(o, en.at, c.sites, reader) {
			consider(en.label, c.way, o.slotFor(en.at, slot{}))
		}
	}
	for _, s := range o.slots {
		place := o.slotAt(s)
		switch {
		case !s.declared() || s.typeWord || !l.covers(place):
		case o.symbolic:
			if c := o.child(place, s, e.layouts); c != nil {
				consider(label{obj: c, header: header(s)}, nil, s)
			}
		case !e.known(o, place, reader):
			consider(label{obj: e.declared(o, s), header: header(s)}, nil, s)
		}
	}
	return worst, bad
}

func header(s slot) Kind {
	if s.kind == Slice || s.kind == String {
		return s.kind
	}
	return ""
}

// dependsOnCaller reports whether what C sees through l may be something that the caller of fn hands in.
func (e *engine) dependsOnCaller(l label, fn *ssa.Function, seen map[*object]bool) bool {
	o := l.obj
	if o.c || o.owner != fn || seen[o] || len(seen) > maxJudged {
		return false
	}
	if o.symbolic {
		return true
	}
	if seen == nil {
		seen = make(map[*object]bool)
	}
	seen[o] = true
	e.work += 1 + len(o.contents)
	for _, c := range o.contents {
		en := c.entry
		if l.covers(en.at) && e.dependsOnCaller(en.label, fn, seen) {
			return true
		}
	}
	return false
}
