/* SPDX-License-Identifier: Apache-2.0 */
/* The seal queue hands out whole blocks in order, however pushes and pops interleave. */
#include "base/mem.h"
#include "engine/seal_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t bytes[256];

static void push(struct seal_queue *q, uint64_t seq, bool is_header)
{
    struct seal_entry entry = {
        .record = bytes + seq % 200, .record_len = 1 + seq % 50, .is_header = is_header};

    assert_int_equal(seal_queue_reserve(q, 1), BLOCKDB_OK);
    seal_queue_push(q, &entry, 1);
}

static void test_blocks_come_whole(void **state)
{
    struct seal_queue q;
    struct seal_entry *out = malloc(5000 * sizeof(*out));
    uint64_t pushed = 10;
    uint64_t popped = 10;
    int round;

    (void)state;
    srand(4711);
    seal_queue_init(&q, 10);
    for (round = 0; round < 200; round++) {
        int i;
        int count = rand() % 3000;
        uint64_t len;

        for (i = 0; i < count; i++) {
            push(&q, pushed++, false);
        }
        assert_int_equal(seal_queue_wait_block(&q, 0), 0);
        push(&q, pushed++, true);
        len = seal_queue_wait_block(&q, 0);
        assert_int_equal(len, count + 1);
        seal_queue_peek(&q, out, len);
        for (i = 0; i <= count; i++) {
            assert_int_equal(out[i].record_len, 1 + (popped + (uint64_t)i) % 50);
            assert_int_equal(out[i].is_header, i == count);
        }
        seal_queue_pop(&q, len);
        popped += len;
    }
    assert_int_equal(seal_queue_bytes(&q), 0);
    seal_queue_deinit(&q);
    free(out);
}

static void test_copy_finds_only_queued(void **state)
{
    struct seal_queue q;
    struct buf copy = {0};
    uint64_t i;

    (void)state;
    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    seal_queue_init(&q, 0);
    for (i = 0; i < 3000; i++) {
        push(&q, i, i % 1000 == 999);
    }
    assert_int_equal(seal_queue_copy(&q, 2345, &copy), BLOCKDB_OK);
    assert_int_equal(copy.len, 1 + 2345 % 50);
    assert_memory_equal(copy.data, bytes + 2345 % 200, copy.len);
    assert_int_equal(seal_queue_copy(&q, 3000, &copy), BLOCKDB_ENOTFOUND);
    seal_queue_pop(&q, 1000);
    assert_int_equal(seal_queue_copy(&q, 999, &copy), BLOCKDB_ENOTFOUND);
    assert_int_equal(seal_queue_copy(&q, 1000, &copy), BLOCKDB_OK);
    buf_deinit(&copy);
    seal_queue_deinit(&q);
}

static bool fail_always(void *context)
{
    (void)context;
    return true;
}

static void test_reserve_fails_cleanly(void **state)
{
    struct seal_queue q;

    (void)state;
    seal_queue_init(&q, 0);
    push(&q, 0, false);
    mem_set_fail_hook(fail_always, NULL);
    assert_int_equal(seal_queue_reserve(&q, 10), BLOCKDB_OK); /* room is left in the chunk */
    assert_int_equal(seal_queue_reserve(&q, 100000), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    push(&q, 1, true);
    assert_int_equal(seal_queue_wait_block(&q, 0), 2);
    seal_queue_deinit(&q);
}

static void test_stop_and_poke_end_waits(void **state)
{
    struct seal_queue q;

    (void)state;
    seal_queue_init(&q, 0);
    seal_queue_poke(&q);
    assert_int_equal(seal_queue_wait_block(&q, UINT64_MAX / 4), 0);
    push(&q, 0, true);
    seal_queue_stop(&q);
    assert_int_equal(seal_queue_wait_block(&q, UINT64_MAX / 4), 1);
    seal_queue_pop(&q, 1);
    assert_int_equal(seal_queue_wait_block(&q, UINT64_MAX / 4), 0);
    assert_true(seal_queue_wait_room(&q, 0, UINT64_MAX / 4));
    seal_queue_deinit(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_come_whole),
        cmocka_unit_test(test_copy_finds_only_queued),
        cmocka_unit_test(test_reserve_fails_cleanly),
        cmocka_unit_test(test_stop_and_poke_end_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
