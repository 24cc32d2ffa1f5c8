/* SPDX-License-Identifier: Apache-2.0 */
#include "wal_test.h"

#include <string.h>

#define FOUND_MAX 64

struct report {
    struct wal_inspection items[FOUND_MAX];
    size_t count;
    size_t stop_after;
};

static int note(void *context, const struct wal_inspection *found, struct error *err)
{
    struct report *r = context;

    assert_true(r->count < FOUND_MAX);
    r->items[r->count++] = *found;
    if (r->stop_after != 0 && r->count == r->stop_after) {
        return error_set(err, BLOCKDB_ECANCELED, "enough");
    }
    return BLOCKDB_OK;
}

static int inspect(struct wal_fixture *f, const char *path, struct report *out)
{
    size_t stop_after = out->stop_after;

    *out = (struct report){.stop_after = stop_after};
    return wal_inspect(f->os, path, note, out, &f->err);
}

static void two_sessions(struct wal_fixture *f)
{
    wal_fixture_init_memory(f);
    assert_int_equal(wal_fixture_open(f, NULL), 0);
    wal_fixture_fill(f, 2, 104);
    assert_int_equal(wal_fixture_close(f), 0);
    f->options.end_mark.kind = WAL_END_AT_LEAST; /* so that the second has a segment of its own */
    assert_int_equal(wal_fixture_open(f, NULL), 0);
    wal_fixture_fill(f, 3, 104);
    wal_fixture_kill(f);
}

static void test_intact(void **state)
{
    struct wal_fixture f;
    struct report r = {0};

    (void)state;
    two_sessions(&f);
    assert_int_equal(inspect(&f, "/wal/000001.wal", &r), 0);
    assert_int_equal(r.count, 6);
    assert_int_equal(r.items[0].kind, WAL_INSPECT_HEADER);
    assert_int_equal(r.items[0].segment_number, 1);
    assert_int_equal(r.items[0].len_bytes, 4096);
    assert_int_equal(r.items[1].kind, WAL_INSPECT_START);
    assert_int_equal(r.items[1].offset, 4096);
    assert_int_equal(r.items[1].previous_number, 0);
    assert_int_equal(r.items[2].kind, WAL_INSPECT_FRAME);
    assert_int_equal(r.items[2].payload_len, 104);
    assert_int_equal(r.items[2].len_bytes, 152);
    assert_int_equal(r.items[3].first_seq, 1);
    assert_int_equal(r.items[3].end_seq, 3);
    assert_int_equal(r.items[3].position, 72 + 152);
    assert_int_equal(r.items[4].kind, WAL_INSPECT_CLOSE);
    assert_int_equal(r.items[4].synced_position, 0);
    assert_int_equal(r.items[5].kind, WAL_INSPECT_END);

    assert_int_equal(inspect(&f, "/wal/000002.wal", &r), 0);
    assert_int_equal(r.items[1].kind, WAL_INSPECT_START);
    assert_int_equal(r.items[1].segment_number, 2);
    assert_int_equal(r.items[1].previous_number, 1);
    assert_int_equal(r.items[1].position, 72 + 2 * 152 + 48);
    assert_int_equal(r.count, 6);
    assert_int_equal(r.items[5].kind, WAL_INSPECT_END);
    wal_fixture_deinit(&f);
}

/* A later opening went on behind the closing frame. */
static void test_resumed(void **state)
{
    struct wal_fixture f;
    struct report r = {0};

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.prewrite = true;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 1, 104);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 1, 104);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(inspect(&f, "/wal/000001.wal", &r), 0);
    assert_int_equal(r.count, 7);
    assert_int_equal(r.items[3].kind, WAL_INSPECT_CLOSE);
    assert_int_equal(r.items[4].kind, WAL_INSPECT_FRAME);
    assert_int_equal(r.items[4].position, 72 + 152 + 48);
    assert_int_equal(r.items[4].synced_position, r.items[4].position);
    assert_int_equal(r.items[5].kind, WAL_INSPECT_CLOSE);
    assert_int_equal(r.items[6].kind, WAL_INSPECT_END);
    wal_fixture_deinit(&f);
}

static void test_damaged(void **state)
{
    struct wal_fixture f;
    struct report r = {0};

    (void)state;
    two_sessions(&f);
    test_flip(f.os, "/wal/000002.wal", 4096 + 72 + 152 + 60, 1); /* a body */
    assert_int_equal(inspect(&f, "/wal/000002.wal", &r), 0);
    assert_int_equal(r.count, 6);
    assert_int_equal(r.items[3].kind, WAL_INSPECT_DAMAGED);
    assert_int_equal(r.items[3].offset, 4096 + 72 + 152);
    assert_int_equal(r.items[4].kind, WAL_INSPECT_END);
    assert_int_equal(r.items[4].offset, 4096 + 72 + 152);
    assert_int_equal(r.items[5].kind, WAL_INSPECT_BEYOND);
    assert_int_equal(r.items[5].offset, 4096 + 72 + 2 * 152);

    test_flip(f.os, "/wal/000002.wal", 4096 + 20, 1); /* the start frame's header */
    assert_int_equal(inspect(&f, "/wal/000002.wal", &r), 0);
    assert_int_equal(r.count, 4);
    assert_int_equal(r.items[1].kind, WAL_INSPECT_END);
    assert_int_equal(r.items[1].offset, 4096);
    assert_int_equal(r.items[2].kind, WAL_INSPECT_BEYOND);
    assert_int_equal(r.items[2].position, 0);
    assert_int_equal(r.items[3].kind, WAL_INSPECT_BEYOND);

    test_flip(f.os, "/wal/000002.wal", 100, 1); /* the file's header */
    assert_int_equal(inspect(&f, "/wal/000002.wal", &r), BLOCKDB_ECORRUPT);
    assert_int_equal(r.count, 0);
    assert_int_equal(inspect(&f, "/wal/000077.wal", &r), BLOCKDB_ENOTFOUND);
    wal_fixture_deinit(&f);
}

static void test_visitor_stops(void **state)
{
    struct wal_fixture f;
    struct report r = {0};

    (void)state;
    two_sessions(&f);
    test_flip(f.os, "/wal/000002.wal", 4096 + 72 + 152 + 60, 1);
    for (r.stop_after = 1; r.stop_after <= 6; r.stop_after++) {
        assert_int_equal(inspect(&f, "/wal/000002.wal", &r), BLOCKDB_ECANCELED);
        assert_int_equal(r.count, r.stop_after);
    }
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intact),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_visitor_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
