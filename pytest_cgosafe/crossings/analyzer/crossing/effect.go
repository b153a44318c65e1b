package crossing

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

type effectKind int

const (
	sinkEffect  effectKind = iota // C gets label
	storeEffect                   // value is stored where label points
	callEffect                    // the function that label refers to is called, or the method of the value in an interface
	pinEffect                     // what label points to is pinned, or unpinned
)

// An effect is what a call of a function does beyond its result, where that depends on what its caller hands in.
type effect struct {
	kind   effectKind
	label  label
	value  entry      // of a store
	sink   *sink      // how C gets it
	result *object    // of a call: what stands for its result
	method methodName // of a call through an interface
	pinner *object    // of a pin
	unpin  bool
}

// A methodName names a method: with its package if it is not exported.
type methodName struct {
	pkg  *types.Package
	name string
}

func nameOf(method *types.Func) methodName {
	if method.Exported() {
		return methodName{name: method.Name()}
	}
	return methodName{method.Pkg(), method.Name()}
}

// effected is how an effect comes about.
type effected struct {
	way  *step
	site ssa.Instruction // nil in another package
	pos  token.Pos
	args []set
}

func (f *function) effect(e effect, way *step, site ssa.Instruction, args []set) {
	known, ok := f.effects[e]
	if !ok {
		if len(f.order) >= maxEffects {
			return
		}
		f.effects[e] = &effected{way, site, site.Pos(), args}
		f.order = append(f.order, e)
		f.e.changed = true
		return
	}
	for i, arg := range args {
		if i == len(known.args) {
			known.args = append(known.args, new(entries))
		}
		for _, it := range arg.items() {
			en, way := it.entry, it.way
			if known.args[i] == nil {
				known.args[i] = new(entries)
			}
			if known.args[i].add(en, way) {
				f.e.changed = true
			}
		}
	}
}

// maxEffects bounds the summary of a function.
const maxEffects = 400
