/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "os/os.h"
#include "store/memtable.h"
#include "store/merging_cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

#define KEYS 60
#define SOURCES_MAX 9
#define SEQS_MAX 3000

/* What all sources hold together: the seqs of each key, ascending. */
struct model {
    struct memtable *sources[SOURCES_MAX]; /* newest first */
    size_t source_count;
    uint64_t seqs[KEYS][SEQS_MAX];
    size_t seq_count[KEYS];
    uint64_t seq_end;
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t seed_of_test(void)
{
    const char *text = getenv("BLOCKDB_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : os_monotonic_ns(os_real());

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed | 1;
}

static struct slice key_of(int key, uint8_t out[4])
{
    (void)snprintf((char *)out, 4, "k%02d", key);
    return slice_of(out, 3);
}

static int key_number(struct slice key)
{
    assert_int_equal(key.len, 3);
    return (key.data[1] - '0') * 10 + (key.data[2] - '0');
}

/* Fills the sources from the oldest to the newest. */
static void fill(struct model *model, uint64_t *random)
{
    size_t i;

    memset(model, 0, sizeof(*model));
    model->source_count = random_next(random) % (SOURCES_MAX + 1);
    for (i = model->source_count; i > 0; i--) {
        struct memtable *mt = memtable_new(NULL);
        uint64_t count = random_next(random) % 200;
        uint64_t keys = 1 + random_next(random) % KEYS;

        model->sources[i - 1] = mt;
        for (; count > 0; count--) {
            int key = (int)(random_next(random) % keys);
            uint8_t bytes[4];
            struct memtable_version version = {.seq = model->seq_end,
                                               .time_ms = 7 * model->seq_end,
                                               .kind = model->seq_end % 5 == 0 ? BLOCKDB_KIND_DELETE
                                                                               : BLOCKDB_KIND_PUT};

            assert_int_equal(memtable_add(mt, key_of(key, bytes), &version), BLOCKDB_OK);
            model->seqs[key][model->seq_count[key]++] = model->seq_end;
            model->seq_end += 1 + random_next(random) % 3;
        }
    }
}

static void empty(struct model *model)
{
    size_t i;

    for (i = 0; i < model->source_count; i++) {
        memtable_unref(model->sources[i]);
    }
}

/* The sources below are not bounded themselves, as tables are not. */
static struct cursor *merge_all(const struct model *model, uint64_t limit)
{
    struct cursor *sources[SOURCES_MAX];
    struct cursor *merged;
    size_t i;

    for (i = 0; i < model->source_count; i++) {
        assert_int_equal(memtable_cursor_new(model->sources[i], VERSIONS_ALL, &sources[i]),
                         BLOCKDB_OK);
    }
    assert_int_equal(merging_cursor_new(sources, model->source_count, limit, &merged), BLOCKDB_OK);
    return merged;
}

/* How many versions of key are at or below limit. */
static size_t visible(const struct model *model, int key, uint64_t limit)
{
    size_t count = 0;

    while (count < model->seq_count[key] && model->seqs[key][count] <= limit) {
        count++;
    }
    return count;
}

/* The visible key at `key` or beyond, going by step; -1 when there is none. */
static int model_from(const struct model *model, int key, int step, uint64_t limit)
{
    while (key >= 0 && key < KEYS && visible(model, key, limit) == 0) {
        key += step;
    }
    return key >= 0 && key < KEYS ? key : -1;
}

/* Whether some source has seq as the newest version of key: then its item is whole. */
static bool is_newest_somewhere(const struct model *model, int key, uint64_t seq)
{
    size_t i;

    for (i = 0; i < model->source_count; i++) {
        uint8_t bytes[4];
        struct memtable_version version;

        if (memtable_get(model->sources[i], key_of(key, bytes), VERSIONS_ALL, &version) &&
            version.seq == seq) {
            return true;
        }
    }
    return false;
}

static void check_older(const struct model *model, const struct item *item, int key, size_t count)
{
    struct version_cursor versions;
    uint64_t seq;

    assert_int_equal(item->older.count, count - 1);
    assert_int_equal(version_cursor_init(&versions, &item->older, VERSIONS_ALL, NULL), BLOCKDB_OK);
    for (count--; count > 0; count--) {
        assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_OK);
        assert_int_equal(seq, model->seqs[key][count - 1]);
    }
    assert_int_equal(version_cursor_next(&versions, &seq, NULL), BLOCKDB_ENOTFOUND);
    version_cursor_deinit(&versions);
}

static void check_stand(const struct model *model, const struct cursor *c, int key, uint64_t limit)
{
    const struct item *item;
    size_t count;

    assert_int_equal(cursor_valid(c), key >= 0);
    if (key < 0) {
        return;
    }
    item = cursor_item(c);
    count = visible(model, key, limit);
    assert_int_equal(key_number(item->key), key);
    assert_int_equal(item->seq, model->seqs[key][count - 1]);
    if (limit == VERSIONS_ALL) {
        check_older(model, item, key, count);
    } else {
        assert_int_equal(item->older.count, 0);
    }
    if (is_newest_somewhere(model, key, item->seq)) {
        assert_int_equal(item->kind, item->seq % 5 == 0 ? BLOCKDB_KIND_DELETE : BLOCKDB_KIND_PUT);
        assert_int_equal(item->time_ms, 7 * item->seq);
    } else {
        assert_int_equal(item->kind, 0);
        assert_false(item->value_inline);
    }
}

/* One random move of cursor and model; returns the model's key. */
static int random_move(const struct model *model, struct cursor *c, int at, uint64_t limit,
                       uint64_t *random)
{
    uint64_t what = random_next(random) % 100;
    int key = (int)(random_next(random) % (KEYS + 1));
    uint8_t bytes[4];

    if (at < 0 && what >= 4) { /* a seek is due */
        what = 4 + what % 2;
    }
    if (what < 2) {
        assert_int_equal(cursor_seek_first(c, NULL), BLOCKDB_OK);
        return model_from(model, 0, 1, limit);
    }
    if (what < 4) {
        assert_int_equal(cursor_seek_last(c, NULL), BLOCKDB_OK);
        return model_from(model, KEYS - 1, -1, limit);
    }
    if (what == 4) {
        assert_int_equal(cursor_seek(c, key_of(key, bytes), NULL), BLOCKDB_OK);
        return model_from(model, key, 1, limit);
    }
    if (what == 5) {
        assert_int_equal(cursor_seek_before(c, key_of(key, bytes), NULL), BLOCKDB_OK);
        return model_from(model, key - 1, -1, limit);
    }
    if (what < 60) {
        assert_int_equal(cursor_next(c, NULL), BLOCKDB_OK);
        return model_from(model, at + 1, 1, limit);
    }
    assert_int_equal(cursor_prev(c, NULL), BLOCKDB_OK);
    return model_from(model, at - 1, -1, limit);
}

static void walk(const struct model *model, uint64_t limit, uint64_t *random)
{
    struct cursor *c = merge_all(model, limit);
    int at = -1;
    int i;

    assert_false(cursor_valid(c));
    for (i = 0; i < 600; i++) {
        at = random_move(model, c, at, limit, random);
        check_stand(model, c, at, limit);
    }
    cursor_free(c);
}

static void test_same_as_model(void **state)
{
    static struct model model;
    uint64_t random = seed_of_test();
    int round;

    (void)state;
    for (round = 0; round < 60; round++) {
        fill(&model, &random);
        walk(&model, VERSIONS_ALL, &random);
        walk(&model, model.seq_end, &random);
        walk(&model, model.seq_end > 0 ? random_next(&random) % model.seq_end : 0, &random);
        walk(&model, 0, &random);
        empty(&model);
    }
}

/* ---- Failures -------------------------------------------------------------------------------- */

static bool fail_at(void *context)
{
    long *left = context;

    return *left >= 0 && (*left)-- == 0;
}

static int count_both_ways(struct cursor *c, int *out_count)
{
    int rc = cursor_seek_first(c, NULL);

    while (rc == BLOCKDB_OK && cursor_valid(c)) {
        ++*out_count;
        rc = cursor_next(c, NULL);
    }
    rc = rc == BLOCKDB_OK ? cursor_seek_last(c, NULL) : rc;
    if (rc == BLOCKDB_OK && cursor_valid(c)) {
        rc = cursor_prev(c, NULL);
    }
    if (rc == BLOCKDB_OK && cursor_valid(c)) {
        rc = cursor_next(c, NULL); /* turns round */
    }
    return rc;
}

static void test_failing_allocations(void **state)
{
    static struct model model;
    uint64_t random = 4711;
    int want = 0;
    long n;
    bool done = false;
    int key;

    (void)state;
    do {
        fill(&model, &random);
    } while (model.source_count < 3);
    for (key = 0; key < KEYS; key++) {
        want += model.seq_count[key] > 0;
    }
    for (n = 0; !done; n++) {
        struct cursor *sources[SOURCES_MAX] = {NULL};
        struct cursor *merged = NULL;
        long left = n;
        int count = 0;
        int rc = BLOCKDB_OK;
        size_t i;

        for (i = 0; i < model.source_count; i++) {
            assert_int_equal(memtable_cursor_new(model.sources[i], VERSIONS_ALL, &sources[i]),
                             BLOCKDB_OK);
        }
        mem_set_fail_hook(fail_at, &left);
        rc = merging_cursor_new(sources, model.source_count, VERSIONS_ALL, &merged);
        if (rc == BLOCKDB_OK) {
            rc = count_both_ways(merged, &count);
        }
        mem_set_fail_hook(NULL, NULL);
        done = left >= 0;
        assert_int_equal(rc, done ? BLOCKDB_OK : BLOCKDB_ENOMEM);
        if (merged == NULL) {
            for (i = 0; i < model.source_count; i++) {
                cursor_free(sources[i]);
            }
            continue;
        }
        assert_true(rc == BLOCKDB_OK || !cursor_valid(merged)); /* CUR-3 */
        count = 0;
        assert_int_equal(count_both_ways(merged, &count), BLOCKDB_OK); /* a seek works again */
        assert_int_equal(count, want);
        cursor_free(merged);
    }
    assert_true(n > 4);
    empty(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_model),
        cmocka_unit_test(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
