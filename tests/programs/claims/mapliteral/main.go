// Command mapliteral writes to a map literal that was made without make, and to a nil map.
package main

import "fmt"

func main() {
	literal := map[string]int{}
	literal["a"] = 1
	fmt.Println("literal:", literal)

	defer func() { fmt.Println("nil map:", recover()) }()
	var none map[string]int
	none["a"] = 1
}
