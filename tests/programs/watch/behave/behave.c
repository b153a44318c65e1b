// Behaves badly, or unusually, in the way that its first argument names.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t heard[65];
static sigjmp_buf back;

static void tell(int number, siginfo_t *info, void *context) {
  char line[128];
  int sent = info->si_code <= 0;
  int length = snprintf(line, sizeof line, "%s code %d value %d sender %s\n", strsignal(number), info->si_code,
                        info->si_code == SI_QUEUE ? info->si_value.sival_int : 0,
                        !sent                        ? "kernel"
                        : info->si_pid == getpid() ? "self"
                                                     : "other");
  (void)context;
  if (write(1, line, length) != length) _exit(9);
  heard[number]++;
  if (info->si_code > 0 && number == SIGSEGV) siglongjmp(back, 1);
}

static void jump(int number) {
  heard[number]++;
  siglongjmp(back, 1);
}

static void listen_to(int number) {
  struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO};
  sigaction(number, &action, NULL);
}

static void *spin(void *unused) {
  for (;;) pause();
  return unused;
}

static void *replace(void *unused) {
  execl("/bin/echo", "echo", "replaced", NULL);
  return unused;
}

static void say(const char *text) {
  if (write(1, text, strlen(text)) < 0) _exit(9);
}

static void idle_threads(int count) {
  pthread_t thread;
  while (count--) pthread_create(&thread, NULL, spin, NULL);
}

static void stubborn(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
  say("deaf\n");
  for (;;) continue;
}

static void daemonise(void) {
  int ready[2];
  char line[32];
  if (pipe(ready)) _exit(9);
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      snprintf(line, sizeof line, "%d\n", getpid());
      say(line);
      close(ready[0]);
      close(ready[1]);
      for (;;) pause();
    }
    _exit(0);
  }
  wait(NULL);
  close(ready[1]);
  if (read(ready[0], line, 1) != 0) _exit(9);  // the grandchild has spoken when both its ends are closed
}

static void crowd(void) {
  for (int i = 0; i < 300; i++) {
    if (fork() == 0) _exit(i % 3);
    wait(NULL);
  }
}

// The text of every process but the last is "gone": a chain that would go on for ever.
static void chain(void) {
  for (;;)
    if (fork() != 0) _exit(0);
}

static void queue(int number, int value) {
  union sigval extra = {.sival_int = value};
  sigqueue(getpid(), number, extra);
}

static void all_signals(void) {
  for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
    listen_to(number);
    queue(number, number);
    queue(number, -number);
  }
}

static void core_signals(void) {
  static const int numbers[] = {SIGABRT, SIGFPE, SIGILL, SIGBUS, SIGQUIT, SIGSYS, SIGTRAP, SIGSEGV};
  listen_to(SIGCONT);
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    listen_to(numbers[i]);
    queue(numbers[i], 40 + i);
    while (!heard[numbers[i]]) sched_yield();  // any thread may have taken it
  }
  if (sigsetjmp(back, 1) == 0) *(volatile int *)16 = 1;
}

static void *short_lived(void *unused) { return unused; }

static void *storm(void *unused) {
  pthread_t threads[8];
  for (;;) {
    for (int i = 0; i < 8; i++) pthread_create(threads + i, NULL, short_lived, NULL);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
  }
  return unused;
}

static void survive(int times) {
  struct sigaction action = {.sa_handler = jump};
  sigaction(SIGSEGV, &action, NULL);
  for (volatile int i = 0; i < times; i++)
    if (sigsetjmp(back, 1) == 0) *(volatile int *)16 = 1;
  printf("%d\n", (int)heard[SIGSEGV]);
}

static void stop_and_go(void) {
  pid_t self = getpid(), helper;
  int status;
  listen_to(SIGCONT);
  if ((helper = fork()) == 0) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", self);
    while (state != 'T' && state != 't') {
      FILE *file = fopen(path, "r");
      if (fscanf(file, "%*d %*s %c", &state) != 1) _exit(9);
      fclose(file);
    }
    kill(self, SIGCONT);
    _exit(0);
  }
  raise(SIGSTOP);
  waitpid(helper, &status, 0);
  say("went on\n");
}

int main(int argc, char **argv) {
  const char *way = argv[1];
  pthread_t thread;
  idle_threads(argc > 2 ? atoi(argv[2]) : 0);
  if (!strcmp(way, "stubborn")) stubborn();
  if (!strcmp(way, "stopped")) raise(SIGSTOP);
  if (!strcmp(way, "waiting")) pause();
  if (!strcmp(way, "headless")) pthread_exit(NULL);
  if (!strcmp(way, "vfork") && vfork() == 0) for (;;) pause();
  if (!strcmp(way, "daemon")) daemonise();
  if (!strcmp(way, "crowd")) crowd();
  if (!strcmp(way, "chain")) chain();
  if (!strcmp(way, "signals")) all_signals();
  if (!strcmp(way, "core")) core_signals();
  if (!strcmp(way, "storm")) {
    pthread_create(&thread, NULL, storm, NULL);
    core_signals();
  }
  if (!strcmp(way, "survive")) survive(1000);
  if (!strcmp(way, "stop-and-go")) stop_and_go();
  if (!strcmp(way, "exec")) replace(NULL);
  if (!strcmp(way, "thread-exec")) {
    pthread_create(&thread, NULL, replace, NULL);
    pthread_join(thread, NULL);
  }
  if (!strcmp(way, "segv")) *(volatile int *)16 = 1;
  if (!strcmp(way, "abort")) abort();
  if (!strcmp(way, "int3")) __asm__ volatile(
#ifdef __x86_64__
      "int3"
#else
      "brk #0"
#endif
  );
  if (!strcmp(way, "madvise"))
    for (int i = 0; i < 3000; i++) {
      char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      madvise(memory, 4096, MADV_DONTNEED);
      munmap(memory, 4096);
    }
  return 7;
}
