// Command deepkeys reads key=value lines and prints how deep each dotted key is nested.
//
// What is wrong: C takes one stack frame of some 200 bytes for every dot, and it is the input that says how many there
// are. The thread stack of a glibc program lasts for 40,000 of them, one of musl's threads (Alpine) for 600.
//
// What finds it: max_c_stack and min_headroom, as soon as a test has an input of some depth, long before the overflow.
package main

/*
#include <stdlib.h>
#include <string.h>

static size_t key_depth(const char *key) {
	char part[128];
	const char *dot = strchr(key, '.');
	size_t len = dot ? (size_t)(dot - key) : strlen(key);
	if (len >= sizeof part)
		len = sizeof part - 1;
	memcpy(part, key, len);
	part[len] = '\0';
	size_t below = dot ? key_depth(dot + 1) : 0;
	return below + (part[0] != '\0');
}
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

func depth(key string) int {
	cKey := C.CString(key)
	defer C.free(unsafe.Pointer(cKey))
	return int(C.key_depth(cKey))
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		fmt.Printf("depth %d, value %s\n", depth(key), value)
	}
}
