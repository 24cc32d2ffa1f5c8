/* SPDX-License-Identifier: Apache-2.0 */
#include "store/io_budget.h"

#include "base/lock.h"
#include "base/mem.h"

#include <stdatomic.h>

#define NS_PER_S 1000000000u
/* Tokens do not pile up beyond so much time: a pause does not license a burst. */
#define BURST_NS ((uint64_t)NS_PER_S / 20)

struct io_budget {
    struct os *os;          /* constant */
    _Atomic uint64_t rate;  /* atomic, relaxed: a setting; bytes a second, 0 unlimited */
    _Atomic uint64_t taken; /* atomic, relaxed: a counter */
    struct mutex mu;
    uint64_t free_at_ns; /* guarded by mu: when all that was taken will be worked off */
};

struct io_budget *io_budget_new(struct os *os, uint64_t bytes_per_second)
{
    struct io_budget *budget = mem_calloc(1, sizeof(*budget));

    if (budget == NULL) {
        return NULL;
    }
    budget->os = os;
    atomic_init(&budget->rate, bytes_per_second);
    mutex_init(&budget->mu, LOCK_RANK_IO_BUDGET);
    return budget;
}

void io_budget_free(struct io_budget *budget)
{
    if (budget == NULL) {
        return;
    }
    mutex_deinit(&budget->mu);
    mem_free(budget);
}

void io_budget_set_rate(struct io_budget *budget, uint64_t bytes_per_second)
{
    atomic_store_explicit(&budget->rate, bytes_per_second, memory_order_relaxed);
}

uint64_t io_budget_rate(const struct io_budget *budget)
{
    return atomic_load_explicit(&budget->rate, memory_order_relaxed);
}

uint64_t io_budget_taken_bytes(const struct io_budget *budget)
{
    return atomic_load_explicit(&budget->taken, memory_order_relaxed);
}

void io_budget_take(struct io_budget *budget, size_t bytes)
{
    uint64_t rate;
    uint64_t now;
    uint64_t wait = 0;

    if (budget == NULL || bytes == 0) {
        return;
    }
    atomic_fetch_add_explicit(&budget->taken, bytes, memory_order_relaxed);
    rate = io_budget_rate(budget);
    if (rate == 0) {
        return;
    }
    now = os_monotonic_ns(budget->os);
    mutex_lock(&budget->mu);
    if (budget->free_at_ns + BURST_NS < now) {
        budget->free_at_ns = now - BURST_NS;
    }
    if (budget->free_at_ns > now) {
        wait = budget->free_at_ns - now;
    }
    budget->free_at_ns += (uint64_t)((double)bytes * NS_PER_S / (double)rate);
    mutex_unlock(&budget->mu);
    if (wait > 0) {
        os_sleep_ns(budget->os, wait);
    }
}

void io_budget_throttle(void *budget, size_t bytes)
{
    io_budget_take(budget, bytes);
}
