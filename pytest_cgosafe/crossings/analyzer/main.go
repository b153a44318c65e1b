// Command analyzer finds Go values that reach C against the cgo pointer-passing rules, and lists what a package
// exchanges with C. The go command runs it:
//
//	go vet -json -vettool=PATH_TO_ANALYZER -cgosafe PACKAGES
//	go vet -json -vettool=PATH_TO_ANALYZER -inventory PACKAGES
package main

import (
	"os"

	"golang.org/x/tools/go/analysis/unitchecker"

	"cgosafe.dev/analyzer/crossing"
	"cgosafe.dev/analyzer/inventory"
)

func main() {
	if skip(os.Args) {
		return
	}
	unitchecker.Main(crossing.Analyzer, inventory.Analyzer)
}
