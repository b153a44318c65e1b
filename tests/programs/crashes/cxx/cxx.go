// Package cxx has C++ code.
package cxx

/*
#cgo LDFLAGS: -lstdc++
#include "cxx.h"
*/
import "C"

func Throw() { C.cxx_throw() }

func Method() int { return int(C.cxx_method()) }

func ThrowNumber() { C.cxx_throw_number() }

func LeaveNoexcept() { C.cxx_leave_noexcept() }

func CallPure() { C.cxx_call_pure() }
