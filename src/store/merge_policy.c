/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both strategies first see the tables as runs, newest first. What differs is which runs, or which
 * parts of them, they join.
 */
#include "store/merge_policy.h"

#include "base/assert.h"
#include "base/mem.h"

#define THRESHOLD_DEFAULT 4
#define TABLE_BYTES_DEFAULT ((uint64_t)64 << 20)
#define LEVEL_1_BYTES_DEFAULT ((uint64_t)256 << 20)
#define RATIO_DEFAULT 10

/* Runs smaller than this are of one size: joining them costs next to nothing. */
#define SMALL_RUN_BYTES ((uint64_t)1 << 20)
/* Tables below this part of the size of a table are joined rather than moved: few files matter. */
#define SMALL_TABLE_PART 16
/* So many times the threshold of runs are joined whatever their sizes. */
#define RUNS_MAX_FACTOR 4

/* A policy with its defaults filled in, over the tables of a set. */
struct plan {
    struct merge_policy policy;
    const struct merge_table *tables;
    size_t count;
    size_t first[TABLE_LEVELS + 1]; /* level l is the tables [first[l], first[l + 1]) */
};

struct run {
    size_t first; /* of plan.tables */
    size_t count;
    uint32_t level;
    uint64_t bytes;
    bool busy; /* some table of it is */
};

/* What a job takes of one level or one table of level 0. */
struct part {
    size_t first;
    size_t count;
};

/* ---- Plan and runs --------------------------------------------------------------------------- */

static struct plan plan_of(const struct merge_policy *policy, const struct merge_table *tables,
                           size_t count)
{
    struct plan plan = {.policy = *policy, .tables = tables, .count = count};
    struct merge_policy *p = &plan.policy;
    uint32_t level;
    size_t i = 0;

    p->threshold = p->threshold > 1 ? p->threshold : p->threshold == 1 ? 2 : THRESHOLD_DEFAULT;
    p->table_bytes = p->table_bytes > 0 ? p->table_bytes : TABLE_BYTES_DEFAULT;
    p->level_1_bytes = p->level_1_bytes > 0 ? p->level_1_bytes : LEVEL_1_BYTES_DEFAULT;
    p->ratio = p->ratio > 1 ? p->ratio : RATIO_DEFAULT;
    for (level = 0; level < TABLE_LEVELS; level++) {
        plan.first[level] = i;
        while (i < count && tables[i].meta.level == level) {
            i++;
        }
    }
    plan.first[TABLE_LEVELS] = i;
    ASSERT(i == count); /* the order of a table set */
    return plan;
}

static size_t level_count(const struct plan *plan, uint32_t level)
{
    return plan->first[level + 1] - plan->first[level];
}

static struct run run_of(const struct plan *plan, size_t first, size_t count)
{
    struct run run = {.first = first, .count = count, .level = plan->tables[first].meta.level};
    size_t i;

    for (i = first; i < first + count; i++) {
        run.bytes += plan->tables[i].meta.bytes;
        run.busy = run.busy || plan->tables[i].busy;
    }
    return run;
}

static size_t run_count(const struct plan *plan)
{
    size_t count = level_count(plan, 0);
    uint32_t level;

    for (level = 1; level < TABLE_LEVELS; level++) {
        count += level_count(plan, level) > 0;
    }
    return count;
}

/* Lists the runs, newest first; the caller frees them. NULL when out of memory. */
static struct run *list_runs(const struct plan *plan, size_t *out_count)
{
    struct run *runs = mem_calloc(run_count(plan), sizeof(*runs));
    size_t count = 0;
    uint32_t level;

    if (runs == NULL) {
        return NULL;
    }
    for (; count < level_count(plan, 0); count++) {
        runs[count] = run_of(plan, count, 1);
    }
    for (level = 1; level < TABLE_LEVELS; level++) {
        if (level_count(plan, level) > 0) {
            runs[count++] = run_of(plan, plan->first[level], level_count(plan, level));
        }
    }
    *out_count = count;
    return runs;
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

void merge_job_deinit(struct merge_job *job)
{
    mem_free(job->numbers);
    mem_free(job->runs);
    *job = (struct merge_job){0};
}

/* The key range of parts together; with at least one table. */
struct hull {
    struct slice first;
    struct slice last;
    bool any;
};

static void hull_add(struct hull *hull, const struct table_meta *meta)
{
    if (!hull->any || slice_compare(meta->first_key, hull->first) < 0) {
        hull->first = meta->first_key;
    }
    if (!hull->any || slice_compare(meta->last_key, hull->last) > 0) {
        hull->last = meta->last_key;
    }
    hull->any = true;
}

static struct hull hull_of(const struct plan *plan, const struct part *parts, size_t count)
{
    struct hull hull = {0};
    size_t i;
    size_t j;

    for (i = 0; i < count; i++) {
        for (j = parts[i].first; j < parts[i].first + parts[i].count; j++) {
            hull_add(&hull, &plan->tables[j].meta);
        }
    }
    return hull;
}

/* The tables of a level above 0 that touch hull: they stand side by side. */
static struct part overlapping(const struct plan *plan, uint32_t level, const struct hull *hull)
{
    struct part part = {.first = plan->first[level]};
    size_t end = plan->first[level + 1];

    while (part.first < end &&
           slice_compare(plan->tables[part.first].meta.last_key, hull->first) < 0) {
        part.first++;
    }
    while (part.first + part.count < end &&
           slice_compare(plan->tables[part.first + part.count].meta.first_key, hull->last) <= 0) {
        part.count++;
    }
    return part;
}

static bool part_is_busy(const struct plan *plan, struct part part)
{
    return part.count > 0 && run_of(plan, part.first, part.count).busy;
}

/* Whether a table of part touches hull. */
static bool touches(const struct plan *plan, struct part part, const struct hull *hull)
{
    size_t i;

    for (i = part.first; hull->any && i < part.first + part.count; i++) {
        if (table_meta_overlaps(&plan->tables[i].meta, hull->first, hull->last)) {
            return true;
        }
    }
    return false;
}

/* Whether no part touches the range of another: then nothing needs to be rewritten (POLICY-4). */
static bool all_apart(const struct plan *plan, const struct part *parts, size_t count)
{
    size_t i;
    size_t j;

    for (i = 0; i < count; i++) {
        struct hull hull = hull_of(plan, &parts[i], 1);

        for (j = i + 1; j < count; j++) {
            if (touches(plan, parts[j], &hull)) {
                return false;
            }
        }
    }
    return true;
}

/* Makes the job of parts, newest first; empty ones are left out. */
static int make_job(const struct plan *plan, const struct part *parts, size_t count,
                    uint32_t target_level, struct merge_job *out)
{
    struct merge_job job = {.target_level = target_level};
    size_t numbers = 0;
    size_t i;
    size_t j;

    for (i = 0; i < count; i++) {
        numbers += parts[i].count;
    }
    job.numbers = mem_calloc(numbers, sizeof(*job.numbers));
    job.runs = mem_calloc(count, sizeof(*job.runs));
    if (job.numbers == NULL || job.runs == NULL) {
        merge_job_deinit(&job);
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < count; i++) {
        if (parts[i].count > 0) {
            job.runs[job.run_count++] = (struct merge_job_run){.first = job.number_count,
                                                               .count = parts[i].count};
        }
        for (j = parts[i].first; j < parts[i].first + parts[i].count; j++) {
            job.numbers[job.number_count++] = plan->tables[j].meta.number;
            job.bytes += plan->tables[j].meta.bytes;
        }
    }
    job.move = target_level > 0 &&
               (job.number_count == 1 ||
                (job.bytes / job.number_count >= plan->policy.table_bytes / SMALL_TABLE_PART &&
                 all_apart(plan, parts, count)));
    /* Level 0 is ordered by age alone, so a run there is one table. */
    job.table_bytes_max = target_level > 0 ? plan->policy.table_bytes : UINT64_MAX;
    *out = job;
    return BLOCKDB_OK;
}

/* ---- Size-tiered ----------------------------------------------------------------------------- */

/* Runs side by side, and how much larger than the largest of them they are together. */
struct window {
    size_t first;
    size_t count; /* 0: none */
    double gain;
    uint64_t bytes;
};

static uint64_t effective_bytes(const struct run *run)
{
    return run->bytes > SMALL_RUN_BYTES ? run->bytes : SMALL_RUN_BYTES;
}

/* Keeps in best the better one; of two alike the cheaper one. */
static void offer_window(struct window *best, const struct window *w)
{
    if (best->count == 0 || w->gain > best->gain ||
        (w->gain >= best->gain && w->bytes < best->bytes)) {
        *best = *w;
    }
}

/* The best window of min to max runs, none of them busy. */
static struct window best_window(const struct run *runs, size_t count, size_t min, size_t max)
{
    struct window best = {0};
    size_t i;

    for (i = 0; i < count; i++) {
        struct window w = {.first = i};
        uint64_t largest = 0;

        while (i + w.count < count && w.count < max && !runs[i + w.count].busy) {
            uint64_t bytes = effective_bytes(&runs[i + w.count]);

            largest = bytes > largest ? bytes : largest;
            w.bytes += bytes;
            w.count++;
            if (w.count >= min) {
                w.gain = (double)w.bytes / (double)largest;
                offer_window(&best, &w);
            }
        }
    }
    return best;
}

/* The window worth merging now; count 0 when there is none. */
static struct window due_window(const struct plan *plan, const struct run *runs, size_t count)
{
    size_t threshold = plan->policy.threshold;
    struct window best = best_window(runs, count, threshold, count);

    if (best.count > 0 && 2 * best.gain >= (double)(threshold + 1)) {
        return best;
    }
    if (count > RUNS_MAX_FACTOR * threshold) {
        return best_window(runs, count, threshold, threshold);
    }
    return (struct window){0};
}

/* The job that joins whole runs; of a last one above level 0 only what the others touch. */
static int join_runs(const struct plan *plan, const struct run *runs, size_t count,
                     uint32_t target_level, struct merge_job *out)
{
    AUTO(mem_free_ptr) struct part *parts = mem_calloc(count, sizeof(*parts));
    size_t i;

    if (parts == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < count; i++) {
        parts[i] = (struct part){.first = runs[i].first, .count = runs[i].count};
    }
    if (target_level > 0 && runs[count - 1].level == target_level) {
        struct hull hull = hull_of(plan, parts, count - 1);

        parts[count - 1] = overlapping(plan, target_level, &hull);
    }
    return make_job(plan, parts, count, target_level, out);
}

/* Moves tables of level 0, side by side in age, to target. */
static int descend(const struct plan *plan, struct part tables, uint32_t target,
                   struct merge_job *out)
{
    AUTO(mem_free_ptr) struct part *parts = NULL;
    size_t i;

    if (tables.count == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    parts = mem_calloc(tables.count, sizeof(*parts));
    if (parts == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < tables.count; i++) {
        parts[i] = (struct part){.first = tables.first + i, .count = 1};
    }
    return make_job(plan, parts, tables.count, target, out);
}

/* The oldest tables of level 0, as long as they are neither busy nor touch each other or the level
 * below: they go down as they are. Keys that come in order are never rewritten because of it. */
static int pick_descent(const struct plan *plan, struct merge_job *out)
{
    uint32_t target = 1;
    struct part part = {.first = plan->first[1]};
    struct hull hull = {0};

    while (target < TABLE_LEVELS - 1 && level_count(plan, target) == 0) {
        target++; /* the next run, or the bottom */
    }
    while (part.first > 0) {
        const struct merge_table *table = &plan->tables[part.first - 1];
        struct hull own = {0};

        hull_add(&own, &table->meta);
        if (table->busy || table->meta.bytes < plan->policy.table_bytes / SMALL_TABLE_PART ||
            (hull.any && table_meta_overlaps(&table->meta, hull.first, hull.last)) ||
            overlapping(plan, target, &own).count > 0) {
            break;
        }
        hull_add(&hull, &table->meta);
        part.first--;
        part.count++;
    }
    return descend(plan, part, target, out);
}

static int pick_size_tiered(const struct plan *plan, struct merge_job *out)
{
    AUTO(mem_free_ptr) struct run *runs = NULL;
    struct window window;
    size_t count;
    int rc = pick_descent(plan, out);

    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    runs = list_runs(plan, &count);
    if (runs == NULL) {
        return BLOCKDB_ENOMEM;
    }
    window = due_window(plan, runs, count);
    if (window.count == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    return join_runs(plan, runs + window.first, window.count,
                     runs[window.first + window.count - 1].level, out);
}

/* ---- Leveled --------------------------------------------------------------------------------- */

static uint64_t level_target(const struct plan *plan, uint32_t level)
{
    uint64_t target = plan->policy.level_1_bytes;

    for (; level > 1; level--) {
        if (__builtin_mul_overflow(target, plan->policy.ratio, &target)) {
            return UINT64_MAX;
        }
    }
    return target;
}

static uint64_t level_bytes(const struct plan *plan, uint32_t level, bool with_busy)
{
    uint64_t bytes = 0;
    size_t i;

    for (i = plan->first[level]; i < plan->first[level + 1]; i++) {
        if (with_busy || !plan->tables[i].busy) {
            bytes += plan->tables[i].meta.bytes;
        }
    }
    return bytes;
}

/* Level 0 into level 1: the oldest tables up to the first busy one, and what they touch. */
static int pick_level_0(const struct plan *plan, struct merge_job *out)
{
    AUTO(mem_free_ptr) struct part *parts = NULL;
    struct part oldest = {.first = plan->first[1]};
    struct hull hull;
    size_t i;

    while (oldest.first > 0 && !plan->tables[oldest.first - 1].busy) {
        oldest.first--;
        oldest.count++;
    }
    if (oldest.count < plan->policy.threshold) {
        return BLOCKDB_ENOTFOUND;
    }
    parts = mem_calloc(oldest.count + 1, sizeof(*parts));
    if (parts == NULL) {
        return BLOCKDB_ENOMEM;
    }
    hull = hull_of(plan, &oldest, 1);
    for (i = 0; i < oldest.count; i++) {
        parts[i] = (struct part){.first = oldest.first + i, .count = 1};
    }
    parts[oldest.count] = overlapping(plan, 1, &hull);
    if (part_is_busy(plan, parts[oldest.count])) {
        return BLOCKDB_EBUSY;
    }
    return make_job(plan, parts, oldest.count + 1, 1, out);
}

/* The table of a level that touches least of the next one in proportion to its own size. */
static int pick_from_level(const struct plan *plan, uint32_t level, struct merge_job *out)
{
    struct part best[2] = {{0}};
    double best_cost = 0;
    size_t i;

    for (i = plan->first[level]; i < plan->first[level + 1]; i++) {
        struct part parts[2] = {{.first = i, .count = 1}};
        struct hull hull = hull_of(plan, parts, 1);
        double cost = 0;

        parts[1] = overlapping(plan, level + 1, &hull);
        if (plan->tables[i].busy || part_is_busy(plan, parts[1])) {
            continue;
        }
        if (parts[1].count > 0) {
            cost = (double)run_of(plan, parts[1].first, parts[1].count).bytes /
                   (double)(plan->tables[i].meta.bytes + 1);
        }
        if (best[0].count == 0 || cost < best_cost) {
            memcpy(best, parts, sizeof(best));
            best_cost = cost;
        }
    }
    return best[0].count > 0 ? make_job(plan, best, 2, level + 1, out) : BLOCKDB_ENOTFOUND;
}

static double level_score(const struct plan *plan, uint32_t level)
{
    return (double)level_bytes(plan, level, false) / (double)level_target(plan, level);
}

static int pick_leveled(const struct plan *plan, struct merge_job *out)
{
    /* While level 0 waits for tables of level 1, no more of those are taken away. */
    int rc = pick_level_0(plan, out);
    uint32_t lowest = rc == BLOCKDB_EBUSY ? 2 : 1;
    bool tried[TABLE_LEVELS] = {false};

    if (rc != BLOCKDB_ENOTFOUND && rc != BLOCKDB_EBUSY) {
        return rc;
    }
    for (;;) {
        uint32_t best = TABLE_LEVELS;
        uint32_t level;

        for (level = lowest; level < TABLE_LEVELS - 1; level++) {
            if (!tried[level] && level_score(plan, level) > 1 &&
                (best == TABLE_LEVELS || level_score(plan, level) > level_score(plan, best))) {
                best = level;
            }
        }
        if (best == TABLE_LEVELS) {
            return BLOCKDB_ENOTFOUND;
        }
        rc = pick_from_level(plan, best, out);
        if (rc != BLOCKDB_ENOTFOUND) {
            return rc;
        }
        tried[best] = true;
    }
}

/* ---- The face -------------------------------------------------------------------------------- */

int merge_policy_pick(const struct merge_policy *policy, const struct merge_table *tables,
                      size_t count, struct merge_job *out_job)
{
    struct plan plan = plan_of(policy, tables, count);

    switch (plan.policy.strategy) {
    case MERGE_SIZE_TIERED:
        return pick_size_tiered(&plan, out_job);
    case MERGE_LEVELED:
        return pick_leveled(&plan, out_job);
    }
    return BLOCKDB_ENOTFOUND;
}

/* Where one run of everything belongs: where it is within its target, or where the oldest is. */
static uint32_t level_for_all(const struct plan *plan, uint64_t bytes, uint32_t oldest)
{
    uint32_t level = TABLE_LEVELS - 1;

    if (plan->policy.strategy == MERGE_LEVELED) {
        for (level = 1; level < TABLE_LEVELS - 1 && level_target(plan, level) < bytes;) {
            level++;
        }
    }
    return level > oldest ? level : oldest;
}

int merge_policy_pick_full(const struct merge_policy *policy, const struct merge_table *tables,
                           size_t count, struct merge_job *out_job)
{
    struct plan plan = plan_of(policy, tables, count);
    AUTO(mem_free_ptr) struct run *runs = NULL;
    uint64_t bytes = 0;
    size_t run_total;
    size_t i;

    if (run_count(&plan) < 2) {
        return BLOCKDB_ENOTFOUND;
    }
    runs = list_runs(&plan, &run_total);
    if (runs == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < run_total; i++) {
        if (runs[i].busy) {
            return BLOCKDB_EBUSY;
        }
        bytes += runs[i].bytes;
    }
    return join_runs(&plan, runs, run_total, level_for_all(&plan, bytes, runs[run_total - 1].level),
                     out_job);
}

/* 0 up to soft, 1 from hard on, a line in between. */
static double between(double value, double soft, double hard)
{
    if (value <= soft) {
        return 0;
    }
    return value >= hard ? 1 : (value - soft) / (hard - soft);
}

/* What would be written to make one run of all but the largest. */
static uint64_t size_tiered_debt(const struct plan *plan)
{
    uint64_t total = 0;
    uint64_t largest = 0;
    uint32_t level;
    size_t i;

    if (run_count(plan) < plan->policy.threshold) {
        return 0;
    }
    for (i = 0; i < level_count(plan, 0); i++) {
        uint64_t bytes = plan->tables[i].meta.bytes;

        total += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    for (level = 1; level < TABLE_LEVELS; level++) {
        uint64_t bytes = level_bytes(plan, level, true);

        total += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return total - largest;
}

static uint64_t leveled_debt(const struct plan *plan)
{
    uint64_t debt = 0;
    uint32_t level;

    if (level_count(plan, 0) >= plan->policy.threshold) {
        debt = level_bytes(plan, 0, true) + level_bytes(plan, 1, true);
    }
    for (level = 1; level < TABLE_LEVELS - 1; level++) {
        uint64_t bytes = level_bytes(plan, level, true);
        uint64_t target = level_target(plan, level);

        if (bytes > target) { /* each byte takes about ratio / 2 bytes of the next level along */
            debt += (bytes - target) * (1 + plan->policy.ratio / 2);
        }
    }
    return debt;
}

uint64_t merge_policy_debt_bytes(const struct merge_policy *policy,
                                 const struct merge_table *tables, size_t count)
{
    struct plan plan = plan_of(policy, tables, count);

    return plan.policy.strategy == MERGE_SIZE_TIERED ? size_tiered_debt(&plan)
                                                     : leveled_debt(&plan);
}

double merge_policy_pressure(const struct merge_policy *policy, const struct merge_table *tables,
                             size_t count)
{
    struct plan plan = plan_of(policy, tables, count);
    double threshold = plan.policy.threshold;
    double by_runs;
    double by_debt;

    if (plan.policy.strategy == MERGE_SIZE_TIERED) {
        double soft = (RUNS_MAX_FACTOR + 2) * threshold;

        return between((double)run_count(&plan), soft, 2 * soft);
    }
    by_runs = between((double)level_count(&plan, 0), 4 * threshold, 8 * threshold);
    by_debt = between((double)merge_policy_debt_bytes(policy, tables, count),
                      16 * (double)plan.policy.level_1_bytes,
                      64 * (double)plan.policy.level_1_bytes);
    return by_runs > by_debt ? by_runs : by_debt;
}

static bool listed(const uint64_t *numbers, size_t count, uint64_t number)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

int merge_tables_of_set(const struct table_set *set, const uint64_t *busy, size_t busy_count,
                        struct merge_table **out_tables, size_t *out_count)
{
    struct merge_table *tables = mem_calloc(table_set_count(set), sizeof(*tables));
    size_t count = 0;
    uint32_t level;

    if (tables == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (level = 0; level < TABLE_LEVELS; level++) {
        struct table_span span = table_set_level(set, level);
        size_t i;

        for (i = 0; i < span.count; i++) {
            struct merge_table *t = &tables[count++];

            t->meta = table_facts_meta(table_facts(span.tables[i]), level);
            t->busy = listed(busy, busy_count, t->meta.number);
        }
    }
    *out_tables = tables;
    *out_count = count;
    return BLOCKDB_OK;
}
