package crossing

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// A function is what is known of a function's values, and its summary: results and effects in terms of symbolic objects.
type function struct {
	e       *engine
	fn      *ssa.Function
	values  map[ssa.Value]set
	roots   map[objectKey]*object
	results set // by number of the result, see part
	effects map[effect]*effected
	order   []effect
}

func newFunction(e *engine, fn *ssa.Function) *function {
	f := &function{e: e, fn: fn, values: make(map[ssa.Value]set), results: new(entries), effects: make(map[effect]*effected)}
	for i, p := range fn.Params {
		f.values[p] = f.symbols(i, p, p.Type())
	}
	for i, v := range fn.FreeVars {
		f.values[v] = f.symbols(len(fn.Params)+i, v, v.Type())
	}
	return f
}

// symbols returns the entries of a parameter or free variable: all that a caller may hand in.
func (f *function) symbols(root int, v ssa.Value, t types.Type) set {
	entries := new(entries)
	for _, s := range f.e.layouts.of(t).slots {
		if s.typeWord {
			continue
		}
		o := &object{symbolic: true, root: root, place: at(s.off), owner: f.fn, name: v.Name(), typ: f.e.names.typ(t), pos: v.Pos()}
		o.declare(s, f.e.layouts)
		o.c = f.e.exported[f.fn] != "" && f.e.pointsToC(t)
		entries.add(entry{at(s.off), label{obj: o}}, nil)
	}
	return entries
}

// run looks at each instruction once.
func (f *function) run() {
	for _, block := range f.fn.Blocks {
		for _, instr := range block.Instrs {
			f.instruction(instr)
		}
	}
}

// add notes an entry of a value.
func (f *function) add(v ssa.Value, e entry, way *step) {
	f.e.work++
	s := f.values[v]
	if s == nil {
		s = new(entries)
		f.values[v] = s
	}
	if len(s.items()) < maxEntries && s.add(e, way) {
		f.e.changed = true
	}
}

// maxEntries bounds what a value may be. The rest is left out: of a value that may be so many things, that it is an unsafe one
// can hardly be said for sure, and silence is better than a wrong finding.
const maxEntries = 64

// part is where the i-th component of a tuple lies, as an offset.
func part(i int) int64 { return int64(i) << 40 }

const partSize = int64(1) << 40

// value returns the entries of a value.
func (f *function) value(v ssa.Value) set {
	switch v := v.(type) {
	case *ssa.Function:
		return single(entry{at(0), label{obj: f.e.code(v)}}, nil)
	case *ssa.Global:
		return single(entry{at(0), label{obj: f.e.global(v)}}, nil)
	}
	return f.values[v]
}

// each calls found with the entries of a value that lie at its begin: those of a value that is one word wide.
func (f *function) each(v ssa.Value, found func(label, *step)) {
	for _, it := range f.value(v).items() {
		e, way := it.entry, it.way
		if e.at.meets(at(0)) {
			found(e.label, way)
		}
	}
}

// typed returns the entries of a value, and where nothing is known of a word, what its type says.
func (f *function) typed(v ssa.Value) set {
	known := f.value(v)
	if _, constant := v.(*ssa.Const); constant {
		return known
	}
	var all set
	for _, s := range f.e.layouts.of(v.Type()).slots {
		if s.kind == "" || s.typeWord || covered(known, s.off) {
			continue
		}
		if all == nil {
			all = new(entries)
			for _, it := range known.items() {
				all.add(it.entry, it.way)
			}
		}
		o := f.e.made(f, v, at(s.off), s)
		all.add(entry{at(s.off), label{obj: o}}, (*step)(nil).then(o.pos, f.e.birth(o)))
	}
	if all == nil {
		return known
	}
	return all
}

func covered(entries set, off int64) bool {
	for _, it := range entries.items() {
		e := it.entry
		if e.at.meets(at(off)) {
			return true
		}
	}
	return false
}
