// Package lib hands Go values on, for another package that has C.
package lib

import "unsafe"

var (
	Word   uintptr
	counts         = map[string]int{}
	Number uintptr = 4
)

func init() { Word = Header(counts) }

func Header(m map[string]int) uintptr { return *(*uintptr)(unsafe.Pointer(&m)) }

func Identity(p unsafe.Pointer) unsafe.Pointer { return p }

type Box struct {
	P unsafe.Pointer
	U uintptr
}

func NewBox(p unsafe.Pointer) *Box { return &Box{P: p} }

func (b *Box) Pointer() unsafe.Pointer { return b.P }

func (b *Box) Set(u uintptr) { b.U = u }

func Apply(f func(unsafe.Pointer), p unsafe.Pointer) { f(p) }

func Generic[T any](v *T) unsafe.Pointer { return unsafe.Pointer(v) }

type Sender interface{ Send(p unsafe.Pointer) }

func Run(s Sender, p unsafe.Pointer) { s.Send(p) }

func Getter(u uintptr) func() uintptr { return func() uintptr { return u } }

func Len(m map[string]int) int { return len(m) }
