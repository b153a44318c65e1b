package main

/*
static void use2(void *p) {}
*/
import "C"

import "unsafe"

func wrong() {
	m := map[string]int{}
	C.use2(unsafe.Pointer(&m)) //cgosafe:ignore CGS002 the wrong rule // want CGS001/map/use2 CGS091//
	//cgosafe:ignore CGS001 nothing here // want CGS091//
	C.use2(nil)
	C.use2(unsafe.Pointer(&m)) //cgosafe:ignored CGS001 another directive // want CGS001/map/use2
}
