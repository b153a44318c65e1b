// A library for C programs; what it exports panics and recovers.
package main

import "C"

//export Panic
func Panic() {
	defer func() { recover() }()
	panic("within the library")
}

func main() {}
