package crossing

import (
	"bytes"
	"encoding/gob"
	"go/types"
	"sort"

	"golang.org/x/tools/go/ssa"
)

// A Fact is what a package tells the packages that import it: an encoded packageFact, decoded only where it is asked for.
type Fact struct{ Data []byte }

func (*Fact) AFact() {}

func (f *Fact) String() string { return "summaries of functions and variables" }

// A packageFact has a package's objects, which labels refer to by number, and what its functions and variables are.
type packageFact struct {
	Objects   []objectFact
	Functions []functionFact
	Named     map[string]int // functions by name
	Variables map[string]int // objects by name
}

type functionFact struct {
	Results []entryFact
	Effects []effectFact
}

type effectFact struct {
	Kind   effectKind
	Label  labelFact
	Value  entryFact
	Sink   *sinkFact
	Result int
	Method string
	Unpin  bool
	Way    []stepFact
	Stored placeFact
	Args   [][]entryFact
}

type sinkFact struct {
	Place    placeFact
	Rule     string
	Text     string
	Function string
	Keeps    bool
}

type entryFact struct {
	Base, Stride int64
	Label        labelFact
	Way          []stepFact
}

type labelFact struct {
	Object       int
	Base, Stride int64
	Low, High    int64
	Every        int64
	Header       Kind
}

type stepFact struct {
	Place placeFact
	Note  string
}

type placeFact struct {
	File string
	Line int
}

type objectFact struct {
	Kind       Kind
	C, Foreign bool
	Name, Type string
	Dynamic    string
	Asserted   string
	Place      placeFact
	Slots      []slotFact
	Stride     int64
	Fn         int // the function that it runs, plus one
	Caught     [][]entryFact
	Owner      int // plus one
	Depth      int
	Symbolic   bool
	Parent     int // plus one
	Root       int
	At, By     int64
	Contents   []entryFact
	Pinned     bool
}

type slotFact struct {
	Off      int64
	Kind     Kind
	TypeWord bool
}

// An exporter numbers the objects and functions of a package that its fact speaks of.
type exporter struct {
	e         *engine
	fact      packageFact
	objects   map[*object]int
	functions map[*ssa.Function]int
}

// fact returns what other packages must know of this one; nil if that is nothing.
func (e *engine) fact() *Fact {
	x := &exporter{e: e, objects: make(map[*object]int), functions: make(map[*ssa.Function]int)}
	x.fact.Named = make(map[string]int)
	x.fact.Variables = make(map[string]int)
	for _, f := range e.queue {
		if name := exportedName(f.fn); name != "" && f.fn.Pkg == e.pkg && len(f.results.items())+len(f.order) > 0 {
			x.fact.Named[name] = x.function(f.fn)
		}
	}
	for _, name := range e.pass.Pkg.Scope().Names() {
		if g, ok := e.pkg.Members[name].(*ssa.Global); ok && g.Object() != nil && g.Object().Exported() {
			if o := e.objects[objectKey{site: g}]; o != nil && len(o.contents) > 0 {
				x.fact.Variables[name] = x.object(o)
			}
		}
	}
	if len(x.fact.Named)+len(x.fact.Variables) == 0 {
		return nil
	}
	var data bytes.Buffer
	if gob.NewEncoder(&data).Encode(&x.fact) != nil {
		return nil
	}
	return &Fact{data.Bytes()}
}

// exportedName returns the name by which other packages can call fn, if they can: T.Name for a method.
func exportedName(fn *ssa.Function) string {
	obj, ok := fn.Object().(*types.Func)
	if !ok || fn.Parent() != nil || fn.Synthetic != "" && fn.Origin() == nil {
		return ""
	}
	return functionName(obj)
}

func functionName(obj *types.Func) string {
	if !obj.Exported() {
		return ""
	}
	recv := obj.Type().(*types.Signature).Recv()
	if recv == nil {
		return obj.Name()
	}
	t := recv.Type()
	if p, ok := t.Underlying().(*types.Pointer); ok {
		if _, isNamed := t.(*types.Named); !isNamed {
			t = p.Elem()
		}
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name() + "." + obj.Name()
	}
	return ""
}

func (x *exporter) function(fn *ssa.Function) int {
	if n, ok := x.functions[fn]; ok {
		return n
	}
	n := len(x.fact.Functions)
	x.functions[fn] = n
	x.fact.Functions = append(x.fact.Functions, functionFact{})
	f := x.e.functions[fn]
	if f == nil {
		return n
	}
	fact := functionFact{Results: x.entries(f.results)}
	for _, e := range f.order {
		if e.method.pkg != nil {
			continue
		}
		if e.sink != nil && x.e.ignores.silences(e.sink.rule.id, e.sink.pos) {
			continue
		}
		fact.Effects = append(fact.Effects, x.effect(e, f.effects[e]))
	}
	x.fact.Functions[n] = fact
	return n
}

func (x *exporter) effect(e effect, how *effected) effectFact {
	fact := effectFact{
		Kind: e.kind, Label: x.label(e.label), Unpin: e.unpin, Way: x.way(how.way),
		Result: -1, Method: e.method.name,
	}
	if how.site != nil {
		fact.Stored = x.place(how.site.Pos())
	}
	if e.kind == storeEffect {
		fact.Value = x.entry(e.value, nil)
	}
	if e.sink != nil {
		fact.Sink = &sinkFact{x.place(e.sink.pos), e.sink.rule.id, e.sink.rule.text, e.sink.function, e.sink.keeps}
	}
	if e.result != nil {
		fact.Result = x.object(e.result)
	}
	for _, arg := range how.args {
		fact.Args = append(fact.Args, x.entries(arg))
	}
	return fact
}

func (x *exporter) entries(s set) []entryFact {
	facts := make([]entryFact, 0, len(s.items()))
	for _, it := range s.items() {
		e, way := it.entry, it.way
		facts = append(facts, x.entry(e, way))
	}
	sortEntries(facts)
	return facts
}

// sortEntries puts entries in an order that does not change from run to run, so that the go command's cache works.
func sortEntries(facts []entryFact) {
	sort.Slice(facts, func(i, j int) bool {
		a, b := facts[i], facts[j]
		if a.Base != b.Base {
			return a.Base < b.Base
		}
		return a.Label.Object < b.Label.Object
	})
}

func (x *exporter) entry(e entry, way *step) entryFact {
	return entryFact{e.at.base, e.at.stride, x.label(e.label), x.way(way)}
}

func (x *exporter) label(l label) labelFact {
	return labelFact{x.object(l.obj), l.off.base, l.off.stride, l.low, l.high, l.every, l.header}
}

func (x *exporter) object(o *object) int {
	if n, ok := x.objects[o]; ok {
		return n
	}
	n := len(x.fact.Objects)
	x.objects[o] = n
	x.fact.Objects = append(x.fact.Objects, objectFact{})
	fact := objectFact{
		Kind: o.kind, C: o.c, Foreign: o.foreign, Name: o.name, Type: o.typ, Dynamic: o.dynID, Asserted: o.asserted, Place: x.place(o.pos), Stride: o.stride, Depth: o.depth,
		Symbolic: o.symbolic, Root: o.root, At: o.place.base, By: o.place.stride, Pinned: len(o.pins) > 0,
	}
	for _, s := range o.slots {
		fact.Slots = append(fact.Slots, slotFact{s.off, s.kind, s.typeWord})
	}
	if o.owner != nil {
		fact.Owner = x.function(o.owner) + 1
	}
	if o.parent != nil {
		fact.Parent = x.object(o.parent) + 1
	}
	if o.fn != nil && x.e.functions[o.fn] != nil {
		fact.Fn = x.function(o.fn) + 1
	}
	for _, caught := range o.caught {
		fact.Caught = append(fact.Caught, x.entries(caught))
	}
	for _, c := range o.contents {
		e := c.entry
		fact.Contents = append(fact.Contents, x.entry(e, c.way))
	}
	sortEntries(fact.Contents)
	x.fact.Objects[n] = fact
	return n
}

func (x *exporter) way(s *step) []stepFact {
	var facts []stepFact
	for _, s := range s.chain() {
		facts = append(facts, stepFact{x.place(s.pos), s.note})
	}
	return facts
}
