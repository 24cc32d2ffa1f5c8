/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "store/memtable.h"
#include "store/memtable_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

#define KEYS 20000
#define BYTES_PER_KEY 11

static struct slice key_of(uint32_t number, uint8_t out[4])
{
    put_le32(out, number);
    return slice_of(out, 4);
}

/* Whether the memtable finds these keys, and no others, with an index of so many bytes. */
static void check_keys(size_t index_bytes, uint32_t keys)
{
    struct memtable_options options = {.index_bytes = index_bytes};
    struct memtable *mt = memtable_new(&options);
    struct memtable_version found;
    uint8_t bytes[4];
    uint32_t i;

    assert_non_null(mt);
    for (i = 0; i < keys; i++) {
        struct memtable_version version = {.seq = i, .kind = 1};

        assert_int_equal(memtable_add(mt, key_of(i, bytes), &version), BLOCKDB_OK);
    }
    for (i = 0; i < keys; i++) {
        assert_true(memtable_get(mt, key_of(i, bytes), keys, &found));
        assert_int_equal(found.seq, i);
        assert_false(memtable_get(mt, key_of(keys + i, bytes), keys, &found));
    }
    memtable_check(mt);
    memtable_unref(mt);
}

static void any_size_will_do(void **state)
{
    (void)state;
    check_keys(KEYS * BYTES_PER_KEY, KEYS);
    check_keys(0, 100);
    check_keys(7, 100);
    check_keys(8, 100);
    check_keys(16, 100);
    check_keys(KEYS, KEYS); /* for an eighth of them */
}

/* MIDX-2. */
static void a_full_one_says_so(void **state)
{
    struct memtable_index index;
    bool is_unsure;
    uint64_t i;

    (void)state;
    assert_int_equal(memtable_index_init(&index, 64 * sizeof(struct memtable_slot), 0), BLOCKDB_OK);
    assert_null(memtable_index_find(&index, 5, slice_of_text("a"), &is_unsure));
    assert_false(is_unsure);
    for (i = 0; i < 55; i++) {
        memtable_index_add(&index, i << 56 | i, NULL);
        assert_false(atomic_load(&index.is_full));
    }
    memtable_index_add(&index, 99, NULL);
    assert_true(atomic_load(&index.is_full));
    assert_int_equal(index.used, 55);
    memtable_index_deinit(&index);
    assert_null(index.slots);
}

/* Lookups give the same with an index, also a full one, as without. */
static void memtable_finds_what_it_holds(void **state)
{
    struct memtable_options options = {.index_bytes = 64};
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
    struct memtable_options options = {.index_bytes = 4096};
    struct memtable *mt = NULL;
    int n;

    (void)state;
    for (n = 0; mt == NULL; n++) {
        int left = n;

        mem_set_fail_hook(fail_at, &left);
        mt = memtable_new(&options);
        mem_set_fail_hook(NULL, NULL);
    }
    assert_true(n >= 3); /* the memtable and its index failed once each */
    memtable_unref(mt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_will_do),
        cmocka_unit_test(a_full_one_says_so),
        cmocka_unit_test(memtable_finds_what_it_holds),
        cmocka_unit_test(survives_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
