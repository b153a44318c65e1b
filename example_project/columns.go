package kvstats

// #include <stdlib.h>
// #include "kvstats.h"
import "C"

import (
	"sort"
	"unsafe"
)

// Summarize describes the values whose keys begin with prefix.
//
// C gets a struct of two arrays, all of it in C memory: pointers from C memory into Go memory are not allowed, and a
// slice of Go strings is full of them.
func Summarize(values map[string]float64, prefix string) (Summary, error) {
	columns := newColumns(values)
	defer freeColumns(columns)
	cPrefix := C.CString(prefix)
	defer C.free(unsafe.Pointer(cPrefix))

	var summary C.kv_summary
	status := C.kv_summarize_columns(columns, cPrefix, &summary)
	return newSummary(status, &summary)
}

func newColumns(values map[string]float64) *C.kv_columns {
	n := len(values)
	columns := (*C.kv_columns)(C.malloc(C.sizeof_kv_columns)) // cgo's C.malloc never returns nil
	keys := (**C.char)(C.malloc(C.size_t(n) * C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	numbers := (*C.double)(C.malloc(C.size_t(n) * C.sizeof_double))
	for i, key := range sortedKeys(values) {
		unsafe.Slice(keys, n)[i] = C.CString(key)
		unsafe.Slice(numbers, n)[i] = C.double(values[key])
	}
	columns.len, columns.keys, columns.values = C.size_t(n), keys, numbers
	return columns
}

func freeColumns(columns *C.kv_columns) {
	for _, key := range unsafe.Slice(columns.keys, int(columns.len)) {
		C.free(unsafe.Pointer(key))
	}
	C.free(unsafe.Pointer(columns.keys))
	C.free(unsafe.Pointer(columns.values))
	C.free(unsafe.Pointer(columns))
}

// sortedKeys makes sums of floating point numbers come out the same on every run: Go's map order is random.
func sortedKeys(values map[string]float64) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
