// Command exported has functions that C calls.
package main

/*
#include <stdint.h>
typedef struct { void *p; int n; } box;
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"
)

var (
	counts = map[string]int{}
	buffer = make([]byte, 10)
	pinner runtime.Pinner
)

//export goMapWord
func goMapWord() C.uintptr_t {
	return C.uintptr_t(*(*uintptr)(unsafe.Pointer(&counts))) // want CGS004/map/goMapWord
}

//export goMap
func goMap() unsafe.Pointer { return unsafe.Pointer(&counts) } // want CGS004/map/goMap

//export goRawMap
func goRawMap() map[string]int { return counts } // want CGS004/map/goRawMap

//export goChan
func goChan() chan int { return make(chan int) } // want CGS004/chan/goChan

//export goAny
func goAny(n C.int) interface{} {
	x := int(n)
	return x // want CGS004/interface/goAny
}

//export goName
func goName() string { return string(buffer) } // want CGS004/string/goName

//export goBytes
func goBytes() []byte { return buffer } // want CGS004/slice/goBytes

//export goNew
func goNew() *C.box {
	return &C.box{} // want CGS004/pointer/goNew
}

//export goTwo
func goTwo() (C.int, unsafe.Pointer) {
	x := 3
	return 1, unsafe.Pointer(&x) // want CGS004/pointer/goTwo
}

//export goFill
func goFill(out *C.box) {
	out.p = unsafe.Pointer(&counts) // want CGS003/map/
}

//export goOut
func goOut(out *unsafe.Pointer) {
	*out = unsafe.Pointer(&buffer[0]) // want CGS003/pointer/
}

//export goHandle
func goHandle() C.uintptr_t { return C.uintptr_t(cgo.NewHandle(counts)) }

//export goLen
func goLen() C.int { return C.int(len(counts)) }

//export goString
func goString() *C.char { return C.CString("abc") }

//export goSame
func goSame(p unsafe.Pointer) unsafe.Pointer { return p }

//export goNil
func goNil() unsafe.Pointer { return nil }

//export goPinned
func goPinned() unsafe.Pointer {
	x := new(int)
	pinner.Pin(x)
	return unsafe.Pointer(x)
}

//export goConstant
func goConstant() string { return "constant" }

//export goCount
func goCount(out *C.box, h C.uintptr_t) {
	m := cgo.Handle(h).Value().(map[string]int)
	out.n = C.int(m["a"])
}

// goExport is no export: the comment has a blank.
// export goExport
func goExport() map[string]int { return counts }

func main() { goExport() }
