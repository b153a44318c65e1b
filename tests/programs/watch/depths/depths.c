// Recurses on stacks of every kind and tells the truth about each: "NAME TID USED" per line, USED being the bytes from
// the top of the stack down to the lowest local variable. The top is as pthread_getattr_np(3) has it, but for the main
// thread: there it leaves out pages of arguments and environment, which count for the kernel's limit.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread volatile char *lowest;
static pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;
static int depth;

__attribute__((noinline)) static long recurse(int levels) {
  volatile char local[120];
  memset((void *)local, levels + 1, sizeof local);
  if (!lowest || local < lowest) lowest = local;
  return levels > 0 ? recurse(levels - 1) + local[3] : local[5];
}

static char *main_top(void) {
  char line[512];
  unsigned long top = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps))
    if (strstr(line, "[stack]")) sscanf(line, "%*x-%lx", &top);
  fclose(maps);
  return (char *)top;
}

static void *measured(void *name) {
  pthread_attr_t attributes;
  void *start;
  char *top;
  size_t size;
  char line[128];
  int length;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &start, &size);
  pthread_attr_destroy(&attributes);
  top = syscall(SYS_gettid) == getpid() ? main_top() : (char *)start + size;
  pthread_mutex_lock(&telling);
  length = snprintf(line, sizeof line, "%s %ld ", (char *)name, syscall(SYS_gettid));
  recurse(depth);
  length += snprintf(line + length, sizeof line - length, "%ld\n", (long)(top - lowest));
  if (write(1, line, length) != length) abort();
  pthread_mutex_unlock(&telling);
  return NULL;
}

static void run(char *name, pthread_attr_t *attributes) {
  pthread_t thread;
  if (pthread_create(&thread, attributes, measured, name)) abort();
  pthread_join(thread, NULL);
}

static char lent[256 << 10] __attribute__((aligned(16)));

int main(int argc, char **argv) {
  pthread_attr_t attributes;
  char *mode = argv[1];
  depth = atoi(argv[2]);
  pthread_attr_init(&attributes);
  if (!strcmp(mode, "main")) {
    measured("main");
  } else if (!strcmp(mode, "default")) {
    run("default", NULL);
  } else if (!strcmp(mode, "sized")) {
    pthread_attr_setstacksize(&attributes, atoi(argv[3]));
    run("sized", &attributes);
  } else if (!strcmp(mode, "unguarded")) {
    pthread_attr_setguardsize(&attributes, 0);
    run("unguarded", &attributes);
  } else if (!strcmp(mode, "static")) {
    pthread_attr_setstack(&attributes, lent, sizeof lent);
    run("static", &attributes);
  } else if (!strcmp(mode, "malloc")) {
    char *memory = malloc(300 << 10);
    memset(memory, 0x5a, 300 << 10);
    pthread_attr_setstack(&attributes, memory + 16, 256 << 10);
    run("malloc", &attributes);
  } else if (!strcmp(mode, "reused")) {
    run("deep", NULL);
    depth = 5;
    run("shallow", NULL);
  } else if (!strcmp(mode, "lent")) {
    pthread_attr_setstack(&attributes, lent, sizeof lent);
    run("deep", &attributes);
    depth = 5;
    run("shallow", &attributes);
  } else if (!strcmp(mode, "many")) {
    for (int i = 0; i < 200; i++) run("many", NULL);
  } else if (!strcmp(mode, "detached")) {
    pthread_t thread;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_create(&thread, &attributes, measured, "detached");
    pthread_exit(NULL);
  }
  return 0;
}
