//go:build ignore

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include "library.h"

static int in_host(int *p) { return *p + 1; }

static void *run(void *way) {
	if (!strcmp(way, "c"))
		InC(16);
	else if (!strcmp(way, "go"))
		InGo(0);
	else
		Back(in_host, 16);
	return 0;
}

int main(int argc, char **argv) {
	if (argc > 2) {
		pthread_t thread;
		pthread_create(&thread, 0, run, argv[1]);
		pthread_join(thread, 0);
		return 0;
	}
	run(argv[1]);
	return 0;
}
