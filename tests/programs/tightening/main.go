// C that uses more and more of a thread's stack, and threads that the runtime thinks larger than they are.
package main

/*
#cgo CFLAGS: -O0
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Above a thread's stack, and taken from its size: Go's runtime does not know of it.
static __thread char thread_local_data[256 * 1024];

static void touch_thread_local_data(void) { thread_local_data[0] = 1; }

static void wait_for(const char *path) {
	while (access(path, F_OK) != 0)
		usleep(1000);
}

// Uses about 1 KiB a level, and stays there until the test says so.
static void descend(int levels, const char *path) {
	volatile char frame[1000];
	frame[0] = 1;
	if (levels == 0)
		wait_for(path);
	else
		descend(levels - 1, path);
	frame[1] = 1;
}
*/
import "C"

import (
	"os"
	"runtime"
	"strconv"
)

func main() {
	switch os.Args[1] {
	case "descend": // on a thread of its own, LEVELS deep, until the file PATH is there
		levels, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		done := make(chan bool)
		go func() {
			runtime.LockOSThread()
			C.descend(C.int(levels), C.CString(os.Args[3]))
			done <- true
		}()
		<-done
	case "local":
		C.touch_thread_local_data()
	}
}
