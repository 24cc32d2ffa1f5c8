/* SPDX-License-Identifier: Apache-2.0 */
/* Leveled: level 0 goes down when it has many tables, other levels when over their target. */
#include "base/mem.h"
#include "store/merge_policy_priv.h"

/* Level 0 into level 1: the oldest tables up to the first busy one, and what they touch. */
static int pick_level_0(const struct merge_plan *plan, struct merge_job *out)
{
    AUTO(mem_free_ptr) struct merge_part *parts = NULL;
    struct merge_part oldest = {.first = plan->first[1]};
    struct merge_hull hull;
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
    hull = merge_plan_hull(plan, &oldest, 1);
    for (i = 0; i < oldest.count; i++) {
        parts[i] = (struct merge_part){.first = oldest.first + i, .count = 1};
    }
    parts[oldest.count] = merge_plan_overlaps(plan, 1, &hull);
    if (merge_plan_is_busy(plan, parts[oldest.count])) {
        return BLOCKDB_EBUSY;
    }
    return merge_plan_job(plan, parts, oldest.count + 1, 1, out);
}

/* The table of a level that touches least of the next one in proportion to its own size. */
static int pick_from_level(const struct merge_plan *plan, uint32_t level, struct merge_job *out)
{
    struct merge_part best[2] = {{0}};
    double best_cost = 0;
    size_t i;

    for (i = plan->first[level]; i < plan->first[level + 1]; i++) {
        struct merge_part parts[2] = {{.first = i, .count = 1}};
        struct merge_hull hull = merge_plan_hull(plan, parts, 1);
        double cost = 0;

        parts[1] = merge_plan_overlaps(plan, level + 1, &hull);
        if (plan->tables[i].busy || merge_plan_is_busy(plan, parts[1])) {
            continue;
        }
        if (parts[1].count > 0) {
            cost = (double)merge_plan_run(plan, parts[1].first, parts[1].count).bytes /
                   (double)(plan->tables[i].meta.bytes + 1);
        }
        if (best[0].count == 0 || cost < best_cost) {
            memcpy(best, parts, sizeof(best));
            best_cost = cost;
        }
    }
    return best[0].count > 0 ? merge_plan_job(plan, best, 2, level + 1, out) : BLOCKDB_ENOTFOUND;
}

static double level_score(const struct merge_plan *plan, uint32_t level)
{
    return (double)merge_plan_level_bytes(plan, level, false) /
           (double)merge_plan_level_target(plan, level);
}

int merge_pick_leveled(const struct merge_plan *plan, struct merge_job *out)
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
