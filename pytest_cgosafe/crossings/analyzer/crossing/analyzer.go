package crossing

import (
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
)

// Analyzer reports Go values that reach C against the cgo pointer-passing rules.
var Analyzer = &analysis.Analyzer{
	Name:     "cgosafe",
	Doc:      "report Go values that reach C against the cgo pointer-passing rules",
	URL:      "https://pkg.go.dev/cmd/cgo#hdr-Passing_pointers",
	Requires: []*analysis.Analyzer{buildssa.Analyzer},
	Run:      run,
}

func run(pass *analysis.Pass) (any, error) {
	return nil, nil
}
