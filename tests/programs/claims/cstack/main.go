// Command cstack asks the stack that C stands on, when called from a goroutine, for its size, and then uses it.
package main

/*
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>

static size_t stack_size(void) {
	pthread_attr_t attr;
	size_t size = 0;
	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstacksize(&attr, &size);
		pthread_attr_destroy(&attr);
	}
	return size;
}

static int descend(int levels) {
	volatile char frame[8192];
	memset((char *)frame, 1, sizeof frame);
	return levels > 1 ? descend(levels - 1) + frame[0] : frame[0];
}
*/
import "C"

import "fmt"

func main() {
	done := make(chan bool)
	go func() {
		fmt.Printf("stack of C: %d KiB\n", C.stack_size()/1024)
		fmt.Printf("levels of 8 KiB done: %d\n", C.descend(56))
		fmt.Printf("levels of 8 KiB done: %d\n", C.descend(900))
		close(done)
	}()
	<-done
}
