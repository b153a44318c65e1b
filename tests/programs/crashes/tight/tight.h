int tight_calls_go(int depth, int how);
int tight_null(int *p);
int tight_overflow(int depth);
