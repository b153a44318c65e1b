// Command rules breaks each rule of docs/crossings.md once, in the way that its table shows, and keeps to it beside that.
package main

/*
#include <stdint.h>
#include <stdlib.h>

struct holder { void *p; };
typedef void (*callback)(void *);
extern char *current;
static void called(void *user) {}
static callback get_callback(void) { return called; }
static void take(void *p) {}
static void take_number(size_t n) {}
static void take_handle(uintptr_t h) {}
static void take_holder(struct holder h) {}
static void on_event(callback cb, void *user) {}
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

type state struct{ names []string }

var buffer [64]C.char

//export name
func name() *C.char {
	return &buffer[0] // CGS004
}

//export safeName
func safeName() *C.char {
	return C.CString("name")
}

func main() {
	m := map[string]int{"a": 1}
	b := []byte("abc")
	s := &state{}
	h := cgo.NewHandle(m)
	defer h.Delete()

	C.take(unsafe.Pointer(&m)) // CGS001
	C.take_handle(C.uintptr_t(h))

	C.take_number(C.size_t(uintptr(unsafe.Pointer(&m)))) // CGS002
	C.take_number(C.size_t(len(m)))

	C.current = (*C.char)(unsafe.Pointer(&b[0])) // CGS003
	C.current = (*C.char)(C.CBytes(b))

	C.on_event(C.get_callback(), unsafe.Pointer(s)) // CGS005
	C.on_event(C.get_callback(), nil)

	C.take_holder(C.struct_holder{p: unsafe.Pointer(&m)}) // CGS006
	C.take_holder(C.struct_holder{p: C.malloc(8)})

	C.take(unsafe.Pointer(&m)) //cgosafe:ignore CGS001 it looks at the address only
	C.take(unsafe.Pointer(&m)) //cgosafe:ignore CGS001
	C.take(nil)                //cgosafe:ignore CGS001 it was once needed
	//cgosafe:ignore CGS001,CGS002 both are looked at only
	C.take(unsafe.Pointer(&m))
}
