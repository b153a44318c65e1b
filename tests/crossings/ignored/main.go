// Command ignored silences findings by comments.
package main

/*
#include <stdint.h>
static void use(void *p) {}
static void usei(uintptr_t p) {}
*/
import "C"

import "unsafe"

func main() {
	m := map[string]int{}
	C.use(unsafe.Pointer(&m)) //cgosafe:ignore CGS001 C only compares the address
	//cgosafe:ignore CGS001 C only compares the address
	C.use(unsafe.Pointer(&m))
	C.usei(*(*C.uintptr_t)(unsafe.Pointer(&m))) //cgosafe:ignore CGS001,CGS002 a test of several rules
	C.use(unsafe.Pointer(&m))                   /* another comment */ // want CGS001/map/use
	//cgosafe:ignore all // want CGS090//
	C.use(nil)
	C.use(nil)
}
