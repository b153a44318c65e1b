#include <stdint.h>

// Each function is one way to die in C code that is built without optimisation.
int null_chain(int depth, int *p);
int c_calls_go(int depth, int how);
int overflow_uniform(int depth);
int overflow_mutual(int depth);
int overflow_varying(int depth);
void call_null(void);
void call_data(void);
void smash_return_address(void);
void fail_assert(int value);
void give_up(void);
void free_twice(void);
int divide(int a, int b);
void trap(void);
int beyond_file_end(const char *path);
long in_libc(const char *text);
int read_map_as_struct(uintptr_t map);
int in_cold_part(int *p, int unlikely);
void never_returns(int *p);
int sorted_by_go(int count);
int thread_without_go(void);
int thread_calls_go(int how);
int crash_in_handler(int on_own_stack);
void hang_in_c(void);
int use_after_free(void);
int field_of_null(void);
void write_text(const char *text);
int overflow_in_thread(void);
int huge_frame(int size);
int touch_guard_page(void);
int overflow_printing(int depth);
void bad_instruction(void);
int sorted_by_null(void);
int send_fault(void);
long load_by_hand(long address);
