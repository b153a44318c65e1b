// Survivors lives through faults and panics that look deadly, or dies of one in a roundabout way, as its argument says.
package main

/*
void survive(int times);
void die_later(int times);
void survive_until(int last);
void handled_by(int how);
void fault_on_own_thread(void);
void overflow_on_own_thread(void);
void panic_on_own_thread(void);
void call_go(int how);
void call_go_nil(void);
void call_go_nil_elsewhere(void);
void call_go_nil_in_a_storm(void);
*/
import "C"

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

//export goPanic
func goPanic(how C.int) { panic(fmt.Sprint("in a callback, ", int(how))) }

//export goNil
func goNil() { load(nil) }

//export goNilElsewhere
func goNilElsewhere() { store(nil) }

//go:noinline
func store(p *int) { *p = 1 }

//go:noinline
func load(p *int) int { return *p }

func recovered(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

var lives = map[string]func(){
	"recover-nil":                recoverNil,
	"recover-callback":           recoverCallback,
	"recover-callbacks":          recoverCallbacks,
	"recover-then-panic":         recoverThenPanic,
	"recover-callbacks-then-die": recoverCallbacksThenDie,
	"recover-nils-then-die":      recoverNilsThenDie,
	"recover-then-exit-2":        recoverThenExit2,
	"fault-on-purpose":           faultOnPurpose,
	"many-recovered":             manyRecovered,
	"longjmp":                    longjmp,
	"longjmp-1000":               longjmp1000,
	"longjmp-then-exit-2":        longjmpThenExit2,
	"longjmp-then-fault":         longjmpThenFault,
	"longjmp-then-same-fault":    longjmpThenSameFault,
	"handler-exits":              handlerExits,
	"handler-exits-deep":         handlerExitsDeep,
	"handler-aborts":             handlerAborts,
	"handler-raises":             handlerRaises,
	"handler-resets":             handlerResets,
	"c-thread-fault":             cThreadFault,
	"c-thread-overflow":          cThreadOverflow,
	"c-thread-panic":             cThreadPanic,
	"callback-nil":               callbackNil,
	"callback-nil-moved":         callbackNilMoved,
	"callback-nil-storm":         callbackNilStorm,
	"notified":                   notified,
	"child-crashes":              childCrashes,
}

func recoverNil() { fmt.Println(recovered(func() { load(nil) })) }

func recoverCallback() { fmt.Println(recovered(func() { C.call_go(2) })) }

func recoverCallbacks() {
	for i := 0; i < 30; i++ {
		recovered(func() { C.call_go(C.int(i)) })
	}
}

func recoverThenPanic() {
	recovered(func() { C.call_go(3) })
	panic("outside")
}

func recoverCallbacksThenDie() {
	for i := 0; i < 30; i++ {
		recovered(func() { C.call_go(C.int(i)) })
	}
	C.call_go_nil()
}

func recoverNilsThenDie() {
	for i := 0; i < 5; i++ {
		recovered(func() { C.call_go_nil() })
	}
	C.call_go_nil_elsewhere()
}

func recoverThenExit2() {
	recovered(func() { load(nil) })
	os.Exit(2)
}

func faultOnPurpose() {
	debug.SetPanicOnFault(true)
	fmt.Println(recovered(func() { load((*int)(pointerTo(0x1000))) }))
}

func manyRecovered() {
	for i := 0; i < 2000; i++ {
		recovered(func() { load(nil) })
	}
}

func longjmp() { C.survive(3) }

func longjmp1000() { C.survive(1000) }

func longjmpThenExit2() { C.survive(3); os.Exit(2) }

func longjmpThenFault() { C.die_later(1000) }

func longjmpThenSameFault() { C.survive_until(50) }

func handlerExits() { C.handled_by(0) }

func handlerExitsDeep() { C.handled_by(1) }

func handlerAborts() { C.handled_by(2) }

func handlerRaises() { C.handled_by(3) }

func handlerResets() { C.handled_by(4) }

func cThreadOverflow() { C.overflow_on_own_thread() }

func cThreadFault() { C.fault_on_own_thread() }

func cThreadPanic() { C.panic_on_own_thread() }

func callbackNil() { C.call_go_nil() }

func callbackNilMoved() {
	defer moveToAnotherThread()
	C.call_go_nil()
}

// callbackNilStorm dies while its thread gets one signal after the other.
func callbackNilStorm() { C.call_go_nil_in_a_storm() }

// moveToAnotherThread lets the scheduler do what it is free to do once a callback's deferred calls have run.
func moveToAnotherThread() {
	runtime.GOMAXPROCS(4)
	for i := 0; i < 4; i++ {
		go func() {
			for {
				runtime.Gosched()
			}
		}()
	}
	for tid := syscall.Gettid(); tid == syscall.Gettid(); {
		runtime.Gosched()
	}
}

func notified() {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGABRT, syscall.SIGQUIT)
	syscall.Kill(os.Getpid(), syscall.SIGABRT)
	syscall.Kill(os.Getpid(), syscall.SIGQUIT)
	fmt.Println(<-got)
}

func childCrashes() {
	child := exec.Command(os.Args[0], "callback-nil")
	child.Stderr = os.Stderr
	if child.Run() != nil {
		os.Exit(2)
	}
}

func main() {
	lives[os.Args[1]]()
	fmt.Println("alive")
}
