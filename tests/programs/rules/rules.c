#include <stddef.h>

char *current = NULL;
