/* Statistics over key-value data: metrics such as "cpu.user" = 12.5, chosen by the beginning of their keys. */
#ifndef KVSTATS_H
#define KVSTATS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
	KV_OK = 0,
	KV_EMPTY,        /* no key begins with the prefix */
	KV_NO_MEMORY,
	KV_KEY_TOO_LONG, /* a key of KV_KEY_SIZE bytes or more from a kv_next */
} kv_status;

typedef struct {
	size_t count;
	double sum, mean, variance; /* of the sample: divided by count - 1, 0 for a single value */
	double min, p50, p90, max;  /* quantiles by linear interpolation */
} kv_summary;

/* Two arrays of equal length, both the caller's, read only during the call. */
typedef struct {
	size_t len;
	const char *const *keys;
	const double *values;
} kv_columns;

kv_status kv_summarize_columns(const kv_columns *columns, const char *prefix, kv_summary *out);

/* Counters by key. Keys are copied: the caller may free its own after the call. */
typedef struct kv_counters kv_counters;

kv_counters *kv_counters_new(void); /* NULL without memory */
kv_status kv_counters_add(kv_counters *counters, const char *key, int64_t n);
kv_status kv_counters_summarize(const kv_counters *counters, const char *prefix, kv_summary *out);
void kv_counters_free(kv_counters *counters);

/* Gives the next entry: 1 and both results filled, 0 at the end, -1 for a key that doesn't fit in size bytes. */
#define KV_KEY_SIZE 256
typedef int (*kv_next)(uintptr_t source, char *key, size_t size, double *value);

kv_status kv_summarize_source(kv_next next, uintptr_t source, const char *prefix, kv_summary *out);

#endif
