package inventory

import "go/token"

// A verdict is what the endings of all paths come to.
type verdict struct {
	fate  string
	note  string
	leaks []token.Pos // the returns that lose it
}

// judge weighs the endings of one allocation.
//
// Where Go frees it on one path, Go owns it, and another path that doesn't free it leaks it, though a C function got it.
// But if Go frees it only where it returns an error, and C got it where there is none, then C took it over: that is how
// C interfaces hand over memory. Where Go never frees it, and C got it, C may own it.
func judge(endings []ending) verdict {
	byElement, freedSomewhere, freedOnSuccess := false, false, false
	for _, e := range endings {
		if e.fate == freed {
			freedSomewhere = true
			freedOnSuccess = freedOnSuccess || e.success
			byElement = byElement || e.element
		}
	}
	leaked, round := false, false
	v := verdict{fate: "freed"}
	if len(endings) == 0 {
		return verdict{fate: "escapes", note: "no path returns"}
	}
	for _, e := range endings {
		switch {
		case e.fate == freed, byElement && e.element:
		case e.fate == escaped:
			if v.note == "" {
				v.note = e.why
			}
		case e.given != "" && (!freedSomewhere || e.success && !freedOnSuccess):
			if v.note == "" {
				v.note = "given to " + e.given + ", which may own it"
			}
		default:
			round = round || e.round
			leaked = true
			if !e.round {
				v.leaks = append(v.leaks, e.pos)
			}
		}
	}
	switch {
	case leaked:
		v.fate, v.note = "leaked", ""
		if round {
			v.note = "lost when the loop comes round"
		}
	case v.note != "":
		v.fate = "escapes"
	}
	return v
}
