// Command crashes dies in the way that its first argument names.
package main

/*
#cgo CFLAGS: -O0 -g -fno-omit-frame-pointer
#include <stdlib.h>
#include "plain.h"
static const char *some_text(void) { return "constant"; }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"cgosafe.test/programs/crashes/cxx"
	"cgosafe.test/programs/crashes/tight"
)

type loader struct{ address uintptr }

func (l *loader) load(depth int) int {
	return int(C.null_chain(C.int(depth), (*C.int)(unsafe.Pointer(l.address))))
}

// What a callback does when it is deep enough: the innermost part of nested crossings.
const (
	dieInC = iota
	dieInGo
	growThenDie
	panicInGo
)

//export goFromC
func goFromC(depth, how C.int) C.int { return C.int(again(int(depth), int(how))) }

func again(depth, how int) int {
	switch {
	case depth > 0 && depth%2 == 0:
		return tight.CallsGo(depth-1, how)
	case depth > 0:
		return int(C.c_calls_go(C.int(depth-1), C.int(how)))
	case how == dieInGo:
		return readNil(nil)
	case how == panicInGo:
		panic("enough")
	case how == growThenDie:
		return grow(2000)
	}
	return (&loader{16}).load(1)
}

//go:noinline
func readNil(p *int) int { return *p }

//go:noinline
func grow(depth int) int {
	var room [64]int
	if depth == 0 {
		return (&loader{16}).load(1)
	}
	return grow(depth-1) + room[depth%64]
}

//export goCompare
func goCompare(a, b unsafe.Pointer) C.int { return C.int((&loader{32}).load(0)) }

func generic[T any](value T, body func() int) int {
	_ = fmt.Sprint(value)
	return body()
}

func small(l *loader) int { return smaller(l) + 1 }

func smaller(l *loader) int { return l.load(1) }

//go:noinline
func endless(depth int) int { return endless(depth+1) + 1 }

//go:noinline
func even(depth int) int {
	var room [10]int
	return odd(depth+1) + room[depth%10]
}

//go:noinline
func odd(depth int) int { return even(depth+1) + 1 }

func inDeferred() int {
	defer func() {
		(&loader{16}).load(0)
	}()
	return readNil(nil)
}

func blocked(group *sync.WaitGroup, never chan int) {
	group.Done()
	<-never
}

func hang() {
	var group sync.WaitGroup
	for range make([]int, 3) {
		group.Add(1)
		go blocked(&group, make(chan int))
	}
	group.Wait()
	fmt.Println("hanging")
	C.hang_in_c()
}

func spin() {
	go func() {
		for {
			time.Sleep(time.Millisecond)
		}
	}()
	fmt.Println("hanging")
	for i := 0; ; i++ {
		if i < 0 {
			return
		}
	}
}

func mapAsStruct(entries int) int {
	counts := map[string]int{}
	for i := 0; i < entries; i++ {
		counts[fmt.Sprint(i)] = i
	}
	return int(C.read_map_as_struct(*(*C.uintptr_t)(unsafe.Pointer(&counts))))
}

var hidden struct{ counts map[string]int }

func hiddenMapAsStruct(entries int) int {
	hidden.counts = map[string]int{}
	for i := 0; i < entries; i++ {
		hidden.counts[fmt.Sprint(i)] = i
	}
	return int(C.read_map_as_struct(*(*C.uintptr_t)(unsafe.Pointer(&hidden.counts))))
}

var ways = map[string]func(){
	"null":             func() { (&loader{16}).load(3) },
	"nested":           func() { again(4, dieInC) },
	"nested-go":        func() { again(3, dieInGo) },
	"nested-grow":      func() { again(3, growThenDie) },
	"nested-panic":     func() { again(2, panicInGo) },
	"tight":            func() { tight.Null(16) },
	"tight-overflow":   func() { tight.Overflow() },
	"overflow":         func() { C.overflow_uniform(1) },
	"overflow-mutual":  func() { C.overflow_mutual(1) },
	"overflow-vary":    func() { C.overflow_varying(1) },
	"overflow-go":      func() { endless(1) },
	"overflow-even":    func() { even(1) },
	"call-null":        func() { C.call_null() },
	"call-data":        func() { C.call_data() },
	"smash":            func() { C.smash_return_address() },
	"assert":           func() { C.fail_assert(40) },
	"abort":            func() { C.give_up() },
	"free-twice":       func() { C.free_twice() },
	"divide":           func() { C.divide(1, 0) },
	"trap":             func() { C.trap() },
	"bus":              func() { C.beyond_file_end(C.CString(os.Args[2])) },
	"libc":             func() { C.in_libc((*C.char)(unsafe.Pointer(uintptr(8)))) },
	"map":              func() { mapAsStruct(3) },
	"large-map":        func() { mapAsStruct(1000) },
	"hidden-map":       func() { hiddenMapAsStruct(3) },
	"hidden-large-map": func() { hiddenMapAsStruct(1000) },
	"divide-overflow":  func() { C.divide(-1<<31, -1) },
	"write-text":       func() { C.write_text(C.some_text()) },
	"overflow-thread":  func() { C.overflow_in_thread() },
	"overflow-print":   func() { C.overflow_printing(1) },
	"sort-null":        func() { C.sorted_by_null() },
	"send-fault":       func() { C.send_fault() },
	"by-hand":          func() { C.load_by_hand(48) },
	"throw-number":     cxx.ThrowNumber,
	"noexcept":         cxx.LeaveNoexcept,
	"pure":             cxx.CallPure,
	"instruction":      func() { C.bad_instruction() },
	"huge-frame":       func() { C.huge_frame(1) },
	"guard-page":       func() { C.touch_guard_page() },
	"cold":             func() { C.in_cold_part((*C.int)(unsafe.Pointer(uintptr(16))), 1) },
	"noreturn":         func() { C.never_returns((*C.int)(unsafe.Pointer(uintptr(16)))) },
	"sort":             func() { C.sorted_by_go(8) },
	"thread":           func() { C.thread_without_go() },
	"thread-go":        func() { C.thread_calls_go(dieInC) },
	"handler":          func() { C.crash_in_handler(0) },
	"handler-stack":    func() { C.crash_in_handler(1) },
	"after-free":       func() { C.use_after_free() },
	"field-of-null":    func() { C.field_of_null() },
	"throw":            cxx.Throw,
	"method":           func() { cxx.Method() },
	"generic":          func() { generic("a", func() int { return small(&loader{16}) }) },
	"deferred":         func() { inDeferred() },
	"nil":              func() { readNil(nil) },
	"nil-func":         func() { var f func(); f() },
	"nil-map":          func() { var m map[string]int; m["a"] = 1 },
	"panic":            func() { panic("enough") },
	"unlock":           func() { var m sync.Mutex; m.Unlock() },
	"deadlock":         func() { select {} },
	"hang":             hang,
	"spin":             spin,
}

func init() {
	tight.Again = again
	if len(os.Args) > 1 && os.Args[1] == "init" {
		(&loader{16}).load(0)
	}
}

func main() {
	way := ways[os.Args[1]]
	if os.Getenv("ON_MAIN_THREAD") != "" {
		runtime.LockOSThread()
		way()
		return
	}
	done := make(chan bool)
	go func() {
		way()
		close(done)
	}()
	<-done
}
