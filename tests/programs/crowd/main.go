// A fixed amount of work beside many goroutines that wait, and many threads.
package main

/*
#include <unistd.h>

static void wait_for_end(int in) { char byte; if (read(in, &byte, 1) < 0) return; }
*/
import "C"

import (
	"os"
	"strconv"
	"sync"
)

func number(at int) int {
	n, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return n
}

// main is run with the numbers of goroutines, of threads, and of millions of steps of work.
func main() {
	in, out, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	var ready sync.WaitGroup
	stop := make(chan bool)
	for i := 0; i < number(1); i++ {
		ready.Add(1)
		go func() { ready.Done(); <-stop }()
	}
	for i := 0; i < number(2); i++ {
		ready.Add(1)
		go func() { ready.Done(); C.wait_for_end(C.int(in.Fd())) }()
	}
	ready.Wait()
	work(number(3) * 1_000_000)
	out.Close()
	close(stop)
}

var sink uint64

func work(steps int) {
	state := uint64(1)
	for i := 0; i < steps; i++ {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
	}
	sink = state
}
