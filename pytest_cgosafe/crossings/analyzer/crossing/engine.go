package crossing

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// An engine follows the values of one package until nothing new comes to light.
type engine struct {
	pass    *analysis.Pass
	pkg     *ssa.Package
	layouts *layouts
	names   *names
	imports *imports

	cMemory   *object
	panics    *object // what is thrown by panic and caught by recover
	functions map[*ssa.Function]*function
	queue     []*function // in the order of discovery: callees that are literals first
	objects   map[objectKey]*object
	orders    map[*ssa.Function]*order
	bindings  map[bindingKey]*binding
	exported  map[*ssa.Function]string
	concrete  []types.Type // the package's types that have methods
	findings  *findings
	ignores   *ignores
	sinks     map[sinkKey]*sink

	changed bool
	copied  int
	work    int // entries looked at, up to maxWork
	maxWork int
	unpins  map[*object][]ssa.Instruction
}

// An objectKey says which object is meant: by the instruction or value that makes it, the callee's or container's object
// that it stems from, and a place within that.
type objectKey struct {
	site  any
	of    *object
	place offset
}

// maxRounds bounds the rounds over all functions. Real packages take three to six.
const maxRounds = 30

// The bounds on the work for a package: some seconds with C, and for one without, of which only summaries are wanted, less
// than one. What was found until then is told, and that there may be more.
var maxWorkWithC = 5_000_000

const maxWorkWithoutC = 400_000

func newEngine(pass *analysis.Pass, pkg *ssa.Package, funcs []*ssa.Function) *engine {
	e := &engine{
		pass:      pass,
		pkg:       pkg,
		layouts:   newLayouts(pass.TypesSizes),
		names:     newNames(pass),
		cMemory:   &object{kind: Pointer, c: true, name: "C memory"},
		panics:    &object{kind: Pointer, name: "panic"},
		functions: make(map[*ssa.Function]*function),
		objects:   make(map[objectKey]*object),
		orders:    make(map[*ssa.Function]*order),
		unpins:    make(map[*object][]ssa.Instruction),
		bindings:  make(map[bindingKey]*binding),
		exported:  exportedToC(pass, pkg),
		findings:  newFindings(),
		ignores:   newIgnores(pass),
		sinks:     make(map[sinkKey]*sink),
	}
	e.imports = newImports(e)
	e.maxWork = maxWorkWithoutC
	if usesC(pass) {
		e.maxWork = maxWorkWithC
	}
	for _, name := range pass.Pkg.Scope().Names() {
		if obj, ok := pass.Pkg.Scope().Lookup(name).(*types.TypeName); ok && !obj.IsAlias() {
			if named, ok := obj.Type().(*types.Named); ok && named.TypeParams().Len() == 0 && named.NumMethods() > 0 {
				e.concrete = append(e.concrete, named, types.NewPointer(named))
			}
		}
	}
	for _, fn := range funcs {
		e.function(fn)
	}
	if init := pkg.Func("init"); init != nil {
		e.function(init)
	}
	return e
}

// run looks at all functions until nothing changes any more, and reports whether the work for that was not too much.
func (e *engine) run() bool {
	for round := 0; round < maxRounds; round++ {
		e.changed = false
		for i := 0; i < len(e.queue) && e.work < e.maxWork; i++ {
			e.queue[i].run()
		}
		if !e.changed || e.work >= e.maxWork {
			break
		}
	}
	return e.work < e.maxWork
}

// unfinished says that the work on a package was cut short. That is a warning, no finding.
func (e *engine) unfinished() analysis.Diagnostic {
	return analysis.Diagnostic{
		Pos:      e.pass.Files[0].Package,
		Category: "CGS099//",
		Message:  e.pass.Pkg.Path() + " is too much to follow every value in: crossings may be unseen",
	}
}

// function returns what is known of fn, or nil if its body is not in this package.
func (e *engine) function(fn *ssa.Function) *function {
	if f, ok := e.functions[fn]; ok {
		return f
	}
	if len(fn.Blocks) == 0 || e.generated(fn) {
		return nil
	}
	f := newFunction(e, fn)
	e.functions[fn] = f
	for _, literal := range fn.AnonFuncs {
		e.function(literal)
	}
	e.queue = append(e.queue, f)
	e.changed = true
	return f
}

// object returns the object that key stands for, making it the first time.
func (e *engine) object(key objectKey, build func() *object) *object {
	o, ok := e.objects[key]
	if !ok {
		o = build()
		e.objects[key] = o
	}
	return o
}

// global returns the memory of a package variable.
func (e *engine) global(g *ssa.Global) *object {
	return e.object(objectKey{site: g}, func() *object {
		elem := elementOf(g.Type())
		o := &object{kind: Pointer, name: g.Name(), typ: e.names.typ(elem), pos: g.Pos(), slots: e.layouts.of(elem).slots}
		if e.isCVariable(g) {
			o.put(entry{at(0), label{obj: e.cMemory}}, nil, nil)
		} else if g.Pkg != e.pkg {
			e.imports.variable(g, o)
		}
		return o
	})
}

// code returns the object that a function's value refers to.
func (e *engine) code(fn *ssa.Function) *object {
	return e.object(objectKey{site: fn}, func() *object {
		return &object{kind: Func, name: fn.Name(), typ: "func", pos: fn.Pos(), fn: fn}
	})
}

// made returns the object that a value of type t refers to, of which only the type is known; nil if that says nothing.
func (e *engine) made(f *function, v ssa.Value, part offset, s slot) *object {
	return e.object(objectKey{site: v, place: part}, func() *object {
		o := &object{name: e.names.of(v), typ: e.names.typ(v.Type()), pos: position(v), owner: f.fn, foreign: true}
		o.declare(s, e.layouts)
		return o
	})
}

// position returns where a value comes to be; for one that has no place in the source, where its function does.
func position(v ssa.Value) token.Pos {
	if v.Pos().IsValid() || v.Parent() == nil {
		return v.Pos()
	}
	return v.Parent().Pos()
}
