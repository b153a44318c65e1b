package main

import "unsafe"

func pointerTo(address uintptr) unsafe.Pointer { return unsafe.Pointer(address) }
