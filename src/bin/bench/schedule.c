/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/schedule.h"

#define NS_PER_S 1e9

/* long double holds all of 64 bits, so that days at a high rate lose no precision. */
uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t n)
{
    long double after = (long double)n * (long double)NS_PER_S / (long double)schedule->rate;

    return schedule->start_ns + (uint64_t)after;
}

uint64_t schedule_due_count(const struct schedule *schedule, uint64_t time_ns)
{
    long double elapsed;
    uint64_t count;

    if (time_ns <= schedule->start_ns) {
        return 0;
    }
    elapsed = (long double)(time_ns - schedule->start_ns);
    count = (uint64_t)(elapsed * (long double)schedule->rate / (long double)NS_PER_S);
    while (schedule_due_ns(schedule, count) < time_ns) { /* at most once: rounding */
        count++;
    }
    return count;
}
