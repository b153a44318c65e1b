package crossing

import "golang.org/x/tools/go/ssa"

// imports knows what other packages' functions do, and what their variables hold.
type imports struct{ e *engine }

func newImports(e *engine) *imports { return &imports{e} }

func (i *imports) variable(g *ssa.Global, o *object) {}

func (i *imports) function(fn *ssa.Function) *function {
	if origin := fn.Origin(); origin != nil && origin != fn {
		return i.e.function(origin)
	}
	return nil
}
