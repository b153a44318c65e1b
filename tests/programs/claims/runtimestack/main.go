// Command runtimestack compares what runtime.Stack returns with the bytes of stack that are in use.
package main

import (
	"fmt"
	"runtime"
	"unsafe"
)

//go:noinline
func small(top uintptr) { report(top) }

//go:noinline
func large(top uintptr) {
	var frame [1 << 16]byte
	report(top)
	runtime.KeepAlive(&frame)
}

//go:noinline
func report(top uintptr) {
	var here byte
	used := top - uintptr(unsafe.Pointer(&here))
	length := runtime.Stack(make([]byte, 4096), false)
	fmt.Printf("runtime.Stack returned %d; from main to here the stack takes %d KiB\n", length, used>>10)
}

func main() {
	grow(8) // so that the stack does not move in between
	var top byte
	small(uintptr(unsafe.Pointer(&top)))
	large(uintptr(unsafe.Pointer(&top)))
}

//go:noinline
func grow(levels int) {
	var frame [1 << 16]byte
	if levels > 1 {
		grow(levels - 1)
	}
	runtime.KeepAlive(&frame)
}
