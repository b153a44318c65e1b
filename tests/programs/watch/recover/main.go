// Recovers a thousand times from its own nil dereference.
package main

import "C"

import "fmt"

func dereference(p *int) (err any) {
	defer func() { err = recover() }()
	return *p
}

func main() {
	recovered := 0
	for i := 0; i < 1000; i++ {
		if dereference(nil) != nil {
			recovered++
		}
	}
	fmt.Println(recovered)
}
