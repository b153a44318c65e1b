// Calls C on a number of threads at once, each of which ends with its goroutine; one level of C recursion takes what
// C says it takes.
package main

/*
#include <string.h>

static __thread volatile char *lowest;
static __thread volatile char *highest;

__attribute__((noinline)) static long deep(int levels) {
  volatile char local[200];
  memset((void *)local, levels + 1, sizeof local);
  lowest = local;
  if (!highest) highest = local;
  return levels > 0 ? deep(levels - 1) + local[7] : local[9];
}

static long used(int levels) {
  highest = 0;
  deep(levels);
  return highest - lowest;
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	levels, _ := strconv.Atoi(os.Args[2])
	var all, started sync.WaitGroup
	started.Add(count)
	for i := 0; i < count; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			started.Done()
			started.Wait()
			used := C.used(C.int(levels))
			fmt.Println(syscall.Gettid(), int64(used))
		}()
	}
	all.Wait()
}
