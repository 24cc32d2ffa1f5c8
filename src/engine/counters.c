/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/counters.h"

static _Atomic unsigned next_stripe;
static __thread unsigned own_stripe; /* one more than the number; 0: none yet */

unsigned counters_stripe(void)
{
    if (__builtin_expect(own_stripe == 0, 0)) {
        own_stripe = 1 + atomic_fetch_add_explicit(&next_stripe, 1, memory_order_relaxed) %
                             COUNTER_STRIPES;
    }
    return own_stripe - 1;
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
