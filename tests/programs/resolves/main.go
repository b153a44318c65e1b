// Calls no C but what Go's own standard library calls.
package main

import (
	"fmt"
	"net"
)

func main() {
	addresses, err := net.LookupHost("127.0.0.1")
	fmt.Println(addresses, err)
}
