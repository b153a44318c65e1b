#include "kvstats.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
	double *at;
	size_t len, cap;
} numbers;

static kv_status push(numbers *list, double value) {
	if (list->len == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		double *grown = realloc(list->at, cap * sizeof *grown);
		if (!grown)
			return KV_NO_MEMORY;
		list->at = grown;
		list->cap = cap;
	}
	list->at[list->len++] = value;
	return KV_OK;
}

static int begins_with(const char *key, const char *prefix) {
	return strncmp(key, prefix, strlen(prefix)) == 0;
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(const numbers *sorted, double q) {
	double place = q * (double)(sorted->len - 1);
	size_t below = (size_t)place;
	if (below + 1 >= sorted->len)
		return sorted->at[sorted->len - 1];
	double share = place - (double)below;
	return sorted->at[below] * (1 - share) + sorted->at[below + 1] * share;
}

/* Takes the list over, and frees it. */
static kv_status finish(numbers *list, kv_status status, kv_summary *out) {
	if (status == KV_OK && list->len == 0)
		status = KV_EMPTY;
	if (status == KV_OK) {
		double sum = 0, mean = 0, squares = 0;
		for (size_t i = 0; i < list->len; i++) { /* Welford: stable where the naive formula cancels */
			double value = list->at[i], away = value - mean;
			sum += value;
			mean += away / (double)(i + 1);
			squares += away * (value - mean);
		}
		qsort(list->at, list->len, sizeof *list->at, ascending);
		*out = (kv_summary){
			.count = list->len,
			.sum = sum,
			.mean = mean,
			.variance = list->len > 1 ? squares / (double)(list->len - 1) : 0,
			.min = list->at[0],
			.p50 = quantile(list, 0.5),
			.p90 = quantile(list, 0.9),
			.max = list->at[list->len - 1],
		};
	}
	free(list->at);
	return status;
}

kv_status kv_summarize_columns(const kv_columns *columns, const char *prefix, kv_summary *out) {
	numbers chosen = {0};
	kv_status status = KV_OK;
	for (size_t i = 0; i < columns->len && status == KV_OK; i++)
		if (begins_with(columns->keys[i], prefix))
			status = push(&chosen, columns->values[i]);
	return finish(&chosen, status, out);
}

struct kv_counters {
	struct counter {
		struct counter *next;
		int64_t n;
		char key[];
	} *first;
};

kv_counters *kv_counters_new(void) {
	return calloc(1, sizeof(kv_counters));
}

kv_status kv_counters_add(kv_counters *counters, const char *key, int64_t n) {
	struct counter **at = &counters->first;
	int order = 1;
	while (*at && (order = strcmp((*at)->key, key)) < 0)
		at = &(*at)->next;
	if (*at && order == 0) {
		(*at)->n += n;
		return KV_OK;
	}
	struct counter *added = malloc(sizeof *added + strlen(key) + 1);
	if (!added)
		return KV_NO_MEMORY;
	added->next = *at;
	added->n = n;
	strcpy(added->key, key);
	*at = added;
	return KV_OK;
}

kv_status kv_counters_summarize(const kv_counters *counters, const char *prefix, kv_summary *out) {
	numbers chosen = {0};
	kv_status status = KV_OK;
	for (const struct counter *c = counters->first; c && status == KV_OK; c = c->next)
		if (begins_with(c->key, prefix))
			status = push(&chosen, (double)c->n);
	return finish(&chosen, status, out);
}

void kv_counters_free(kv_counters *counters) {
	for (struct counter *c = counters->first, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(counters);
}

kv_status kv_summarize_source(kv_next next, uintptr_t source, const char *prefix, kv_summary *out) {
	numbers chosen = {0};
	kv_status status = KV_OK;
	char key[KV_KEY_SIZE];
	double value;
	int more = 1;
	while (status == KV_OK && (more = next(source, key, sizeof key, &value)) > 0)
		if (begins_with(key, prefix))
			status = push(&chosen, value);
	if (more < 0)
		status = KV_KEY_TOO_LONG;
	return finish(&chosen, status, out);
}
