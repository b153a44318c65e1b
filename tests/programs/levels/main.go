// Command levels recurses in C as deep as it is told, on the main thread or on another one, and tells the bytes of a
// level: levels WHERE SHAPE DEPTH. CGO_CFLAGS=-DLEAF=N gives the innermost function a frame of another size.
package main

/*
#include <alloca.h>
#include <stdint.h>
#include <string.h>

#ifndef LEAF
#define LEAF 512
#endif

static uintptr_t first, second;

static int leaf(int n) {
	char room[LEAF];
	memset(room, n + 1, sizeof room);
	return room[n % LEAF];
}

static int down(int n) {
	char room[96];
	memset(room, n + 1, sizeof room);
	first = second;
	second = (uintptr_t)__builtin_frame_address(0);
	return (n > 1 ? down(n - 1) : leaf(n)) + room[n % 96];
}

static int wider(int n) {
	char *room = alloca(16 * n);
	memset(room, n + 1, 16 * n);
	return (n > 1 ? wider(n - 1) : 0) + room[n % 16];
}

static int flat(int n) {
	return leaf(n % 7);
}

static long level(void) { return (long)(first - second); }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

func init() {
	runtime.LockOSThread() // main's goroutine stays on the main thread
}

func recurse(shape string, depth C.int) {
	switch shape {
	case "even":
		C.down(depth)
	case "wider":
		C.wider(depth)
	case "flat":
		C.flat(depth)
	case "fail":
		os.Exit(3)
	}
}

func main() {
	depth, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	if os.Args[1] == "main" {
		recurse(os.Args[2], C.int(depth))
	} else {
		done := make(chan bool)
		go func() {
			runtime.LockOSThread()
			recurse(os.Args[2], C.int(depth))
			done <- true
		}()
		<-done
	}
	fmt.Println(C.level())
}
