// Ends at once, with the exit code that it is given.
package main

import "C"

import (
	"os"
	"strconv"
)

func main() {
	if len(os.Args) > 1 {
		code, _ := strconv.Atoi(os.Args[1])
		os.Exit(code)
	}
}
