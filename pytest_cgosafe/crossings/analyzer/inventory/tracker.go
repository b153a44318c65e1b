package inventory

import (
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// A tracker knows what instructions do with an allocation, and keeps what the package's functions do with theirs.
type tracker struct {
	pass      *analysis.Pass
	summaries map[string]*summary
}

// reach are the ways from v to the allocation, those into a closure among them.
func (t *tracker) reach(s *state, v ssa.Value) []string {
	rests := s.parts(v)
	if closure, ok := unwrapped(v).(*ssa.MakeClosure); ok {
		effect := t.summary(closure.Fn.(*ssa.Function), t.captured(s, closure))
		switch {
		case effect == nil:
		case effect.always:
			rests = append(rests, releases)
		default:
			rests = append(rests, captures)
		}
	}
	return rests
}

func unwrapped(v ssa.Value) ssa.Value {
	for {
		inner := unconverted(v)
		if inner == v {
			return v
		}
		v = inner
	}
}

// call takes a call into account, whose result is the value result (nil for go and defer); false where it never returns.
func (t *tracker) call(s *state, call *ssa.CallCommon, result *ssa.Call) bool {
	if builtin, ok := call.Value.(*ssa.Builtin); ok {
		t.builtin(s, builtin.Name(), call.Args, result)
		return true
	}
	if slicesContain(s.parts(call.Value), releases) {
		s.free(placeOf(call.Value))
	}
	callee := call.StaticCallee()
	if callee == nil {
		t.hand(s, call, "a function that is not known here")
		return true
	}
	if name := cFunction(t.pass.Fset, callee.Object()); name != "" {
		t.callC(s, name, call.Args)
		return true
	}
	if strings.HasPrefix(callee.Name(), "_cgo") || strings.HasPrefix(callee.Name(), "_Cgo") {
		return true
	}
	if callee.Blocks == nil || callee.Pkg != nil && callee.Pkg.Pkg != t.pass.Pkg {
		if harmless(callee) {
			return !noReturn(callee)
		}
		t.hand(s, call, callee.RelString(t.pass.Pkg))
		return true
	}
	t.callGo(s, call, callee, result)
	return true
}

// callC takes a call of a C function into account.
func (t *tracker) callC(s *state, name string, arguments []ssa.Value) {
	for _, argument := range arguments {
		rests := s.parts(argument)
		switch {
		case len(rests) == 0:
		case frees[name] && slicesContain(rests, ""):
			s.free(placeOf(argument))
		case !keepsNothing[name]:
			s.give("C." + name)
		}
	}
}

// hand gives the arguments to a function whose body is not known.
func (t *tracker) hand(s *state, call *ssa.CallCommon, to string) {
	arguments := call.Args
	if call.IsInvoke() {
		to = call.Method.Name()
	}
	for _, argument := range arguments {
		if len(t.reach(s, argument)) > 0 {
			s.escape("given to %s", to)
		}
	}
}

func (t *tracker) builtin(s *state, name string, arguments []ssa.Value, result *ssa.Call) {
	switch name {
	case "append":
		if result == nil {
			return
		}
		for _, argument := range arguments {
			for _, rest := range s.parts(argument) {
				s.add(place{result, anyElement(rest)})
			}
		}
	case "copy":
		for _, rest := range s.parts(arguments[1]) {
			to := placeOf(arguments[0])
			s.add(place{to.base, to.path + anyElement(rest)})
		}
	}
}

// anyElement is the way through a slice, after its elements moved.
func anyElement(rest string) string {
	if all := steps(rest); len(all) > 0 && all[0][0] == '[' {
		return "[]" + strings.Join(all[1:], "")
	}
	return rest
}

// capturing tells whether a call is of a closure of this function, which reads its variables when it runs.
func capturing(call *ssa.CallCommon) bool {
	_, ok := unwrapped(call.Value).(*ssa.MakeClosure)
	return ok
}

// runDeferred applies the deferred calls, the last one first: what they are to find when they run, in variables that
// they capture and in memory that they were given. What they were given itself was looked at when they were deferred.
func (t *tracker) runDeferred(s *state) {
	for i := len(s.deferred) - 1; i >= 0; i-- {
		call := &s.deferred[i].Call
		later := capturing(call)
		for _, argument := range call.Args {
			rests := s.parts(argument)
			later = later || len(rests) > 0 && rests[0] != ""
		}
		if later {
			t.call(s, call, nil)
		}
	}
	s.deferred = nil
}
