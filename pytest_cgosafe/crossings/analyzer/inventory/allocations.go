package inventory

import (
	"fmt"
	"sort"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// An allocation is a call whose result, or a part of it, is new C memory.
type allocation struct {
	call     *ssa.Call
	function string   // what allocates, as the source has it
	rests    []string // the ways from the result to the memory
}

// allocations lists the C allocations of the package's functions with what becomes of each.
func allocations(pass *analysis.Pass, functions []*ssa.Function) []Entry {
	t := &tracker{pass: pass, summaries: map[string]*summary{}}
	sites := callSites(functions)
	var entries []Entry
	var work []allocation
	for _, fn := range functions {
		for _, call := range sites[fn] {
			callee := call.Call.StaticCallee()
			if callee == nil {
				continue
			}
			if name := cFunction(pass.Fset, callee.Object()); allocates[name] {
				work = append(work, allocation{call: call, function: name, rests: []string{""}})
			}
		}
	}
	known := map[string]bool{}
	for len(work) > 0 {
		a := work[0]
		work = work[1:]
		fn := a.call.Parent()
		endings, whole := t.follow(a)
		if !generatedClosure(fn) {
			entries = append(entries, entry(pass, a, endings, whole))
		}
		made := results(endings)
		key := fmt.Sprint(fn, fn.Name(), fn.Pos(), made)
		if len(made) == 0 || known[key] {
			continue
		}
		known[key] = true
		for _, caller := range functions {
			for _, call := range sites[caller] {
				if call.Call.StaticCallee() == fn {
					work = append(work, derived(a, fn, call, made))
				}
			}
		}
	}
	return entries
}

// callSites are the calls in each function.
func callSites(functions []*ssa.Function) map[*ssa.Function][]*ssa.Call {
	sites := map[*ssa.Function][]*ssa.Call{}
	for _, fn := range functions {
		for _, block := range fn.Blocks {
			for _, instruction := range block.Instrs {
				if call, ok := instruction.(*ssa.Call); ok {
					sites[fn] = append(sites[fn], call)
				}
			}
		}
	}
	return sites
}

// results are where a function returns new C memory that nobody else got; empty where no result is that memory itself.
func results(endings []ending) []part {
	known := map[part]bool{}
	var parts []part
	itself := false
	for _, e := range endings {
		for _, p := range e.results {
			if e.fate == escaped && strings.HasPrefix(e.why, returned) && !known[p] {
				known[p] = true
				parts = append(parts, p)
				itself = itself || p.rest == ""
			}
		}
	}
	if !itself {
		return nil
	}
	sortParts(parts)
	return parts
}

// derived is the allocation that a call of fn returns, which got it from a.
func derived(a allocation, fn *ssa.Function, call *ssa.Call, made []part) allocation {
	d := allocation{call: call, function: a.function}
	if !generatedClosure(fn) {
		d.function = declared(fn).Name()
	}
	for _, p := range made {
		d.rests = append(d.rests, resultPath(fn, p))
	}
	return d
}

// generatedClosure tells whether a function is the closure that cgo puts around a call with pointers: it does nothing
// but this call, whose result it returns.
func generatedClosure(fn *ssa.Function) bool {
	if fn.Parent() == nil {
		return false
	}
	for _, block := range fn.Blocks {
		for _, instruction := range block.Instrs {
			if call, ok := instruction.(*ssa.Call); ok {
				if callee := call.Call.StaticCallee(); callee != nil && callee.Name() == "_cgoCheckPointer" {
					return true
				}
			}
		}
	}
	return false
}

// follow walks all paths from an allocation; not whole where there are too many.
func (t *tracker) follow(a allocation) (endings []ending, whole bool) {
	block := a.call.Block()
	w := t.newWalk(block.Parent(), a.call)
	s := newState()
	for _, rest := range a.rests {
		s.add(place{a.call, rest})
	}
	w.before(block, s)
	for i, instruction := range block.Instrs {
		if instruction == ssa.Instruction(a.call) {
			w.from(block, i+1, s)
		}
	}
	return w.endings, w.steps <= most
}

// before notes what has happened on every path to a block: conditions that were met, functions that were deferred.
func (w *walk) before(block *ssa.BasicBlock, s *state) {
	var chain []*ssa.BasicBlock
	for up := block; up != nil; up = up.Idom() {
		chain = append([]*ssa.BasicBlock{up}, chain...)
	}
	for i, up := range chain {
		for _, instruction := range up.Instrs {
			if instruction == w.begin {
				break
			}
			if deferred, ok := instruction.(*ssa.Defer); ok {
				s.deferred = append(s.deferred, deferred)
			}
		}
		if i == 0 {
			continue
		}
		for k, next := range chain[i-1].Succs {
			if next == up && len(up.Preds) == 1 {
				w.feasible(chain[i-1], k, s)
			}
		}
	}
}

// entry says what the endings of an allocation come to.
func entry(pass *analysis.Pass, a allocation, endings []ending, whole bool) Entry {
	e := Entry{
		What: Allocation, Caller: callerOf(pass, a.call.Parent()), Function: a.function, pos: a.call.Pos(),
	}
	v := judge(endings)
	e.Fate, e.Note = v.fate, v.note
	if !whole {
		e.Fate, e.Note = "undecided", "too many paths to follow"
		return e
	}
	lines := map[int]bool{}
	for _, pos := range v.leaks {
		lines[pass.Fset.Position(pos).Line] = true
	}
	for line := range lines {
		e.Lines = append(e.Lines, line)
	}
	sort.Ints(e.Lines)
	return e
}

func callerOf(pass *analysis.Pass, fn *ssa.Function) string {
	return strings.TrimPrefix(declared(fn).RelString(pass.Pkg), pass.Pkg.Name()+".")
}
