// Goes deep in C in the way that its first argument names, to the depth that the second one gives, and prints after it.
package main

/*
#include <stdint.h>
#include <string.h>

__attribute__((noinline)) static void fill(char *local, int size, int with) { memset(local, with + 1, size); }

__attribute__((noinline)) static long deep(int levels) {
  char local[112];
  fill(local, sizeof local, levels);
  return levels > 1 ? deep(levels - 1) + local[3] : local[5];
}

__attribute__((noinline)) static long outer(int levels) {
  char local[64];
  fill(local, sizeof local, levels);
  return deep(levels) + local[levels & 31];
}

__attribute__((noinline)) static long inner(int levels) {
  char local[128];
  fill(local, sizeof local, levels);
  return deep(levels) + local[levels & 63];
}

long callBack(int levels);

__attribute__((noinline)) static long there(int levels) {
  char local[96];
  fill(local, sizeof local, levels);
  return callBack(levels) + local[7];
}

#include <unistd.h>

__attribute__((noinline)) static long blocks(int levels) {
  char local[160];
  fill(local, sizeof local, levels);
  return levels > 1 ? blocks(levels - 1) + local[3] : pause();
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

//export callBack
func callBack(levels C.int) C.long { return again(int(levels)) }

func again(levels int) C.long { return C.inner(C.int(levels)) }

func start(levels int) C.long { return C.outer(C.int(levels)) }

func startThere(levels int) C.long { return C.there(C.int(levels)) }

func block(levels int) C.long { return C.blocks(C.int(levels)) }

func main() {
	levels, _ := strconv.Atoi(os.Args[2])
	done := make(chan C.long)
	switch os.Args[1] {
	case "main":
		fmt.Println(start(levels))
	case "callback":
		fmt.Println(startThere(levels))
	case "thread":
		go func() {
			runtime.LockOSThread()
			done <- start(levels)
		}()
		fmt.Println(<-done)
	case "ended":
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			defer func() { go func() { done <- 1 }() }()
			start(levels)
		}()
		<-done
	case "busy":
		fmt.Println(start(levels))
		for i := 0; i < 100; i++ {
			runtime.GC()
			_ = strings.Repeat("x", 1<<16)
		}
	case "blocked":
		go func() { done <- block(levels) }()
		time.Sleep(time.Minute)
	}
}
