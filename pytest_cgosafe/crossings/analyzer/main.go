// Command analyzer finds Go values that reach C against the cgo pointer-passing rules, and lists what a package
// exchanges with C. The go command runs it:
//
//	go vet -json -vettool=PATH_TO_ANALYZER -cgosafe PACKAGES
//	go vet -json -vettool=PATH_TO_ANALYZER -inventory PACKAGES
package main

import (
	"os"
	"time"

	"golang.org/x/tools/go/analysis/unitchecker"

	"cgosafe.dev/analyzer/crossing"
	"cgosafe.dev/analyzer/inventory"
)

// tooLong is more than any package takes, on a machine that is busy.
const tooLong = 10 * time.Minute

func main() {
	if skip(os.Args) {
		return
	}
	// an analysis that never ended would be taken for a slow one, and hold up a whole CI job
	time.AfterFunc(tooLong, func() { panic("no end after " + tooLong.String()) })
	unitchecker.Main(crossing.Analyzer, inventory.Analyzer)
}
