/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency: how many operations took how long, in few buckets, counted by any thread.
 *
 * For figures that are kept all the time and scraped: 160 bytes. The bounds go from 25 us to 8.192
 * s and double from 1 ms on, as monitoring rules for disks expect them. For percentiles of a
 * measurement take histogram.h.
 *
 * Threads: any thread; counters are relaxed atomics, so a reader sees each of them, not a moment.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LATENCY_BUCKETS 18

/* Zeroed memory is an empty one. */
struct latency {
    _Atomic uint64_t counts[LATENCY_BUCKETS + 1]; /* the last: above all bounds */
    _Atomic uint64_t sum_ns;
};

/* What was counted, as plain numbers. */
struct latency_figures {
    uint64_t cumulative[LATENCY_BUCKETS]; /* at or below the bound of each bucket */
    uint64_t count;
    uint64_t sum_ns;
};

/* The upper bound of bucket index, inclusive. */
uint64_t latency_bound_ns(size_t index);
void latency_record(struct latency *l, uint64_t duration_ns);
/* The same where only one thread records: costs no locked instruction. */
void latency_record_alone(struct latency *l, uint64_t duration_ns);
/* Adds what l has counted to out. */
void latency_add_to(const struct latency *l, struct latency_figures *out);
