package kvstats

// #include <stdlib.h>
// #include "kvstats.h"
import "C"

import (
	"errors"
	"unsafe"
)

// Counters counts by key, in C memory. It must be closed.
type Counters struct {
	c *C.kv_counters
}

// NewCounters makes a set of counters, all zero.
func NewCounters() (*Counters, error) {
	c := C.kv_counters_new()
	if c == nil {
		return nil, errors.New("kvstats: out of memory")
	}
	return &Counters{c}, nil
}

// Add adds n to key's counter. The C string is made for the call and freed after it; C keeps a copy of its own.
func (c *Counters) Add(key string, n int64) error {
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	if C.kv_counters_add(c.c, cKey, C.int64_t(n)) != C.KV_OK {
		return errors.New("kvstats: out of memory")
	}
	return nil
}

// Summarize describes the counters whose keys begin with prefix.
func (c *Counters) Summarize(prefix string) (Summary, error) {
	cPrefix := C.CString(prefix)
	defer C.free(unsafe.Pointer(cPrefix))
	var summary C.kv_summary
	status := C.kv_counters_summarize(c.c, cPrefix, &summary)
	return newSummary(status, &summary)
}

// Close frees the counters.
func (c *Counters) Close() {
	C.kv_counters_free(c.c)
	c.c = nil
}
