/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "store/memtable.h"
#include "store/memtable_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

#define KEYS 20000
#define BITS_PER_KEY 11

static struct slice key_of(uint32_t number, uint8_t out[4])
{
    put_le32(out, number);
    return slice_of(out, 4);
}

static void keys_that_were_added_are_there(void **state)
{
    struct memtable_filter f;
    uint8_t bytes[4];
    uint32_t i;
    uint32_t wrong = 0;

    (void)state;
    assert_int_equal(memtable_filter_init(&f, KEYS * BITS_PER_KEY / 8), BLOCKDB_OK);
    assert_false(memtable_filter_may_have(&f, key_of(0, bytes)));
    for (i = 0; i < KEYS; i++) {
        memtable_filter_add(&f, key_of(i, bytes));
    }
    for (i = 0; i < KEYS; i++) {
        assert_true(memtable_filter_may_have(&f, key_of(i, bytes)));
    }
    for (i = KEYS; i < 2 * KEYS; i++) {
        wrong += memtable_filter_may_have(&f, key_of(i, bytes));
    }
    assert_true(wrong < KEYS / 20); /* about 2.5 % are expected, always the same ones */
    memtable_filter_deinit(&f);
    assert_null(f.words);
}

static void too_small_is_none(void **state)
{
    struct memtable_filter f;
    uint8_t bytes[4];

    (void)state;
    assert_int_equal(memtable_filter_init(&f, 7), BLOCKDB_OK);
    assert_null(f.words);
    memtable_filter_add(&f, key_of(1, bytes));
    assert_true(memtable_filter_may_have(&f, key_of(2, bytes)));
    memtable_filter_deinit(&f);

    assert_int_equal(memtable_filter_init(&f, 8), BLOCKDB_OK);
    memtable_filter_add(&f, key_of(1, bytes));
    assert_true(memtable_filter_may_have(&f, key_of(1, bytes)));
    memtable_filter_deinit(&f);
}

/* Lookups give the same with a filter, also a full one, as without. */
static void memtable_finds_what_it_holds(void **state)
{
    struct memtable_options options = {.filter_bytes = 64};
    struct memtable *mt = memtable_new(&options);
    struct memtable_version found;
    uint8_t bytes[4];
    uint32_t i;

    (void)state;
    assert_non_null(mt);
    for (i = 0; i < 1000; i++) {
        struct memtable_version version = {.seq = i, .kind = 1, .time_ms = 7};

        assert_int_equal(memtable_add(mt, key_of(2 * (i % 500), bytes), &version), BLOCKDB_OK);
        assert_true(memtable_get(mt, key_of(2 * (i % 500), bytes), i, &found));
        assert_int_equal(found.seq, i);
        assert_false(memtable_get(mt, key_of(2 * (i % 500) + 1, bytes), i, &found));
    }
    memtable_unref(mt);
}

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void survives_lack_of_memory(void **state)
{
    struct memtable_options options = {.filter_bytes = 4096};
    struct memtable *mt = NULL;
    int n;

    (void)state;
    for (n = 0; mt == NULL; n++) {
        int left = n;

        mem_set_fail_hook(fail_at, &left);
        mt = memtable_new(&options);
        mem_set_fail_hook(NULL, NULL);
    }
    assert_true(n >= 3); /* the memtable and its filter failed once each */
    memtable_unref(mt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_were_added_are_there),
        cmocka_unit_test(too_small_is_none),
        cmocka_unit_test(memtable_finds_what_it_holds),
        cmocka_unit_test(survives_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
