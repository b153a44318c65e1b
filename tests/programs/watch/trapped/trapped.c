// Calls functions by which a watcher may have traps, from every kind of process and thread.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Each begins with another instruction, and answers 7 to 35.
int pushes(int), relative(int), jumps(int), calls(int), returns(int), reads(int *), breaks(int);
__asm__(
    ".text\n"
    ".globl pushes\n pushes: push %rbx; mov %edi, %ebx; lea (%rbx,%rbx,4), %eax; pop %rbx; ret\n"
    ".globl relative\n relative: mov five(%rip), %eax; imul %edi, %eax; ret\n"
    ".globl jumps\n jumps: jmp pushes\n"
    ".globl calls\n calls: call pushes; ret\n"
    ".globl returns\n returns: ret\n"
    ".globl reads\n reads: mov (%rdi), %eax; imul $5, %eax, %eax; ret\n"
    ".globl breaks\n breaks: int3; mov %edi, %eax; imul $5, %eax, %eax; ret\n"
    ".section .rodata\n five: .long 5\n .text\n");

static int once(void) {
    int seven = 7;
    returns(0);
    return pushes(7) == 35 && relative(7) == 35 && jumps(7) == 35 && calls(7) == 35 && reads(&seven) == 35;
}

static void *many(void *rounds) {
    long right = 0;
    for (long i = 0; i < (long)rounds; i++)
        right += once();
    return (void *)right;
}

static atomic_int enough;
static void *until_told(void *ignored) {
    long wrong = 0;
    while (!enough)
        wrong += !once();
    return (void *)wrong;
}

static void crowd(int threads, long rounds) {
    pthread_t ids[64];
    long total = 0;
    for (int i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, many, (void *)rounds);
    for (int i = 0; i < threads; i++) {
        void *right;
        pthread_join(ids[i], &right);
        total += (long)right;
    }
    printf("%ld right\n", total);
}

static volatile sig_atomic_t caught, faults;
static sigjmp_buf back;
static void count(int number) { caught++; }
static void jump(int number, siginfo_t *info, void *context) {
    faults += (long)info->si_addr == 16;
    siglongjmp(back, 1);
}

static void wait_for(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    printf("child %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

static void spawned(const char *self, char *const argv[]) {
    pid_t child;
    if (posix_spawn(&child, self, NULL, NULL, argv, environ) == 0)
        wait_for(child);
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "";
    if (!strcmp(way, "once"))
        return once() ? 3 : 4;
    if (!strcmp(way, "crowd")) {
        crowd(8, 50);
    } else if (!strcmp(way, "storm")) {
        struct itimerval often = {{0, 500}, {0, 500}};
        signal(SIGALRM, count);
        setitimer(ITIMER_REAL, &often, NULL);
        while (caught < 20)
            if (!once())
                return 5;
        crowd(4, 50);
    } else if (!strcmp(way, "family")) {
        fflush(stdout);
        once();
        pid_t child = fork();
        if (child == 0)
            _exit(once() ? 3 : 4);
        wait_for(child);
        child = vfork();
        if (child == 0)
            _exit(pushes(7) == 35 && relative(7) == 35 ? 3 : 4);
        wait_for(child);
        spawned(argv[0], (char *[]){argv[0], "once", NULL});
        printf("%d\n", once());
    } else if (!strcmp(way, "fault")) {
        struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        for (int i = 0; i < 3; i++)
            if (!sigsetjmp(back, 1))
                reads((int *)16);
        printf("%d faults\n", faults);
    } else if (!strcmp(way, "busy-fault")) {
        struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
        pthread_t ids[4];
        long total = 0;
        sigaction(SIGSEGV, &action, NULL);
        for (int i = 0; i < 4; i++)
            pthread_create(&ids[i], NULL, until_told, NULL);
        for (int i = 0; i < 20; i++) {
            for (int pause = 0; pause < 5; pause++)
                total += !once();
            if (!sigsetjmp(back, 1))
                *(volatile int *)16 = 1;
        }
        enough = 1;
        for (int i = 0; i < 4; i++) {
            void *wrong;
            pthread_join(ids[i], &wrong);
            total += (long)wrong;
        }
        printf("%d faults, %ld wrong\n", faults, total);
    } else if (!strcmp(way, "breaks")) {
        signal(SIGTRAP, count);
        printf("%d", breaks(7));
        raise(SIGTRAP);
        printf(" %d caught\n", caught);
    } else if (!strcmp(way, "exec")) {
        once();
        execl(argv[0], argv[0], "once", NULL);
    } else if (!strcmp(way, "crash")) {
        once();
        reads((int *)16);
    }
    return once() ? 0 : 1;
}
