// Calls into C whose stack can be told from the code, and such whose stack can't.
package main

/*
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN static __attribute__((noinline, noclone))

OWN int leaf(int n) { return n * 3 + 1; }
OWN int fill(int n) {
	char room[30000];
	memset(room, n | 1, sizeof room);
	__asm__ volatile("" : : "r"(room) : "memory");
	return leaf(n) + room[n & 511];
}
OWN int middle(int n) { volatile int some[30]; some[n & 15] = fill(n); return some[n & 15] + leaf(n); }

// What Go's runtime does later on the same stack overwrites its upper end: there is room for that.
OWN int bounded(int n) {
	char room[20000];
	memset(room, n | 1, sizeof room);
	__asm__ volatile("" : : "r"(room) : "memory");
	return middle(n) + leaf(n) * 2 + room[n & 511];
}

OWN int level(int n) { volatile char room[100]; room[n & 63] = 1; return n > 0 ? level(n - 1) + room[n & 31] : 0; }
OWN int recursive(int n) { return level(n) + 1; }

typedef int (*step)(int);
static volatile step chosen = leaf;
OWN int pointed(int n) { return chosen(n) + 1; }

OWN int roomy(int n) { char *room = __builtin_alloca(n + 1); memset(room, 1, n); return room[n / 2] + leaf(n); }




OWN int allocating(int n) {
	char *room = malloc(n + 1);
	__asm__ volatile("" : : "r"(room) : "memory");
	free(room);
	return n;
}
OWN int dying(int n) { if (n < 0) abort(); return leaf(n) + 2; }
*/
import "C"

import (
	"fmt"
	"os"
)

func onOwnThread(call func() C.int) {
	done := make(chan C.int)
	go func() { done <- call() }()
	fmt.Println(<-done)
}

func main() {
	n := C.int(len(os.Args))
	onOwnThread(func() C.int { return C.bounded(n) })
	if n > 1 {
		fmt.Println(C.recursive(n), C.pointed(n), C.roomy(n), callBack(int(n)), C.allocating(n), C.dying(n), C.leaf(n))
	}
}
