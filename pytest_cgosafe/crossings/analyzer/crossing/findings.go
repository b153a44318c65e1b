package crossing

import (
	"fmt"
	"go/token"
	"sort"

	"golang.org/x/tools/go/analysis"
)

type findingKey struct {
	pos      token.Pos
	function string
	rule     rule
	kind     Kind
}

// findings are the crossings found, each once, with the first way seen.
type findings struct {
	all map[findingKey]finding
}

type finding struct {
	findingKey
	held held
	way  *step
}

func newFindings() *findings { return &findings{make(map[findingKey]finding)} }

func (fs *findings) add(s *sink, h held, way *step) {
	key := findingKey{s.pos, s.function, s.rule, h.kind}
	if _, known := fs.all[key]; !known {
		fs.all[key] = finding{key, h, way}
	}
}

// diagnostics returns the findings in the order of their places, one for each place and C function: the kind that says most.
func (fs *findings) diagnostics(e *engine) []analysis.Diagnostic {
	type place struct {
		pos      token.Pos
		function string
	}
	best := make(map[place]finding)
	for _, f := range fs.all {
		if e.ignores.silences(f.rule.id, f.pos) {
			continue
		}
		p := place{f.pos, f.function}
		if known, ok := best[p]; !ok || rank[f.kind] > rank[known.kind] || rank[f.kind] == rank[known.kind] && f.rule.id < known.rule.id {
			best[p] = f
		}
	}
	var all []analysis.Diagnostic
	for _, f := range best {
		all = append(all, f.diagnostic(e))
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return a.Pos < b.Pos || a.Pos == b.Pos && a.Category < b.Category
	})
	return all
}

func (f finding) diagnostic(e *engine) analysis.Diagnostic {
	d := analysis.Diagnostic{
		Pos:      f.pos,
		Category: fmt.Sprintf("%s/%s/%s", f.rule.id, f.kind, f.function),
		Message:  f.message(),
	}
	note := "C gets it here"
	switch f.rule {
	case inMemory:
		note = "stored in C memory here"
	case asResult:
		note = "returned to C here"
	}
	if f.held.in == nil && f.way == nil || f.held.in != nil && f.held.way == nil {
		d.Related = append(d.Related, birthStep(e, f.held))
	}
	for _, s := range f.held.way.chain() {
		d.Related = append(d.Related, analysis.RelatedInformation{Pos: s.pos, Message: s.note})
	}
	for _, s := range f.way.chain() {
		if n := len(d.Related); n == 0 || d.Related[n-1].Pos != s.pos || d.Related[n-1].Message != s.note {
			d.Related = append(d.Related, analysis.RelatedInformation{Pos: s.pos, Message: s.note})
		}
	}
	d.Related = append(d.Related, analysis.RelatedInformation{Pos: f.pos, Message: note})
	return d
}

func birthStep(e *engine, h held) analysis.RelatedInformation {
	o := h.obj
	return analysis.RelatedInformation{Pos: o.pos, Message: e.birth(o)}
}

// chain returns the steps up to s, first ones first.
func (s *step) chain() []*step {
	if s == nil {
		return nil
	}
	return append(s.prev.chain(), s)
}

var nouns = map[Kind]string{
	Map: "Go map", Chan: "Go channel", Func: "Go function", Interface: "Go interface", Slice: "Go slice", String: "Go string",
	Pointer: "Go pointer",
}

func (f finding) message() string {
	name := f.held.obj.name
	if f.held.in != nil {
		name = f.held.in.name
	}
	if name != "" {
		name = fmt.Sprintf(" `%s`", name)
	}
	if f.held.in != nil && f.kind == Pointer {
		return fmt.Sprintf("Go memory%s that holds a Go pointer reaches C %s", name, f.rule.text)
	}
	return fmt.Sprintf("%s%s reaches C %s", nouns[f.kind], name, f.rule.text)
}
