// Command flows leads Go values to C through variables, fields, closures, interfaces, channels and goroutines.
package main

/*
#include <stdint.h>
static void use(void *p) {}
static void usei(uintptr_t h) {}
static void ints(int *p, int n) {}
*/
import "C"

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

var told map[string]int

type table map[string]int

type holder struct {
	n int
	p unsafe.Pointer
	u uintptr
}

var (
	global     uintptr
	globalSafe uintptr
	globalPtr  unsafe.Pointer
	globalMap  = map[string]int{}
	registry   = map[string]uintptr{}
	numbers    = map[string]uintptr{"a": 1}
)

func word(m map[string]int) uintptr { return *(*uintptr)(unsafe.Pointer(&m)) }

func newHolder(m map[string]int) *holder { return &holder{p: unsafe.Pointer(&m), u: word(m)} }

func (h *holder) send()    { C.use(h.p) }               // want CGS001/map/use
func (h holder) sendWord() { C.usei(C.uintptr_t(h.u)) } // want CGS002/map/usei
func (h *holder) sendN()   { C.ints((*C.int)(unsafe.Pointer(&h.n)), 1) }

func (t table) word() uintptr { return *(*uintptr)(unsafe.Pointer(&t)) }

type sender interface{ send(p unsafe.Pointer) }
type direct struct{}
type quiet struct{}

func (direct) send(p unsafe.Pointer) { C.use(p) } // want CGS001/map/use
func (quiet) send(p unsafe.Pointer)  {}

type safeSender struct{}

func (safeSender) send(p unsafe.Pointer) { C.use(p) }

func sendVia(s sender, p unsafe.Pointer) { s.send(p) }

func pass(p unsafe.Pointer) { C.use(p) } // want CGS001/map/use

func passSafe(p unsafe.Pointer) { C.use(p) }

func identity(p unsafe.Pointer) unsafe.Pointer { return p }

func pick(b bool, x, y unsafe.Pointer) unsafe.Pointer {
	if b {
		return x
	}
	return y
}

func apply(f func(unsafe.Pointer), p unsafe.Pointer) { f(p) }

func compute(f func(uintptr) uintptr, u uintptr) { C.usei(C.uintptr_t(f(u))) } // want CGS002/map/usei

func recursive(n int, u uintptr) uintptr {
	if n == 0 {
		return u
	}
	return recursive(n-1, u)
}

func variadic(words ...uintptr) { C.usei(C.uintptr_t(words[len(words)-1])) } // want CGS002/map/usei

func fill(out *uintptr, m map[string]int) { *out = word(m) }

func thrown(m map[string]int) (u uintptr) {
	defer func() {
		if r := recover(); r != nil {
			u = r.(uintptr)
		}
	}()
	panic(word(m))
}

func unsafeCases() {
	m := map[string]int{"a": 1}
	h := newHolder(m)
	h.send()
	h.sendWord()
	var hs holder
	hs.p = unsafe.Pointer(&m)
	C.use(hs.p) // want CGS001/map/use
	arr := [2]holder{{}, {u: word(m)}}
	C.usei(C.uintptr_t(arr[1].u)) // want CGS002/map/usei

	global = word(m)
	C.usei(C.uintptr_t(global)) // want CGS002/map/usei
	globalPtr = unsafe.Pointer(&m)
	C.use(globalPtr)                  // want CGS001/map/use
	C.use(unsafe.Pointer(&globalMap)) // want CGS001/map/use
	registry["m"] = word(m)
	C.usei(C.uintptr_t(registry["m"])) // want CGS002/map/usei
	if u, ok := registry["m"]; ok {
		C.usei(C.uintptr_t(u)) // want CGS002/map/usei
	}
	for _, u := range registry {
		C.usei(C.uintptr_t(u)) // want CGS002/map/usei
	}

	u := word(m)
	func() {
		C.usei(C.uintptr_t(u)) // want CGS002/map/usei
	}()
	late := func(x uintptr) { C.usei(C.uintptr_t(x)) } // want CGS002/map/usei
	late(u)
	get := func() uintptr { return word(m) }
	C.usei(C.uintptr_t(get())) // want CGS002/map/usei
	var set uintptr
	setter := func() { set = word(m) }
	setter()
	C.usei(C.uintptr_t(set)) // want CGS002/map/usei
	method := h.send
	method()
	expr := (*holder).send
	expr(h)
	C.usei(C.uintptr_t(table(m).word())) // want CGS002/map/usei
	tw := table(m).word
	C.usei(C.uintptr_t(tw())) // want CGS002/map/usei

	var s sender = direct{}
	s.send(unsafe.Pointer(&m))
	sendVia(direct{}, unsafe.Pointer(&m))
	pass(unsafe.Pointer(&m))
	C.use(identity(unsafe.Pointer(&m)))                            // want CGS001/map/use
	C.use(pick(true, nil, unsafe.Pointer(&m)))                     // want CGS001/map/use
	apply(func(p unsafe.Pointer) { C.use(p) }, unsafe.Pointer(&m)) // want CGS001/map/use
	compute(func(u uintptr) uintptr { return u + 8 }, u)
	C.usei(C.uintptr_t(recursive(3, u))) // want CGS002/map/usei
	variadic(1, u)
	var out uintptr
	fill(&out, m)
	C.usei(C.uintptr_t(out))       // want CGS002/map/usei
	C.usei(C.uintptr_t(thrown(m))) // want CGS002/map/usei

	ch := make(chan uintptr, 1)
	ch <- u
	C.usei(C.uintptr_t(<-ch)) // want CGS002/map/usei
	ch <- u
	select {
	case v := <-ch:
		C.usei(C.uintptr_t(v)) // want CGS002/map/usei
	}
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		C.use(unsafe.Pointer(&m)) // want CGS001/map/use
	}()
	go func(u uintptr) {
		defer wg.Done()
		C.usei(C.uintptr_t(u)) // want CGS002/map/usei
	}(u)
	wg.Wait()
	defer func(u uintptr) {
		C.usei(C.uintptr_t(u)) // want CGS002/map/usei
	}(u)

	var boxed interface{} = u
	C.usei(C.uintptr_t(boxed.(uintptr))) // want CGS002/map/usei
	switch v := boxed.(type) {
	case uintptr:
		C.usei(C.uintptr_t(v)) // want CGS002/map/usei
	case int:
		C.usei(C.uintptr_t(v))
	}
	var at atomic.Uintptr
	at.Store(u)
	C.usei(C.uintptr_t(at.Load())) // want CGS002/map/usei
	var ap unsafe.Pointer
	atomic.StorePointer(&ap, unsafe.Pointer(&m))
	C.use(atomic.LoadPointer(&ap)) // want CGS001/map/use
	var av atomic.Value
	av.Store(u)
	C.usei(C.uintptr_t(av.Load().(uintptr))) // want CGS002/map/usei
	var sm sync.Map
	sm.Store("m", u)
	if v, ok := sm.Load("m"); ok {
		C.usei(C.uintptr_t(v.(uintptr))) // want CGS002/map/usei
	}
	var once sync.Once
	once.Do(func() { C.use(unsafe.Pointer(&m)) }) // want CGS001/map/use

	pp := &hs
	pp.u = u
	qq := pp
	C.usei(C.uintptr_t((*qq).u)) // want CGS002/map/usei
	nested := struct{ in struct{ h *holder } }{}
	nested.in.h = pp
	C.usei(C.uintptr_t(nested.in.h.u)) // want CGS002/map/usei
	told = map[string]int{}
	x := *(*C.uintptr_t)(unsafe.Pointer(&told))
	C.usei(C.ulong(x)) // want CGS002/map/usei
}

func safeCases() {
	m := map[string]int{"a": 1}
	n := 4
	h := &holder{n: 3, p: unsafe.Pointer(&n), u: 7}
	C.use(h.p)
	h.sendN()
	C.usei(C.uintptr_t(h.u))
	globalSafe = uintptr(n)
	C.usei(C.uintptr_t(globalSafe))
	C.usei(C.uintptr_t(numbers["a"]))
	passSafe(unsafe.Pointer(&n))
	passSafe(identity(unsafe.Pointer(&n)))
	C.use(identity(unsafe.Pointer(&n)))
	C.use(pick(true, nil, unsafe.Pointer(&n)))
	C.usei(C.uintptr_t(recursive(3, 4)))
	sendVia(safeSender{}, unsafe.Pointer(&n))
	sendVia(quiet{}, unsafe.Pointer(&m))
	var q sender = quiet{}
	q.send(unsafe.Pointer(&m))
	apply(func(p unsafe.Pointer) {}, unsafe.Pointer(&m))
	apply(func(p unsafe.Pointer) { C.use(p) }, unsafe.Pointer(&n))
	ch := make(chan uintptr, 1)
	ch <- 4
	C.usei(C.uintptr_t(<-ch))
	mixed := holder{p: unsafe.Pointer(&m), u: 3}
	C.usei(C.uintptr_t(mixed.u))
	C.use(unsafe.Pointer(&mixed.n))
	words := [2]uintptr{word(m), 3}
	C.usei(C.uintptr_t(words[1]))
	var boxed interface{} = 4
	C.usei(C.uintptr_t(boxed.(int)))
	var u uintptr
	func() { u = 5 }()
	C.usei(C.uintptr_t(u))
	size := 0
	for k, v := range m {
		size += len(k) + v
	}
	C.usei(C.uintptr_t(size))
	cp := make([]C.int, 0, len(m))
	for _, v := range m {
		cp = append(cp, C.int(v))
	}
	C.ints(&cp[0], C.int(len(cp)))
	tmp := holder{p: unsafe.Pointer(&m)}
	tmp.p = nil
	C.use(tmp.p)
	later := holder{}
	C.use(unsafe.Pointer(&later))
	later.p = unsafe.Pointer(&m)
	pool := sync.Pool{New: func() any { return new([64]byte) }}
	b := pool.Get().(*[64]byte)
	C.use(unsafe.Pointer(b))
	pool.Put(b)
}

func main() {
	unsafeCases()
	safeCases()
}
