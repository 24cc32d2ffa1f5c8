/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histogram of durations: fixed memory, bounded relative error.
 *
 * Values below 128 ns have buckets of their own; above, each power of two is cut into 64 equal
 * buckets, so a percentile is at most 1/64 (1.6 %) above the true value. Values beyond the last
 * bucket (about 4.9 hours) count there; max stays exact.
 *
 * Threads: caller locks; give each thread its own and merge them.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_VALUE_BITS 44 /* the highest bucket ends at 2^44 ns */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

/* A zeroed histogram is valid and empty. */
struct histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t min_ns; /* 0 when empty */
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value_ns);
/* Adds what `from` holds to `h`. */
void histogram_merge(struct histogram *h, const struct histogram *from);
/* The value that `percent` (0 to 100) of the records do not exceed, rounded up to the end of its
 * bucket and never above max_ns; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
/* The arithmetic mean, 0 when empty. */
double histogram_mean(const struct histogram *h);
/* For exporters: how many values were recorded at or below limit_ns, up to bucket precision. */
uint64_t histogram_count_below(const struct histogram *h, uint64_t limit_ns);
