// Goroutines that say themselves how many they are and how much stack they use.
package main

/*
#include <pthread.h>

extern void goDeep(int);

static void *call_go(void *levels) {
	goDeep((int)(long)levels);
	return 0;
}

// A thread that Go doesn't know calls Go.
static void on_own_thread(int levels) {
	pthread_t thread;
	pthread_create(&thread, 0, call_go, (void *)(long)levels);
	pthread_join(thread, 0);
}
*/
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
	"unsafe"
)

// deep uses about 256 bytes of stack a level, and returns the distance from top to the deepest level.
//
//go:noinline
func deep(levels int, top *byte) int {
	var frame [176]byte
	frame[levels%len(frame)] = 1
	if levels == 0 {
		return int(uintptr(unsafe.Pointer(top)) - uintptr(unsafe.Pointer(&frame)))
	}
	return deep(levels-1, top) + int(frame[(levels+1)%len(frame)])
}

//go:noinline
func measure(levels int) int {
	var top byte
	return deep(levels, &top)
}

//export goDeep
func goDeep(levels C.int) {
	fmt.Println(measure(int(levels)))
}

// hold waits until the file that the test names is there.
func hold(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func stacks() []byte {
	buffer := make([]byte, 1<<20)
	return buffer[:runtime.Stack(buffer, true)]
}

func number(at int) int {
	n, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	switch os.Args[1] {
	case "ends": // a goroutine grows and is gone
		done := make(chan int)
		go func() { done <- measure(number(2)) }()
		fmt.Println(<-done)
	case "waits": // a goroutine has grown, and the program ends
		done := make(chan bool)
		go func() { waitAt(number(2), done, nil) }()
		<-done
		for !bytes.Contains(stacks(), []byte("[chan receive (nil chan)]")) {
		}
	case "many": // many at once, until the test lets them end
		var ready, over sync.WaitGroup
		stop := make(chan bool)
		for i := 0; i < number(2); i++ {
			ready.Add(1)
			over.Add(1)
			go func() { ready.Done(); <-stop; over.Done() }()
		}
		ready.Wait()
		fmt.Println(runtime.NumGoroutine())
		hold(os.Args[3])
		close(stop)
		over.Wait()
	case "grown": // one has a large stack while the test wants it, and then gives it back
		let, done := make(chan bool), make(chan bool)
		go func() { waitAt(number(2), done, let); close(done) }()
		<-done
		hold(os.Args[3])
		close(let)
		<-done
		runtime.GC()
	case "freed": // many had large stacks, which are gone; the last one still has
		there, leave := make(chan bool), make(chan bool)
		for i := 0; i < number(2); i++ {
			go func() { waitAt(60, there, leave) }()
			<-there
		}
		go func() { waitAt(number(3), there, nil) }()
		<-there
		close(leave)
		for runtime.NumGoroutine() > 2 || !bytes.Contains(stacks(), []byte("[chan receive (nil chan)]")) {
			runtime.Gosched()
		}
	case "thread": // a thread of C calls Go
		C.on_own_thread(C.int(number(2)))
	case "each": // many goroutines grow, one after the other
		done := make(chan int)
		used := 0
		for i := 0; i < number(2); i++ {
			go func() { done <- measure(number(3)) }()
			used = <-done
		}
		fmt.Println(used)
	case "limit": // the program sets a limit of its own, and overflows it where it is asked to
		debug.SetMaxStack(number(2))
		if len(os.Args) > 3 {
			fmt.Println(measure(number(3)))
		}
	}
}

// waitAt says that it is there when its stack is deep, and stays until it may leave.
//
//go:noinline
func waitAt(levels int, there, leave chan bool) {
	var top byte
	sayAt(levels, &top, there, leave)
}

//go:noinline
func sayAt(levels int, top *byte, there, leave chan bool) byte {
	var frame [176]byte
	frame[levels%len(frame)] = 1
	if levels == 0 {
		if leave == nil || os.Args[1] != "freed" {
			fmt.Println(int(uintptr(unsafe.Pointer(top)) - uintptr(unsafe.Pointer(&frame))))
		}
		there <- true
		<-leave
		return 0
	}
	return sayAt(levels-1, top, there, leave) + frame[(levels+1)%len(frame)]
}
