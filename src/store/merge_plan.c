/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/merge_policy_priv.h"

#define THRESHOLD_DEFAULT 4
#define TABLE_BYTES_DEFAULT ((uint64_t)64 << 20)
#define LEVEL_1_BYTES_DEFAULT ((uint64_t)256 << 20)
#define RATIO_DEFAULT 10

/* ---- Plan and runs --------------------------------------------------------------------------- */

struct merge_plan merge_plan_of(const struct merge_policy *policy, const struct merge_table *tables,
                                size_t count)
{
    struct merge_plan plan = {.policy = *policy, .tables = tables, .count = count};
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

size_t merge_plan_level_count(const struct merge_plan *plan, uint32_t level)
{
    return plan->first[level + 1] - plan->first[level];
}

struct merge_run merge_plan_run(const struct merge_plan *plan, size_t first, size_t count)
{
    struct merge_run run = {
        .first = first, .count = count, .level = plan->tables[first].meta.level};
    size_t i;

    for (i = first; i < first + count; i++) {
        run.bytes += plan->tables[i].meta.bytes;
        run.busy = run.busy || plan->tables[i].busy;
    }
    return run;
}

size_t merge_plan_run_count(const struct merge_plan *plan)
{
    size_t count = merge_plan_level_count(plan, 0);
    uint32_t level;

    for (level = 1; level < TABLE_LEVELS; level++) {
        count += merge_plan_level_count(plan, level) > 0;
    }
    return count;
}

/* Lists the runs, newest first; the caller frees them. NULL when out of memory. */
struct merge_run *merge_plan_runs(const struct merge_plan *plan, size_t *out_count)
{
    struct merge_run *runs = mem_calloc(merge_plan_run_count(plan), sizeof(*runs));
    size_t count = 0;
    uint32_t level;

    if (runs == NULL) {
        return NULL;
    }
    for (; count < merge_plan_level_count(plan, 0); count++) {
        runs[count] = merge_plan_run(plan, count, 1);
    }
    for (level = 1; level < TABLE_LEVELS; level++) {
        if (merge_plan_level_count(plan, level) > 0) {
            runs[count++] = merge_plan_run(plan, plan->first[level],
                                           merge_plan_level_count(plan, level));
        }
    }
    *out_count = count;
    return runs;
}

uint64_t merge_plan_level_target(const struct merge_plan *plan, uint32_t level)
{
    uint64_t target = plan->policy.level_1_bytes;

    for (; level > 1; level--) {
        if (__builtin_mul_overflow(target, plan->policy.ratio, &target)) {
            return UINT64_MAX;
        }
    }
    return target;
}

uint64_t merge_plan_level_bytes(const struct merge_plan *plan, uint32_t level, bool with_busy)
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

/* ---- Jobs ------------------------------------------------------------------------------------ */

void merge_job_deinit(struct merge_job *job)
{
    mem_free(job->numbers);
    mem_free(job->runs);
    *job = (struct merge_job){0};
}

void merge_hull_add(struct merge_hull *hull, const struct table_meta *meta)
{
    if (!hull->any || slice_compare(meta->first_key, hull->first) < 0) {
        hull->first = meta->first_key;
    }
    if (!hull->any || slice_compare(meta->last_key, hull->last) > 0) {
        hull->last = meta->last_key;
    }
    hull->any = true;
}

struct merge_hull merge_plan_hull(const struct merge_plan *plan, const struct merge_part *parts,
                                  size_t count)
{
    struct merge_hull hull = {0};
    size_t i;
    size_t j;

    for (i = 0; i < count; i++) {
        for (j = parts[i].first; j < parts[i].first + parts[i].count; j++) {
            merge_hull_add(&hull, &plan->tables[j].meta);
        }
    }
    return hull;
}

/* The tables of a level above 0 that touch hull: they stand side by side. */
struct merge_part merge_plan_overlaps(const struct merge_plan *plan, uint32_t level,
                                      const struct merge_hull *hull)
{
    struct merge_part part = {.first = plan->first[level]};
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

bool merge_plan_is_busy(const struct merge_plan *plan, struct merge_part part)
{
    return part.count > 0 && merge_plan_run(plan, part.first, part.count).busy;
}

/* Whether a table of part touches hull. */
static bool touches(const struct merge_plan *plan, struct merge_part part,
                    const struct merge_hull *hull)
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
static bool all_apart(const struct merge_plan *plan, const struct merge_part *parts, size_t count)
{
    size_t i;
    size_t j;

    for (i = 0; i < count; i++) {
        struct merge_hull hull = merge_plan_hull(plan, &parts[i], 1);

        for (j = i + 1; j < count; j++) {
            if (touches(plan, parts[j], &hull)) {
                return false;
            }
        }
    }
    return true;
}

/* Makes the job of parts, newest first; empty ones are left out. */
int merge_plan_job(const struct merge_plan *plan, const struct merge_part *parts, size_t count,
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
               (job.number_count == 1 || (job.bytes / job.number_count >=
                                              plan->policy.table_bytes / MERGE_SMALL_TABLE_PART &&
                                          all_apart(plan, parts, count)));
    /* Level 0 is ordered by age alone, so a run there is one table. */
    job.table_bytes_max = target_level > 0 ? plan->policy.table_bytes : UINT64_MAX;
    *out = job;
    return BLOCKDB_OK;
}

/* The job that joins whole runs; of a last one above level 0 only what the others touch. */
int merge_plan_join(const struct merge_plan *plan, const struct merge_run *runs, size_t count,
                    uint32_t target_level, struct merge_job *out)
{
    AUTO(mem_free_ptr) struct merge_part *parts = mem_calloc(count, sizeof(*parts));
    size_t i;

    if (parts == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < count; i++) {
        parts[i] = (struct merge_part){.first = runs[i].first, .count = runs[i].count};
    }
    if (target_level > 0 && runs[count - 1].level == target_level) {
        struct merge_hull hull = merge_plan_hull(plan, parts, count - 1);

        parts[count - 1] = merge_plan_overlaps(plan, target_level, &hull);
    }
    return merge_plan_job(plan, parts, count, target_level, out);
}
