/* Starts a program for the watcher: GATE STATUS PROGRAM ARGV... (GATE and STATUS are file descriptors).

   It tells STATUS that it is there and waits for a byte at GATE, so that the watcher can seize it in between; then it
   becomes PROGRAM with exactly ARGV and the environment it has. If that fails, errno goes to STATUS.
   Without PROGRAM it only waits: it is the watcher's alarm. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_PTRACER /* a C library older than Linux 3.4 */
#define PR_SET_PTRACER 0x59616d61
#endif

extern char **environ;

int main(int argc, char **argv) {
  int gate = atoi(argv[1]), status = atoi(argv[2]), error;
  char byte;

  /* Both survive execve: to die with the watcher, even while nobody traces, and to let gdb attach under Yama. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_PTRACER, -1L);
  if (argc >= 5 && write(status, "", 1) != 1) _exit(126);
  if (read(gate, &byte, 1) != 1 || argc < 5) _exit(0);

  close(gate);
  fcntl(status, F_SETFD, FD_CLOEXEC);
  execve(argv[3], argv + 4, environ);
  error = errno;
  if (write(status, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}
