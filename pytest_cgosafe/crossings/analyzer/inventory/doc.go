// Package inventory lists what a package exchanges with C.
//
// It judges nothing: each entry is one call into C, one function that C may call, one C function pointer that leaves
// Go, one copy made between the languages, or one allocation in C's heap with what becomes of it.
//
// Entries travel as diagnostics whose category is "inventory" and whose message is an [Entry] in JSON, because that
// is the one channel which the go command keeps in its cache and prints with -json.
//
// # What becomes of an allocation
//
// A C allocation is the result of a function that is known to allocate (cgo's CString and CBytes; malloc and its kin),
// or of a Go function of the same package that returns such a result. Its value is followed along every path of the
// function, through variables, structs, slices, closures and the functions of the same package that it is given to,
// until the function returns:
//
//   - freed: C's free, or realloc, gets it on every path;
//   - leaked: there is a path on which nobody gets it any more;
//   - escapes: it outlives the function on purpose, as far as can be seen: returned, stored, sent, given to a
//     function elsewhere or, where Go never frees it, given to a C function that may own it from there on;
//   - undecided: too many paths.
//
// Paths that end in a panic or in the program's exit are left out. A condition that was met before on the path keeps
// its outcome. Memory that is freed element by element is believed to be freed wholly.
package inventory
