// Gives C what it must not get, in ways that the compiler, go vet and cgocheck do not all see, and what it may get.
// Each argument names a way. Built as a library, it does one of them for C.
package main

/*
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct table { int64_t a, b; };
struct box { int32_t tag; uintptr_t word; void *pointer; };
typedef int64_t (*visitor)(void *);

static int as_pointer(void *p) { return p != 0; }
static int as_table(struct table *t) { return t != 0; }
static int as_size(size_t n) { return n != 0; }
static int as_long(long before, long n, double after) { return n != 0; }
static int as_box(struct box *b) { return b->tag; }
static int as_box_value(struct box b) { return b.tag; }
static int as_visitor(visitor v) { return v != 0; }
static double floats(double a, float b) { return a + b; }
static long small(int a, unsigned char b, long c) { return a + b + c; }
static int bytes(const char *p, size_t n) { return n ? p[0] : 0; }
static void nothing(void) {}
static size_t hot(size_t n) { return n + 1; }
extern void Launder(void);
static void call_back(void) { Launder(); }
*/
import "C"

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

type record struct {
	name string
	next *record
}

var global = map[string]int{"a": 1}

var sink any

func helper(m map[string]int) uintptr { return *(*uintptr)(unsafe.Pointer(&m)) }

func header[T any](v T) uintptr { return *(*uintptr)(unsafe.Pointer(&v)) }

func heap(n int) map[string]int {
	m := map[string]int{}
	for i := range make([]int, n) {
		m[fmt.Sprint(i)] = i
	}
	sink = m
	return m
}

// The six ways in which a map can be given to C, then more. The comments say what a trace has to find on the line.
var unsafeWays = map[string]func(){
	"1-cast-of-address":    func() { m := heap(3); C.as_table((*C.struct_table)(unsafe.Pointer(&m))) },    // trace: map
	"2-pointer-to-map":     func() { m := heap(3); C.as_pointer(unsafe.Pointer(&m)) },                     // trace: map
	"3-cast-of-header":     func() { m := heap(3); C.as_table(*(**C.struct_table)(unsafe.Pointer(&m))) },  // trace: map
	"4-address-as-integer": func() { m := heap(3); C.as_size(C.size_t(uintptr(unsafe.Pointer(&m)))) },     // trace: map
	"5-header-as-integer":  func() { m := heap(3); C.as_size(C.size_t(*(*uintptr)(unsafe.Pointer(&m)))) }, // trace: map
	"6-helper":             func() { C.as_size(C.size_t(helper(heap(3)))) },                               // trace: map
	"big-map":              func() { C.as_size(C.size_t(helper(heap(5000)))) },                            // trace: map
	"empty-map":            func() { C.as_size(C.size_t(helper(heap(0)))) },                               // trace: map
	"stack-map": func() {
		m := map[int]int{1: 2}
		C.as_long(1, C.long(header(m)), 2.5) // trace: map
	},
	"global-address": func() { C.as_size(C.size_t(uintptr(unsafe.Pointer(&global)))) }, // trace: map
	"global-header":  func() { C.as_size(C.size_t(helper(global))) },                   // trace: map
	"chan": func() {
		c := make(chan string, 3)
		sink = c
		C.as_long(0, C.long(header(c)), 0) // trace: chan
	},
	"func": func() {
		n := len(os.Args)
		f := func() int { return n }
		sink = f
		C.as_visitor(*(*C.visitor)(unsafe.Pointer(&f))) // trace: func
	},
	"func-as-integer": func() {
		n := len(os.Args)
		f := func() int { return n }
		sink = f
		C.as_size(C.size_t(header(f))) // trace: func
	},
	"heap-as-integer": func() {
		r := &record{name: "x"}
		sink = r
		C.as_size(C.size_t(uintptr(unsafe.Pointer(r)))) // trace: pointer
	},
	"bytes-as-integer": func() {
		b := make([]byte, 1000)
		sink = b
		C.as_size(C.size_t(uintptr(unsafe.Pointer(&b[100])))) // trace: pointer
	},
	"stack-as-integer": func() {
		var x [4]int64
		C.as_size(C.size_t(uintptr(unsafe.Pointer(&x)))) // trace: pointer
	},
	"map-in-c-memory": func() {
		b := (*C.struct_box)(C.malloc(C.sizeof_struct_box))
		*b = C.struct_box{word: C.uintptr_t(helper(heap(3)))}
		C.as_box(b) // trace: map
		C.free(unsafe.Pointer(b))
	},
	"map-in-go-memory": func() {
		b := C.struct_box{word: C.uintptr_t(helper(heap(3)))}
		C.as_box(&b) // trace: map
	},
	"map-and-error":          func() { _, err := C.as_size(C.size_t(helper(heap(3)))); sink = err }, // trace: map
	"called-back":            func() { C.call_back() },
	"map-in-struct-by-value": func() { C.as_box_value(C.struct_box{word: C.uintptr_t(helper(heap(3)))}) }, // trace: map
}

var safeWays = map[string]func(){
	"handle":   func() { C.as_size(C.size_t(cgo.NewHandle(heap(3)))) },
	"c-string": func() { s := C.CString("x"); C.bytes(s, 1); C.free(unsafe.Pointer(s)) },
	"c-memory": func() {
		p := C.malloc(64)
		C.as_pointer(p)
		C.as_size(C.size_t(uintptr(p)))
		C.free(p)
	},
	"first-element": func() {
		b := make([]byte, 100)
		sink = b
		C.bytes((*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(b)))
	},
	"stack-struct":  func() { var t C.struct_table; C.as_table(&t); t.a = 3; C.as_table(&t) },
	"heap-struct":   func() { t := &C.struct_table{1, 2}; sink = t; C.as_table(t) },
	"box-of-zeroes": func() { b := &C.struct_box{tag: 1, word: 5}; sink = b; C.as_box(b); C.as_box_value(*b) },
	"floats": func() {
		m := heap(3)
		C.floats(C.double(math.Float64frombits(uint64(helper(m)))), 1.5)
		C.as_long(1, 2, C.double(math.Float64frombits(uint64(helper(m)))))
	},
	"small-integers": func() { C.small(-1, 255, -1); C.as_size(0); C.as_size(math.MaxUint64); C.as_size(1 << 40) },
	"near-the-heap":  func() { C.as_size(C.size_t(0xc0_4000_0000)) },
	"text-numbers": func() {
		for n := 0x400000; n < 0x800000; n += 0x40000 {
			C.as_size(C.size_t(n))
		}
	},
	"pinned": func() {
		r := &record{name: "x"}
		sink = r
		var pinner runtime.Pinner
		pinner.Pin(r)
		C.as_size(C.size_t(uintptr(unsafe.Pointer(r))))
		pinner.Unpin()
	},
	"null":    func() { C.as_pointer(nil); C.as_table(nil); C.as_box(&C.struct_box{}); C.as_visitor(nil) },
	"nothing": func() { C.nothing() },
	"hot": func() {
		n := C.size_t(0)
		for n < 1_000_000 {
			n = C.hot(n)
		}
	},
	"crowd": func() {
		done := make(chan C.size_t)
		for i := 0; i < 8; i++ {
			go func() {
				runtime.LockOSThread()
				n := C.size_t(0)
				for i := 0; i < 1000; i++ {
					n = C.hot(n)
				}
				done <- n
			}()
		}
		for i := 0; i < 8; i++ {
			if n := <-done; n != 1000 {
				panic(n)
			}
		}
	},
	"visitor": func() { C.as_visitor(C.visitor(C.free)) },
}

//export Launder
func Launder() {
	C.as_size(C.size_t(helper(heap(3)))) // trace: map
}

func main() {
	for _, way := range os.Args[1:] {
		if unsafe, ok := unsafeWays[way]; ok {
			unsafe()
		} else {
			safeWays[way]()
		}
	}
	runtime.KeepAlive(sink)
	fmt.Println("ok")
}
