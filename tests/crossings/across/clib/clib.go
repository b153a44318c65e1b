// Package clib wraps C functions for other packages.
package clib

/*
#include <stdint.h>
#include <stdlib.h>
typedef struct { void *p; } box;
static void use(void *p) {}
static void usei(uintptr_t h) {}
static box *newbox(void) { return calloc(1, sizeof(box)); }
*/
import "C"

import "unsafe"

type Wrapper struct{ c *C.box }

func New() *Wrapper { return &Wrapper{C.newbox()} }

func (w *Wrapper) Set(p unsafe.Pointer) { w.c.p = p } // want CGS003/map/

func Use(p unsafe.Pointer) { C.use(p) } // want CGS001/map/use

func UseWord(u uintptr) { C.usei(C.uintptr_t(u)) } // want CGS002/chan/usei

func UseSafely(p unsafe.Pointer) { C.use(p) }

func Alloc() unsafe.Pointer { return C.malloc(8) }
