// Command headers gives C the addresses of Go variables, in one expression or through variables.
package main

/*
#include <stdint.h>
#include <stddef.h>
typedef struct { void *p; } box;
typedef struct counts counts;
static void use(void *p) {}
static void usebox(box *p) {}
static void usecounts(counts *p) {}
static int two(int a, void *p) { return a; }
static void bytes(char *p, size_t n) {}
static void ints(int *p, int n) {}
*/
import "C"

import "unsafe"

type inner struct {
	n int
	m map[string]int
}

type plain struct {
	a, b int
	c    [4]float64
}

type named map[string]int

func unsafeCases() {
	m := map[string]int{"a": 1}
	C.use(unsafe.Pointer(&m))                      // want CGS001/map/use
	C.usebox((*C.box)(unsafe.Pointer(&m)))         // want CGS001/map/usebox
	C.usecounts(*(**C.counts)(unsafe.Pointer(&m))) // want CGS001/map/usecounts
	p := unsafe.Pointer(&m)
	C.use(p) // want CGS001/map/use
	pm := &m
	q := (*C.box)(unsafe.Pointer(pm))
	C.usebox(q) // want CGS001/map/usebox

	ch := make(chan int)
	C.use(unsafe.Pointer(&ch))                     // want CGS001/chan/use
	C.use(*(*unsafe.Pointer)(unsafe.Pointer(&ch))) // want CGS001/chan/use

	f := func() {}
	C.use(unsafe.Pointer(&f))                       // want CGS001/func/use
	C.use(**(**unsafe.Pointer)(unsafe.Pointer(&f))) // want CGS001/func/use

	var i interface{} = 1
	C.use(unsafe.Pointer(&i)) // want CGS001/interface/use
	var e error
	C.use(unsafe.Pointer(&e)) // want CGS001/interface/use

	s := []int{1, 2}
	C.use(unsafe.Pointer(&s)) // want CGS001/slice/use
	str := "abc"
	C.use(unsafe.Pointer(&str)) // want CGS001/string/use

	strs := []string{"a", "b"}
	C.use(unsafe.Pointer(&strs[0]))               // want CGS001/string/use
	C.use(unsafe.Pointer(unsafe.SliceData(strs))) // want CGS001/string/use
	slices := [][]byte{{1}, {2}}
	C.use(unsafe.Pointer(&slices[0])) // want CGS001/slice/use

	x, y := 1, 2
	ps := []*int{&x, &y}
	C.use(unsafe.Pointer(&ps[0])) // want CGS001/pointer/use
	pp := &x
	C.use(unsafe.Pointer(&pp)) // want CGS001/pointer/use

	in := inner{m: m}
	C.use(unsafe.Pointer(&in))   // want CGS001/map/use
	C.use(unsafe.Pointer(&in.m)) // want CGS001/map/use
	ins := []inner{{}, {}}
	C.use(unsafe.Pointer(&ins[1])) // want CGS001/map/use

	nm := named{}
	C.use(unsafe.Pointer(&nm)) // want CGS001/map/use

	var b C.box
	b.p = unsafe.Pointer(&x)
	C.usebox(&b)                            // want CGS001/pointer/usebox
	C.usebox(&C.box{p: unsafe.Pointer(&m)}) // want CGS001/map/usebox

	v, err := C.two(1, unsafe.Pointer(&m)) // want CGS001/map/two
	_, _ = v, err
	C.two( // want CGS001/map/two
		1,
		unsafe.Pointer(
			&m,
		),
	)
	defer C.use(unsafe.Pointer(&m)) // want CGS001/map/use
	go C.use(unsafe.Pointer(&m))    // want CGS001/map/use
	if C.two(2, p) > 0 {            // want CGS001/map/two
		return
	}
	func() {
		C.use(unsafe.Pointer(&m)) // want CGS001/map/use
	}()
}

func safeCases() {
	m := map[string]int{"a": 1}
	n := C.int(len(m))
	v := m["a"]
	C.two(n, nil)
	C.two(C.int(v), unsafe.Pointer(&v))
	in := inner{m: m}
	C.use(unsafe.Pointer(&in.n))
	buf := make([]byte, 10)
	C.use(unsafe.Pointer(&buf[0]))
	C.bytes((*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	C.bytes((*C.char)(unsafe.Pointer(unsafe.SliceData(buf))), C.size_t(len(buf)))
	str := "abc"
	C.bytes((*C.char)(unsafe.Pointer(unsafe.StringData(str))), C.size_t(len(str)))
	var pl plain
	C.use(unsafe.Pointer(&pl))
	pls := make([]plain, 3)
	C.use(unsafe.Pointer(&pls[0]))
	C.use(unsafe.Pointer(&pls[1].c))
	C.use(unsafe.Pointer(&pls[1].c[2]))
	ns := []C.int{1, 2, 3}
	C.ints(&ns[0], C.int(len(ns)))
	var b C.box
	C.usebox(&b)
	b.p = nil
	C.usebox(&b)
	var out *C.box
	C.use(unsafe.Pointer(&out))
	c := C.CString("x")
	cs := []*C.char{c, c}
	C.use(unsafe.Pointer(&cs[0]))
	var arr [4]C.int
	C.ints(&arr[0], 4)
	ms := []inner{{n: 1}, {n: 2}}
	C.use(unsafe.Pointer(&ms[1].n))
}

func main() {
	unsafeCases()
	safeCases()
}

type withBuffer struct {
	buffer [8]byte
	slice  []byte
}

func write(p []byte) {
	for len(p) > 0 {
		C.use(unsafe.Pointer(&p[0]))
		p = p[1+len(p)/2:]
	}
}

func fields(all []withBuffer, i int) {
	C.use(unsafe.Pointer(&all[i].buffer))
	C.use(unsafe.Pointer(&all[i].buffer[i]))
	C.use(unsafe.Pointer(&all[i].slice)) // want CGS001/slice/use
	C.use(unsafe.Pointer(&all[i]))       // want CGS001/slice/use
	s := withBuffer{}
	s.slice = s.buffer[:1]
	write(s.slice)
}
