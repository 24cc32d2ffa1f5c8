/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Size-tiered: joins whole runs that together are much larger than the largest of them. The gain of
 * a window of runs is that proportion, by which the run that a byte lies in grows when the byte is
 * rewritten.
 */
#include "base/mem.h"
#include "store/merge_policy_priv.h"

/* Runs smaller than this are of one size: joining them costs next to nothing. */
#define SMALL_RUN_BYTES ((uint64_t)1 << 20)

/* Runs side by side, and how much larger than the largest of them they are together. */
struct window {
    size_t first;
    size_t count; /* 0: none */
    double gain;
    uint64_t bytes;
};

static uint64_t effective_bytes(const struct merge_run *run)
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
static struct window best_window(const struct merge_run *runs, size_t count, size_t min, size_t max)
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
static struct window due_window(const struct merge_plan *plan, const struct merge_run *runs,
                                size_t count)
{
    size_t threshold = plan->policy.threshold;
    struct window best = best_window(runs, count, threshold, count);

    if (best.count > 0 && 2 * best.gain >= (double)(threshold + 1)) {
        return best;
    }
    if (count > MERGE_RUNS_MAX_FACTOR * threshold) {
        return best_window(runs, count, threshold, threshold);
    }
    return (struct window){0};
}

/* Moves tables of level 0, side by side in age, to target. */
static int descend(const struct merge_plan *plan, struct merge_part tables, uint32_t target,
                   struct merge_job *out)
{
    AUTO(mem_free_ptr) struct merge_part *parts = NULL;
    size_t i;

    if (tables.count == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    parts = mem_calloc(tables.count, sizeof(*parts));
    if (parts == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < tables.count; i++) {
        parts[i] = (struct merge_part){.first = tables.first + i, .count = 1};
    }
    return merge_plan_job(plan, parts, tables.count, target, out);
}

/* The oldest tables of level 0, as long as they are neither busy nor touch each other or the level
 * below: they go down as they are. Keys that come in order are never rewritten because of it. */
static int pick_descent(const struct merge_plan *plan, struct merge_job *out)
{
    uint32_t target = 1;
    struct merge_part part = {.first = plan->first[1]};
    struct merge_hull hull = {0};

    while (target < TABLE_LEVELS - 1 && merge_plan_level_count(plan, target) == 0) {
        target++; /* the next run, or the bottom */
    }
    while (part.first > 0) {
        const struct merge_table *table = &plan->tables[part.first - 1];
        struct merge_hull own = {0};

        merge_hull_add(&own, &table->meta);
        if (table->busy || table->meta.bytes < plan->policy.table_bytes / MERGE_SMALL_TABLE_PART ||
            (hull.any && table_meta_overlaps(&table->meta, hull.first, hull.last)) ||
            merge_plan_overlaps(plan, target, &own).count > 0) {
            break;
        }
        merge_hull_add(&hull, &table->meta);
        part.first--;
        part.count++;
    }
    return descend(plan, part, target, out);
}

int merge_pick_size_tiered(const struct merge_plan *plan, struct merge_job *out)
{
    AUTO(mem_free_ptr) struct merge_run *runs = NULL;
    struct window window;
    size_t count;
    int rc = pick_descent(plan, out);

    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    runs = merge_plan_runs(plan, &count);
    if (runs == NULL) {
        return BLOCKDB_ENOMEM;
    }
    window = due_window(plan, runs, count);
    if (window.count == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    return merge_plan_join(plan, runs + window.first, window.count,
                           runs[window.first + window.count - 1].level, out);
}
