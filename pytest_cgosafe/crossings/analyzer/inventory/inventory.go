package inventory

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"sort"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
	"golang.org/x/tools/go/ssa"
)

// Analyzer reports the inventory of each package that uses cgo.
var Analyzer = &analysis.Analyzer{
	Name:     "inventory",
	Doc:      "list every call into C and back, the copies made and what becomes of C allocations",
	Run:      run,
	Requires: []*analysis.Analyzer{buildssa.Analyzer},
}

// A What says what an entry is about.
type What string

const (
	Call       What = "call"       // Go calls a C function
	Export     What = "export"     // a Go function that C may call by name
	Pointer    What = "pointer"    // the address of a C or exported function leaves Go
	Copy       What = "copy"       // cgo's helpers copy between the languages
	Allocation What = "allocation" // memory in C's heap
)

// An Entry is one line of the inventory. Fields that don't apply are empty.
type Entry struct {
	What     What   `json:"what"`
	Caller   string `json:"caller,omitempty"`
	Function string `json:"function"`
	// Arguments and Results are the values that cross, in order.
	Arguments []Value `json:"arguments,omitempty"`
	Results   []Value `json:"results,omitempty"`
	// GivenTo is the C function that gets a function's address, where it gets it directly.
	GivenTo string `json:"given_to,omitempty"`
	// Fate is freed, leaked, escapes or undecided; Note says how, and Lines are the returns that lose it.
	Fate  string `json:"fate,omitempty"`
	Note  string `json:"note,omitempty"`
	Lines []int  `json:"lines,omitempty"`

	pos token.Pos
}

// A Value is an argument or a result: its type before the conversion to C's, and as C has it.
type Value struct {
	Go string `json:"go"`
	C  string `json:"c"`
}

func run(pass *analysis.Pass) (any, error) {
	gotypes := generated(pass)
	if gotypes == nil {
		return nil, nil
	}
	entries := calls(pass, gotypes)
	program := pass.ResultOf[buildssa.Analyzer].(*buildssa.SSA)
	functions := append([]*ssa.Function(nil), program.SrcFuncs...)
	entries = append(entries, allocations(pass, functions)...)
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].pos < entries[j].pos })
	for _, entry := range entries {
		text, err := json.Marshal(entry)
		if err != nil {
			return nil, err
		}
		pass.Report(analysis.Diagnostic{Pos: entry.pos, Category: "inventory", Message: string(text)})
	}
	return nil, nil
}

// generated is the file that cgo writes for its own declarations; nil in a package without cgo.
func generated(pass *analysis.Pass) *ast.File {
	for _, file := range pass.Files {
		if isGotypes(pass.Fset, file.Package) {
			return file
		}
	}
	return nil
}
