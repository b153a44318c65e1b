package kvstats

// #include <stdlib.h>
// #include "kvstats.h"
// int kvstatsNext(uintptr_t source, char *key, size_t size, double *value);
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Next gives the next entry, and false when there is none.
type Next func() (key string, value float64, ok bool)

// Each goes through a map in the order of its keys.
func Each(values map[string]float64) Next {
	keys := sortedKeys(values)
	return func() (string, float64, bool) {
		if len(keys) == 0 {
			return "", 0, false
		}
		key := keys[0]
		keys = keys[1:]
		return key, values[key], true
	}
}

// SummarizeFunc describes the values from next whose keys begin with prefix.
//
// C gets a [cgo.Handle], a number that means nothing to it, and asks for each entry with it. The map behind next never
// leaves Go.
func SummarizeFunc(next Next, prefix string) (Summary, error) {
	source := cgo.NewHandle(next)
	defer source.Delete()
	cPrefix := C.CString(prefix)
	defer C.free(unsafe.Pointer(cPrefix))

	var summary C.kv_summary
	status := C.kv_summarize_source(C.kv_next(C.kvstatsNext), C.uintptr_t(source), cPrefix, &summary)
	return newSummary(status, &summary)
}

// kvstatsNext is the kv_next of C: the key is written into C's own buffer, so that C holds no Go memory.
//
//export kvstatsNext
func kvstatsNext(source C.uintptr_t, key *C.char, size C.size_t, value *C.double) C.int {
	k, v, ok := cgo.Handle(source).Value().(Next)()
	if !ok {
		return 0
	}
	buffer := unsafe.Slice((*byte)(unsafe.Pointer(key)), int(size))
	if len(k) >= len(buffer) {
		return -1
	}
	buffer[copy(buffer, k)] = 0
	*value = C.double(v)
	return 1
}
