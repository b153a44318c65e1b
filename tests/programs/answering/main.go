// Command answering gives back every byte that it gets, and ends when there are no more.
package main

/*
#include <unistd.h>

static long echo(int from, int to) {
    char byte;
    long count = 0;
    for (; read(from, &byte, 1) == 1; count++)
        if (write(to, &byte, 1) != 1) return -1;
    return count;
}
*/
import "C"

import "os"

func serve(done chan C.long) { done <- C.echo(0, 1) }

func main() {
	done := make(chan C.long)
	go serve(done)
	if <-done < 0 {
		os.Exit(1)
	}
}
