/* SPDX-License-Identifier: Apache-2.0 */
/* Damage to ledger segments: each changed byte and each cut is noticed, with file and offset. */
#include "common/test_env.h"
#include "segment_fixture.h"

#include "base/mem.h"
#include "store/segment_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_1 FIXTURE_DIR "/000001.blk"
#define PATH_2 FIXTURE_DIR "/000002.blk"
#define PATH_3 FIXTURE_DIR "/000003.blk"

static uint64_t file_len(struct fixture *f, const char *path)
{
    struct os_stat stat;
    struct error err = {0};

    assert_int_equal(os_stat_path(f->os, path, &stat, &err), BLOCKDB_OK);
    return stat.len_bytes;
}

static void flip(struct fixture *f, const char *path, uint64_t offset)
{
    struct error err = {0};

    assert_int_equal(os_crash_flip(f->crash, path, offset, 0x40, &err), BLOCKDB_OK);
}

static bool is_damage(int rc)
{
    return rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EVERSION || rc == BLOCKDB_EFOREIGN;
}

/* Whether reading all records gives what was written, or an error, never anything else. */
static bool reads_right(struct fixture *f)
{
    struct segment_record record = {0};
    struct buf expected = {0};
    struct error err = {0};
    bool all = true;
    uint64_t seq;

    for (seq = 0; seq < f->next_seq; seq++) {
        int rc = segments_read(f->segments, seq, &record, &err);

        if (rc < 0) {
            assert_true(is_damage(rc));
            assert_non_null(strstr(err.message, ".blk'"));
            assert_non_null(strstr(err.message, "offset"));
            all = false;
            continue;
        }
        buf_reset(&expected);
        fixture_record(f, seq, &expected);
        assert_true(slice_equal(record.bytes, buf_slice(&expected)));
    }
    segment_record_release(&record);
    buf_deinit(&expected);
    return all;
}

/* Flips every byte of a file: opening or the check fails and names the file; reads never lie. */
static void flip_all(struct fixture *f, const char *path, uint32_t number, uint64_t trusted_seq)
{
    uint64_t len = file_len(f, path);
    uint64_t offset;

    f->options.cache = NULL;
    f->options.read_only = true;
    f->trusted_seq = trusted_seq;
    for (offset = 0; offset < len; offset++) {
        struct error err = {0};
        int rc;

        flip(f, path, offset);
        rc = fixture_open(f, &err);
        if (rc == BLOCKDB_OK) {
            /* Reading everything for each byte would take long. */
            if (offset % test_rounds(97, 1) == 0) {
                (void)reads_right(f);
            }
            rc = fixture_check(f, number, &err);
        }
        if (!is_damage(rc)) {
            fail_msg("%s: byte %" PRIu64 " changed, unnoticed: %d %s", path, offset, rc,
                     err.message);
        }
        assert_non_null(strstr(err.message, path));
        fixture_close(f);
        flip(f, path, offset);
    }
    f->options.read_only = false;
}

static void test_flip_finished(void **state)
{
    struct fixture f;
    struct error err = {0};

    (void)state;
    fixture_init(&f, 21);
    f.record_max = 40;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    fixture_append_ok(&f, 40);
    fixture_append_ok(&f, 1);
    fixture_append_ok(&f, 7);
    assert_int_equal(fixture_rotate(&f, &err), BLOCKDB_OK);
    fixture_close(&f);
    flip_all(&f, PATH_1, 1, f.next_seq);
    fixture_reopen(&f, f.next_seq);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

static void test_flip_active(void **state)
{
    struct fixture f;
    struct error err = {0};

    (void)state;
    fixture_init(&f, 22);
    f.record_max = 40;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    fixture_append_ok(&f, 40);
    fixture_append_ok(&f, 1);
    fixture_append_ok(&f, 7);
    fixture_close(&f);
    flip_all(&f, PATH_1, 1, f.next_seq);
    fixture_reopen(&f, f.next_seq);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

/* A byte changed above the trusted seq cuts the block it is in and all that follow. */
static void test_flip_untrusted(void **state)
{
    uint64_t start[4];
    uint64_t seq[4];
    struct fixture f;
    struct error err = {0};
    uint64_t offset;
    unsigned i;

    (void)state;
    fixture_init(&f, 23);
    f.record_max = 40;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    for (i = 0; i < 3; i++) {
        fixture_append_ok(&f, 5 + i);
        start[i + 1] = file_len(&f, PATH_1);
        seq[i + 1] = f.next_seq;
    }
    start[0] = SEGMENT_DATA_OFFSET;
    seq[0] = 0;
    fixture_close(&f);
    f.options.read_only = true;
    f.trusted_seq = seq[1];
    for (offset = start[1]; offset < start[3]; offset++) {
        unsigned block = offset < start[2] ? 1 : 2;

        flip(&f, PATH_1, offset);
        assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
        assert_int_equal(segments_end_seq(f.segments), seq[block]);
        assert_true(f.recovery.cut);
        assert_int_equal(f.recovery.cut_number, 1);
        assert_int_equal(f.recovery.cut_offset, start[block]);
        assert_int_equal(f.recovery.cut_bytes, start[3] - start[block]);
        assert_int_equal(f.recovery.cut_seq, seq[block]);
        fixture_close(&f);
        flip(&f, PATH_1, offset);
    }
    fixture_deinit(&f);
}

/* Cuts the file at each length: what is whole stays, writing goes on behind it. */
static void test_torn_tail(void **state)
{
    uint64_t start[4] = {SEGMENT_DATA_OFFSET};
    uint64_t seq[4] = {0};
    struct fixture f;
    struct error err = {0};
    uint64_t len;
    unsigned i;

    (void)state;
    fixture_init(&f, 24);
    f.record_max = 40;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    for (i = 0; i < 3; i++) {
        fixture_append_ok(&f, 3 + i);
        start[i + 1] = file_len(&f, PATH_1);
        seq[i + 1] = f.next_seq;
    }
    for (len = start[3] - 1; len >= start[1]; len--) {
        AUTO(file_close_ptr) struct os_file *file = NULL;
        unsigned whole = len >= start[2] ? 2 : 1;

        fixture_close(&f);
        assert_int_equal(os_open(f.os, PATH_1, OS_READ | OS_WRITE, &file, &err), BLOCKDB_OK);
        assert_int_equal(file_truncate(file, len, &err), BLOCKDB_OK);
        fixture_reopen(&f, seq[1]);
        assert_int_equal(segments_end_seq(f.segments), seq[whole]);
        assert_int_equal(f.recovery.cut, len != start[whole]);
        assert_int_equal(file_len(&f, PATH_1), start[whole]);
        f.next_seq = seq[whole];
        f.next_height = whole;
        while (f.next_height < 3) {
            fixture_append_ok(&f, 3 + (uint32_t)f.next_height);
        }
        assert_int_equal(file_len(&f, PATH_1), start[3]);
    }
    fixture_expect_all(&f);
    fixture_close(&f);
    f.trusted_seq = f.next_seq + 1;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    fixture_deinit(&f);
}

/* An index that was written, but whose segment the manifest still calls active, is cut again. */
static void test_unrecorded_finish(void **state)
{
    struct segment_info info;
    struct fixture f;
    struct error err = {0};

    (void)state;
    fixture_init(&f, 25);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    fixture_append_ok(&f, 10);
    fixture_append_ok(&f, 10);
    assert_int_equal(segments_rotate(f.segments, f.next_seq, f.next_height, NULL, &info, &err),
                     BLOCKDB_OK);
    fixture_reopen(&f, f.next_seq);
    assert_true(f.recovery.cut);
    assert_int_equal(f.recovery.cut_seq, f.next_seq);
    assert_int_equal(f.recovery.removed_files, 1);
    assert_int_equal(os_stat_path(f.os, PATH_2, &(struct os_stat){0}, NULL), BLOCKDB_ENOTFOUND);
    fixture_append_ok(&f, 10);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

static void put_file(struct fixture *f, const char *path, struct slice bytes)
{
    struct error err = {0};

    assert_int_equal(os_replace_file(f->os, path, bytes, &err), BLOCKDB_OK);
}

/* Files that are missing, too many, of another ledger, or in another's place. */
static void test_wrong_files(void **state)
{
    struct buf file = {0};
    struct fixture f;
    struct error err = {0};
    uint8_t page[SEGMENT_UNIT] = {0};

    (void)state;
    fixture_init(&f, 26);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    while (f.known_count < 2) {
        fixture_append_ok(&f, 100);
    }
    fixture_close(&f);
    put_file(&f, FIXTURE_DIR "/000009.blk", slice_of(page, 1));
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "000009.blk"));
    assert_int_equal(os_unlink(f.os, FIXTURE_DIR "/000009.blk", &err), BLOCKDB_OK);
    /* Names that are none of ours do not matter. */
    put_file(&f, FIXTURE_DIR "/9.blk", slice_of(page, 1));
    put_file(&f, FIXTURE_DIR "/000000.blk", slice_of(page, 1));
    put_file(&f, FIXTURE_DIR "/000007.blk.tmp", slice_of(page, 1));
    put_file(&f, FIXTURE_DIR "/heads", slice_of(page, 1));
    put_file(&f, PATH_3, slice_of(page, 0));
    fixture_reopen(&f, 0);
    assert_int_equal(f.recovery.removed_files, 1);
    fixture_close(&f);
    put_file(&f, PATH_3, slice_of(page, 0));
    f.options.read_only = true;
    fixture_reopen(&f, 0);
    assert_int_equal(f.recovery.removed_files, 1);
    fixture_close(&f);
    f.options.read_only = false;
    assert_int_equal(os_read_file(f.os, PATH_1, 1u << 24, &file, &err), BLOCKDB_OK);
    put_file(&f, PATH_3, buf_slice(&file));
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    assert_int_equal(os_unlink(f.os, PATH_3, &err), BLOCKDB_OK);
    put_file(&f, PATH_2, buf_slice(&file));
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    assert_int_equal(os_unlink(f.os, PATH_2, &err), BLOCKDB_OK);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "missing"));
    f.known_count = 1;
    f.options.ledger_id[0]++;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_EFOREIGN);
    f.options.ledger_id[0]--;
    f.known[0].len_bytes++;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    f.known[0].len_bytes--;
    f.trusted_seq = UINT64_MAX;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    f.trusted_seq = 0;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    buf_deinit(&file);
    fixture_deinit(&f);
}

/* Power cuts at each operation of a little history: what was synced is there, the rest is whole
 * blocks or nothing. */
static void run_crash(uint64_t seed, uint64_t nth, bool *out_fired)
{
    struct fixture f;
    struct error err = {0};
    uint64_t durable = 0;
    unsigned i;
    int rc;

    fixture_init(&f, seed);
    f.record_max = 4000;
    f.options.os = os_crash_os(f.crash); /* files of the old life must not be used in the new */
    f.options.segment_bytes = SEGMENT_BYTES_MIN;
    rc = fixture_open(&f, &err);
    os_crash_arm(f.crash, nth);
    for (i = 0; rc == BLOCKDB_OK && i < 10; i++) {
        rc = fixture_append(&f, 40 + 10 * i, &err);
        if (rc == BLOCKDB_OK && i % 2 == 0) {
            rc = segments_sync(f.segments, &err);
        }
        durable = segments_durable_seq(f.segments);
    }
    *out_fired = os_crash_is_off(f.crash);
    fixture_close(&f);
    assert_int_equal(os_crash_restart(f.crash, seed + nth), BLOCKDB_OK);
    fixture_reopen(&f, durable);
    assert_true(segments_end_seq(f.segments) >= durable);
    assert_true(segments_end_seq(f.segments) <= f.next_seq + 40 + 10 * i);
    f.next_seq = segments_end_seq(f.segments);
    f.next_height = segments_end_height(f.segments);
    fixture_expect_all(&f);
    fixture_append_ok(&f, 30);
    assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_OK);
    fixture_reopen(&f, f.next_seq);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

static void test_power_cuts(void **state)
{
    uint64_t seed = fixture_seed("power cuts");
    unsigned round;

    (void)state;
    for (round = 0; round < test_rounds(6, 60); round++) {
        bool fired = true;
        uint64_t nth;

        for (nth = 1; fired; nth++) {
            run_crash(seed + 1000 * round, nth, &fired);
        }
        assert_true(nth > 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flip_finished),     cmocka_unit_test(test_flip_active),
        cmocka_unit_test(test_flip_untrusted),    cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_unrecorded_finish), cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_power_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
