/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What workloads that mix reads and writes choose by, as YCSB defines it: Zipf's distribution with
 * exponent 0.99, and the keys that such a workload adds.
 *
 * MIX-1  A key below mix_limit() was acknowledged, and so were all before it.
 *
 * Threads:   any thread; mix_init(), mix_reset() and mix_deinit() while nobody else uses it.
 * Ownership: owns its window.
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ZIPF_THETA 0.99
#define MIX_WINDOW 65536u /* keys that may be on their way or wait for an earlier one */

/* Immutable once made. */
struct zipf {
    uint64_t count;
    double alpha;
    double zeta;
    double eta;
    double first_two; /* the share of ranks 0 and 1, times zeta */
};

/* Prepares picking from count (at least 1) ranks. */
void zipf_init(struct zipf *zipf, uint64_t count);
/* The rank, from 0 the most frequent to count - 1, for a uniform number u of [0, 1). */
uint64_t zipf_rank(const struct zipf *zipf, double u);

struct mix {
    struct zipf zipf;       /* over the keys of the dataset */
    _Atomic uint64_t next;  /* the key that is added next; relaxed */
    _Atomic uint64_t limit; /* released under mu, acquired by readers: what lies below is there */
    struct mutex mu;
    uint8_t *acknowledged; /* guarded by mu: 1 for each such key at or above limit, by its number
                              modulo MIX_WINDOW */
};

/* ENOMEM. */
RESULT_MUST_BE_USED int mix_init(struct mix *mix);
/* A zeroed one is fine. */
void mix_deinit(struct mix *mix);
/* Keys 0 to count - 1 exist, no others. */
void mix_reset(struct mix *mix, uint64_t count);

/* How many keys exist. */
uint64_t mix_limit(struct mix *mix);
/* Chooses a key to add; false when too many wait for an earlier one. */
bool mix_add_begin(struct mix *mix, uint64_t *out_key);
/* The key was acknowledged. */
void mix_add_end(struct mix *mix, uint64_t key);
