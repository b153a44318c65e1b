// Package kvstats computes statistics over key-value data with a small C library.
//
// C knows nothing of Go's maps, so each way to hand it one is a different bargain:
//
//   - [Summarize] copies keys and values into C memory: simplest, and C may read them at its own speed;
//   - [Counters] lives in C and is filled entry by entry: no second copy of data that comes in a stream;
//   - [SummarizeFunc] copies nothing: C asks Go for one entry after the other.
package kvstats

// #include "kvstats.h"
import "C"

import (
	"errors"
	"fmt"
)

// ErrEmpty says that no key begins with the prefix.
var ErrEmpty = errors.New("kvstats: no such keys")

// ErrKeyTooLong says that a key is longer than C's buffer for it.
var ErrKeyTooLong = fmt.Errorf("kvstats: a key has %d bytes or more", C.KV_KEY_SIZE)

// Summary describes the values whose keys begin with a prefix.
type Summary struct {
	Count               int
	Sum, Mean, Variance float64
	Min, P50, P90, Max  float64
}

func newSummary(status C.kv_status, s *C.kv_summary) (Summary, error) {
	switch status {
	case C.KV_OK:
		return Summary{
			Count: int(s.count), Sum: float64(s.sum), Mean: float64(s.mean), Variance: float64(s.variance),
			Min: float64(s.min), P50: float64(s.p50), P90: float64(s.p90), Max: float64(s.max),
		}, nil
	case C.KV_EMPTY:
		return Summary{}, ErrEmpty
	case C.KV_KEY_TOO_LONG:
		return Summary{}, ErrKeyTooLong
	default:
		return Summary{}, errors.New("kvstats: out of memory")
	}
}
