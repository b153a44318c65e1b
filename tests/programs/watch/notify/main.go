// Sends itself every signal that a program can be notified of, one after the other, and tells those that came.
package main

import "C"

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	came := make(chan os.Signal, 64)
	for number := syscall.Signal(1); number < 32; number++ {
		if number == syscall.SIGKILL || number == syscall.SIGSTOP || number == syscall.SIGURG || number == syscall.SIGPROF {
			continue
		}
		signal.Notify(came, number)
		syscall.Kill(os.Getpid(), number)
		fmt.Println(<-came)
	}
	select {
	case more := <-came:
		fmt.Println("once more:", more)
	case <-time.After(50 * time.Millisecond):
	}
}
