// A second of work that keeps the garbage collector, the scheduler and cgo busy.
package main

/*
static long add(long a, long b) { return a + b; }
*/
import "C"

import (
	"fmt"
	"sync"
)

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

func (t *tree) count() C.long {
	if t.left == nil {
		return 1
	}
	return C.add(t.left.count(), t.right.count())
}

func main() {
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 30; round++ {
				grow(16).count()
			}
		}()
	}
	group.Wait()
	fmt.Println("ok")
}
