/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs: blocks are aligned, long enough and apart from each other, whoever frees them; memory goes
 * back to the system; lack of memory is told.
 */
#include "base/mem.h"
#include "base/slab.h"
#include "common/test_env.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS 400
#define THREADS 4
#define ROUNDS 20000

struct block {
    uint8_t *bytes;
    size_t len;
    uint8_t mark;
};

static uint64_t seed;

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static size_t random_len(uint64_t *state)
{
    uint64_t kind = random_next(state) % 8;

    return 1 + random_next(state) % (kind == 0 ? 100000 : kind < 4 ? 20000 : 1500);
}

static void fill(struct block *b, size_t len, uint8_t mark)
{
    *b = (struct block){.bytes = slab_alloc(len), .len = len, .mark = mark};
    assert_non_null(b->bytes);
    assert_int_equal((uintptr_t)b->bytes % SLAB_ALIGN, 0);
    memset(b->bytes, mark, len);
}

static void check_and_free(struct block *b)
{
    for (size_t i = 0; i < b->len; i++) {
        assert_int_equal(b->bytes[i], b->mark);
    }
    slab_free(b->bytes, b->len);
    b->bytes = NULL;
}

static void lengths_are_rounded_up_a_little(void **state)
{
    for (size_t len = 1; len <= 2 * SLAB_BLOCK_MAX; len += 97) {
        size_t bytes = slab_block_bytes(len);

        assert_true(bytes >= len && bytes < len + 1024);
        assert_true(len > 8192 || bytes < len + 256);
    }
}

static void blocks_do_not_overlap(void **state)
{
    static struct block blocks[BLOCKS];
    uint64_t rng = seed;

    for (int round = 0; round < ROUNDS; round++) {
        struct block *b = &blocks[random_next(&rng) % BLOCKS];

        if (b->bytes != NULL) {
            check_and_free(b);
        } else {
            fill(b, random_len(&rng), (uint8_t)round);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].bytes != NULL) {
            check_and_free(&blocks[i]);
        }
    }
}

static void memory_goes_back(void **state)
{
    static struct block blocks[4 * BLOCKS];
    size_t before = slab_mapped_bytes();
    size_t peak;

    for (size_t i = 0; i < 4 * BLOCKS; i++) {
        fill(&blocks[i], 9000, (uint8_t)i);
    }
    peak = slab_mapped_bytes();
    for (size_t i = 0; i < 4 * BLOCKS; i++) {
        check_and_free(&blocks[i]);
    }
    if (peak > 0) { /* builds with debug checks use malloc */
        assert_true(peak >= before + 12 * 1024 * 1024);
        assert_true(slab_mapped_bytes() <= before + 2 * 1024 * 1024);
    }
}

/* What one thread allocates the next one frees. */
static struct block handed[THREADS][BLOCKS];
static pthread_barrier_t barrier;

static void *hand_on(void *arg)
{
    size_t self = (size_t)(uintptr_t)arg;
    uint64_t rng = seed + self;

    for (unsigned round = 0; round < 20; round++) {
        struct block *mine = handed[(self + round) % THREADS];

        for (size_t i = 0; i < BLOCKS; i++) {
            if (mine[i].bytes != NULL) {
                slab_free(mine[i].bytes, mine[i].len);
            }
            mine[i].len = random_len(&rng);
            mine[i].bytes = slab_alloc(mine[i].len);
            if (mine[i].bytes != NULL) {
                memset(mine[i].bytes, (int)round, mine[i].len);
            }
        }
        (void)pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void threads_free_what_others_took(void **state)
{
    pthread_t threads[THREADS];

    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hand_on, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (size_t t = 0; t < THREADS; t++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            assert_non_null(handed[t][i].bytes);
            slab_free(handed[t][i].bytes, handed[t][i].len);
        }
    }
    (void)pthread_barrier_destroy(&barrier);
}

static bool always(void *context)
{
    return true;
}

static void lack_of_memory_is_told(void **state)
{
    mem_set_fail_hook(always, NULL);
    assert_null(slab_alloc(60000));
    assert_null(slab_alloc(2 * SLAB_BLOCK_MAX));
    mem_set_fail_hook(NULL, NULL);
    slab_free(NULL, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_rounded_up_a_little),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(memory_goes_back),
        cmocka_unit_test(threads_free_what_others_took),
        cmocka_unit_test(lack_of_memory_is_told),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
