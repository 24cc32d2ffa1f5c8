/* SPDX-License-Identifier: Apache-2.0 */
#include "base/latency.h"

static const uint64_t bounds_ns[LATENCY_BUCKETS] = {
    25000,     50000,     100000,    250000,     500000,     1000000,
    2000000,   4000000,   8000000,   16000000,   32000000,   64000000,
    128000000, 256000000, 512000000, 1024000000, 2048000000, 8192000000,
};

uint64_t latency_bound_ns(size_t index)
{
    return bounds_ns[index];
}

static size_t bucket_of(uint64_t duration_ns)
{
    size_t i = 0;

    while (i < LATENCY_BUCKETS && duration_ns > bounds_ns[i]) {
        i++;
    }
    return i;
}

void latency_record(struct latency *l, uint64_t duration_ns)
{
    atomic_fetch_add_explicit(&l->counts[bucket_of(duration_ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->sum_ns, duration_ns, memory_order_relaxed);
}

static void add_alone(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, now + amount, memory_order_relaxed);
}

void latency_record_alone(struct latency *l, uint64_t duration_ns)
{
    add_alone(&l->counts[bucket_of(duration_ns)], 1);
    add_alone(&l->sum_ns, duration_ns);
}

void latency_add_to(const struct latency *l, struct latency_figures *out)
{
    uint64_t below = 0;

    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        below += atomic_load_explicit(&l->counts[i], memory_order_relaxed);
        out->cumulative[i] += below;
    }
    out->count += below + atomic_load_explicit(&l->counts[LATENCY_BUCKETS], memory_order_relaxed);
    out->sum_ns += atomic_load_explicit(&l->sum_ns, memory_order_relaxed);
}
