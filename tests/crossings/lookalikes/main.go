// Command lookalikes has Go functions that look like those which cgo generates, and no C at all.
package main

import "unsafe"

type _Ctype_box struct{ p unsafe.Pointer }

var _Cvar_slot *unsafe.Pointer = new(unsafe.Pointer)

func _Cfunc_use(p unsafe.Pointer) {}

func _C2func_use(p unsafe.Pointer) (int, error) { return 0, nil }

type c struct{}

func (c) use(p unsafe.Pointer) {}

// exportMap is not exported to C: its package has no C.
//
//export exportMap
func exportMap() map[string]int { return nil }

func main() {
	var C c
	m := map[string]int{}
	C.use(unsafe.Pointer(&m))
	_Cfunc_use(unsafe.Pointer(&m))
	_C2func_use(unsafe.Pointer(&m))
	*_Cvar_slot = unsafe.Pointer(&m)
	b := &_Ctype_box{p: unsafe.Pointer(&m)}
	_ = b
	exportMap()
}
