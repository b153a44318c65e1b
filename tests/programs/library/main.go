// Package main is a library for C: a Go function that calls C, called from C.
package main

/*
#cgo CFLAGS: -O0 -g -fno-omit-frame-pointer
static int fault(int *p) { return *p; }
typedef int (*callback)(int *);
static int call(callback f, int *p) { return f(p); }
*/
import "C"
import "unsafe"

//export InC
func InC(address uintptr) int { return through(address) }

func through(address uintptr) int { return int(C.fault((*C.int)(unsafe.Pointer(address)))) }

//export InGo
func InGo(p *int) int { return read(p) }

//go:noinline
func read(p *int) int { return *p }

//export Back
func Back(f C.callback, address uintptr) int {
	return int(C.call(f, (*C.int)(unsafe.Pointer(address))))
}

func main() {}
