// Command integers gives C the words of Go values as integers.
package main

/*
#include <stdint.h>
#include <stddef.h>
static void sum(size_t h) {}
static void usei(uintptr_t h) {}
static void usell(long long h) {}
static void useint(int h) {}
static void use(void *p) {}
static uintptr_t echo(uintptr_t h) { return h; }
*/
import "C"

import (
	"reflect"
	"runtime/cgo"
	"unsafe"
)

func word(m map[string]int) uintptr {
	return *(*uintptr)(unsafe.Pointer(&m))
}

func address(p unsafe.Pointer) C.size_t { return C.size_t(uintptr(p)) }

func generic[T any](v T) uintptr { return *(*uintptr)(unsafe.Pointer(&v)) }

func genericAddress[T any](v *T) uintptr { return uintptr(unsafe.Pointer(v)) }

func several(m map[string]int) (int, uintptr, error) {
	return len(m), *(*uintptr)(unsafe.Pointer(&m)), nil
}

func namedResult(m map[string]int) (h uintptr) {
	defer func() { h = *(*uintptr)(unsafe.Pointer(&m)) }()
	return 0
}

func unsafeCases() {
	m := map[string]int{"a": 1}
	C.sum(C.size_t(uintptr(unsafe.Pointer(&m))))     // want CGS002/map/sum
	C.sum(C.size_t(*(*uintptr)(unsafe.Pointer(&m)))) // want CGS002/map/sum
	h := *(*uintptr)(unsafe.Pointer(&m))
	C.sum(C.size_t(h))                  // want CGS002/map/sum
	C.sum(C.size_t(word(m)))            // want CGS002/map/sum
	C.sum(C.size_t(generic(m)))         // want CGS002/map/sum
	C.sum(C.size_t(genericAddress(&m))) // want CGS002/map/sum
	C.sum(address(unsafe.Pointer(&m)))  // want CGS002/map/sum
	_, w, _ := several(m)
	C.usei(C.uintptr_t(w))              // want CGS002/map/usei
	C.usei(C.uintptr_t(namedResult(m))) // want CGS002/map/usei
	C.usell(C.longlong(h))              // want CGS002/map/usell
	i := int(h)
	i += 0
	C.usell(C.longlong(i))                                       // want CGS002/map/usell
	C.use(unsafe.Pointer(h))                                     // want CGS001/map/use
	C.usei(C.uintptr_t(reflect.ValueOf(m).Pointer()))            // want CGS002/map/usei
	C.use(reflect.ValueOf(m).UnsafePointer())                    // want CGS001/map/use
	C.use(unsafe.Pointer(reflect.ValueOf(&m).Pointer()))         // want CGS001/map/use
	C.usei(C.uintptr_t(reflect.ValueOf(&m).Elem().UnsafeAddr())) // want CGS002/map/usei
	C.usei(C.uintptr_t(reflect.ValueOf(&m).Elem().Pointer()))    // want CGS002/map/usei
	var any interface{} = m
	C.usei(C.uintptr_t((*[2]uintptr)(unsafe.Pointer(&any))[1])) // want CGS002/interface/usei
	words := *(*[2]uintptr)(unsafe.Pointer(&any))
	C.usei(C.uintptr_t(words[1])) // want CGS002/interface/usei
	ch := make(chan int)
	C.usei(C.uintptr_t(*(*uintptr)(unsafe.Pointer(&ch)))) // want CGS002/chan/usei
	C.usei(C.uintptr_t(reflect.ValueOf(ch).Pointer()))    // want CGS002/chan/usei
	f := main
	C.usei(C.uintptr_t(reflect.ValueOf(f).Pointer()))      // want CGS002/func/usei
	C.usei(C.uintptr_t(**(**uintptr)(unsafe.Pointer(&f)))) // want CGS002/func/usei
	s := [][]byte{{1}}
	hdr := (*reflect.SliceHeader)(unsafe.Pointer(&s))
	C.usei(C.uintptr_t(hdr.Data))                    // want CGS002/slice/usei
	C.usei(C.uintptr_t(uintptr(unsafe.Pointer(&s)))) // want CGS002/slice/usei
	str := "abc"
	C.usei(C.uintptr_t(uintptr(unsafe.Pointer(&str)))) // want CGS002/string/usei
	tagged := h | 1
	C.usei(C.uintptr_t(tagged))      // want CGS002/map/usei
	C.usei(C.uintptr_t(tagged &^ 1)) // want CGS002/map/usei
	moved := uintptr(unsafe.Pointer(&m)) + 8
	C.usei(C.uintptr_t(moved - 8))           // want CGS002/map/usei
	C.use(unsafe.Add(unsafe.Pointer(&m), 0)) // want CGS001/map/use
	q := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	C.usei(C.uintptr_t(uintptr(q))) // want CGS002/map/usei
	u := struct{ m map[string]int }{m}
	C.usei(*(*C.uintptr_t)(unsafe.Pointer(&u)))   // want CGS002/map/usei
	C.usei(*(*C.uintptr_t)(unsafe.Pointer(&u.m))) // want CGS002/map/usei
	var x uint64
	switch {
	case len(m) > 0:
		x = uint64(h)
	default:
		x = 7
	}
	C.usell(C.longlong(x)) // want CGS002/map/usell
	hs := make([]uintptr, 0, 4)
	hs = append(hs, h)
	C.use(unsafe.Pointer(&hs[0])) // want CGS001/map/use
	C.usei(C.uintptr_t(hs[0]))    // want CGS002/map/usei
	for _, one := range hs {
		C.usei(C.uintptr_t(one)) // want CGS002/map/usei
	}
	back := C.echo(C.uintptr_t(h)) // want CGS002/map/echo
	_ = back
}

func safeCases() {
	m := map[string]int{"a": 1}
	hd := cgo.NewHandle(m)
	defer hd.Delete()
	C.usei(C.uintptr_t(hd))
	C.use(unsafe.Pointer(&hd))
	C.usei(C.uintptr_t(uintptr(hd)))
	C.sum(C.size_t(len(m)))
	C.sum(C.size_t(m["a"]))
	C.sum(C.size_t(generic(m["a"])))
	n := 3
	C.sum(C.size_t(generic(n)))
	C.sum(address(unsafe.Pointer(&n)))
	C.sum(address(nil))
	C.sum(C.size_t(genericAddress(&n)))
	l, _, _ := several(m)
	C.usell(C.longlong(l))
	h := *(*uintptr)(unsafe.Pointer(&m))
	C.useint(C.int(h % 17))
	C.usei(C.uintptr_t(h % 1024))
	C.usei(C.uintptr_t(h >> 4))
	C.usei(C.uintptr_t(h & 0xff))
	if h == 0 {
		C.useint(1)
	}
	C.usell(C.longlong(reflect.ValueOf(m).Len()))
	buf := []byte("abc")
	hdr := (*reflect.SliceHeader)(unsafe.Pointer(&buf))
	C.use(unsafe.Pointer(hdr.Data))
	C.usei(C.uintptr_t(hdr.Len))
	C.use(unsafe.Pointer(reflect.ValueOf(buf).Pointer()))
	str := "abc"
	C.use(unsafe.Pointer((*reflect.StringHeader)(unsafe.Pointer(&str)).Data))
	p := &n
	C.usei(*(*C.uintptr_t)(unsafe.Pointer(p)))
	C.usei(C.uintptr_t(unsafe.Sizeof(m)))
	count := *(*int)(*(*unsafe.Pointer)(unsafe.Pointer(&m)))
	C.usell(C.longlong(count))
	C.usell(C.longlong(uintptr(unsafe.Pointer(&buf[2])) - uintptr(unsafe.Pointer(&buf[0]))))
	var some interface{} = 42
	C.usell(C.longlong(some.(int)))
	hs := []uintptr{1, 2, 3}
	C.use(unsafe.Pointer(&hs[0]))
	u := struct {
		m map[string]int
		n uintptr
	}{m, 3}
	C.usei(C.uintptr_t(u.n))
	C.usei(*(*C.uintptr_t)(unsafe.Pointer(&u.n)))
	hv := *(*uintptr)(unsafe.Pointer(&m))
	hv = 12
	C.usei(C.uintptr_t(hv))
}

func main() {
	unsafeCases()
	safeCases()
}
