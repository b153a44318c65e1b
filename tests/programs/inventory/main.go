// Command inventory allocates in C's heap in many ways. A "want" at an allocation says what becomes of it; where it is
// leaked, a letter stands at each return that loses it, and "round" for the loop that does.
package main

/*
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*visitor)(int, void *);
typedef struct { char *name; char *value; int size; } pair;
typedef struct list list;

extern int goVisit(int, void *);

static int lookup(const char *key) { return key[0] == 'x' ? -1 : 0; }
static int adopt(char *text) { return text[0] == 'x' ? -1 : 0; }
static void destroy(void *p) { free(p); }
static int pairs(pair *p, int n) { return n; }
static int each(visitor v, void *data) { return v(1, data); }
static int all(char **texts, int n) { return n; }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"
)

var kept *C.char

type box struct {
	text *C.char
	data unsafe.Pointer
	free func()
}

var errNo = errors.New("no")

//export goVisit
func goVisit(n C.int, data unsafe.Pointer) C.int { return n }

func main() {
	fmt.Println(C.each(C.visitor(C.goVisit), nil))
}

// Freed.

func deferred(s string) C.int {
	text := C.CString(s) // want freed
	defer C.free(unsafe.Pointer(text))
	return C.lookup(text)
}

func atOnce(b []byte) string {
	data := C.CBytes(b) // want freed
	s := C.GoString((*C.char)(data))
	C.free(data)
	return s
}

func onBothPaths(s string) error {
	text := C.CString(s) // want freed
	if C.lookup(text) != 0 {
		C.free(unsafe.Pointer(text))
		return errNo
	}
	C.free(unsafe.Pointer(text))
	return nil
}

func byDeferredLiteral(s string) C.int {
	text := C.CString(s) // want freed
	defer func() {
		C.free(unsafe.Pointer(text))
	}()
	return C.lookup(text)
}

func deferredBefore(s string) C.int {
	var text *C.char
	defer func() { C.free(unsafe.Pointer(text)) }()
	text = C.CString(s) // want freed
	return C.lookup(text)
}

func deferredWithCheck(s string) C.int {
	var text *C.char
	defer func() {
		if text != nil {
			C.free(unsafe.Pointer(text))
		}
	}()
	if s == "" {
		return 0
	}
	text = C.CString(s) // want freed
	return C.lookup(text)
}

func onlyIfWanted(s string) C.int {
	var text *C.char
	if s != "" {
		text = C.CString(s) // want freed
		defer C.free(unsafe.Pointer(text))
	}
	return C.lookup(text)
}

func sameCondition(s string, n int) C.int {
	var text *C.char
	if n > 3 {
		text = C.CString(s) // want freed
	}
	result := C.lookup(text)
	if n > 3 {
		C.free(unsafe.Pointer(text))
	}
	return result
}

func nilCheck(s string, n int) C.int {
	var text *C.char
	if n > 3 {
		text = C.CString(s) // want freed
	}
	result := C.lookup(text)
	if text != nil {
		C.free(unsafe.Pointer(text))
	}
	return result
}

func owned(s string, given *C.char) C.int {
	own := false
	if given == nil {
		given = C.CString(s) // want freed
		own = true
	}
	result := C.lookup(given)
	if own {
		C.free(unsafe.Pointer(given))
	}
	return result
}

func release(text *C.char) {
	if text == nil {
		return
	}
	C.free(unsafe.Pointer(text))
}

func byHelper(s string) C.int {
	text := C.CString(s) // want freed
	defer release(text)
	return C.lookup(text)
}

func (b *box) close() {
	C.free(unsafe.Pointer(b.text))
	C.free(b.data)
}

func byMethod(s string) C.int {
	b := &box{text: C.CString(s), data: C.malloc(8)} // want freed freed
	defer b.close()
	return C.lookup(b.text)
}

func byMethodValue(s string) C.int {
	var b box
	defer b.close()
	b.text = C.CString(s) // want freed
	return C.lookup(b.text)
}

func inRounds(all []string) (sum C.int) {
	for _, s := range all {
		text := C.CString(s) // want freed
		sum += C.lookup(text)
		C.free(unsafe.Pointer(text))
	}
	return sum
}

func inFunctionRounds(all []string) (sum C.int) {
	for _, s := range all {
		func() {
			text := C.CString(s) // want freed
			defer C.free(unsafe.Pointer(text))
			sum += C.lookup(text)
		}()
	}
	return sum
}

func deferredInRounds(all []string) (sum C.int) {
	for _, s := range all {
		text := C.CString(s) // want freed
		defer C.free(unsafe.Pointer(text))
		sum += C.lookup(text)
	}
	return sum
}

func array(all []string) C.int {
	texts := make([]*C.char, len(all)+1)
	for i, s := range all {
		texts[i] = C.CString(s) // want freed
	}
	result := C.all(&texts[0], C.int(len(all)))
	for _, text := range texts {
		C.free(unsafe.Pointer(text))
	}
	return result
}

func arrayDeferred(all []string) C.int {
	texts := make([]*C.char, len(all)+1)
	for i, s := range all {
		texts[i] = C.CString(s) // want freed
		defer C.free(unsafe.Pointer(texts[i]))
	}
	return C.all(&texts[0], C.int(len(all)))
}

func appended(all []string) C.int {
	var texts []*C.char
	defer func() {
		for _, text := range texts {
			C.free(unsafe.Pointer(text))
		}
	}()
	for _, s := range all {
		texts = append(texts, C.CString(s)) // want freed
	}
	return C.all(&texts[0], C.int(len(texts)))
}

func freeAll(texts []*C.char) {
	for i := range texts {
		C.free(unsafe.Pointer(texts[i]))
	}
}

func appendedHelper(all []string) C.int {
	var texts []*C.char
	for _, s := range all {
		texts = append(texts, C.CString(s)) // want freed
	}
	defer freeAll(texts)
	return C.all(&texts[0], C.int(len(texts)))
}

func structOfC(s string) C.int {
	var p C.pair
	p.name = C.CString(s)  // want freed
	p.value = C.CString(s) // want freed
	result := C.pairs(&p, 1)
	C.free(unsafe.Pointer(p.name))
	C.free(unsafe.Pointer(p.value))
	return result
}

func grown(n int) {
	p := C.malloc(8)              // want freed
	p = C.realloc(p, C.size_t(n)) // want freed
	C.free(p)
}

func cleanup(s string) (*C.char, func()) {
	text := C.CString(s) // want escapes
	return text, func() { C.free(unsafe.Pointer(text)) }
}

func withCleanup(s string) C.int {
	text, done := cleanup(s) // want freed
	defer done()
	return C.lookup(text)
}

func newText(s string) *C.char {
	return C.CString(s) // want escapes
}

func wrapped(s string) C.int {
	text := newText(s) // want freed
	defer C.free(unsafe.Pointer(text))
	return C.lookup(text)
}

func asInteger(s string) C.int {
	text := uintptr(unsafe.Pointer(C.CString(s))) // want freed
	defer func() { C.free(unsafe.Pointer(text)) }()
	return C.lookup((*C.char)(unsafe.Pointer(text)))
}

func orPanic(s string) C.int {
	text := C.CString(s) // want freed
	result := C.lookup(text)
	if result != 0 {
		panic("no")
	}
	C.free(unsafe.Pointer(text))
	return result
}

func orExit(s string) {
	text := C.CString(s) // want freed
	if C.lookup(text) != 0 {
		os.Exit(1)
	}
	C.free(unsafe.Pointer(text))
}

func byGoroutine(s string, done chan bool) {
	text := C.CString(s) // want freed
	go func() {
		C.lookup(text)
		C.free(unsafe.Pointer(text))
		done <- true
	}()
}

func twoResults(s string) error {
	text := C.CString(s) // want freed
	defer C.free(unsafe.Pointer(text))
	_, err := C.lookup(text)
	return err
}

func bySwitch(s string, n int) C.int {
	text := C.CString(s) // want freed
	var result C.int
	switch n {
	case 1:
		result = C.lookup(text)
	case 2:
		result = 7
	default:
	}
	C.free(unsafe.Pointer(text))
	return result
}

func byGoto(s string) (result C.int) {
	text := C.CString(s) // want freed
	if result = C.lookup(text); result != 0 {
		goto out
	}
	result = 3
out:
	C.free(unsafe.Pointer(text))
	return
}

func viaInterface(s string) {
	var any interface{} = C.CString(s) // want freed
	C.free(unsafe.Pointer(any.(*C.char)))
}

func viaMap(s string) {
	texts := map[string]*C.char{}
	texts[s] = C.CString(s) // want freed
	for _, text := range texts {
		C.free(unsafe.Pointer(text))
	}
}

// Leaked.

func never(s string) string {
	text := C.CString(s)    // want leaked A
	return C.GoString(text) // A
}

func inline(s string) {
	C.puts(C.CString(s)) // want leaked A
} // A

func early(s string) error {
	text := C.CString(s) // want leaked A
	if C.lookup(text) != 0 {
		return errNo // A
	}
	C.free(unsafe.Pointer(text))
	return nil
}

func twoEarly(s string, n int) error {
	text := C.CString(s) // want leaked A B
	if n < 0 {
		return errNo // A
	}
	data := C.malloc(C.size_t(n)) // want leaked B
	if C.lookup(text) != 0 {
		return errNo // B
	}
	C.free(data)
	C.free(unsafe.Pointer(text))
	return nil
}

func deferredTooLate(s string) error {
	text := C.CString(s) // want leaked A
	if len(s) > 10 {
		return errNo // A
	}
	defer C.free(unsafe.Pointer(text))
	C.lookup(text)
	return nil
}

func eachRound(all []string) (sum C.int) {
	for _, s := range all {
		text := C.CString(s) // want leaked round A
		if C.lookup(text) < 0 {
			continue
		}
		sum++
		C.free(unsafe.Pointer(text))
	}
	return sum // A
}

func overwritten(s string) {
	text := C.CString(s) // want leaked A
	text = C.CString(s)  // want freed
	C.free(unsafe.Pointer(text))
} // A

func oneOfTwo(s string) {
	var p C.pair
	p.name = C.CString(s)  // want freed
	p.value = C.CString(s) // want leaked A
	fmt.Println(p.size)
	C.free(unsafe.Pointer(p.name))
} // A

func wrappedLeak(s string) string {
	text := newText(s)      // want leaked A
	return C.GoString(text) // A
}

func forgotCleanup(s string) string {
	text, _ := cleanup(s)   // want leaked A
	return C.GoString(text) // A
}

func otherCondition(s string, n int) {
	text := C.CString(s) // want leaked A
	if n > 3 {
		C.free(unsafe.Pointer(text))
	}
} // A

// Escapes.

func (b *box) set(s string) {
	b.text = C.CString(s) // want escapes
}

func global(s string) {
	kept = C.CString(s) // want escapes
}

func newBox(s string) (*box, error) {
	b := &box{text: C.CString(s)} // want escapes
	if C.lookup(b.text) != 0 {
		C.free(unsafe.Pointer(b.text))
		return nil, errNo
	}
	return b, nil
}

func handed(s string) {
	C.adopt(C.CString(s)) // want escapes
}

func handedUnlessItFails(s string) error {
	text := C.CString(s) // want escapes
	if C.adopt(text) != 0 {
		C.free(unsafe.Pointer(text))
		return errNo
	}
	return nil
}

func destroyed(s string) C.int {
	text := C.CString(s) // want escapes
	defer C.destroy(unsafe.Pointer(text))
	return C.lookup(text)
}

func finalized(s string) *box {
	b := &box{text: C.CString(s)} // want escapes
	runtime.SetFinalizer(b, (*box).close)
	return b
}

func sent(s string, to chan *C.char) {
	to <- C.CString(s) // want escapes
}

func inCMemory(s string) *C.pair {
	p := (*C.pair)(C.calloc(1, C.sizeof_pair)) // want escapes
	p.name = C.CString(s)                      // want escapes
	return p
}

func inClosure(s string) *box {
	text := C.CString(s) // want escapes
	return &box{free: func() { C.free(unsafe.Pointer(text)) }}
}

func toCallback(s string, use func(*C.char)) {
	use(C.CString(s)) // want escapes
}

var registered sync.Map

func register(s string) *C.char {
	text := C.CString(s) // want escapes
	registered.Store(text, s)
	return text
}

func useRegistered(s string) string {
	return C.GoString(register(s))
}

func put() {
	C.putenv(C.CString("A=b")) // want escapes
}
