package inventory

import (
	"sort"

	"golang.org/x/tools/go/ssa"
)

// A summary says what a function does with an allocation that it is given.
type summary struct {
	always    bool // it frees it
	sometimes bool
	through   string
	why       string
	given     string
	results   []part
}

// summary follows an allocation, given as seeds, through a function; nil where there is none, or by recursion.
func (t *tracker) summary(fn *ssa.Function, seeds map[place]bool) *summary {
	if len(seeds) == 0 || fn.Blocks == nil {
		return nil
	}
	s := newState()
	for seed := range seeds {
		s.add(seed)
	}
	key := fn.String() + fn.Name() + itoa(int(fn.Pos())) + s.print()
	if known, ok := t.summaries[key]; ok {
		return known
	}
	t.summaries[key] = nil
	w := t.newWalk(fn, nil)
	w.from(fn.Blocks[0], 0, s)
	t.summaries[key] = summarize(w.endings)
	return t.summaries[key]
}

func summarize(endings []ending) *summary {
	result := &summary{always: len(endings) > 0}
	known := map[part]bool{}
	byElement := false
	for _, e := range endings {
		byElement = byElement || e.fate == freed && e.element
	}
	for _, e := range endings {
		switch {
		case e.fate == freed:
			result.sometimes = true
			if e.element {
				result.through = "[]"
			}
		case byElement && e.element:
		default:
			result.always = false
		}
		if e.fate == escaped && len(e.results) == 0 {
			result.why = e.why
		}
		if result.given == "" {
			result.given = e.given
		}
		for _, p := range e.results {
			if !known[p] {
				known[p] = true
				result.results = append(result.results, p)
			}
		}
	}
	sortParts(result.results)
	return result
}

func sortParts(parts []part) {
	sort.Slice(parts, func(i, j int) bool {
		a, b := parts[i], parts[j]
		return a.result < b.result || a.result == b.result && a.rest < b.rest
	})
}

// callGo applies what a function of this package does with what it is given.
func (t *tracker) callGo(s *state, call *ssa.CallCommon, callee *ssa.Function, result *ssa.Call) {
	seeds := map[place]bool{}
	if closure, ok := unwrapped(call.Value).(*ssa.MakeClosure); ok {
		seeds = t.captured(s, closure)
	}
	for i, argument := range call.Args {
		for _, rest := range t.reach(s, argument) {
			seeds[place{callee.Params[i], rest}] = true
		}
	}
	effect := t.summary(callee, seeds)
	if effect == nil {
		return
	}
	switch {
	case effect.always:
		s.free(place{path: effect.through})
	case effect.sometimes:
		s.escape("freed on some paths of %s", shortName(callee, t.pass.Pkg))
	case effect.why != "":
		s.escape("%s by %s", effect.why, shortName(callee, t.pass.Pkg))
	}
	s.give(effect.given)
	if result == nil {
		return
	}
	for _, part := range effect.results {
		s.add(place{result, resultPath(callee, part)})
	}
}

// resultPath is the way from a call of fn to a part of its results.
func resultPath(fn *ssa.Function, p part) string {
	results := fn.Signature.Results()
	if results.Len() < 2 {
		return p.rest
	}
	way := "." + itoa(p.result)
	if !composite(results.At(p.result).Type()) {
		way += content
	}
	return way + p.rest
}

// captured is what a closure finds of the allocation in the variables that it captures.
func (t *tracker) captured(s *state, closure *ssa.MakeClosure) map[place]bool {
	seeds := map[place]bool{}
	variables := closure.Fn.(*ssa.Function).FreeVars
	for i, binding := range closure.Bindings {
		for _, rest := range s.parts(binding) {
			seeds[place{variables[i], rest}] = true
		}
		held, ok := onlyContent(binding)
		if !ok {
			continue
		}
		inside := contentOf(place{base: variables[i]}, held)
		for _, rest := range s.parts(held) {
			seeds[place{inside.base, inside.path + rest}] = true
		}
	}
	return seeds
}
