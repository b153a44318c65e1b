#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "_cgo_export.h"

static sigjmp_buf safe;

static void jump_away(int signal) { siglongjmp(safe, signal); }
static void leave(int signal) { _exit(40 + signal); }
static void leave_deep(int signal) {
  volatile char room[16000]; // of the 32 KiB that Go gives signal handlers
  memset((char *)room, signal, sizeof room);
  exit(40 + signal);
}
static void give_up(int signal) {
  (void)signal;
  abort();
}
static void raise_again(int number) {
  signal(number, SIG_DFL);
  raise(number);
}
static void put_back(int number) { signal(number, SIG_DFL); }

static void install(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
}

__attribute__((noinline)) void poke(volatile int *p) { *p = 1; }
__attribute__((noinline)) void poke_elsewhere(volatile int *p) { *p = 2; }

void survive(int times) {
  install(jump_away);
  for (volatile int i = 0; i < times; i++) {
    if (sigsetjmp(safe, 1) == 0) poke((int *)8);
  }
}

void die_later(int times) {
  survive(times);
  install((void (*)(int))SIG_DFL);
  poke_elsewhere((int *)16);
}

void survive_until(int last) {
  install(jump_away);
  for (volatile int i = 0; i <= last; i++) {
    if (i == last) install((void (*)(int))SIG_DFL);
    if (sigsetjmp(safe, 1) == 0) poke((int *)8);
  }
}

void handled_by(int how) {
  void (*handlers[])(int) = {leave, leave_deep, give_up, raise_again, put_back};
  install(handlers[how]);
  poke((int *)8);
}

static void *fault(void *unused) {
  poke((int *)24);
  return unused;
}

void fault_on_own_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, fault, NULL);
  pthread_join(thread, NULL);
}

static int overflow(int depth) {
  volatile char room[100];
  room[0] = depth;
  return overflow(depth + 1) + room[0];
}

static void *overflow_it(void *unused) {
  overflow(0);
  return unused;
}

void overflow_on_own_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, overflow_it, NULL);
  pthread_join(thread, NULL);
}

static void *enter_go(void *unused) {
  goPanic(1);
  return unused;
}

void panic_on_own_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, enter_go, NULL);
  pthread_join(thread, NULL);
}

void call_go(int how) { goPanic(how); }
void call_go_nil(void) { goNil(); }
void call_go_nil_elsewhere(void) { goNilElsewhere(); }

static volatile long sent;

static void *send_signals(void *target) {
	for (;; sent++) pthread_kill(*(pthread_t *)target, SIGURG);
	return NULL;
}

void call_go_nil_in_a_storm(void) {
	static pthread_t self;
	self = pthread_self();
	pthread_t sender;
	pthread_create(&sender, NULL, send_signals, &self);
	while (sent < 100) sched_yield();
	goNil();
}
