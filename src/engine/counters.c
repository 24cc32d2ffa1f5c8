/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/counters.h"

#include "base/thread_index.h"

unsigned counters_stripe(void)
{
    return thread_index() % COUNTER_STRIPES;
}

uint64_t counter_sum(const struct counters *c, enum counter which)
{
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i < COUNTER_STRIPES; i++) {
        sum += atomic_load_explicit(&c->stripes[i].values[which], memory_order_relaxed);
    }
    return sum;
}
