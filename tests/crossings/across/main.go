// Command across leads Go values through other packages.
package main

/*
#include <stdint.h>
static void use(void *p) {}
static void usei(uintptr_t h) {}
*/
import "C"

import (
	"container/list"
	"unsafe"

	"cgosafe.test/crossings/across/clib"
	"cgosafe.test/crossings/across/lib"
)

type sender struct{}

func (sender) Send(p unsafe.Pointer) { C.use(p) } // want CGS001/map/use

type quiet struct{}

func (quiet) Send(p unsafe.Pointer) {}

func unsafeCases() {
	m := map[string]int{}
	C.usei(C.uintptr_t(lib.Header(m)))      // want CGS002/map/usei
	C.usei(C.uintptr_t(lib.Word))           // want CGS002/map/usei
	C.use(lib.Identity(unsafe.Pointer(&m))) // want CGS001/map/use
	b := lib.NewBox(unsafe.Pointer(&m))
	C.use(b.Pointer()) // want CGS001/map/use
	C.use(b.P)         // want CGS001/map/use
	b.Set(lib.Header(m))
	C.usei(C.uintptr_t(b.U))                                           // want CGS002/map/usei
	lib.Apply(func(p unsafe.Pointer) { C.use(p) }, unsafe.Pointer(&m)) // want CGS001/map/use
	C.use(lib.Generic(&m))                                             // want CGS001/map/use
	lib.Run(sender{}, unsafe.Pointer(&m))
	C.usei(C.uintptr_t(lib.Getter(lib.Header(m))())) // want CGS002/map/usei
	clib.Use(unsafe.Pointer(&m))
	ch := make(chan int)
	clib.UseWord(*(*uintptr)(unsafe.Pointer(&ch)))
	clib.New().Set(unsafe.Pointer(&m))
	*(*uintptr)(clib.Alloc()) = lib.Header(m) // want CGS003/map/
	l := list.New()
	l.PushBack(lib.Header(m))
	C.usei(C.uintptr_t(l.Front().Value.(uintptr))) // want CGS002/map/usei
}

func safeCases() {
	m := map[string]int{}
	n := 3
	C.usei(C.uintptr_t(lib.Len(m)))
	C.usei(C.uintptr_t(lib.Number))
	C.use(lib.Identity(unsafe.Pointer(&n)))
	b := lib.NewBox(unsafe.Pointer(&n))
	C.use(b.Pointer())
	C.use(b.P)
	b.Set(3)
	C.usei(C.uintptr_t(b.U))
	C.use(lib.Generic(&n))
	lib.Run(sender{}, unsafe.Pointer(&n))
	lib.Run(quiet{}, unsafe.Pointer(&m))
	C.usei(C.uintptr_t(lib.Getter(4)()))
	clib.UseSafely(unsafe.Pointer(&n))
	clib.New().Set(nil)
	*(*uintptr)(clib.Alloc()) = 3
	l := list.New()
	l.PushBack(uintptr(3))
	C.usei(C.uintptr_t(l.Front().Value.(uintptr)))
}

func main() {
	unsafeCases()
	safeCases()
}
