// Package tight has C code that is optimised and keeps no frame pointers.
package tight

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer
#include "tight.h"
*/
import "C"
import "unsafe"

// Again is called from C.
var Again func(depth, how int) int

//export tightGo
func tightGo(depth, how C.int) C.int { return C.int(Again(int(depth), int(how))) }

func CallsGo(depth, how int) int { return int(C.tight_calls_go(C.int(depth), C.int(how))) }

func Null(address uintptr) int { return int(C.tight_null((*C.int)(unsafe.Pointer(address)))) }

func Overflow() int { return int(C.tight_overflow(1)) }
