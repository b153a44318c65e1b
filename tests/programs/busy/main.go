// Command busy crosses between Go and C all the time, from goroutines and from a thread that C created.
package main

/*
#cgo CFLAGS: -O2 -g
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern int goFromC(int, int);

static int work(int count, int depth) {
	char *room = malloc(100 + depth);
	memset(room, depth, 100);
	int sum = 0;
	for (int i = 0; i < count; i++)
		sum += room[i % 100] * i;
	free(room);
	return depth > 0 ? sum + goFromC(count, depth - 1) : sum;
}

static void *run(void *unused) {
	for (;;)
		goFromC(50, 3);
	return unused;
}

static void start(void) {
	pthread_t thread;
	pthread_create(&thread, 0, run, 0);
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"sort"
	"time"
)

//export goFromC
func goFromC(count, depth C.int) C.int {
	room := make([]byte, 1000+int(depth)*100)
	_ = time.Now()
	if depth > 0 {
		return C.work(count, depth-1) + C.int(len(room))
	}
	return C.int(grow(20) + len(room))
}

//go:noinline
func grow(depth int) int {
	var room [50]int
	if depth == 0 {
		return room[0]
	}
	return grow(depth-1) + room[depth%50]
}

func sortAndYield() {
	words := map[int]string{}
	for i := 0; i < 100; i++ {
		words[i] = fmt.Sprint(i)
	}
	numbers := []int{5, 2, 8, 1}
	sort.Slice(numbers, func(a, b int) bool { return numbers[a] < numbers[b] })
	runtime.Gosched()
	time.Sleep(time.Microsecond)
}

func forever(do func()) {
	for {
		do()
	}
}

func main() {
	C.start()
	sums := make(chan C.int)
	for i := 0; i < 4; i++ {
		go forever(func() { sums <- C.work(100, 4) })
		go forever(sortAndYield)
	}
	go forever(func() {
		runtime.GC()
		time.Sleep(time.Millisecond)
	})
	fmt.Println("busy")
	for range sums {
		continue
	}
}
