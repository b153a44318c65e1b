// Maps made and written in several ways, for what the compiler makes of them.
package main

import "os"

type counts map[string]int

var kept counts

//go:noinline
func small() int {
	m := map[string]int{}
	m["a"] = 1
	return len(m)
}

//go:noinline
func sized(n int) map[int64]string {
	byNumber := make(map[int64]string, n)
	byNumber[int64(n)] = "n"
	return byNumber
}

//go:noinline
func named(words []string) counts {
	found := make(counts)
	for _, word := range words {
		found[word]++
	}
	return found
}

func tiny(m map[uint32]bool) bool { return m[7] }

//go:noinline
func inlines(m map[uint32]bool) bool { return tiny(m) }

//go:noinline
func escapes() *map[string]int {
	moved := map[string]int{"x": 1}
	return &moved
}

//go:noinline
func unwritten() int {
	var never map[string]int
	return len(never)
}

func main() {
	kept = named(os.Args)
	println(small(), len(sized(3)), inlines(map[uint32]bool{7: true}), len(*escapes()), unwritten())
}
