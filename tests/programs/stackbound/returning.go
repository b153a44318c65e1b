package main

/*
extern int goBack(int);
static __attribute__((noinline)) int returning(int n) { return goBack(n) + 1; }
*/
import "C"

//export goBack
func goBack(n C.int) C.int { return n + 1 }

func callBack(n int) int { return int(C.returning(C.int(n))) }
