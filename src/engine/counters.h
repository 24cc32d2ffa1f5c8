/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the engine, striped so that counting a cached read writes no shared cache line.
 *
 * Each thread counts in one of COUNTER_STRIPES stripes; a reader of the counters sums them.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/latency.h"

#include <stdatomic.h>
#include <stdint.h>

enum counter {
    /* Gets that found a value, by where they had it from, and the others. */
    COUNTER_GETS_MEMTABLE,
    COUNTER_GETS_CACHE,
    COUNTER_GETS_PAGE_CACHE,
    COUNTER_GETS_DISK,
    COUNTER_GETS_MISSED,
    COUNTER_GETS_WOULD_BLOCK,
    COUNTER_SCANS,
    COUNTER_MEMTABLE_HITS,
    COUNTER_TABLE_HITS,
    COUNTER_LEDGER_READS,
    COUNTER_HEADS_SIGNED,
    COUNTER_HEAD_FAILURES,
    COUNTER_PUTS,
    COUNTER_DELETES,
    COUNTER_BATCHES,
    COUNTER_COMMIT_GROUPS,
    COUNTER_USER_BYTES,
    COUNTER_FLUSHES,
    COUNTER_MERGES,
    COUNTER_MERGE_BYTES_READ,
    COUNTER_MERGE_BYTES_WRITTEN,
    COUNTER_TABLE_BYTES_WRITTEN,
    COUNTER_FLUSH_BYTES,
    COUNTER_STALL_MEMTABLES_NS,
    COUNTER_STALL_SEAL_QUEUE_NS,
    COUNTER_STALL_MEMORY_NS,
    COUNTER_SLOW_DOWN_NS,
    COUNTER_BLOCKS_SEALED,
    COUNTER_ENTRIES_SEALED,
    COUNTER_COUNT,
};

#define COUNTER_STRIPES 32

struct counter_stripe {
    _Atomic uint64_t values[COUNTER_COUNT];
} __attribute__((aligned(64)));

struct counters {
    struct counter_stripe stripes[COUNTER_STRIPES];
};

/* The stripe of the calling thread. */
unsigned counters_stripe(void);

static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
    atomic_fetch_add_explicit(&c->stripes[counters_stripe()].values[which], n,
                              memory_order_relaxed);
}

/* Durations of work in the background. */
struct work_latencies {
    struct latency flush;
    struct latency merge;
    struct latency block_seal; /* sealer thread only */
};

uint64_t counter_sum(const struct counters *c, enum counter which);
