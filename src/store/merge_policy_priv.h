/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the merge policy: the tables of a set as levels, runs and parts of them.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a plan borrows the tables it was made of.
 */
#pragma once

#include "store/merge_policy.h"

/* So many times the threshold of runs are joined whatever their sizes. */
#define MERGE_RUNS_MAX_FACTOR 4
/* Tables below this part of the size of a table are joined rather than moved: few files matter. */
#define MERGE_SMALL_TABLE_PART 16

/* A policy with its defaults filled in, over the tables of a set. */
struct merge_plan {
    struct merge_policy policy;
    const struct merge_table *tables;
    size_t count;
    size_t first[TABLE_LEVELS + 1]; /* level l is the tables [first[l], first[l + 1]) */
};

struct merge_run {
    size_t first; /* of merge_plan.tables */
    size_t count;
    uint32_t level;
    uint64_t bytes;
    bool busy; /* some table of it is */
};

/* What a job takes of one level, or one table of level 0: tables side by side. */
struct merge_part {
    size_t first;
    size_t count;
};

/* A range of keys, both ends inclusive. */
struct merge_hull {
    struct slice first;
    struct slice last;
    bool any; /* false: no keys */
};

struct merge_plan merge_plan_of(const struct merge_policy *policy, const struct merge_table *tables,
                                size_t count);
size_t merge_plan_level_count(const struct merge_plan *plan, uint32_t level);
uint64_t merge_plan_level_bytes(const struct merge_plan *plan, uint32_t level, bool with_busy);
/* What a level may hold when leveled; from 1 on. */
uint64_t merge_plan_level_target(const struct merge_plan *plan, uint32_t level);

/* The tables [first, first + count), at least one, as a run. */
struct merge_run merge_plan_run(const struct merge_plan *plan, size_t first, size_t count);
size_t merge_plan_run_count(const struct merge_plan *plan);
/* Lists the runs, newest first; the caller frees them. NULL when out of memory. */
struct merge_run *merge_plan_runs(const struct merge_plan *plan, size_t *out_count);

void merge_hull_add(struct merge_hull *hull, const struct table_meta *meta);
/* The key range of all parts together. */
struct merge_hull merge_plan_hull(const struct merge_plan *plan, const struct merge_part *parts,
                                  size_t count);
/* The tables of a level above 0 that touch hull: they stand side by side. */
struct merge_part merge_plan_overlaps(const struct merge_plan *plan, uint32_t level,
                                      const struct merge_hull *hull);
bool merge_plan_is_busy(const struct merge_plan *plan, struct merge_part part);

/* Makes the job of parts, newest first; empty ones are left out. ENOMEM. */
RESULT_MUST_BE_USED int merge_plan_job(const struct merge_plan *plan,
                                       const struct merge_part *parts, size_t count,
                                       uint32_t target_level, struct merge_job *out);
/* The job that joins whole runs; of a last one that stands in target_level above 0, only what the
 * others touch. ENOMEM. */
RESULT_MUST_BE_USED int merge_plan_join(const struct merge_plan *plan, const struct merge_run *runs,
                                        size_t count, uint32_t target_level, struct merge_job *out);

/* merge_policy_pick() of each strategy. */
RESULT_MUST_BE_USED int merge_pick_size_tiered(const struct merge_plan *plan,
                                               struct merge_job *out);
RESULT_MUST_BE_USED int merge_pick_leveled(const struct merge_plan *plan, struct merge_job *out);
