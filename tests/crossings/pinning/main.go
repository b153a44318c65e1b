// Command pinning pins what it gives to C, or fails to.
package main

/*
#include <stdlib.h>
typedef struct { char *data; int n; } msg;
static void *slot;
static void use(void *p) {}
static void usemsg(msg *m) {}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

type node struct {
	v    int
	next *node
}

func pinAll(p *runtime.Pinner, bufs [][]byte) {
	for i := range bufs {
		p.Pin(&bufs[i][0])
	}
}

func unsafeCases() {
	var p runtime.Pinner
	buf := make([]byte, 8)
	var m C.msg
	m.data = (*C.char)(unsafe.Pointer(&buf[0]))
	C.usemsg(&m) // want CGS001/pointer/usemsg
	p.Pin(&buf[0])
	p.Unpin()
	C.usemsg(&m) // want CGS001/pointer/usemsg

	counts := map[string]int{}
	p.Pin(&counts)
	C.use(unsafe.Pointer(&counts)) // want CGS001/map/use
	n := &node{next: &node{}}
	C.use(unsafe.Pointer(n)) // want CGS001/pointer/use
	self := &node{}
	self.next = self
	C.use(unsafe.Pointer(self)) // want CGS001/pointer/use
	late := make([]byte, 4)
	C.slot = unsafe.Pointer(&late[0]) // want CGS003/pointer/
	p.Pin(&late[0])
	p.Unpin()
}

func safeCases() {
	var p runtime.Pinner
	defer p.Unpin()
	buf := make([]byte, 8)
	p.Pin(&buf[0])
	var m C.msg
	m.data = (*C.char)(unsafe.Pointer(&buf[0]))
	C.usemsg(&m)
	C.slot = unsafe.Pointer(&buf[0])
	n := &node{next: &node{}}
	p.Pin(n.next)
	C.use(unsafe.Pointer(n))
	bufs := [][]byte{make([]byte, 2), make([]byte, 3)}
	pinAll(&p, bufs)
	list := make([]*byte, len(bufs))
	for i := range bufs {
		p.Pin(&bufs[i][0])
		list[i] = &bufs[i][0]
	}
	C.use(unsafe.Pointer(&list[0]))
	self := &node{}
	self.next = self
	p.Pin(self)
	C.use(unsafe.Pointer(self))
	func() {
		var q runtime.Pinner
		defer q.Unpin()
		x := new(int)
		q.Pin(x)
		pp := &x
		C.use(unsafe.Pointer(pp))
	}()
}

func main() {
	unsafeCases()
	safeCases()
}
