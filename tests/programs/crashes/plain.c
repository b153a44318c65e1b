#define _GNU_SOURCE
#include "plain.h"
#include "_cgo_export.h"

#include <alloca.h>
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int null_chain(int depth, int *p) {
	volatile char pad[64];
	pad[0] = depth;
	if (depth == 0)
		return *p;
	return null_chain(depth - 1, p) + pad[0];
}

// The frame pointer alone finds the way back from here: alloca moves the stack pointer by an amount that varies.
int c_calls_go(int depth, int how) {
	char *room = alloca(64 + 16 * depth);
	memset(room, depth, 64);
	return goFromC(depth, how) + room[0];
}

int overflow_uniform(int depth) {
	volatile char token[128];
	token[0] = depth;
	return overflow_uniform(depth + 1) + token[0];
}

static int pong(int depth);

static int ping(int depth) {
	volatile char small[32];
	small[0] = depth;
	return pong(depth + 1) + small[0];
}

static int pong(int depth) {
	volatile char large[400];
	large[0] = depth;
	return ping(depth + 1) + large[0];
}

int overflow_mutual(int depth) { return ping(depth); }

int overflow_varying(int depth) {
	volatile char *room = alloca(16 + depth * 7919 % 512);
	room[0] = depth;
	return overflow_varying(depth + 1) + room[0];
}

static void (*nowhere)(void);

void call_null(void) { nowhere(); }

static char not_code[64];

void call_data(void) { ((void (*)(void))not_code)(); }

static void write_past_end(volatile char *start, int count) {
	for (int i = 0; i < count; i++)
		start[i] = 0x41;
}

void smash_return_address(void) {
	volatile char buffer[16];
	write_past_end(buffer, 64);
}

void fail_assert(int value) { assert(value > 40 && "value is too small"); }

void give_up(void) { abort(); }

void free_twice(void) {
	char *block = malloc(2000);
	void *after = malloc(16);
	free(block);
	free(block);
}

int divide(int a, int b) { return a / b; }

void trap(void) { __builtin_trap(); }

int beyond_file_end(const char *path) {
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	volatile char *data = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
	return data[100];
}

long in_libc(const char *text) { return strlen(text); }

struct table { long count; struct entry { struct entry *next; int value; } *first; };

int read_map_as_struct(uintptr_t map) {
	struct table *table = (struct table *)map;
	int sum = 0;
	for (struct entry *entry = table->first; entry; entry = entry->next)
		sum += entry->value;
	return sum;
}

__attribute__((optimize("O2"), noinline)) int in_cold_part(int *p, int unlikely) {
	if (__builtin_expect(unlikely, 0)) {
		write_past_end((volatile char *)p, 1);
		abort();
	}
	return *p;
}

__attribute__((noinline, noreturn)) static void last_words(int *p) {
	*p = 1;
	_exit(1);
}

// The call is the last instruction: its return address belongs to the next function.
__attribute__((noreturn)) void never_returns(int *p) { last_words(p); }

static int by_go(const void *a, const void *b) { return goCompare((void *)a, (void *)b); }

int sorted_by_go(int count) {
	int *numbers = calloc(count, sizeof *numbers);
	for (int i = 0; i < count; i++)
		numbers[i] = count - i;
	qsort(numbers, count, sizeof *numbers, by_go);
	return numbers[0];
}

static void *thread_dies(void *arg) { return (void *)(intptr_t)null_chain(2, arg); }

static void *thread_goes(void *arg) { return (void *)(intptr_t)c_calls_go(1, (int)(intptr_t)arg); }

static int in_thread(void *(*body)(void *), void *arg) {
	pthread_t thread;
	pthread_create(&thread, 0, body, arg);
	return pthread_join(thread, 0);
}

int thread_without_go(void) { return in_thread(thread_dies, (void *)8); }

int thread_calls_go(int how) { return in_thread(thread_goes, (void *)(intptr_t)how); }

static void handler(int number) { null_chain(number == SIGUSR2 ? 1 : 0, (int *)24); }

int crash_in_handler(int on_own_stack) {
	struct sigaction action = {.sa_handler = handler, .sa_flags = on_own_stack ? SA_ONSTACK : 0};
	sigaction(SIGUSR2, &action, 0);
	return raise(SIGUSR2);
}

void hang_in_c(void) {
	for (;;)
		pause();
}

int use_after_free(void) {
	struct table *table = malloc(sizeof *table);
	table->first = malloc(sizeof *table->first);
	free(table->first);
	return table->first->next->value;
}

int field_of_null(void) {
	struct table *table = 0;
	return table->first->value;
}

void write_text(const char *text) { *(char *)text = 'x'; }

static void *thread_overflows(void *arg) { return (void *)(intptr_t)overflow_uniform((int)(intptr_t)arg); }

int overflow_in_thread(void) { return in_thread(thread_overflows, (void *)1); }

int huge_frame(int size) {
	volatile char room[16 << 20];
	room[0] = size;
	return room[0];
}

int touch_guard_page(void) {
	volatile char *page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return page[8];
}

int overflow_printing(int depth) {
	char line[100];
	snprintf(line, sizeof line, "%d %f", depth, depth * 1.5);
	return overflow_printing(depth + 1) + line[0];
}

void bad_instruction(void) { __asm__ volatile("hlt"); }

// The C library's own variables look like a small Go map here: a count, and a pointer to as many bytes.
static int by_null(const void *a, const void *b) {
	int *none = (int *)(uintptr_t)(*(int *)a < 0);
	return *none;
}

int sorted_by_null(void) {
	int numbers[5] = {3, 1, 2, 5, 4};
	qsort(numbers, 5, sizeof *numbers, by_null);
	return numbers[0];
}

int send_fault(void) { return raise(SIGSEGV); }

long load_by_hand(long address) {
	long value = 1;
	__asm__ volatile("mov (%1), %0" : "=r"(value) : "r"(address));
	return value;
}
