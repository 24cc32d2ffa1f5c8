/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/result.h"

#include "base/mem.h"
#include "bin/bench/workload.h"

#include <stdlib.h>

#define NS_PER_S 1e9
#define ROUNDS_MAX 100

void results_deinit(struct results *results)
{
    mem_free(results->items);
    *results = (struct results){0};
}

int results_add(struct results *results, const struct result *result)
{
    if (results->count == results->cap) {
        size_t cap = results->cap > 0 ? 2 * results->cap : 32;
        struct result *items = mem_realloc(results->items, cap * sizeof(*items));

        if (items == NULL) {
            return BLOCKDB_ENOMEM;
        }
        results->items = items;
        results->cap = cap;
    }
    results->items[results->count++] = *result;
    return BLOCKDB_OK;
}

void latency_of(const struct histogram *h, struct latency *out)
{
    *out = (struct latency){
        .p50_ns = histogram_percentile(h, 50),
        .p90_ns = histogram_percentile(h, 90),
        .p99_ns = histogram_percentile(h, 99),
        .p999_ns = histogram_percentile(h, 99.9),
        .p9999_ns = histogram_percentile(h, 99.99),
        .max_ns = h->max_ns,
        .mean_ns = histogram_mean(h),
    };
}

double result_ops_per_s(const struct result *result)
{
    return result->elapsed_ns > 0 ? (double)result->ops * NS_PER_S / (double)result->elapsed_ns : 0;
}

double result_write_amplification(const struct result *result)
{
    bool writes = result->workload->writes && result->user_bytes > 0;

    return writes ? (double)result->written_bytes / (double)result->user_bytes : 0;
}

bool result_same_row(const struct result *a, const struct result *b)
{
    return a->workload == b->workload && a->threads == b->threads && strcmp(a->part, b->part) == 0;
}

bool results_starts_row(const struct results *results, size_t i)
{
    size_t j;

    for (j = 0; j < i; j++) {
        if (result_same_row(&results->items[j], &results->items[i])) {
            return false;
        }
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts values and returns their median. */
static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double cpu_per_op(const struct result *r)
{
    return r->ops > 0 ? (double)(r->cpu_ns + r->settle_cpu_ns) / (double)r->ops : 0;
}

void results_summarise(const struct results *results, const struct result *row,
                       const struct bench_engine *engine, struct summary *out)
{
    enum { OPS, P50, P99, P999, CPU, WRITES, DISK, PEAK, COLUMNS };
    double values[COLUMNS][ROUNDS_MAX];
    struct summary s = {0};
    size_t i;

    for (i = 0; i < results->count && s.rounds < ROUNDS_MAX; i++) {
        const struct result *r = &results->items[i];

        if (r->engine != engine || !result_same_row(r, row)) {
            continue;
        }
        values[OPS][s.rounds] = result_ops_per_s(r);
        values[P50][s.rounds] = (double)r->latency.p50_ns;
        values[P99][s.rounds] = (double)r->latency.p99_ns;
        values[P999][s.rounds] = (double)r->latency.p999_ns;
        values[CPU][s.rounds] = cpu_per_op(r);
        values[WRITES][s.rounds] = result_write_amplification(r);
        values[DISK][s.rounds] = (double)r->disk.total;
        values[PEAK][s.rounds] = (double)r->peak_bytes;
        s.others_cores = r->others_cores > s.others_cores ? r->others_cores : s.others_cores;
        s.rounds++;
    }
    if (s.rounds > 0) {
        s.ops_per_s = median(values[OPS], s.rounds);
        s.min_ops_per_s = values[OPS][0];
        s.max_ops_per_s = values[OPS][s.rounds - 1];
        s.p50_ns = median(values[P50], s.rounds);
        s.p99_ns = median(values[P99], s.rounds);
        s.p999_ns = median(values[P999], s.rounds);
        s.cpu_ns_per_op = median(values[CPU], s.rounds);
        s.write_amplification = median(values[WRITES], s.rounds);
        s.disk_bytes = median(values[DISK], s.rounds);
        s.peak_bytes = median(values[PEAK], s.rounds);
    }
    *out = s;
}
