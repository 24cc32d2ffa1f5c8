/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of the tests can set from outside: the seed, and how long loops go on.
 *
 * BLOCKDB_TEST_SEED  the seed of random tests, to repeat a failure; else drawn from the clock
 * BLOCKDB_TEST_LONG  when set, loops run at full length; ./run-tests --long sets it
 *
 * Threads: main thread of a test program.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The seed of this run, printed so that it can be given again. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("BLOCKDB_TEST_SEED");
    struct timespec now = {0};
    uint64_t seed;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* zeros are a seed as well */
    seed = given != NULL ? strtoull(given, NULL, 0)
                         : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    printf("repeat with BLOCKDB_TEST_SEED=%llu\n", (unsigned long long)seed);
    (void)fflush(stdout); /* to be there when the test dies */
    return seed;
}

static inline bool test_is_long(void)
{
    return getenv("BLOCKDB_TEST_LONG") != NULL;
}

/* How often a loop runs: `quick` times, or `at_length` in a long run. */
static inline unsigned test_rounds(unsigned quick, unsigned at_length)
{
    return test_is_long() ? at_length : quick;
}
