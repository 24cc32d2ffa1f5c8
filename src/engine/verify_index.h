/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the tables index the ledger, all of it, and nothing else? Answered with two sums.
 *
 * Each version that a table names is hashed with a secret that is drawn anew each time, and the
 * hashes are added up; the same is done for each entry that the ledger holds. Equal sums mean equal
 * sets, but for a chance of 2^-64 that nobody who does not know the secret can improve. So tables
 * in key order are compared with a ledger in seq order without sorting either, in memory of two
 * bits an entry.
 *
 * The idea is that of multiset hashes (Clarke and others, 2003), with addition modulo 2^64.
 *
 * INDEX-1  versions: over key and seq of each put and delete.
 * INDEX-2  newest: over all fields, and the inline value, of what is the newest version in a table.
 *
 * Threads: each thread counts in sums of its own and adds them at the end of a unit; bits are set
 *          before they are read.
 */
#pragma once

#include "base/bytes.h"
#include "ledger/record.h"
#include "store/item.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What one thread has counted since it last added it: tables minus ledger. */
struct index_sums {
    uint64_t versions;
    uint64_t newest;
};

struct index_check {
    bool is_on;
    uint64_t secret[2];
    uint64_t end_seq;         /* entries below are in tables */
    _Atomic uint64_t *newest; /* bit seq: the newest version in a table */
    _Atomic uint64_t *inlined;
    _Atomic uint64_t versions_sum; /* tables minus ledger */
    _Atomic uint64_t newest_sum;
};

/* ENOMEM. */
RESULT_MUST_BE_USED int index_check_init(struct index_check *c, const uint64_t secret[2],
                                         uint64_t end_seq);
void index_check_deinit(struct index_check *c);
/* Counts an item of a table, with all its older seqs. Errors are those of the older seqs' source.
 */
RESULT_MUST_BE_USED int index_check_item(struct index_check *c, const struct item *item,
                                         struct index_sums *sums, struct error *err);
/* Takes off an entry of the ledger. */
void index_check_record(const struct index_check *c, uint64_t seq, const struct record *record,
                        struct index_sums *sums);
/* Adds what a thread has counted, which begins anew. */
void index_check_add(struct index_check *c, struct index_sums *sums);
/* Whether both sides are the same. */
bool index_check_matches(const struct index_check *c);
