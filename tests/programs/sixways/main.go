// Command sixways gives a map to C in six ways, the one that its argument names. None of them is allowed.
package main

/*
#include <stddef.h>

struct table { void *first; size_t second; };

static int take_table(const struct table *t) { return t != NULL; }
static int take_pointer(const void *p) { return p != NULL; }
static int take_number(size_t n) { return n != 0; }
*/
import "C"

import (
	"os"
	"unsafe"
)

func laundered(m map[string]int) uintptr {
	return *(*uintptr)(unsafe.Pointer(&m))
}

func main() {
	m := map[string]int{"a": 1, "b": 2}
	switch os.Args[1] {
	case "1":
		C.take_table((*C.struct_table)(unsafe.Pointer(&m))) // way 1
	case "2":
		C.take_pointer(unsafe.Pointer(&m)) // way 2
	case "3":
		C.take_table(*(**C.struct_table)(unsafe.Pointer(&m))) // way 3
	case "4":
		C.take_number(C.size_t(uintptr(unsafe.Pointer(&m)))) // way 4
	case "5":
		C.take_number(C.size_t(*(*uintptr)(unsafe.Pointer(&m)))) // way 5
	case "6":
		number := laundered(m)
		C.take_number(C.size_t(number)) // way 6
	}
}
