package crossing

import (
	"bytes"
	"encoding/gob"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// imports knows what other packages' functions do, and what their variables hold.
type imports struct {
	e        *engine
	packages map[*types.Package]*imported
	files    map[string]*token.File
}

// imported is a package's fact, made into objects and functions again.
type imported struct {
	in        *imports
	fact      packageFact
	objects   []*object
	functions []*function
}

func newImports(e *engine) *imports {
	return &imports{e: e, packages: make(map[*types.Package]*imported), files: make(map[string]*token.File)}
}

// of returns what is known of a package; nil if that is nothing.
func (i *imports) of(pkg *types.Package) *imported {
	if p, ok := i.packages[pkg]; ok {
		return p
	}
	i.packages[pkg] = nil
	var fact Fact
	if pkg == nil || !i.e.pass.ImportPackageFact(pkg, &fact) {
		return nil
	}
	p := &imported{in: i}
	if gob.NewDecoder(bytes.NewReader(fact.Data)).Decode(&p.fact) != nil {
		return nil
	}
	p.objects = make([]*object, len(p.fact.Objects))
	p.functions = make([]*function, len(p.fact.Functions))
	i.packages[pkg] = p
	return p
}

// variable fills the memory of another package's variable.
func (i *imports) variable(g *ssa.Global, o *object) {
	if g.Object() == nil {
		return
	}
	p := i.of(g.Object().Pkg())
	if p == nil {
		return
	}
	if n, ok := p.fact.Variables[g.Name()]; ok {
		for _, c := range p.object(n).contents {
			o.put(c.entry, c.way, nil)
		}
	}
}

// function returns the summary of another package's function, or nil.
func (i *imports) function(fn *ssa.Function) *function {
	if origin := fn.Origin(); origin != nil && origin != fn {
		if f := i.e.function(origin); f != nil {
			return f
		}
	}
	obj, ok := fn.Object().(*types.Func)
	if !ok {
		return nil
	}
	p := i.of(obj.Pkg())
	if p == nil {
		return nil
	}
	n, ok := p.fact.Named[functionName(obj.Origin())]
	if !ok {
		return nil
	}
	f := p.function(n)
	i.e.functions[fn] = f
	return f
}

// function makes the n-th function of a package. Its ssa.Function is an empty one: it only tells functions apart.
func (p *imported) function(n int) *function {
	if f := p.functions[n]; f != nil {
		return f
	}
	f := &function{e: p.in.e, fn: new(ssa.Function), effects: make(map[effect]*effected)}
	p.functions[n] = f
	p.in.e.functions[f.fn] = f
	fact := p.fact.Functions[n]
	f.results = p.entries(fact.Results)
	for _, effect := range fact.Effects {
		p.effect(f, effect)
	}
	return f
}

func (p *imported) effect(f *function, fact effectFact) {
	if fact.Kind == callEffect && fact.Result < 0 || fact.Kind == pinEffect && fact.Unpin {
		return
	}
	e := effect{kind: fact.Kind, label: p.label(fact.Label), method: methodName{name: fact.Method}}
	if e.kind == storeEffect {
		e.value, _ = p.entry(fact.Value)
	}
	if fact.Sink != nil {
		e.sink = &sink{pos: p.in.position(fact.Sink.Place), rule: rule{fact.Sink.Rule, fact.Sink.Text},
			function: fact.Sink.Function, keeps: fact.Sink.Keeps}
	}
	if fact.Result >= 0 {
		e.result = p.object(fact.Result)
	}
	how := &effected{way: p.way(fact.Way), pos: p.in.position(fact.Stored)}
	for _, arg := range fact.Args {
		how.args = append(how.args, p.entries(arg))
	}
	f.effects[e] = how
	f.order = append(f.order, e)
}

func (p *imported) entries(facts []entryFact) set {
	s := new(entries)
	for _, fact := range facts {
		e, way := p.entry(fact)
		s.add(e, way)
	}
	return s
}

func (p *imported) entry(fact entryFact) (entry, *step) {
	return entry{offset{fact.Base, fact.Stride}, p.label(fact.Label)}, p.way(fact.Way)
}

func (p *imported) label(fact labelFact) label {
	return label{p.object(fact.Object), offset{fact.Base, fact.Stride}, fact.Low, fact.High, fact.Every, fact.Header}
}

func (p *imported) object(n int) *object {
	if o := p.objects[n]; o != nil {
		return o
	}
	fact := p.fact.Objects[n]
	if fact.C {
		p.objects[n] = p.in.e.cMemory
		return p.objects[n]
	}
	o := &object{
		kind: fact.Kind, foreign: fact.Foreign, name: fact.Name, typ: fact.Type, dynID: fact.Dynamic, asserted: fact.Asserted, pos: p.in.position(fact.Place), stride: fact.Stride,
		depth: fact.Depth, symbolic: fact.Symbolic, root: fact.Root, place: offset{fact.At, fact.By},
	}
	p.objects[n] = o
	for _, s := range fact.Slots {
		o.slots = append(o.slots, slot{off: s.Off, kind: s.Kind, typeWord: s.TypeWord})
	}
	if fact.Owner > 0 {
		o.owner = p.function(fact.Owner - 1).fn
	}
	if fact.Parent > 0 {
		o.parent = p.object(fact.Parent - 1)
	}
	if fact.Fn > 0 {
		o.fn = p.function(fact.Fn - 1).fn
	}
	for _, caught := range fact.Caught {
		o.caught = append(o.caught, p.entries(caught))
	}
	for _, content := range fact.Contents {
		e, way := p.entry(content)
		o.put(e, way, nil)
	}
	if fact.Pinned {
		o.pins = []pin{{}}
	}
	return o
}

func (p *imported) way(facts []stepFact) *step {
	var way *step
	for _, s := range facts {
		way = way.then(p.in.position(s.Place), s.Note)
	}
	return way
}

// maxLine is the last line of another package's file that a position can tell.
const maxLine = 1 << 16

// position returns a position that prints as a place in another package, in a file that has as many lines as bytes.
func (i *imports) position(place placeFact) token.Pos {
	if place.File == "" || place.Line < 1 || place.Line > maxLine {
		return token.NoPos
	}
	file, ok := i.files[place.File]
	if !ok {
		file = i.e.pass.Fset.AddFile(place.File, -1, maxLine)
		lines := make([]int, maxLine)
		for n := range lines {
			lines[n] = n
		}
		file.SetLines(lines)
		i.files[place.File] = file
	}
	return file.Pos(place.Line - 1)
}

// place is the reverse of position.
func (x *exporter) place(pos token.Pos) placeFact {
	if !pos.IsValid() {
		return placeFact{}
	}
	position := x.e.pass.Fset.Position(pos)
	return placeFact{position.Filename, position.Line}
}
