package crossing

import "golang.org/x/tools/go/ssa"

// order answers which instructions of a function may run before which.
type order struct {
	index   map[ssa.Instruction]int
	reaches [][]bool // by block: whether one leads to another by at least one jump
}

func newOrder(fn *ssa.Function) *order {
	o := &order{index: make(map[ssa.Instruction]int), reaches: make([][]bool, len(fn.Blocks))}
	for _, block := range fn.Blocks {
		for i, instr := range block.Instrs {
			o.index[instr] = i
		}
		seen := make([]bool, len(fn.Blocks))
		todo := append([]*ssa.BasicBlock(nil), block.Succs...)
		for len(todo) > 0 {
			next := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if !seen[next.Index] {
				seen[next.Index] = true
				todo = append(todo, next.Succs...)
			}
		}
		o.reaches[block.Index] = seen
	}
	return o
}

// before reports whether a may run before b.
func (o *order) before(a, b ssa.Instruction) bool {
	if a.Block() == b.Block() && o.index[a] < o.index[b] {
		return true
	}
	return o.reaches[a.Block().Index][b.Block().Index]
}

// always reports whether a has run whenever b runs.
func (o *order) always(a, b ssa.Instruction) bool {
	if a.Block() == b.Block() {
		return o.index[a] < o.index[b]
	}
	return a.Block().Dominates(b.Block())
}

// afterDefers reports whether instr runs after the function's deferred calls, as the reading of named results does.
func (o *order) afterDefers(instr ssa.Instruction) bool {
	if instr.Block() == instr.Parent().Recover {
		return true
	}
	for _, other := range instr.Block().Instrs[:o.index[instr]] {
		if _, ok := other.(*ssa.RunDefers); ok {
			return true
		}
	}
	return false
}

// runsLater reports whether what an instruction calls may run at any time after it.
func runsLater(instr ssa.Instruction) bool {
	switch instr.(type) {
	case *ssa.Go, *ssa.Defer, *ssa.MakeClosure:
		return true
	}
	return false
}

func (e *engine) orderOf(fn *ssa.Function) *order {
	o, ok := e.orders[fn]
	if !ok {
		o = newOrder(fn)
		e.orders[fn] = o
	}
	return o
}

// visible reports whether what an instruction stored into o at off may be there when reader runs.
func (e *engine) visible(o *object, off offset, sites []ssa.Instruction, reader ssa.Instruction) bool {
	for _, site := range sites {
		if site == nil || reader == nil || site.Parent() != reader.Parent() || runsLater(reader) {
			return true
		}
		order := e.orderOf(site.Parent())
		if _, deferred := site.(*ssa.Defer); deferred {
			if order.afterDefers(reader) {
				return true
			}
			continue
		}
		if order.before(site, reader) && !overwritten(o, off, site, reader, order) {
			return true
		}
	}
	return false
}

// overwritten reports whether what site stored at off is always replaced before reader runs.
func overwritten(o *object, off offset, site, reader ssa.Instruction, order *order) bool {
	if off.stride != 0 {
		return false
	}
	for _, k := range o.kills {
		if k.site != site && k.low <= off.base && off.base < k.high && k.site.Parent() == site.Parent() &&
			order.always(k.site, reader) && !order.before(k.site, site) {
			return true
		}
	}
	return false
}
