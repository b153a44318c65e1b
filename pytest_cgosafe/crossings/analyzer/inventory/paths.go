package inventory

import (
	"go/token"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// most is how many steps, from block to block, are followed for one allocation.
const most = 5000

// returned begins what is said of an allocation that escapes as a result.
const returned = "returned"

// An ending is how one path ended.
type ending struct {
	fate    fate
	why     string
	given   string
	element bool // it stood in an element, or was freed there
	success bool // the function returned a nil error
	round   bool // a loop came back to the allocation
	pos     token.Pos
	results []part
}

// A part of a result is the allocation: the result's number and the way from there.
type part struct {
	result int
	rest   string
}

// A walk follows one value along the paths of a function.
type walk struct {
	tracker *tracker
	fn      *ssa.Function
	begin   ssa.Instruction // the allocation; nil for a walk from the function's entry
	seen    map[string]bool
	endings []ending
	steps   int
	repeats map[string]int // how often a condition occurs in the function
}

func (t *tracker) newWalk(fn *ssa.Function, begin ssa.Instruction) *walk {
	w := &walk{tracker: t, fn: fn, begin: begin, seen: map[string]bool{}, repeats: map[string]int{}}
	for _, block := range fn.Blocks {
		if branch, ok := block.Instrs[len(block.Instrs)-1].(*ssa.If); ok {
			name, _ := condition(branch.Cond)
			w.repeats[name]++
		}
	}
	return w
}

// from follows the paths from an instruction of a block on.
func (w *walk) from(block *ssa.BasicBlock, first int, s *state) {
	if w.steps++; w.steps > most {
		return
	}
	for _, instruction := range block.Instrs[first:] {
		if instruction == w.begin {
			w.again(s)
			return
		}
		if v, ok := instruction.(ssa.Value); ok {
			s.redefine(v)
		}
		if !w.step(instruction, s) {
			return
		}
	}
	for i, next := range block.Succs {
		after := s
		if len(block.Succs) > 1 {
			after = s.clone()
		}
		if w.feasible(block, i, after) {
			w.enter(block, next, after)
		}
	}
}

// again ends a path that comes back to the allocation, whose next result takes the place of this one.
func (w *walk) again(s *state) {
	w.tracker.runDeferred(s)
	if s.fate == live && s.inElement() {
		return // kept in an element; the path that leaves the loop tells
	}
	w.end(s, ending{round: true, success: true})
}

func (w *walk) end(s *state, e ending) {
	e.fate, e.why, e.given = s.fate, s.why, s.given
	e.element = s.inLoop || s.inElement()
	w.endings = append(w.endings, e)
}

// enter goes on in the next block, once for each state.
func (w *walk) enter(from, to *ssa.BasicBlock, s *state) {
	if to.Dominates(from) {
		s.known = map[string]bool{} // a new round
	}
	edge := 0
	for i, before := range to.Preds {
		if before == from {
			edge = i
		}
	}
	before := s.clone() // phis take their values at once
	for _, instruction := range to.Instrs {
		phi, ok := instruction.(*ssa.Phi)
		if !ok {
			break
		}
		s.redefine(phi)
		for _, rest := range w.tracker.reach(before, phi.Edges[edge]) {
			s.add(place{phi, rest})
		}
		delete(s.phis, phi)
		delete(s.known, phi.Name())
		if constant, ok := phi.Edges[edge].(*ssa.Const); ok {
			s.phis[phi] = constant
		} else if inner, ok := phi.Edges[edge].(*ssa.Phi); ok && before.phis[inner] != nil {
			s.phis[phi] = before.phis[inner]
		}
	}
	key := to.String() + s.print()
	if !w.seen[key] {
		w.seen[key] = true
		w.from(to, 0, s)
	}
}

// step takes one instruction into account; false where the path ends.
func (w *walk) step(instruction ssa.Instruction, s *state) bool {
	t := w.tracker
	switch in := instruction.(type) {
	case *ssa.Store:
		t.store(s, in.Addr, in.Val)
	case *ssa.MapUpdate:
		t.put(s, extend(placeOf(in.Map), "[]"), in.Value)
	case *ssa.Send:
		if len(t.reach(s, in.X)) > 0 {
			s.escape("sent to a channel")
		}
	case *ssa.Call:
		return t.call(s, &in.Call, in)
	case *ssa.Go:
		t.call(s, &in.Call, nil)
	case *ssa.Defer:
		s.deferred = append(s.deferred, in)
		if !capturing(&in.Call) {
			t.call(s, &in.Call, nil)
		}
	case *ssa.RunDefers:
		t.runDeferred(s)
	case *ssa.Return:
		w.returned(s, in)
		return false
	case *ssa.Panic:
		return false
	}
	return true
}

func (w *walk) returned(s *state, in *ssa.Return) {
	e := ending{pos: in.Pos(), success: true}
	if !e.pos.IsValid() && w.fn.Syntax() != nil {
		e.pos = w.fn.Syntax().End() - 1
	}
	for i, result := range in.Results {
		for _, rest := range w.tracker.reach(s, result) {
			e.results = append(e.results, part{i, rest})
			if s.fate == live {
				s.escape("%s%s", returned, inside(rest))
			}
		}
		if isError(result.Type()) {
			constant, ok := result.(*ssa.Const)
			e.success = ok && constant.IsNil()
		}
	}
	w.end(s, e)
}

func inside(rest string) string {
	switch {
	case rest == "":
		return ""
	case strings.HasSuffix(rest, releases):
		return " in a function that frees it"
	case strings.HasSuffix(rest, captures):
		return " in a closure"
	default:
		return " as part of a value"
	}
}

// feasible tells whether a path may go on to the i-th successor, and notes what that says about the conditions.
func (w *walk) feasible(block *ssa.BasicBlock, i int, s *state) bool {
	branch, ok := block.Instrs[len(block.Instrs)-1].(*ssa.If)
	if !ok {
		return true
	}
	name, negated := condition(branch.Cond)
	holds := (i == 0) != negated // of the condition as named
	if value, ok := w.decided(branch.Cond, s); ok {
		return value == (i == 0)
	}
	if name == "" {
		return true
	}
	if known, ok := s.known[name]; ok {
		return known == holds
	}
	if w.repeats[name] > 1 {
		s.known[name] = holds
	}
	return true
}

// decided is what a condition comes to on this path: the allocation is not nil, and some phis are constants.
func (w *walk) decided(v ssa.Value, s *state) (value, ok bool) {
	switch v := v.(type) {
	case *ssa.Phi:
		if constant := s.phis[v]; constant != nil && constant.Value != nil {
			return constant.Value.ExactString() == "true", true
		}
	case *ssa.UnOp:
		if v.Op == token.NOT {
			value, ok = w.decided(v.X, s)
			return !value, ok
		}
	case *ssa.BinOp:
		if v.Op != token.EQL && v.Op != token.NEQ {
			return false, false
		}
		equal, ok := w.equal(v.X, v.Y, s)
		return equal == (v.Op == token.EQL), ok
	}
	return false, false
}

func (w *walk) equal(x, y ssa.Value, s *state) (value, ok bool) {
	if constant, ok := x.(*ssa.Const); ok && constant.IsNil() {
		x, y = y, x
	}
	constant, ok := y.(*ssa.Const)
	if !ok {
		return false, false
	}
	if phi, ok := x.(*ssa.Phi); ok && s.phis[phi] != nil {
		return s.phis[phi].Name() == constant.Name(), true
	}
	if constant.IsNil() && s.is(x) {
		return false, true
	}
	return false, false
}
