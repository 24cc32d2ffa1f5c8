/* SPDX-License-Identifier: Apache-2.0 */
#include "store/merge_policy.h"

#include "base/mem.h"
#include "store/merge_policy_priv.h"

int merge_policy_pick(const struct merge_policy *policy, const struct merge_table *tables,
                      size_t count, struct merge_job *out_job)
{
    struct merge_plan plan = merge_plan_of(policy, tables, count);

    switch (plan.policy.strategy) {
    case MERGE_SIZE_TIERED:
        return merge_pick_size_tiered(&plan, out_job);
    case MERGE_LEVELED:
        return merge_pick_leveled(&plan, out_job);
    }
    return BLOCKDB_ENOTFOUND;
}

/* Where one run of everything belongs: where it is within its target, or where the oldest is. */
static uint32_t level_for_all(const struct merge_plan *plan, uint64_t bytes, uint32_t oldest)
{
    uint32_t level = TABLE_LEVELS - 1;

    if (plan->policy.strategy == MERGE_LEVELED) {
        for (level = 1; level < TABLE_LEVELS - 1 && merge_plan_level_target(plan, level) < bytes;) {
            level++;
        }
    }
    return level > oldest ? level : oldest;
}

int merge_policy_pick_full(const struct merge_policy *policy, const struct merge_table *tables,
                           size_t count, struct merge_job *out_job)
{
    struct merge_plan plan = merge_plan_of(policy, tables, count);
    AUTO(mem_free_ptr) struct merge_run *runs = NULL;
    uint64_t bytes = 0;
    size_t run_total;
    size_t i;

    if (merge_plan_run_count(&plan) < 2) {
        return BLOCKDB_ENOTFOUND;
    }
    runs = merge_plan_runs(&plan, &run_total);
    if (runs == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < run_total; i++) {
        if (runs[i].busy) {
            return BLOCKDB_EBUSY;
        }
        bytes += runs[i].bytes;
    }
    return merge_plan_join(&plan, runs, run_total,
                           level_for_all(&plan, bytes, runs[run_total - 1].level), out_job);
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
static uint64_t size_tiered_debt(const struct merge_plan *plan)
{
    uint64_t total = 0;
    uint64_t largest = 0;
    uint32_t level;
    size_t i;

    if (merge_plan_run_count(plan) < plan->policy.threshold) {
        return 0;
    }
    for (i = 0; i < merge_plan_level_count(plan, 0); i++) {
        uint64_t bytes = plan->tables[i].meta.bytes;

        total += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    for (level = 1; level < TABLE_LEVELS; level++) {
        uint64_t bytes = merge_plan_level_bytes(plan, level, true);

        total += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return total - largest;
}

static uint64_t leveled_debt(const struct merge_plan *plan)
{
    uint64_t debt = 0;
    uint32_t level;

    if (merge_plan_level_count(plan, 0) >= plan->policy.threshold) {
        debt = merge_plan_level_bytes(plan, 0, true) + merge_plan_level_bytes(plan, 1, true);
    }
    for (level = 1; level < TABLE_LEVELS - 1; level++) {
        uint64_t bytes = merge_plan_level_bytes(plan, level, true);
        uint64_t target = merge_plan_level_target(plan, level);

        if (bytes > target) { /* each byte takes about ratio / 2 bytes of the next level along */
            debt += (bytes - target) * (1 + plan->policy.ratio / 2);
        }
    }
    return debt;
}

uint64_t merge_policy_debt_bytes(const struct merge_policy *policy,
                                 const struct merge_table *tables, size_t count)
{
    struct merge_plan plan = merge_plan_of(policy, tables, count);

    return plan.policy.strategy == MERGE_SIZE_TIERED ? size_tiered_debt(&plan)
                                                     : leveled_debt(&plan);
}

double merge_policy_pressure(const struct merge_policy *policy, const struct merge_table *tables,
                             size_t count)
{
    struct merge_plan plan = merge_plan_of(policy, tables, count);
    double threshold = plan.policy.threshold;
    double by_runs;
    double by_debt;

    if (plan.policy.strategy == MERGE_SIZE_TIERED) {
        double soft = (MERGE_RUNS_MAX_FACTOR + 2) * threshold;

        return between((double)merge_plan_run_count(&plan), soft, 2 * soft);
    }
    by_runs = between((double)merge_plan_level_count(&plan, 0), 4 * threshold, 8 * threshold);
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
