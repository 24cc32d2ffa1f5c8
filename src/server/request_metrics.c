/* SPDX-License-Identifier: Apache-2.0 */
#include "server/request_metrics.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

#define CACHE_LINE_BYTES 64

/* One shard is an array of durations, one for each kind, behind it counters by kind and outcome.
 * Shards begin on cache lines of their own. */
struct request_metrics {
    struct request_metrics_options options;
    size_t shard_bytes;
    uint8_t *shards;
};

static struct latency *durations_of(const struct request_metrics *m, unsigned shard)
{
    return (struct latency *)(void *)(m->shards + shard * m->shard_bytes);
}

static _Atomic uint64_t *counters_of(const struct request_metrics *m, unsigned shard, size_t kind)
{
    _Atomic uint64_t *all = (_Atomic uint64_t *)(void *)&durations_of(m,
                                                                      shard)[m->options.kind_count];

    return all + kind * m->options.outcome_count;
}

int request_metrics_new(const struct request_metrics_options *options, struct request_metrics **out)
{
    struct request_metrics *m = mem_calloc(1, sizeof(*m));
    size_t bytes = options->kind_count *
                   (sizeof(struct latency) + options->outcome_count * sizeof(_Atomic uint64_t));

    if (m == NULL) {
        return BLOCKDB_ENOMEM;
    }
    m->options = *options;
    m->shard_bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    m->shards = mem_alloc_aligned(CACHE_LINE_BYTES, options->shard_count * m->shard_bytes);
    if (m->shards == NULL) {
        mem_free(m);
        return BLOCKDB_ENOMEM;
    }
    memset(m->shards, 0, options->shard_count * m->shard_bytes);
    *out = m;
    return BLOCKDB_OK;
}

void request_metrics_free(struct request_metrics *m)
{
    if (m != NULL) {
        mem_free(m->shards);
        mem_free(m);
    }
}

void request_metrics_record(struct request_metrics *m, unsigned shard, size_t kind, size_t outcome,
                            uint64_t duration_ns)
{
    _Atomic uint64_t *counter;

    ASSERT(shard < m->options.shard_count);
    ASSERT(kind < m->options.kind_count);
    ASSERT(outcome < m->options.outcome_count);
    counter = counters_of(m, shard, kind) + outcome;
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    latency_record_alone(&durations_of(m, shard)[kind], duration_ns);
}

static uint64_t count_of(const struct request_metrics *m, size_t kind, size_t outcome)
{
    uint64_t count = 0;

    for (unsigned shard = 0; shard < m->options.shard_count; shard++) {
        count += atomic_load_explicit(counters_of(m, shard, kind) + outcome, memory_order_relaxed);
    }
    return count;
}

uint64_t request_metrics_count(const struct request_metrics *m)
{
    uint64_t count = 0;

    for (size_t kind = 0; kind < m->options.kind_count; kind++) {
        for (size_t outcome = 0; outcome < m->options.outcome_count; outcome++) {
            count += count_of(m, kind, outcome);
        }
    }
    return count;
}

/* The labels of a kind, and one more. */
static struct metrics_labels labels_with(const struct metrics_labels *labels, const char *name,
                                         const char *value)
{
    struct metrics_labels all = *labels;
    size_t at = 0;

    while (at < METRICS_LABELS_MAX && all.at[at].name != NULL) {
        at++;
    }
    ASSERT(at < METRICS_LABELS_MAX);
    all.at[at] = (struct metrics_label){name, value};
    return all;
}

static void write_counts(const struct request_metrics *m, struct metrics_writer *w)
{
    const struct request_metrics_options *o = &m->options;

    metrics_family(w, METRICS_COUNTER, o->count_name, o->count_help);
    for (size_t kind = 0; kind < o->kind_count; kind++) {
        for (size_t outcome = 0; outcome < o->outcome_count; outcome++) {
            uint64_t count = count_of(m, kind, outcome);

            if (count > 0) {
                struct metrics_labels labels = labels_with(&o->kinds[kind], o->outcome_label,
                                                           o->outcomes[outcome]);

                metrics_u64(w, &labels, count);
            }
        }
    }
}

void request_metrics_write(const struct request_metrics *m, struct metrics_writer *w)
{
    const struct request_metrics_options *o = &m->options;

    write_counts(m, w);
    metrics_family(w, METRICS_HISTOGRAM, o->duration_name, o->duration_help);
    for (size_t kind = 0; kind < o->kind_count; kind++) {
        struct latency_figures figures = {0};

        for (unsigned shard = 0; shard < o->shard_count; shard++) {
            latency_add_to(&durations_of(m, shard)[kind], &figures);
        }
        if (figures.count > 0) {
            metrics_latency(w, &o->kinds[kind], &figures);
        }
    }
}
