package crossing

import "golang.org/x/tools/go/analysis"

// Analyzer reports Go values that reach C against the cgo pointer-passing rules.
var Analyzer = &analysis.Analyzer{
	Name: "cgosafe",
	Doc:  "report Go values that reach C against the cgo pointer-passing rules",
	URL:  "https://pkg.go.dev/cmd/cgo#hdr-Passing_pointers",
	Run:  run,

	FactTypes: []analysis.Fact{new(Fact)},
}

func init() {
	Analyzer.Flags.IntVar(&maxWorkWithC, "work", maxWorkWithC, "the bound on the work for a package that uses C")
}

func run(pass *analysis.Pass) (any, error) {
	pkg, funcs := build(pass)
	e := newEngine(pass, pkg, funcs)
	finished := e.run()
	if fact := e.fact(); fact != nil {
		pass.ExportPackageFact(fact)
	}
	for _, d := range append(e.findings.diagnostics(e), e.ignores.diagnostics()...) {
		pass.Report(d)
	}
	if !finished && usesC(pass) {
		pass.Report(e.unfinished())
	}
	return nil, nil
}
