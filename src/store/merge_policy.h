/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge policy: which tables to merge next, and how hard to slow writers down meanwhile.
 *
 * Pure functions of what tables there are. A database is a stack of runs, newest first: each table
 * of level 0, then each higher level that is not empty. Both strategies work on every such stack,
 * so the strategy can be changed by a restart.
 *
 * - Size-tiered merges runs that are adjacent in age and together much larger than the largest of
 *   them, so that each rewriting of a byte moves it to a run about `threshold` times larger.
 * - Leveled merges all of level 0 into level 1, and one table at a time of a level that is over its
 *   target into the next; targets grow by `ratio`.
 *
 * POLICY-1  Only runs adjacent in age are merged, and the output takes the place of the oldest:
 *           LEVEL-1 to LEVEL-3 hold afterwards, whatever else runs on tables that are not busy.
 * POLICY-2  Jobs never touch a busy table; jobs picked one after another are disjoint.
 * POLICY-3  Picking and carrying out jobs ends, if nothing is flushed meanwhile.
 * POLICY-4  Nothing that overlaps nothing is rewritten: it is moved.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows tables; a job owns its arrays.
 */
#pragma once

#include "base/error.h"
#include "store/table_meta.h"
#include "store/table_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum merge_strategy {
    MERGE_SIZE_TIERED,
    MERGE_LEVELED,
};

/* Zero fields mean the default in brackets. */
struct merge_policy {
    enum merge_strategy strategy;
    uint32_t threshold;     /* runs of about one size, or tables in level 0, before a merge [4] */
    uint64_t table_bytes;   /* size of tables above level 0 [64 MiB] */
    uint64_t level_1_bytes; /* target of level 1 when leveled [256 MiB] */
    uint32_t ratio;         /* of one level's target to that of the level before [10] */
};

/* What the policy needs to know of a table. */
struct merge_table {
    struct table_meta meta;
    bool busy; /* input of a running job */
};

/* Tables of one run that a job reads, in key order: numbers[first .. first + count). */
struct merge_job_run {
    size_t first;
    size_t count;
};

struct merge_job {
    uint64_t *numbers; /* file numbers of all inputs, run by run, newest run first */
    size_t number_count;
    struct merge_job_run *runs;
    size_t run_count;
    uint32_t target_level;    /* where the output goes */
    uint64_t table_bytes_max; /* begin another output table above this size */
    uint64_t bytes;           /* of all inputs */
    bool move;                /* nothing is rewritten: the inputs only change their level */
};
void merge_job_deinit(struct merge_job *job);

/* Picks the most useful job. ENOTFOUND: nothing to do now. ENOMEM. tables are in the order of a
 * table set (level by level, TSET-1). */
RESULT_MUST_BE_USED int merge_policy_pick(const struct merge_policy *policy,
                                          const struct merge_table *tables, size_t count,
                                          struct merge_job *out_job);
/* Picks the job that makes one run of everything. ENOTFOUND: there is at most one run already.
 * EBUSY: a table is busy, ask again when its job is done. ENOMEM. */
RESULT_MUST_BE_USED int merge_policy_pick_full(const struct merge_policy *policy,
                                               const struct merge_table *tables, size_t count,
                                               struct merge_job *out_job);

/* How much reads and space suffer from merges that are due: 0 nothing, 1 writers should wait. In
 * between the caller slows writers down smoothly. */
double merge_policy_pressure(const struct merge_policy *policy, const struct merge_table *tables,
                             size_t count);

/* The bytes that picks would have to rewrite before nothing is left to do, roughly; for stats. */
uint64_t merge_policy_debt_bytes(const struct merge_policy *policy,
                                 const struct merge_table *tables, size_t count);

/* Lists set for the functions above: *out_tables (caller frees with mem_free()) borrows keys of
 * set. Tables whose number is in busy are marked. ENOMEM. */
RESULT_MUST_BE_USED int merge_tables_of_set(const struct table_set *set, const uint64_t *busy,
                                            size_t busy_count, struct merge_table **out_tables,
                                            size_t *out_count);
