// Command analyzer finds Go values that reach C against the cgo pointer-passing rules. The go command runs it:
//
//	go vet -json -vettool=PATH_TO_ANALYZER -cgosafe PACKAGES
package main

import (
	"golang.org/x/tools/go/analysis/unitchecker"

	"cgosafe.dev/analyzer/crossing"
)

func main() {
	unitchecker.Main(crossing.Analyzer)
}
