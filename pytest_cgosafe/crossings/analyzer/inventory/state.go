package inventory

import (
	"fmt"
	"go/token"
	"sort"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// A fate is what becomes of an allocation on one path.
type fate int

const (
	live    fate = iota // nothing yet
	escaped             // somebody else may free it
	freed
)

// longest is how many steps from its base a value is still followed.
const longest = 8

// A state is what is known at one point of a path.
type state struct {
	fate     fate
	why      string // in which way it escaped
	given    string // the C functions that got it and may keep it, with commas between
	inLoop   bool   // freed as an element
	values   map[place]bool
	deferred []*ssa.Defer
	known    map[string]bool         // conditions met on the path
	phis     map[*ssa.Phi]*ssa.Const // those that are constant on this path
}

func newState() *state {
	return &state{values: map[place]bool{}, known: map[string]bool{}, phis: map[*ssa.Phi]*ssa.Const{}}
}

func (s *state) clone() *state {
	c := newState()
	c.fate, c.why, c.given, c.inLoop = s.fate, s.why, s.given, s.inLoop
	c.deferred = append(c.deferred, s.deferred...)
	for k := range s.values {
		c.values[k] = true
	}
	for k, v := range s.known {
		c.known[k] = v
	}
	for k, v := range s.phis {
		c.phis[k] = v
	}
	return c
}

// print is equal for states that can't be told apart.
func (s *state) print() string {
	var parts []string
	for p := range s.values {
		parts = append(parts, p.base.Name()+p.path)
	}
	for k, v := range s.known {
		parts = append(parts, fmt.Sprint(k, v))
	}
	for k, v := range s.phis {
		parts = append(parts, k.Name()+"="+v.Name())
	}
	sort.Strings(parts)
	return fmt.Sprint(s.fate, s.why, s.given, s.inLoop, parts, s.deferred)
}

// parts are the ways from v to the allocation: "" where v is it.
func (s *state) parts(v ssa.Value) []string {
	var rests []string
	of := placeOf(v)
	for p := range s.values {
		if rest, ok := p.within(of); ok {
			rests = append(rests, rest)
		}
	}
	sort.Strings(rests)
	return rests
}

// is tells whether v is the allocation itself.
func (s *state) is(v ssa.Value) bool {
	for _, rest := range s.parts(v) {
		if rest == "" {
			return true
		}
	}
	return false
}

// add notes that the allocation is at p.
func (s *state) add(p place) {
	if len(steps(p.path)) <= longest {
		s.values[p] = true
	}
}

// forget drops what p and its parts held.
func (s *state) forget(p place) {
	if p.element() {
		return
	}
	for held := range s.values {
		if _, ok := held.within(p); ok && !held.element() {
			delete(s.values, held)
		}
	}
}

// redefine drops what a value meant the last time that a loop came by.
func (s *state) redefine(v ssa.Value) {
	for held := range s.values {
		if held.base == v {
			delete(s.values, held)
		}
	}
}

// escape notes that somebody else can reach the allocation from here on.
func (s *state) escape(format string, arguments ...any) {
	if s.fate == live {
		s.fate, s.why = escaped, fmt.Sprintf(format, arguments...)
	}
}

// give notes that C functions got the allocation, and may keep it.
func (s *state) give(names string) {
	for _, name := range strings.Split(names, ", ") {
		switch {
		case name == "" || slicesContain(strings.Split(s.given, ", "), name):
		case s.given == "":
			s.given = name
		default:
			s.given += ", " + name
		}
	}
}

// free notes that the allocation was freed, found at a place.
func (s *state) free(through place) {
	s.fate = freed
	s.inLoop = s.inLoop || through.element()
}

// inElement tells whether the allocation stands in an element whose index is not known.
func (s *state) inElement() bool {
	for p := range s.values {
		if p.element() {
			return true
		}
	}
	return false
}

// condition names a condition so that two that must be equal have one name, and whether the name is its opposite;
// "" where that can't be known.
func condition(v ssa.Value) (name string, negated bool) {
	switch v := v.(type) {
	case *ssa.UnOp:
		if v.Op == token.NOT {
			name, negated = condition(v.X)
			return name, !negated
		}
	case *ssa.BinOp:
		x, y := term(v.X), term(v.Y)
		if x == "" || y == "" {
			return "", false
		}
		op := v.Op
		if op == token.NEQ {
			op, negated = token.EQL, true
		}
		return strings.Join([]string{x, op.String(), y}, " "), negated
	}
	return term(v), false
}

// term names a value that stays the same between two looks at it.
func term(v ssa.Value) string {
	switch v := v.(type) {
	case *ssa.Const, *ssa.Parameter, *ssa.Call, *ssa.Extract, *ssa.Phi:
		return v.Name()
	case *ssa.Convert:
		return term(v.X)
	case *ssa.ChangeType:
		return term(v.X)
	case *ssa.BinOp:
		if name, negated := condition(v); name != "" {
			return fmt.Sprintf("(%s %v)", name, negated)
		}
	case *ssa.UnOp:
		if held, ok := onlyContent(v.X); ok && v.Op == token.MUL {
			return term(held)
		}
	}
	return ""
}
