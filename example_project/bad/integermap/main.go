// Command integermap sums a map in C, by handing the address of its table over as an integer.
//
// What is wrong: the same as in castmap, but no check of Go's own sees it. Neither go vet nor the runtime's cgocheck
// looks at integers. It even seems to work at first: the table begins with the number of its entries, so that C counts
// right. The word after it is no array, but the random seed of the hash function.
//
// What finds it: cgosafe vet, which follows the value; and the crash, at an address that is a random number.
package main

/*
#include <stddef.h>
#include <stdint.h>

struct table {
	size_t len;
	const double *values;
};

static double sum_at(uintptr_t address) {
	const struct table *table = (const struct table *)address;
	double sum = 0;
	for (size_t i = 0; i < table->len; i++)
		sum += table->values[i];
	return sum;
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

func sum(values map[string]float64) float64 {
	return float64(C.sum_at(C.uintptr_t(*(*uintptr)(unsafe.Pointer(&values)))))
}

func main() {
	fmt.Println(sum(map[string]float64{"cpu.user": 12.5, "cpu.system": 4}))
}
