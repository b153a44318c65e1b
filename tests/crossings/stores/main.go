// Command stores puts Go values into memory and variables of C.
package main

/*
#include <stdint.h>
#include <stdlib.h>
typedef struct box { void *p; int n; uintptr_t u; struct box *next; } box;
static box gbox;
static void *slot;
static uintptr_t word;
static uintptr_t arr[4];
static box *newbox(void) { return calloc(1, sizeof(box)); }
static void usebox(box *b) {}
static void byval(box b) {}
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

type named struct {
	name string
	n    int
}

type wrapper struct{ c *C.box }

func newWrapper() *wrapper { return &wrapper{c: C.newbox()} }

func (w *wrapper) set(p unsafe.Pointer) { w.c.p = p } // want CGS003/map/

func (w *wrapper) setN(n int) { w.c.n = C.int(n) }

func put(dst *unsafe.Pointer, p unsafe.Pointer) { *dst = p } // want CGS003/map/

func unsafeCases() {
	m := map[string]int{}
	h := *(*uintptr)(unsafe.Pointer(&m))
	C.slot = unsafe.Pointer(&m)   // want CGS003/map/
	C.word = C.uintptr_t(h)       // want CGS003/map/
	C.arr[2] = C.uintptr_t(h)     // want CGS003/map/
	C.gbox.p = unsafe.Pointer(&m) // want CGS003/map/
	C.gbox.u = C.uintptr_t(h)     // want CGS003/map/
	b := C.newbox()
	b.p = unsafe.Pointer(&m) // want CGS003/map/
	b.u = C.uintptr_t(h)     // want CGS003/map/
	(*b).next = &C.box{}     // want CGS003/pointer/
	buf := make([]byte, 8)
	b.p = unsafe.Pointer(&buf[0]) // want CGS003/pointer/
	mem := C.malloc(64)
	*(*map[string]int)(mem) = m // want CGS003/map/
	*(*uintptr)(mem) = h        // want CGS003/map/
	(*[4]uintptr)(mem)[1] = h   // want CGS003/map/
	words := unsafe.Slice((*uintptr)(mem), 8)
	words[3] = h                       // want CGS003/map/
	copy(words, []uintptr{1, h})       // want CGS003/map/
	*(*func())(mem) = func() {}        // want CGS003/func/
	*(*interface{})(mem) = m           // want CGS003/interface/
	*(*chan int)(mem) = make(chan int) // want CGS003/chan/
	s := []int{1}
	*(*[]int)(mem) = s // want CGS003/slice/
	name := string(buf)
	*(*string)(mem) = name                   // want CGS003/string/
	(*named)(mem).name = name                // want CGS003/string/
	*(*named)(mem) = named{name: name, n: 1} // want CGS003/string/
	w := newWrapper()
	w.set(unsafe.Pointer(&m))
	put(&C.slot, unsafe.Pointer(&m))
	*(*unsafe.Pointer)(unsafe.Add(mem, 8)) = unsafe.Pointer(&m) // want CGS003/map/
	q := (*C.box)(C.calloc(2, C.sizeof_box))
	q.next = (*C.box)(unsafe.Pointer(&m)) // want CGS003/map/
	*q = C.box{p: unsafe.Pointer(&m)}     // want CGS003/map/
	var v C.box
	v.u = C.uintptr_t(h)
	C.byval(v)   // want CGS006/map/byval
	C.usebox(&v) // want CGS001/map/usebox
	*q = v       // want CGS003/map/
}

func safeCases() {
	m := map[string]int{"a": 1}
	b := C.newbox()
	b.n = C.int(len(m))
	b.u = C.uintptr_t(m["a"])
	b.p = C.malloc(8)
	b.next = C.newbox()
	b.next = (*C.box)(C.malloc(C.sizeof_box))
	b.p = unsafe.Pointer(C.CString("x"))
	b.p = nil
	C.slot = nil
	C.word = 4
	C.slot = unsafe.Pointer(b)
	h := cgo.NewHandle(m)
	b.u = C.uintptr_t(h)
	C.gbox.u = C.uintptr_t(h)
	mem := C.malloc(64)
	out := unsafe.Slice((*byte)(mem), 64)
	copy(out, "abc")
	copy(out, []byte{1, 2})
	i := 0
	for k, v := range m {
		out[i] = k[0]
		out[i+1] = byte(v)
		i += 2
	}
	w := newWrapper()
	w.setN(len(m))
	var v C.box
	v.p = C.malloc(4)
	v.next = b
	C.byval(v)
	C.usebox(&v)
	C.usebox(b)
	list := []*C.box{b, C.newbox()}
	C.usebox(list[0])
	byName := map[string]*C.box{"b": b}
	C.usebox(byName["b"])
	goBox := &C.box{n: 3}
	C.usebox(goBox)
	goCopy := *b
	goCopy.p = unsafe.Pointer(&m)
	goCopy.p = nil
	C.usebox(&goCopy)
	(*named)(mem).n = 4
}

func main() {
	unsafeCases()
	safeCases()
}
