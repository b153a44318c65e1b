// Command callbacks gives C functions to call, with data for them.
package main

/*
#include <stdint.h>
#include <stddef.h>
typedef int (*cb)(void *);
typedef int (*cmp)(const void *, const void *);
static void register_cb(cb f, void *data) {}
static void set_handler(cb f, uintptr_t data) {}
static void run_now(cb f, void *data) {}
static cb get_cb(void) { return NULL; }
static void call(uintptr_t fn) {}
static void sort(void *base, size_t n, size_t size, cmp f) {}
int goCallback(void *);
*/
import "C"

import (
	"reflect"
	"runtime/cgo"
	"unsafe"
)

type state struct {
	m map[string]int
	n int
}

type flat struct{ a, b int }

//export goCallback
func goCallback(p unsafe.Pointer) C.int { return 0 }

func unsafeCases() {
	m := map[string]int{}
	st := &state{m: m}
	C.register_cb(C.cb(C.goCallback), unsafe.Pointer(&m))                           // want CGS005/map/register_cb
	C.register_cb(C.cb(C.goCallback), unsafe.Pointer(st))                           // want CGS005/map/register_cb
	C.run_now(C.cb(C.goCallback), unsafe.Pointer(st))                               // want CGS005/map/run_now
	C.set_handler(C.cb(C.goCallback), C.uintptr_t(*(*uintptr)(unsafe.Pointer(&m)))) // want CGS005/map/set_handler
	f := func() {}
	C.register_cb((C.cb)(*(*unsafe.Pointer)(unsafe.Pointer(&f))), nil) // want CGS001/func/register_cb
	C.call(C.uintptr_t(reflect.ValueOf(main).Pointer()))               // want CGS002/func/call
	fl := &flat{1, 2}
	C.register_cb(C.get_cb(), unsafe.Pointer(fl))         // want CGS005/pointer/register_cb
	C.register_cb(C.cb(C.goCallback), unsafe.Pointer(fl)) // want CGS005/pointer/register_cb
}

func safeCases() {
	st := &state{n: 3}
	h := cgo.NewHandle(st)
	C.register_cb(C.cb(C.goCallback), unsafe.Pointer(&h))
	C.set_handler(C.cb(C.goCallback), C.uintptr_t(h))
	C.register_cb(C.cb(C.goCallback), nil)
	C.run_now(C.cb(C.goCallback), unsafe.Pointer(&flat{1, 2}))
	ns := []C.int{3, 1, 2}
	C.sort(unsafe.Pointer(&ns[0]), 3, 4, C.cmp(C.goCallback))
	C.run_now(C.get_cb(), unsafe.Pointer(C.CString("x")))
}

func main() {
	unsafeCases()
	safeCases()
}
