// Goreports dies in the way that its argument names, so that Go writes each kind of report it has.
package main

/*
#include <stdlib.h>
#include <signal.h>
#include <stdint.h>

typedef struct { void *inner; } holder;

static __attribute__((noinline)) int poke(volatile int *p) { return *p; }
static void crash_in_c(void) { poke((int *)0x10); }
static void abort_in_c(void) { abort(); }
static int sum_holder(holder *h) { return h->inner != 0; }
static void *c_memory(void) { return calloc(1, 64); }

extern void *goResult(void);
static int take_result(void) { return goResult() != 0; }

extern void goCallback(int);
static void call_back(int depth) { goCallback(depth); }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type list[T any] struct{ items []T }

func (l *list[T]) at(i int) T { return l.items[i] }

type reader struct{ name string }

func (r *reader) load(p *int) int { return *p }

type code string

//export goResult
func goResult() unsafe.Pointer { return unsafe.Pointer(&struct{ p *int }{new(int)}) }

//export goCallback
func goCallback(depth C.int) {
	panic(fmt.Sprintf("from callback at %d", int(depth)))
}

func recurse(n int) int {
	var room [64]byte
	if n == 0 {
		var none []int
		return none[n]
	}
	return recurse(n-1) + int(room[n%64])
}

func forever(n int) int {
	var room [1024]byte
	return forever(n+1) + int(room[n%64])
}

func park(n int) {
	block := make(chan int)
	for i := 0; i < n; i++ {
		go func() { <-block }()
	}
	var lock sync.Mutex
	lock.Lock()
	go func() { lock.Lock() }()
	runtime.Gosched()
	time.Sleep(10 * time.Millisecond)
}

type mapHolder struct{ m map[string]int }

var sink unsafe.Pointer

var deaths = map[string]func(){
	"index":           outOfRange,
	"nil":             nilPointer,
	"map":             nilMap,
	"error":           errorValue,
	"multiline":       multiline,
	"custom":          custom,
	"pointer":         pointerValue,
	"repanic":         repanic,
	"nested":          nested,
	"goroutine":       inGoroutine,
	"others":          others,
	"deep":            deep,
	"overflow":        overflow,
	"mapwrite":        mapwrite,
	"unlock":          unlock,
	"c":               inC,
	"abort":           abort,
	"callback":        callback,
	"fault":           fault,
	"quit":            quit,
	"locked":          locked,
	"stale":           stale,
	"cgo-pointer":     cgoPointer,
	"cgo-map":         cgoMap,
	"cgo-map-address": cgoMapAddress,
	"cgo-result":      cgoResult,
	"cgo-write":       cgoWrite,
}

func outOfRange() { fmt.Println((&list[string]{}).at(5)) }

func nilPointer() { (&reader{}).load(nil) }

func nilMap() {
	var m map[string]int
	m["a"] = 1
}

func errorValue() { panic(errors.New("disk on fire")) }

func multiline() { panic("first line\nsecond line\n\ngoroutine 7 [running]:") }

func custom() { panic(code("E42")) }

func pointerValue() { panic(&reader{}) }

func repanic() {
	defer func() { panic(recover()) }()
	panic("once")
}

func nested() {
	defer func() { panic("while cleaning up") }()
	panic("the first")
}

func inGoroutine() {
	done := make(chan int)
	go func() {
		var r *reader
		fmt.Println(r.name)
		close(done)
	}()
	<-done
}

func others() { park(5); panic("with company") }

func deep() { recurse(300) }

func overflow() { forever(0) }

func mapwrite() {
	m := map[int]int{}
	for i := 0; i < 8; i++ {
		go func() {
			for {
				m[1]++
			}
		}()
	}
	time.Sleep(time.Minute)
}

func unlock() { new(sync.Mutex).Unlock() }

func inC() { C.crash_in_c() }

func abort() { C.abort_in_c() }

func callback() { C.call_back(3) }

func fault() { fmt.Println(*(*int)(unsafe.Pointer(uintptr(0xdead0000)))) }

func quit() {
	syscall.Kill(os.Getpid(), syscall.SIGQUIT)
	time.Sleep(time.Minute)
}

func locked() { runtime.LockOSThread(); panic("locked") }

func stale() {
	func() {
		defer func() { recover() }()
		(&reader{}).load(nil)
	}()
	panic("later, and by hand")
}

func cgoPointer() {
	h := &C.holder{inner: unsafe.Pointer(new(*int))}
	C.sum_holder(h)
}

func cgoMap() {
	h := &mapHolder{m: map[string]int{"a": 1}}
	C.sum_holder((*C.holder)(unsafe.Pointer(h)))
}

func cgoMapAddress() {
	m := map[string]int{"a": 1}
	C.sum_holder((*C.holder)(unsafe.Pointer(&m)))
}

func cgoResult() { C.take_result() }

func cgoWrite() {
	p := (*unsafe.Pointer)(C.c_memory())
	*p = unsafe.Pointer(new([4]int))
}

func main() {
	death, ok := deaths[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such death:", os.Args[1])
		os.Exit(64)
	}
	fmt.Fprintln(os.Stderr, "panic is not what this line is about")
	death()
	os.Exit(3)
}
