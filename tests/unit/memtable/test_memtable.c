/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "os/os.h"
#include "store/memtable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

/* ---- A model: every version in an array ------------------------------------------------------ */

struct model_entry {
    uint8_t key[24];
    size_t key_len;
    uint64_t seq;
};

struct model {
    struct model_entry *entries;
    size_t count;
};

static struct slice model_key(const struct model_entry *e)
{
    return slice_of(e->key, e->key_len);
}

static int model_order(const void *a, const void *b)
{
    const struct model_entry *x = a;
    const struct model_entry *y = b;
    int order = slice_compare(model_key(x), model_key(y));

    return order != 0 ? order : (x->seq < y->seq) - (x->seq > y->seq); /* newest first */
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t random_seed(void)
{
    const char *text = getenv("BLOCKDB_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : os_monotonic_ns(os_real());

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed | 1;
}

static void add(struct memtable *mt, struct slice key, uint64_t seq, struct slice value)
{
    size_t len = key.len + value.len;
    uint8_t *record = memtable_alloc(mt, len);
    struct memtable_version version = {.seq = seq, .time_ms = 1000 + seq, .kind = BLOCKDB_KIND_PUT};

    assert_non_null(record);
    memcpy(record, key.data, key.len);
    if (value.len > 0) {
        memcpy(record + key.len, value.data, value.len);
    }
    version.record = slice_of(record, len);
    version.value = slice_of(record + key.len, value.len);
    assert_int_equal(memtable_add(mt, slice_of(record, key.len), &version), BLOCKDB_OK);
}

/* Keys from a small space, of many lengths, with zeros and common beginnings. */
static void random_key(uint64_t *random, struct model_entry *e)
{
    static const char *const starts[] = {"", "user:", "user:000000", "v",
                                         "\xff\xff\xff\xff\xff\xff\xff\xff"};
    const char *start = starts[random_next(random) % 5];
    size_t tail = random_next(random) % 10;
    size_t i;

    e->key_len = strlen(start);
    memcpy(e->key, start, e->key_len);
    for (i = 0; i < tail; i++) {
        e->key[e->key_len++] = (uint8_t)(random_next(random) % 3);
    }
    if (e->key_len == 0) {
        e->key[e->key_len++] = (uint8_t)random_next(random);
    }
}

static void fill(struct memtable *mt, struct model *model, size_t count, uint64_t *random)
{
    size_t i;

    model->entries = calloc(count, sizeof(*model->entries));
    model->count = count;
    for (i = 0; i < count; i++) {
        struct model_entry *e = &model->entries[i];

        if (i > 0 && random_next(random) % 3 == 0) { /* one more of the last key */
            *e = model->entries[i - 1];
        } else {
            random_key(random, e);
        }
        e->seq = 10 * i + 5;
        add(mt, model_key(e), e->seq, slice_of(e->key, e->key_len));
    }
    qsort(model->entries, count, sizeof(*model->entries), model_order);
}

/* The index of the first version of the next key. */
static size_t model_next(const struct model *model, size_t i)
{
    size_t j = i;

    while (j < model->count &&
           slice_equal(model_key(&model->entries[i]), model_key(&model->entries[j]))) {
        j++;
    }
    return j;
}

static void check_item(const struct model *model, size_t first, size_t last, uint64_t limit,
                       const struct item *item)
{
    struct version_cursor versions;
    uint64_t seq;
    size_t i = first;

    while (model->entries[i].seq > limit) {
        i++;
    }
    assert_true(slice_equal(item->key, model_key(&model->entries[i])));
    assert_int_equal(item->seq, model->entries[i].seq);
    assert_int_equal(item->time_ms, 1000 + item->seq);
    assert_int_equal(item->kind, BLOCKDB_KIND_PUT);
    assert_int_equal(item->value_inline, item->kind == BLOCKDB_KIND_PUT);
    assert_true(slice_equal(item->value, item->key));
    assert_int_equal(item->older.count, last - i - 1);
    assert_int_equal(version_cursor_init(&versions, &item->older, VERSIONS_ALL, NULL), BLOCKDB_OK);
    for (i++; i < last; i++) {
        assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_OK);
        assert_int_equal(seq, model->entries[i].seq);
    }
    assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_ENOTFOUND);
    version_cursor_deinit(&versions);
}

static void check_cursor(const struct memtable *mt, const struct model *model, uint64_t limit)
{
    struct cursor *forward;
    struct cursor *back;
    struct slice last_key = {0};
    size_t keys = 0;
    size_t i;
    size_t next;

    assert_int_equal(memtable_cursor_new(mt, limit, &forward), BLOCKDB_OK);
    assert_int_equal(memtable_cursor_new(mt, limit, &back), BLOCKDB_OK);
    assert_false(cursor_valid(forward));
    assert_int_equal(cursor_seek_first(forward, NULL), BLOCKDB_OK);
    for (i = 0; i < model->count; i = next) {
        struct slice key = model_key(&model->entries[i]);

        next = model_next(model, i);
        if (model->entries[next - 1].seq > limit) {
            continue; /* no version of this key is old enough */
        }
        assert_true(cursor_valid(forward));
        check_item(model, i, next, limit, cursor_item(forward));
        assert_int_equal(memtable_cursor_record(forward).len, 2 * key.len);
        assert_int_equal(cursor_seek_before(back, key, NULL), BLOCKDB_OK);
        assert_int_equal(cursor_valid(back), keys > 0);
        if (keys > 0) {
            assert_true(slice_equal(cursor_item(back)->key, last_key));
        }
        assert_int_equal(cursor_seek(back, key, NULL), BLOCKDB_OK);
        assert_true(slice_equal(cursor_item(back)->key, key));
        last_key = key;
        keys++;
        assert_int_equal(cursor_next(forward, NULL), BLOCKDB_OK);
    }
    assert_false(cursor_valid(forward));
    assert_int_equal(cursor_seek_last(back, NULL), BLOCKDB_OK);
    for (; keys > 0; keys--) {
        assert_true(cursor_valid(back));
        assert_int_equal(cursor_prev(back, NULL), BLOCKDB_OK);
    }
    assert_false(cursor_valid(back));
    cursor_free(forward);
    cursor_free(back);
}

static void check_gets(const struct memtable *mt, const struct model *model, uint64_t limit)
{
    size_t i;
    size_t next;

    for (i = 0; i < model->count; i = next) {
        struct slice key = model_key(&model->entries[i]);
        struct memtable_versions versions = memtable_versions_of(mt, key, limit);
        struct memtable_version version;
        size_t j;

        next = model_next(model, i);
        for (j = i; j < next; j++) {
            if (model->entries[j].seq > limit) {
                continue;
            }
            assert_true(memtable_versions_next(&versions, &version));
            assert_int_equal(version.seq, model->entries[j].seq);
            assert_true(memtable_get(mt, key, model->entries[j].seq, &version));
            assert_int_equal(version.seq, model->entries[j].seq);
            assert_true(memtable_get(mt, key, model->entries[j].seq + 9, &version));
            assert_int_equal(version.seq, model->entries[j].seq);
            assert_true(slice_equal(version.value, key));
            assert_int_equal(version.record.len, 2 * key.len);
        }
        assert_false(memtable_versions_next(&versions, &version));
        assert_false(memtable_get(mt, key, model->entries[next - 1].seq - 1, &version));
    }
}

static void check_against_model(struct slice common_prefix, size_t count, uint64_t *random)
{
    struct memtable_options options = {.common_prefix = common_prefix};
    struct memtable *mt = memtable_new(&options);
    struct model model;
    struct memtable_version version;

    assert_non_null(mt);
    fill(mt, &model, count, random);
    memtable_check(mt);
    assert_int_equal(memtable_version_count(mt), count);
    assert_int_equal(memtable_first_seq(mt), 5);
    assert_int_equal(memtable_last_seq(mt), 10 * (count - 1) + 5);
    check_gets(mt, &model, VERSIONS_ALL);
    check_gets(mt, &model, 5 * count);
    check_cursor(mt, &model, VERSIONS_ALL);
    check_cursor(mt, &model, 5 * count);
    check_cursor(mt, &model, 5);
    check_cursor(mt, &model, 4);
    assert_false(memtable_get(mt, slice_of_text("zz absent"), VERSIONS_ALL, &version));
    free(model.entries);
    memtable_unref(mt);
}

static void test_same_as_model(void **state)
{
    uint64_t random = random_seed();
    int round;

    (void)state;
    for (round = 0; round < 20; round++) {
        check_against_model(slice_of(NULL, 0), 1 + random_next(&random) % 2000, &random);
        check_against_model(slice_of_text("user:"), 1 + random_next(&random) % 2000, &random);
        check_against_model(slice_of_text("user:000000\1\1\1\1\1"), 500, &random);
    }
}

static void test_empty(void **state)
{
    struct memtable *mt = memtable_new(NULL);
    struct memtable_version version;
    struct cursor *c;

    (void)state;
    assert_false(memtable_get(mt, slice_of_text("a"), VERSIONS_ALL, &version));
    assert_int_equal(memtable_first_seq(mt), UINT64_MAX);
    assert_int_equal(memtable_last_seq(mt), 0);
    assert_int_equal(memtable_key_count(mt), 0);
    assert_int_equal(memtable_common_prefix(mt).len, 0);
    assert_int_equal(memtable_cursor_new(mt, VERSIONS_ALL, &c), BLOCKDB_OK);
    assert_int_equal(cursor_seek_first(c, NULL), BLOCKDB_OK);
    assert_false(cursor_valid(c));
    assert_int_equal(cursor_seek_last(c, NULL), BLOCKDB_OK);
    assert_false(cursor_valid(c));
    assert_int_equal(cursor_seek(c, slice_of_text("a"), NULL), BLOCKDB_OK);
    assert_false(cursor_valid(c));
    assert_int_equal(cursor_seek_before(c, slice_of_text("a"), NULL), BLOCKDB_OK);
    assert_false(cursor_valid(c));
    cursor_free(c);
    memtable_check(mt);
    memtable_unref(memtable_ref(mt));
    memtable_unref(mt);
    memtable_unref(NULL);
}

static void test_million_versions(void **state)
{
    enum { COUNT = 1000000 };
    struct memtable *mt = memtable_new(NULL);
    struct slice key = slice_of_text("counter");
    struct memtable_version version = {.kind = BLOCKDB_KIND_DELETE};
    struct memtable_version found;
    struct cursor *c;
    uint64_t seq;
    uint64_t random = random_seed();
    int i;

    (void)state;
    version.record = slice_of_text("record");
    for (seq = 0; seq < COUNT; seq++) {
        version.seq = 3 * seq;
        assert_int_equal(memtable_add(mt, key, &version), BLOCKDB_OK);
    }
    memtable_check(mt);
    assert_int_equal(memtable_key_count(mt), 1);
    /* A linear search would need 10^11 steps. */
    for (i = 0; i < 200000; i++) {
        seq = random_next(&random) % (3 * COUNT);
        assert_true(memtable_get(mt, key, seq, &found));
        assert_int_equal(found.seq, seq / 3 * 3);
    }
    assert_int_equal(memtable_cursor_new(mt, VERSIONS_ALL, &c), BLOCKDB_OK);
    assert_int_equal(cursor_seek_first(c, NULL), BLOCKDB_OK);
    assert_int_equal(cursor_item(c)->older.count, COUNT - 1);
    assert_int_equal(cursor_item(c)->kind, BLOCKDB_KIND_DELETE);
    for (i = 0; i < 100000; i++) {
        uint64_t at = random_next(&random) % (3 * (COUNT - 1));

        assert_int_equal(version_list_find(&cursor_item(c)->older, at, &seq, NULL), BLOCKDB_OK);
        assert_int_equal(seq, at / 3 * 3);
    }
    cursor_free(c);
    memtable_unref(mt);
}

static void test_older_list_moves_forwards_only(void **state)
{
    struct memtable *mt = memtable_new(NULL);
    struct slice key = slice_of_text("k");
    struct version_cursor versions;
    struct cursor *c;
    uint64_t seq;

    (void)state;
    for (seq = 0; seq < 100; seq++) {
        add(mt, key, seq, key);
    }
    assert_int_equal(memtable_cursor_new(mt, VERSIONS_ALL, &c), BLOCKDB_OK);
    assert_int_equal(cursor_seek_first(c, NULL), BLOCKDB_OK);
    assert_int_equal(version_cursor_init(&versions, &cursor_item(c)->older, 50, NULL), BLOCKDB_OK);
    assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_OK);
    assert_int_equal(seq, 49);
    assert_int_equal(version_cursor_seek(&versions, 10, NULL), BLOCKDB_OK);
    assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_OK);
    assert_int_equal(seq, 9);
    assert_int_equal(version_cursor_seek(&versions, 0, NULL), BLOCKDB_OK);
    assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_ENOTFOUND);
    version_cursor_deinit(&versions);
    cursor_free(c);
    memtable_unref(mt);
}

static void test_ascending_and_descending(void **state)
{
    struct memtable *mt = memtable_new(NULL);
    uint8_t key[8];
    uint64_t i;

    (void)state;
    for (i = 0; i < 5000; i++) {
        put_be64(key, 1000000 + i);
        add(mt, slice_of(key, 8), 3 * i, slice_of(key, 8));
        put_be64(key, 1000000 - i);
        add(mt, slice_of(key, 8), 3 * i + 1, slice_of(key, 8));
        put_be64(key, 2000000 + 2 * i);
        add(mt, slice_of(key, 8), 3 * i + 2, slice_of(key, 8));
    }
    for (i = 0; i < 5000; i++) { /* between those there are, ascending */
        put_be64(key, 2000000 + 2 * i + 1);
        add(mt, slice_of(key, 8), 20000 + i, slice_of(key, 8));
    }
    memtable_check(mt);
    assert_int_equal(memtable_key_count(mt), 4 * 5000 - 1);
    assert_int_equal(memtable_version_count(mt), 4 * 5000);
    memtable_unref(mt);
}

static void test_common_prefix(void **state)
{
    struct memtable *mt = memtable_new(NULL);

    (void)state;
    add(mt, slice_of_text("order/9"), 0, slice_of(NULL, 0));
    assert_int_equal(memtable_common_prefix(mt).len, 0); /* one key says nothing of others */
    add(mt, slice_of_text("order/"), 1, slice_of(NULL, 0));
    assert_true(slice_equal(memtable_common_prefix(mt), slice_of_text("order/")));
    add(mt, slice_of_text("orb"), 2, slice_of(NULL, 0));
    assert_true(slice_equal(memtable_common_prefix(mt), slice_of_text("or")));
    memtable_unref(mt);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static bool fail_at(void *context)
{
    long *left = context;

    return *left >= 0 && (*left)-- == 0;
}

static void test_failing_allocations(void **state)
{
    uint64_t random = random_seed();
    long n;
    bool done = false;

    (void)state;
    for (n = 0; !done; n++) {
        long left = n;
        struct memtable *mt;
        uint64_t added = 0;
        uint64_t failed = 0;
        uint64_t seq;

        mem_set_fail_hook(fail_at, &left);
        mt = memtable_new(NULL);
        for (seq = 0; mt != NULL && seq < 3000; seq++) {
            uint64_t key = random_next(&random) % 2000;
            struct memtable_version version = {.seq = seq, .kind = BLOCKDB_KIND_PUT};

            if (memtable_add(mt, slice_of(&key, sizeof(key)), &version) == BLOCKDB_OK) {
                added++;
            } else {
                failed++;
            }
        }
        mem_set_fail_hook(NULL, NULL);
        done = left >= 0;
        if (mt != NULL) {
            assert_true(failed <= 1); /* memory came back, so did the adds */
            assert_int_equal(memtable_version_count(mt), added);
            memtable_check(mt);
        }
        memtable_unref(mt);
    }
    assert_true(n > 3);
}

static bool fail_always(void *context)
{
    (void)context;
    return true;
}

static void test_reserved_adds_cannot_fail(void **state)
{
    uint64_t random = random_seed();
    struct memtable *mt = memtable_new(NULL);
    uint64_t seq = 0;
    int round;

    (void)state;
    for (round = 0; round < 200; round++) {
        size_t count = random_next(&random) % 400;
        struct model_entry entries[400];
        size_t bytes = 0;
        size_t i;

        for (i = 0; i < count; i++) {
            random_key(&random, &entries[i]);
            bytes += entries[i].key_len;
        }
        assert_int_equal(memtable_reserve(mt, count, bytes), BLOCKDB_OK);
        mem_set_fail_hook(fail_always, NULL);
        for (i = 0; i < count; i++) {
            struct memtable_version version = {.seq = seq++, .kind = BLOCKDB_KIND_PUT};

            assert_int_equal(memtable_add(mt, model_key(&entries[i]), &version), BLOCKDB_OK);
        }
        mem_set_fail_hook(NULL, NULL);
    }
    memtable_check(mt);
    mem_set_fail_hook(fail_always, NULL);
    assert_int_equal(memtable_reserve(mt, 1000000, 0), BLOCKDB_ENOMEM);
    assert_null(memtable_new(NULL));
    mem_set_fail_hook(NULL, NULL);
    memtable_unref(mt);
}

/* A list that is linked anew holds the same; memory that is short then only keeps it from that. */
static void test_linked_anew(void **state)
{
    struct memtable_options options = {.index_bytes = 1 << 16};
    uint64_t seq;
    long n;

    (void)state;
    for (n = 0; n < 8; n++) {
        struct memtable *mt = memtable_new(&options);
        long left = n;

        for (seq = 0; seq < 10000; seq++) {
            uint64_t key = __builtin_bswap64(seq * 7919 % 5000);
            struct slice keys[2] = {slice_of(&key, 8), slice_of(&key, 7)};
            struct memtable_version version = {.seq = seq, .kind = BLOCKDB_KIND_PUT};
            bool is_near = seq == 63 || seq == 4095;

            memtable_prefetch(mt, keys, 2);
            assert_int_equal(memtable_reserve(mt, 1, 8), BLOCKDB_OK);
            mem_set_fail_hook(is_near ? fail_at : NULL, &left);
            assert_int_equal(memtable_add(mt, keys[0], &version), BLOCKDB_OK);
            mem_set_fail_hook(NULL, NULL);
        }
        assert_int_equal(memtable_key_count(mt), 5000);
        memtable_check(mt);
        memtable_unref(mt);
    }
}

/* ---- Readers beside the inserter ------------------------------------------------------------- */

#define RACE_KEYS 300
#define RACE_SEQS 60000

struct race {
    struct memtable *mt;
    _Atomic uint64_t visible; /* seqs below are published */
    _Atomic uint64_t stop;
};

/* Key of seq: every key comes up again and again, in no order; all begin with the same bytes, so
 * that the list is linked anew among readers. */
static uint64_t race_key(uint64_t seq)
{
    return __builtin_bswap64((seq * 0x9e3779b97f4a7c15u >> 20) % RACE_KEYS + 1);
}

static void race_read(void *arg)
{
    struct race *race = arg;
    uint64_t random = 88172645463325252u;

    while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
        uint64_t visible = atomic_load_explicit(&race->visible, memory_order_acquire);
        uint64_t seq;
        uint64_t key;
        struct memtable_version version;
        struct cursor *c;
        uint64_t before = 0;

        if (visible == 0) {
            continue;
        }
        seq = random_next(&random) % visible;
        key = race_key(seq);
        ASSERT(memtable_get(race->mt, slice_of(&key, 8), seq, &version) && version.seq == seq);
        ASSERT(memtable_get(race->mt, slice_of(&key, 8), visible - 1, &version));
        ASSERT(version.seq >= seq && version.seq < visible);
        if (random_next(&random) % 64 != 0) {
            continue;
        }
        ASSERT(memtable_cursor_new(race->mt, visible - 1, &c) == BLOCKDB_OK);
        ASSERT(cursor_seek_first(c, NULL) == BLOCKDB_OK);
        while (cursor_valid(c)) {
            uint64_t at = get_be64(cursor_item(c)->key.data);

            ASSERT(before == 0 || at > before);
            ASSERT(cursor_item(c)->seq < visible);
            before = at;
            ASSERT(cursor_next(c, NULL) == BLOCKDB_OK);
        }
        cursor_free(c);
    }
}

static void test_readers_beside_inserter(void **state)
{
    struct memtable_options options = {.index_bytes = (size_t)2 * RACE_KEYS * sizeof(uint64_t)};
    struct race race = {.mt = memtable_new(&options)};
    struct os_thread *threads[2];
    uint64_t seq;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(os_thread_start(os_real(), "reader", race_read, &race, &threads[i], NULL),
                         BLOCKDB_OK);
    }
    for (seq = 0; seq < RACE_SEQS; seq++) {
        uint64_t key = race_key(seq);

        add(race.mt, slice_of(&key, 8), seq, slice_of(&seq, 8));
        atomic_store_explicit(&race.visible, seq + 1, memory_order_release);
    }
    atomic_store_explicit(&race.stop, 1, memory_order_relaxed);
    for (i = 0; i < 2; i++) {
        os_thread_join(os_real(), threads[i]);
    }
    memtable_check(race.mt);
    memtable_unref(race.mt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_model),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_million_versions),
        cmocka_unit_test(test_older_list_moves_forwards_only),
        cmocka_unit_test(test_ascending_and_descending),
        cmocka_unit_test(test_common_prefix),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_reserved_adds_cannot_fail),
        cmocka_unit_test(test_linked_anew),
        cmocka_unit_test(test_readers_beside_inserter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
