/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas and their pool. */
#include "base/arena.h"
#include "base/error.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_pieces_are_aligned_and_apart(void **state)
{
    struct arena a;
    uint8_t *pieces[2000];
    size_t i;

    (void)state;
    arena_init(&a, NULL);
    assert_int_equal(arena_bytes(&a), 0);
    for (i = 0; i < 2000; i++) {
        pieces[i] = arena_alloc(&a, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % ARENA_ALIGN, 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (i = 0; i < 2000; i++) {
        size_t k;

        for (k = 0; k < i; k++) {
            assert_int_equal(pieces[i][k], i & 0xff);
        }
    }
    assert_in_range(arena_bytes(&a), 2000 * 1999 / 2, 2 * ARENA_CHUNK_BYTES + 2000 * 1999 / 2);
    assert_string_equal(arena_copy(&a, "text", 5), "text");
    assert_non_null(arena_copy(&a, NULL, 0));
    arena_reset(&a);
    assert_int_equal(arena_bytes(&a), 0);
    assert_non_null(arena_alloc(&a, 1));
    arena_deinit(&a);
}

static void test_small_arenas_stay_small(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, NULL);
    assert_non_null(arena_alloc(&a, 10));
    assert_int_equal(arena_bytes(&a), 4096);
    assert_non_null(arena_alloc(&a, 10000)); /* the next chunk is as large as needed */
    assert_int_equal(arena_bytes(&a), 4096 + 16384);
    arena_deinit(&a);
}

static void test_large_pieces_leave_the_chunk_in_use(void **state)
{
    struct arena a;
    uint8_t *first;
    uint8_t *second;

    (void)state;
    arena_init(&a, NULL);
    first = arena_alloc(&a, 8);
    assert_non_null(arena_alloc(&a, ARENA_CHUNK_BYTES * 3));
    second = arena_alloc(&a, 8);
    assert_ptr_equal(second, first + 8);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 16));
    assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
    assert_ptr_equal(arena_alloc(&a, 8), second + 8);
    arena_deinit(&a);
}

static void test_pool_keeps_chunks_up_to_its_limit(void **state)
{
    struct arena_pool *pool = arena_pool_new(2 * ARENA_CHUNK_BYTES + 1);
    struct arena a;
    int i;

    (void)state;
    arena_init(&a, pool);
    for (i = 0; i < 12; i++) {
        assert_non_null(arena_alloc(&a, ARENA_CHUNK_BYTES / 4));
    }
    assert_int_equal(arena_bytes(&a), 4 * ARENA_CHUNK_BYTES); /* the header takes the fourth */
    assert_non_null(arena_alloc(&a, ARENA_CHUNK_BYTES));      /* not of the pool's size */
    arena_reset(&a);
    assert_int_equal(arena_pool_bytes(pool), 2 * ARENA_CHUNK_BYTES);
    mem_set_fail_hook(always, NULL);
    assert_non_null(arena_alloc(&a, 100)); /* out of the pool, not out of memory */
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(arena_pool_bytes(pool), ARENA_CHUNK_BYTES);
    arena_deinit(&a);
    assert_int_equal(arena_pool_bytes(pool), 2 * ARENA_CHUNK_BYTES);
    arena_pool_free(pool);
    arena_pool_free(NULL);
}

static void test_no_memory(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, NULL);
    mem_set_fail_hook(always, NULL);
    assert_null(arena_alloc(&a, 1));
    assert_null(arena_alloc(&a, 0));
    assert_null(arena_alloc(&a, ARENA_CHUNK_BYTES));
    assert_null(arena_copy(&a, "x", 1));
    assert_null(arena_pool_new(1));
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(arena_bytes(&a), 0);
    assert_non_null(arena_alloc(&a, 0));
    assert_non_null(arena_alloc(&a, 0));
    arena_deinit(&a);
}

/* What lay in a chunk is gone before the chunk is used again, when somebody asks for that. */
static void test_wiping(void **state)
{
    struct arena_pool *pool = arena_pool_new(ARENA_CHUNK_BYTES);
    struct arena a;
    uint8_t *p;
    unsigned later;

    (void)state;
    for (later = 0; later < 2; later++) {
        arena_init(&a, pool);
        p = arena_alloc(&a, 1000);
        assert_non_null(p);
        memset(p, 0x5a, 1000);
        if (later == 1) {
            arena_wipe_later(&a);
        }
        arena_reset(&a);
        if (later == 0) {
            arena_pool_wipe(pool);
        }
        assert_int_equal(arena_pool_bytes(pool), ARENA_CHUNK_BYTES);
        p = arena_alloc(&a, 1000);
        assert_non_null(p);
        assert_int_equal(p[0], 0);
        assert_memory_equal(p, p + 1, 999);
        arena_deinit(&a);
    }
    arena_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wiping),
        cmocka_unit_test(test_pieces_are_aligned_and_apart),
        cmocka_unit_test(test_small_arenas_stay_small),
        cmocka_unit_test(test_large_pieces_leave_the_chunk_in_use),
        cmocka_unit_test(test_pool_keeps_chunks_up_to_its_limit),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
