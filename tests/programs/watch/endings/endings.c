// Goes deep on stacks of many kinds and ends in many ways, and tells the truth about each before it does: "NAME TID
// USED" per line, USED being the bytes from the top of the stack down to the lowest local variable.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALTERNATE = 64 << 10 };

static __thread volatile char *lowest;
static int depth;
static char *mode;
static pthread_barrier_t together;

__attribute__((noinline)) static long recurse(int levels) {
  volatile char local[120];
  memset((void *)local, levels + 1, sizeof local);
  if (!lowest || local < lowest) lowest = local;
  return levels > 0 ? recurse(levels - 1) + local[3] : local[5];
}

static char *top_of_stack(void) {
  pthread_attr_t attributes;
  void *start;
  size_t size;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &start, &size);
  pthread_attr_destroy(&attributes);
  return (char *)start + size;
}

static void tell(const char *name, char *top) {
  char line[128];
  int length = snprintf(line, sizeof line, "%s %ld %ld\n", name, syscall(SYS_gettid), (long)(top - lowest));
  if (write(1, line, length) != length) abort();
}

static void go_deep(int levels) {
  char *top = top_of_stack();
  recurse(levels);
  tell(mode, top);
}

static void handle(int number) {
  recurse(number * 0 + depth);
}

static void on_alternate_stack(void) {
  stack_t stack = {.ss_sp = malloc(ALTERNATE), .ss_size = ALTERNATE};
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
  char *top = top_of_stack();
  recurse(40);
  tell(mode, top);
  sigaltstack(&stack, NULL);
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
}

static void *thread(void *number) {
  if (!strcmp(mode, "alternate")) {
    on_alternate_stack();
    return NULL;
  }
  if (!strcmp(mode, "together")) pthread_barrier_wait(&together);
  if (!strcmp(mode, "named")) prctl(PR_SET_NAME, "worker-7");
  go_deep(depth + (int)(long)number);
  if (!strcmp(mode, "exits")) exit(3);
  if (!strcmp(mode, "quits")) pthread_exit(NULL);
  if (!strcmp(mode, "kills")) raise(SIGKILL);
  if (!strcmp(mode, "aborts")) abort();
  if (!strcmp(mode, "execs")) execl("/bin/true", "true", NULL);
  if (!strcmp(mode, "vfork")) {
    pid_t child = vfork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  if (!strcmp(mode, "together")) pthread_barrier_wait(&together);
  if (!strcmp(mode, "slain") && fork() == 0) {
    kill(getppid(), SIGKILL);
    _exit(0);
  }
  if (!strcmp(mode, "cancelled") || !strcmp(mode, "left")) pthread_barrier_wait(&together);
  if (!strcmp(mode, "cancelled") || !strcmp(mode, "left") || !strcmp(mode, "slain") || !strcmp(mode, "waits"))
    for (;;) pause();
  return NULL;
}

int main(int argc, char **argv) {
  int count = argc > 3 ? atoi(argv[3]) : 1;
  pthread_t threads[1024];
  pthread_attr_t attributes;
  mode = argv[1];
  depth = atoi(argv[2]);
  pthread_attr_init(&attributes);
  if (!strcmp(mode, "mapped")) {
    // the middle of one mapping
    char *memory = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 0x11, 1 << 20);
    memset(memory + (2 << 20), 0x22, 2 << 20);
    pthread_attr_setstack(&attributes, memory + (1 << 20), 1 << 20);
  } else if (!strcmp(mode, "together")) {
    pthread_attr_setstacksize(&attributes, 256 << 10);
  }
  pthread_barrier_init(&together, NULL, !strcmp(mode, "together") ? count : 2);
  for (long i = 0; i < count; i++)
    if (pthread_create(&threads[i], &attributes, thread, (void *)i)) abort();
  if (!strcmp(mode, "cancelled") || !strcmp(mode, "left")) pthread_barrier_wait(&together);
  if (!strcmp(mode, "left")) return 0;
  if (!strcmp(mode, "cancelled")) pthread_cancel(threads[0]);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  return 0;
}
