/* SPDX-License-Identifier: Apache-2.0 */
#include "common/test_env.h"
#include "wal_test.h"

#include "base/checksum.h"

#include <string.h>

static void test_empty(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.from_seq = 7;
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 0);
    assert_int_equal(f.recovery.end_seq, 7);
    assert_int_equal(wal_sync(f.wal, wal_end_position(f.wal), &f.err), 0);
    assert_int_equal(wal_retire(f.wal, 7, &f.err), 0);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(test_count_files(&f, ".wal"), 0);
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 0);
    assert_int_equal(wal_close(NULL, NULL, NULL), 0);
    wal_fixture_deinit(&f);
}

static void check_round_trip(struct wal_fixture *f)
{
    struct wal_seen seen;
    struct wal_stats stats;
    uint64_t end;

    assert_int_equal(wal_fixture_open(f, NULL), 0);
    wal_fixture_fill(f, 500, 1000);
    assert_true(wal_synced_position(f->wal) < f->position);
    assert_int_equal(wal_sync(f->wal, f->position, &f->err), 0);
    assert_int_equal(wal_synced_position(f->wal), f->position);
    assert_int_equal(wal_end_position(f->wal), f->position);
    wal_get_stats(f->wal, &stats);
    assert_int_equal(stats.frames, 500);
    assert_int_equal(stats.payload_bytes, 500 * 1000);
    assert_true(stats.segments_created > 7);
    assert_true(stats.syncs >= 8);
    assert_true(stats.live_bytes >= 500 * 1000);
    end = f->seq;
    assert_int_equal(wal_fixture_close(f), 0);
    assert_int_equal(f->options.end_mark.kind, WAL_END_EXACT);
    assert_int_equal(f->options.end_mark.end_seq, end);

    assert_int_equal(wal_fixture_open(f, &seen), 0);
    assert_int_equal(seen.first_seq, 0);
    assert_int_equal(seen.frames, 500);
    assert_int_equal(seen.end_seq, end);
    assert_int_equal(f->recovery.end_seq, end);
    assert_true(f->recovery.closed_cleanly);
    assert_int_equal(f->recovery.tail_cut_bytes, 0);
    assert_int_equal(wal_synced_position(f->wal), wal_end_position(f->wal));
}

static void test_round_trip(void **state)
{
    struct wal_fixture f;
    int variant;

    (void)state;
    for (variant = 0; variant < 8; variant++) {
        if (variant < 4) {
            wal_fixture_init_memory(&f);
        } else {
            wal_fixture_init_real(&f);
        }
        f.options.prewrite = (variant & 1) != 0;
        f.options.helper_thread = (variant & 2) != 0;
        check_round_trip(&f);
        wal_fixture_deinit(&f);
    }
}

/* Many sessions, each with its own segment; odd ones end with a kill. */
static void test_sessions(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    size_t i;

    (void)state;
    wal_fixture_init_memory(&f);
    for (i = 0; i < 20; i++) {
        f.options.prewrite = i % 3 == 0;
        f.options.helper_thread = i % 4 == 0;
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        assert_int_equal(seen.frames, i * 5);
        assert_int_equal(f.recovery.tail_cut_bytes, 0);
        wal_fixture_fill(&f, 5, 300);
        if (i % 2 == 0) {
            assert_int_equal(wal_fixture_close(&f), 0);
        } else {
            wal_fixture_kill(&f);
            f.options.end_mark.kind = WAL_END_AT_LEAST;
        }
    }
    wal_fixture_deinit(&f);
}

/* Sessions that end in order share a segment, until its room is used up. */
static void test_sessions_share_a_segment(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    struct wal_stats stats;
    size_t i;

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.prewrite = true;
    for (i = 0; i < 40; i++) {
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        assert_int_equal(seen.frames, i * 2);
        wal_fixture_fill(&f, 2, 1000);
        wal_get_stats(f.wal, &stats);
        assert_int_equal(stats.segments_created, i % 28 == 0);
        assert_int_equal(wal_fixture_close(&f), 0);
    }
    assert_int_equal(test_count_files(&f, ".wal"), 2);
    assert_int_equal(wal_fixture_open(&f, NULL), 0); /* nothing is written: the mark holds */
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.from_seq = f.seq + 5; /* the ledger is ahead: a frame cannot join on to the log */
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 1, 10);
    assert_int_equal(test_count_files(&f, ".wal"), 3);
    wal_fixture_deinit(&f);
}

/* The rest of a long segment is not searched, so nothing goes on in it. */
static void test_long_rest_is_left(void **state)
{
    struct wal_fixture f;

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.segment_bytes = 4 << 20;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 1000);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 1000);
    assert_int_equal(test_count_files(&f, ".wal"), 2);
    wal_fixture_deinit(&f);
}

static void test_from_seq(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    uint64_t from;
    uint64_t end;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 200, 2000);
    end = f.seq;
    assert_int_equal(wal_fixture_close(&f), 0);
    for (from = 0; from <= end + 2; from += test_rounds(13, 1)) {
        f.options.from_seq = from;
        f.options.read_only = true;
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        if (from < end) {
            assert_true(seen.first_seq <= from && seen.end_seq == end);
        } else {
            assert_int_equal(seen.frames, 0);
        }
        assert_int_equal(f.recovery.end_seq, from > end ? from : end);
        assert_true(f.recovery.segment_count <= 8 - from * 2000 / 2 / 65536);
        assert_int_equal(wal_fixture_close(&f), 0);
    }
    wal_fixture_deinit(&f);
}

/* The ledger may be ahead of the log: then the log goes on at a later seq. */
static void test_jump(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 100);
    wal_fixture_kill(&f);
    f.options.from_seq = 50;
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 0);
    assert_int_equal(f.seq, 50);
    wal_fixture_fill(&f, 3, 100);
    wal_fixture_kill(&f);

    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.first_seq, 50);
    assert_int_equal(seen.frames, 3);
    assert_int_equal(wal_fixture_close(&f), 0);

    f.options.from_seq = 20; /* what the jump relied on is gone */
    assert_int_equal(wal_fixture_open(&f, &seen), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(f.err.message, "000002.wal"));
    wal_fixture_deinit(&f);
}

static void test_large_frames(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    int prewrite;

    (void)state;
    for (prewrite = 0; prewrite < 2; prewrite++) {
        wal_fixture_init_memory(&f);
        f.options.prewrite = prewrite == 1;
        assert_int_equal(wal_fixture_open(&f, NULL), 0);
        assert_int_equal(wal_fixture_append(&f, 1, 10), 0);
        assert_int_equal(wal_fixture_append(&f, 1, 300000), 0);
        assert_int_equal(wal_fixture_append(&f, 1, 6 << 20), 0);
        assert_int_equal(wal_fixture_append(&f, 1, 10), 0);
        assert_int_equal(wal_fixture_append(&f, 0, 0), 0); /* no seqs, no bytes: still a frame */
        assert_int_equal(wal_fixture_close(&f), 0);
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        assert_int_equal(seen.frames, 4); /* the last one ends below the seq that is needed */
        assert_int_equal(seen.end_seq, 4);
        wal_fixture_deinit(&f);
    }
}

static void test_append_waits(void **state)
{
    const uint64_t half = WAL_SEGMENT_BYTES_MIN / 2;
    struct wal_fixture f;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_true(wal_append_waits(f.wal, 10)); /* no segment is open yet */
    wal_fixture_fill(&f, 1, 1000);
    assert_false(wal_append_waits(f.wal, 10));
    assert_false(wal_append_waits(f.wal, half));
    wal_fixture_fill(&f, 1, half);
    assert_true(wal_append_waits(f.wal, half)); /* the next one */
    assert_false(wal_append_waits(f.wal, 10));
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    assert_false(wal_append_waits(f.wal, 10));
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_true(wal_append_waits(f.wal, 10)); /* the keeper of the end mark is to be told */
    wal_fixture_deinit(&f);
}

static void test_limits(void **state)
{
    struct wal_fixture f;
    uint8_t byte = 0;
    struct slice parts[2] = {slice_of(&byte, 1), slice_of(&byte, WAL_PAYLOAD_BYTES_MAX)};
    struct wal_frame frame = {.parts = parts, .part_count = 2, .first_seq = 0, .end_seq = 1};
    struct wal_options options;
    char long_dir[OS_PATH_MAX];
    uint64_t position = 77;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_append(f.wal, &frame, &position, &f.err), BLOCKDB_ELIMIT);
    assert_int_equal(position, 77);
    assert_int_equal(wal_fixture_append(&f, 1, 10), 0);

    memset(long_dir, 'x', sizeof(long_dir));
    long_dir[sizeof(long_dir) - 1] = '\0';
    options = f.options;
    options.dir = long_dir;
    assert_int_equal(wal_open(&options, NULL, &f.wal, &f.err), BLOCKDB_EINVAL);
    wal_fixture_deinit(&f);
}

/* Numbers of seven digits sort before those of six by name. */
static void test_long_numbers(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    char path[512];

    (void)state;
    wal_fixture_init_memory(&f);
    test_write_file(f.os, "/wal/999997.wal.old", slice_of_text("of no interest"));
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 300, 1000);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_true(test_find_file(&f, ".wal", 0, path));
    assert_string_equal(path, "/wal/1000000.wal");
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 300);
    wal_fixture_deinit(&f);
}

static void test_read_only(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    uint64_t operations;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 100);
    wal_fixture_kill(&f);
    f.options.read_only = true;
    f.options.helper_thread = true;
    operations = os_crash_operations(f.disk);
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 3);
    assert_int_equal(wal_fixture_append(&f, 1, 10), BLOCKDB_EREADONLY);
    assert_int_equal(wal_retire(f.wal, 3, &f.err), BLOCKDB_EREADONLY);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(os_crash_operations(f.disk), operations);
    wal_fixture_deinit(&f);
}

static int refuse(void *context, uint64_t first_seq, uint64_t end_seq, struct slice payload,
                  struct error *err)
{
    (void)context;
    (void)first_seq;
    (void)end_seq;
    (void)payload;
    return error_set(err, BLOCKDB_ECANCELED, "enough");
}

static void test_visitor_stops(void **state)
{
    struct wal_fixture f;
    struct wal_options options;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 100);
    assert_int_equal(wal_fixture_close(&f), 0);
    options = f.options;
    options.visit = refuse;
    assert_int_equal(wal_open(&options, NULL, &f.wal, &f.err), BLOCKDB_ECANCELED);
    options.visit = NULL;
    assert_int_equal(wal_open(&options, NULL, &f.wal, &f.err), 0);
    wal_fixture_deinit(&f);
}

static void test_marker(void **state)
{
    struct wal_fixture f;
    uint8_t other[WAL_LEDGER_ID_BYTES] = {1};
    uint64_t i;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_create_dir(f.os, f.dir, f.ledger_id, &f.err), 0);
    assert_int_equal(wal_create_dir(f.os, f.dir, other, &f.err), BLOCKDB_EFOREIGN);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 100);
    assert_int_equal(wal_fixture_close(&f), 0);

    memcpy(f.options.ledger_id, other, sizeof(other));
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_EFOREIGN);
    memcpy(f.options.ledger_id, f.ledger_id, sizeof(other));

    for (i = 0; i < 64; i++) {
        test_flip(f.os, "/wal/WALDIR", i, 0x10);
        assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);
        assert_int_equal(wal_create_dir(f.os, f.dir, f.ledger_id, &f.err), BLOCKDB_ECORRUPT);
        assert_non_null(strstr(f.err.message, "WALDIR"));
        test_flip(f.os, "/wal/WALDIR", i, 0x10);
    }
    {
        AUTO(buf_deinit) struct buf newer = {0};

        test_read_file(f.os, "/wal/WALDIR", &newer);
        newer.data[8]++;
        put_le64(newer.data + 56, checksum(newer.data, 56, 0));
        test_write_file(f.os, "/wal/WALDIR", buf_slice(&newer));
        assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_EVERSION);
    }
    test_write_file(f.os, "/wal/WALDIR", slice_of_text("not a marker"));
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);

    assert_int_equal(os_unlink(f.os, "/wal/WALDIR", &f.err), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_EFOREIGN);
    assert_non_null(strstr(f.err.message, "mounted"));
    assert_int_equal(wal_create_dir(f.os, f.dir, f.ledger_id, &f.err), BLOCKDB_EFOREIGN);

    f.options.dir = "/nowhere";
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_EFOREIGN);
    wal_fixture_deinit(&f);
}

static void test_end_marks(void **state)
{
    struct wal_fixture f;
    struct wal_end_mark mark;
    char path[512];

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.end_mark = (struct wal_end_mark){.kind = WAL_END_AT_LEAST};
    assert_int_equal(wal_fixture_open(&f, NULL), 0); /* nothing is known to be there */
    wal_fixture_fill(&f, 3, 100);
    assert_int_equal(wal_fixture_close(&f), 0);
    mark = f.options.end_mark;
    assert_int_equal(mark.position, f.position + 48);

    f.options.end_mark.position += 8;
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);
    f.options.end_mark.kind = WAL_END_AT_LEAST;
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);
    f.options.end_mark = mark;
    f.options.end_mark.end_seq++;
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);
    f.options.end_mark = mark;
    f.options.end_mark.position -= 8;
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);
    f.options.end_mark.kind = WAL_END_AT_LEAST;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_close(&f), 0);

    assert_true(test_find_file(&f, ".wal", 0, path));
    assert_int_equal(os_unlink(f.os, path, &f.err), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(f.err.message, "/wal"));
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_from_seq),
        cmocka_unit_test(test_jump),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_append_waits),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_visitor_stops),
        cmocka_unit_test(test_marker),
        cmocka_unit_test(test_end_marks),
        cmocka_unit_test(test_sessions_share_a_segment),
        cmocka_unit_test(test_long_rest_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
