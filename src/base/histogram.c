/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <string.h>

#define SUB_BUCKETS (1U << HISTOGRAM_SUB_BITS)
#define LINEAR_LIMIT (2 * SUB_BUCKETS) /* below, a bucket holds one value */

/* Which bucket a value falls into. Above the linear part a value is shifted until it has
 * HISTOGRAM_SUB_BITS + 1 bits; the number of shifts and the low bits name the bucket. */
static unsigned bucket_of(uint64_t value_ns)
{
    unsigned shift;
    unsigned bucket;

    if (value_ns < LINEAR_LIMIT) {
        return (unsigned)value_ns;
    }
    shift = 63 - (unsigned)__builtin_clzll(value_ns) - HISTOGRAM_SUB_BITS;
    bucket = (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value_ns >> shift);
    return value_ns >> HISTOGRAM_VALUE_BITS == 0 ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The highest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift;

    if (bucket < LINEAR_LIMIT) {
        return bucket;
    }
    shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    return (((uint64_t)bucket - ((uint64_t)shift << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

void histogram_reset(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

void histogram_record(struct histogram *h, uint64_t value_ns)
{
    if (h->count == 0 || value_ns < h->min_ns) {
        h->min_ns = value_ns;
    }
    if (value_ns > h->max_ns) {
        h->max_ns = value_ns;
    }
    h->count++;
    h->sum_ns += value_ns;
    h->buckets[bucket_of(value_ns)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    unsigned i;

    if (from->count == 0) {
        return;
    }
    if (h->count == 0 || from->min_ns < h->min_ns) {
        h->min_ns = from->min_ns;
    }
    if (from->max_ns > h->max_ns) {
        h->max_ns = from->max_ns;
    }
    h->count += from->count;
    h->sum_ns += from->sum_ns;
    for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->buckets[i] += from->buckets[i];
    }
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double wanted = percent / 100.0 * (double)h->count;
    uint64_t rank = wanted <= 1.0 ? 1 : (uint64_t)wanted;
    uint64_t seen = 0;
    unsigned i;

    if (h->count == 0) {
        return 0;
    }
    rank += (double)rank < wanted; /* rounded up */
    for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t end = bucket_end(i);

            return end < h->max_ns ? end : h->max_ns;
        }
    }
    return h->max_ns;
}

double histogram_mean(const struct histogram *h)
{
    return h->count > 0 ? (double)h->sum_ns / (double)h->count : 0.0;
}

uint64_t histogram_count_below(const struct histogram *h, uint64_t limit_ns)
{
    unsigned last = bucket_of(limit_ns);
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i <= last; i++) {
        sum += h->buckets[i];
    }
    return sum;
}
