// Command keptpointer lets C keep a pointer into Go memory, for a callback that comes later.
//
// What is wrong: C may use Go memory during the call that it is passed to, no longer. The garbage collector does not
// see what C keeps. It frees the series as soon as Go has no use for it, and the callback reads what lies there by then.
//
// What finds it: nothing, while the memory happens to be intact. FreeOSMemory does at once what the runtime does in its
// own time, so that the bug shows on every run: the series reads as zeros, its `latest` as NULL.
package main

/*
#include <stdlib.h>

struct series {
	const double *latest; // in C memory
	double history[1 << 16];
};

typedef void (*on_tick)(void *user);

static on_tick subscriber;
static void *subscriber_data;
static double last_seen;

static void report_latest(void *user) {
	const struct series *series = user;
	last_seen = *series->latest;
}

static void subscribe(struct series *series) {
	subscriber = report_latest;
	subscriber_data = series;
}

static double tick(void) {
	subscriber(subscriber_data);
	return last_seen;
}
*/
import "C"

import (
	"fmt"
	"runtime/debug"
)

//go:noinline
func subscribe(value float64) {
	latest := (*C.double)(C.malloc(C.sizeof_double))
	*latest = C.double(value)
	C.subscribe(&C.struct_series{latest: latest})
}

func main() {
	subscribe(12.5)
	fmt.Println("at once:", C.tick())
	debug.FreeOSMemory()
	fmt.Println("after a garbage collection:", C.tick())
}
