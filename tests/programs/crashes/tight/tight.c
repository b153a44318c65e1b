#include "tight.h"
#include "_cgo_export.h"

// What is in callee-saved registers across the call is lost unless crosscall2's copy of them is used.
__attribute__((noinline)) int tight_calls_go(int depth, int how) {
	int before = depth * 3 + how, more = depth * 5 - how;
	int answer = tightGo(depth, how);
	return answer + before * more;
}

static inline int inlined_read(int *p) { return *p + 1; }

__attribute__((noinline)) static int read_twice(int *p, int more) {
	int answer = inlined_read(p);
	return answer * more;
}

__attribute__((noinline)) int tight_null(int *p) { return read_twice(p, 3) + 1; }

__attribute__((noinline)) int tight_overflow(int depth) {
	volatile int kept[20];
	kept[0] = depth;
	return tight_overflow(depth + 1) + kept[0];
}
