/* SPDX-License-Identifier: Apache-2.0 */
/* Retired segments: kept, recycled, removed, and deleted by others. */
#include "wal_test.h"

#include <string.h>

static void open_fresh(struct wal_fixture *f, uint64_t keep_bytes, bool prewrite)
{
    wal_fixture_init_memory(f);
    f->options.keep_bytes = keep_bytes;
    f->options.prewrite = prewrite;
    assert_int_equal(wal_fixture_open(f, NULL), 0);
}

static void check_survives(struct wal_fixture *f, uint64_t from_seq)
{
    struct wal_seen seen;
    uint64_t end = f->seq;

    f->options.from_seq = from_seq;
    f->options.end_mark.kind = WAL_END_UNKNOWN;
    wal_fixture_kill(f);
    assert_int_equal(wal_fixture_open(f, &seen), 0);
    assert_true(seen.first_seq <= from_seq);
    assert_int_equal(seen.end_seq, end);
}

static void test_keep_none(void **state)
{
    struct wal_fixture f;
    struct wal_stats stats;

    (void)state;
    open_fresh(&f, 0, true);
    wal_fixture_fill(&f, 400, 1000);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.old_bytes, 0);
    assert_true(stats.segments_retired >= 5);
    assert_int_equal(stats.segments_recycled, 2);
    assert_int_equal(stats.prepared_bytes, 2 * WAL_SEGMENT_BYTES_MIN);
    assert_int_equal(test_count_files(&f, ".wal.old"), 0);
    /* The recycled ones are used next, and no file is made. */
    wal_fixture_fill(&f, 100, 1000);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.segments_inline, stats.segments_created);
    check_survives(&f, f.seq - 120);
    wal_fixture_deinit(&f);
}

static void test_keep_some(void **state)
{
    struct wal_fixture f;
    struct wal_stats stats;
    char path[512];

    (void)state;
    open_fresh(&f, 3 * WAL_SEGMENT_BYTES_MIN, true);
    wal_fixture_fill(&f, 600, 1000);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.old_bytes, 3 * WAL_SEGMENT_BYTES_MIN);
    assert_int_equal(test_count_files(&f, ".wal.old"), 3);
    assert_true(test_find_file(&f, ".wal.old", 0, path)); /* the oldest went first */
    assert_null(strstr(path, "000001"));
    check_survives(&f, f.seq - 1);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.old_bytes, 3 * WAL_SEGMENT_BYTES_MIN); /* found again */
    wal_fixture_deinit(&f);
}

static void test_retire_by_and_by(void **state)
{
    struct wal_fixture f;
    size_t i;

    (void)state;
    open_fresh(&f, 2 * WAL_SEGMENT_BYTES_MIN, false);
    for (i = 0; i < 60; i++) {
        uint64_t safe = f.seq;

        wal_fixture_fill(&f, 17, 900);
        assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
        assert_int_equal(wal_retire(f.wal, safe, &f.err), 0);
        assert_true(test_count_files(&f, ".wal.old") <= 2);
        assert_true(test_count_files(&f, ".wal") <= 5);
        if (i % 7 == 0) {
            check_survives(&f, safe);
        }
    }
    wal_fixture_deinit(&f);
}

static void test_nothing_retires_too_early(void **state)
{
    struct wal_fixture f;
    struct wal_stats stats;

    (void)state;
    open_fresh(&f, 0, false);
    assert_int_equal(wal_retire(f.wal, 100, &f.err), 0);
    wal_fixture_fill(&f, 3, 30000); /* one more segment than two */
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    assert_int_equal(wal_retire(f.wal, 0, &f.err), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.segments_retired, 0);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.segments_retired, 1);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.segments_retired, 1); /* the newest never */
    check_survives(&f, f.seq - 1);
    wal_fixture_deinit(&f);
}

/* Others may remove *.wal.old whenever they like. */
static void test_old_removed_by_others(void **state)
{
    struct wal_fixture f;
    char path[512];
    size_t round;

    (void)state;
    open_fresh(&f, 4 * WAL_SEGMENT_BYTES_MIN, true);
    for (round = 0; round < 4; round++) {
        wal_fixture_fill(&f, 400, 1000);
        assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
        assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
        while (test_find_file(&f, ".wal.old", 0, path)) {
            assert_int_equal(os_unlink(f.os, path, NULL), 0);
        }
        if (round == 1) {
            check_survives(&f, f.seq - 1);
        }
    }
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.from_seq = f.seq;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_deinit(&f);
}

/* A smaller keep_bytes takes effect at the next close, a new segment size at the next recycling. */
static void test_changed_options(void **state)
{
    struct wal_fixture f;
    struct wal_stats stats;
    uint64_t safe;

    (void)state;
    open_fresh(&f, UINT64_MAX, true);
    wal_fixture_fill(&f, 400, 1000);
    safe = f.seq;
    wal_fixture_fill(&f, 1, 10);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    assert_int_equal(wal_retire(f.wal, safe, &f.err), 0);
    assert_true(test_count_files(&f, ".wal.old") >= 5);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.from_seq = safe;
    f.options.keep_bytes = 0;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(test_count_files(&f, ".wal.old"), 0);

    f.options.segment_bytes = 3 * WAL_SEGMENT_BYTES_MIN / 2 + 1;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 400, 1000);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.live_bytes, 3 * WAL_SEGMENT_BYTES_MIN / 2 + 4096);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.segment_bytes = 1; /* as small as allowed */
    f.options.from_seq = f.seq;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 100, 1000);
    check_survives(&f, f.seq - 100);
    wal_fixture_deinit(&f);
}

/* What a crash left of a segment being made goes away. */
static void test_temporary_files(void **state)
{
    struct wal_fixture f;

    (void)state;
    wal_fixture_init_memory(&f);
    test_write_file(f.os, "/wal/prepare.tmp", slice_of_text("half"));
    test_write_file(f.os, "/wal/inline.tmp", slice_of_text("half"));
    test_write_file(f.os, "/wal/notes.txt", slice_of_text("not ours"));
    test_write_file(f.os, "/wal/42.wal", slice_of_text("not a name of ours"));
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(test_count_files(&f, ".tmp"), 0);
    assert_int_equal(test_count_files(&f, ".txt"), 1);
    assert_int_equal(wal_fixture_append(&f, 1, 10), 0);
    wal_fixture_deinit(&f);
}

/* A prepared segment that was never used gets a new life at the next opening. */
static void test_leftover_is_used_again(void **state)
{
    struct wal_fixture f;
    struct wal_stats stats;

    (void)state;
    open_fresh(&f, 0, true);
    wal_fixture_fill(&f, 400, 1000);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    check_survives(&f, f.seq - 1);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.prepared_bytes, 2 * WAL_SEGMENT_BYTES_MIN);
    assert_int_equal(wal_fixture_append(&f, 1, 10), 0);
    wal_get_stats(f.wal, &stats);
    assert_int_equal(stats.segments_recycled, 1);
    assert_int_equal(stats.segments_created, 0);
    check_survives(&f, f.seq - 2);
    wal_fixture_deinit(&f);
}

/* How often a frame's payload stands in a file of the directory. */
static unsigned count_payload(struct wal_fixture *f, const struct buf *needle)
{
    static const char *const suffixes[] = {".wal", ".wal.old", ".tmp"};
    unsigned found = 0;
    size_t i;
    size_t n;

    for (i = 0; i < 3; i++) {
        char path[512];

        for (n = 0; test_find_file(f, suffixes[i], n, path); n++) {
            AUTO(buf_deinit) struct buf bytes = {0};

            test_read_file(f->os, path, &bytes);
            found += memmem(bytes.data, bytes.len, needle->data, needle->len) != NULL;
        }
    }
    return found;
}

/* A frame of its own bytes, unlike those of the fixture. */
static void append_secret(struct wal_fixture *f, const struct buf *secret)
{
    struct slice part = buf_slice(secret);
    struct wal_frame frame = {
        .parts = &part, .part_count = 1, .first_seq = f->seq, .end_seq = f->seq + 1};

    assert_int_equal(wal_append(f->wal, &frame, &f->position, &f->err), 0);
    f->seq++;
}

static void erase(bool prewrite, bool helper, unsigned frames_behind)
{
    AUTO(buf_deinit) struct buf secret = {0};
    struct wal_fixture f;
    unsigned i;

    for (i = 0; i < 64; i++) {
        assert_int_equal(buf_append_u8(&secret, (uint8_t)(200 + i * 7)), 0);
    }
    wal_fixture_init_memory(&f);
    f.options.keep_bytes = 2 * WAL_SEGMENT_BYTES_MIN;
    f.options.prewrite = prewrite;
    f.options.helper_thread = helper;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 30, 1000);
    append_secret(&f, &secret);
    for (i = 0; i < frames_behind; i++) {
        wal_fixture_fill(&f, 1, 1000);
        if (i % 50 == 49) {
            assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
        }
    }
    assert_true(frames_behind > 0 || count_payload(&f, &secret) > 0); /* the search sees */
    assert_int_equal(wal_rotate(f.wal, f.seq, &f.err), 0);
    assert_int_equal(wal_erase(f.wal, f.seq, &f.err), 0);
    assert_int_equal(count_payload(&f, &secret), 0);
    assert_int_equal(test_count_files(&f, ".wal.old"), 0);
    wal_fixture_fill(&f, 100, 1000);
    assert_int_equal(wal_retire(f.wal, f.seq, &f.err), 0);
    assert_int_equal(count_payload(&f, &secret), 0);
    f.options.helper_thread = false;
    check_survives(&f, f.seq - 1);
    wal_fixture_deinit(&f);
}

/* After a rotation nothing that was written before it stays, wherever the files went meanwhile. */
static void test_erase(void **state)
{
    static const unsigned frames_behind[] = {0, 60, 200, 330};
    unsigned i;

    (void)state;
    for (i = 0; i < 4; i++) {
        erase(false, false, frames_behind[i]);
        erase(true, false, frames_behind[i]);
        erase(true, true, frames_behind[i]);
    }
}

/* An empty frame begins a segment and is read back as nothing. */
static void test_rotate_and_open(void **state)
{
    struct wal_fixture f;

    (void)state;
    open_fresh(&f, 0, false);
    assert_int_equal(wal_rotate(f.wal, f.seq, &f.err), 0);
    wal_fixture_fill(&f, 10, 100);
    assert_int_equal(wal_rotate(f.wal, f.seq, &f.err), 0);
    assert_int_equal(wal_rotate(f.wal, f.seq, &f.err), 0);
    check_survives(&f, 0);
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_erase),
        cmocka_unit_test(test_rotate_and_open),
        cmocka_unit_test(test_keep_none),
        cmocka_unit_test(test_keep_some),
        cmocka_unit_test(test_retire_by_and_by),
        cmocka_unit_test(test_nothing_retires_too_early),
        cmocka_unit_test(test_old_removed_by_others),
        cmocka_unit_test(test_changed_options),
        cmocka_unit_test(test_temporary_files),
        cmocka_unit_test(test_leftover_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
