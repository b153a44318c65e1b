// Goes deep on a thread's stack in the way that its first argument names, to the depth that the second one gives, and
// says how many bytes lie between its top and the lowest local variable.
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static volatile char *lowest;
static int depth;
static jmp_buf back;

static NOINLINE void touch(volatile char *local, size_t size) {
  for (size_t i = 0; i < size; i++) local[i] = (char)(i + 1);
  if (!lowest || local < lowest) lowest = local;
}

static NOINLINE long recurse(int levels) {
  volatile char local[104];
  touch(local, sizeof local);
  return levels > 1 ? recurse(levels - 1) + local[3] : local[5];
}

static long odd(int levels);

static NOINLINE long even(int levels) {
  volatile char local[72];
  touch(local, sizeof local);
  return levels > 1 ? odd(levels - 1) + local[3] : local[5];
}

static NOINLINE long odd(int levels) {
  volatile char local[136];
  touch(local, sizeof local);
  return levels > 1 ? even(levels - 1) + local[3] : local[5];
}

static NOINLINE long wide(int levels) {
  volatile char *local = alloca(100000);
  touch(local, 64);
  return levels > 1 ? recurse(levels - 1) + local[3] : local[5];
}

static NOINLINE int compare(const void *one, const void *other) {
  return (int)recurse(depth) * 0 + (*(const int *)one > *(const int *)other) - (*(const int *)one < *(const int *)other);
}

static NOINLINE long sort(void) {
  int numbers[] = {3, 1, 2, 5, 4};
  qsort(numbers, 5, sizeof *numbers, compare);
  return numbers[0];
}

static NOINLINE void handle(int number) { lowest = lowest + recurse(depth) * 0 + number * 0; }

static NOINLINE long interrupted(void) {
  signal(SIGUSR1, handle);
  raise(SIGUSR1);
  return 1;
}

static NOINLINE long jumps(int levels) {
  volatile char local[88];
  touch(local, sizeof local);
  if (levels <= 1) longjmp(back, 1);
  return jumps(levels - 1) + local[3];
}

static NOINLINE long jumped(void) { return setjmp(back) ? 1 : jumps(depth); }

static NOINLINE long first(void) { return recurse(depth) + 1; }

static NOINLINE long second(void) { return recurse(depth / 2) + 2; }

static NOINLINE long prints(void) {
  char line[64];
  return snprintf(line, sizeof line, "%.17g", 3.5 * depth);
}

static long (*volatile pointer)(int) = recurse;

static NOINLINE long through(void) { return pointer(depth) + 1; }

static NOINLINE long begin(const char *mode) {
  if (!strcmp(mode, "recursion")) return recurse(depth);
  if (!strcmp(mode, "mutual")) return even(depth);
  if (!strcmp(mode, "alloca")) return wide(depth);
  if (!strcmp(mode, "qsort")) return sort();
  if (!strcmp(mode, "signal")) return interrupted();
  if (!strcmp(mode, "longjmp")) return jumped();
  if (!strcmp(mode, "pointer")) return through();
  if (!strcmp(mode, "printf")) return prints();
  return first() + second();
}

static void *thread(void *mode) {
  begin(mode);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t other;
  depth = atoi(argv[2]);
  if (argc > 3) {
    begin(argv[1]);
  } else {
    if (pthread_create(&other, NULL, thread, argv[1])) abort();
    pthread_join(other, NULL);
  }
  return 0;
}
