// Command castmap sums a map in C, by casting the address of the map variable to a pointer to a C struct.
//
// What is wrong: a Go map variable is a pointer to a table in a layout of the runtime's own, which changes between
// releases. C takes that pointer for the `values` of its struct and whatever lies behind the variable for its `len`.
//
// What finds it: cgosafe vet, in the source; and the runtime's cgocheck, when the call runs. It sees that C is given the
// address of Go memory which itself holds a Go pointer.
package main

/*
#include <stddef.h>

struct table {
	const double *values;
	size_t len;
};

static double sum_table(const struct table *table) {
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
	return float64(C.sum_table((*C.struct_table)(unsafe.Pointer(&values))))
}

func main() {
	fmt.Println(sum(map[string]float64{"cpu.user": 12.5, "cpu.system": 4}))
}
