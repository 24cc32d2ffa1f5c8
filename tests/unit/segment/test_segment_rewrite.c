/* SPDX-License-Identifier: Apache-2.0 */
/* Rewriting ledger segments: records that grow and shrink, all others as they were, in the active
 * segment and in finished ones, whatever fails in between. */
#include "base/mem.h"
#include "segment_fixture.h"

#include <stdio.h>

#define FILLER 0xa5

static size_t replacement_len; /* of each record that is replaced */

static int replace(void *context, uint64_t seq, struct slice record, struct buf *out,
                   struct error *err)
{
    (void)seq;
    (void)record;
    (void)context;
    if (buf_reserve(out, replacement_len) < 0) {
        return error_set_no_memory(err);
    }
    memset(out->data + out->len, FILLER, replacement_len);
    out->len += replacement_len;
    return BLOCKDB_OK;
}

/* Replaces records and enters the new revision into the manifest, as far as it goes. */
static int rewrite(struct fixture *f, const uint64_t *seqs, size_t count, bool publish,
                   struct error *err)
{
    struct segment_rewrite what = {.seqs = seqs, .count = count, .replace = replace};
    struct segment_info info;
    int rc = segments_rewrite_begin(f->segments, &what, &info, err);

    if (rc < 0) {
        return rc;
    }
    if (!publish) {
        segments_rewrite_abandon(f->segments, true);
        return BLOCKDB_OK;
    }
    f->known[info.number - f->known[0].number] = info;
    return segments_rewrite_publish(f->segments, err);
}

static bool is_named(const uint64_t *seqs, size_t count, uint64_t seq)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (seqs[i] == seq) {
            return true;
        }
    }
    return false;
}

/* Each record by read and by scan, and each file. */
static void check_all(struct fixture *f, const uint64_t *seqs, size_t count)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    struct error err;
    uint64_t expected = 0;
    uint32_t i;

    assert_int_equal(segments_scan(f->segments, 0, UINT64_MAX, &scan, &err), BLOCKDB_OK);
    while (segment_scan_next(scan, &entry, &err) == BLOCKDB_OK) {
        assert_true(entry.seq == expected);
        if (is_named(seqs, count, expected)) {
            struct segment_record held = {0};

            assert_int_equal(entry.record.len, replacement_len);
            assert_int_equal(entry.record.data[replacement_len - 1], FILLER);
            assert_int_equal(segments_read(f->segments, expected, &held, &err), BLOCKDB_OK);
            assert_int_equal(held.bytes.len, replacement_len);
            assert_int_equal(held.bytes.data[0], FILLER);
            segment_record_release(&held);
        } else {
            fixture_expect(f, expected);
        }
        expected++;
    }
    segment_scan_free(scan);
    assert_true(expected == f->next_seq);
    for (i = 0; i < f->known_count; i++) {
        if (fixture_check(f, f->known[i].number, &err) < 0) {
            fail_msg("%s", err.message);
        }
    }
}

static void start(struct fixture *f, uint64_t seed, bool direct)
{
    struct error err;

    fixture_init(f, seed);
    f->options.direct_io = direct;
    assert_int_equal(fixture_open(f, &err), BLOCKDB_OK);
    while (f->known_count < 3) {
        fixture_append_ok(f, 100);
    }
    fixture_append_ok(f, 100);
}

static void test_lengths(void **state)
{
    static const size_t lens[] = {1, 40, 500, 4000};
    unsigned direct;
    size_t i;

    (void)state;
    for (direct = 0; direct < 2; direct++) {
        for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            struct fixture f;
            uint64_t seqs[4];
            struct error err;

            replacement_len = lens[i];
            start(&f, 41 + i, direct == 1);
            seqs[0] = 3;
            seqs[1] = 4;
            seqs[2] = f.known[1].first_seq + 20;
            seqs[3] = f.next_seq - 1;
            assert_int_equal(rewrite(&f, seqs, 2, true, &err), BLOCKDB_OK);
            assert_int_equal(rewrite(&f, seqs + 2, 1, true, &err), BLOCKDB_OK);
            assert_int_equal(rewrite(&f, seqs + 3, 1, true, &err), BLOCKDB_OK);
            check_all(&f, seqs, 4);
            fixture_append_ok(&f, 50);
            assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_OK);
            check_all(&f, seqs, 4);
            fixture_reopen(&f, f.next_seq);
            assert_int_equal(f.recovery.removed_files, 0);
            check_all(&f, seqs, 4);
            fixture_append_ok(&f, 50);
            check_all(&f, seqs, 4);
            fixture_deinit(&f);
        }
    }
}

/* A scan that began before goes on undisturbed, over the file that is gone. */
static void test_scan_from_before(void **state)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    struct fixture f;
    struct error err;
    uint64_t seq = 5;
    uint64_t count = 0;

    (void)state;
    replacement_len = 30;
    start(&f, 51, false);
    assert_int_equal(segments_scan(f.segments, 0, UINT64_MAX, &scan, &err), BLOCKDB_OK);
    assert_int_equal(segment_scan_next(scan, &entry, &err), BLOCKDB_OK);
    assert_int_equal(rewrite(&f, &seq, 1, true, &err), BLOCKDB_OK);
    for (count = 1; segment_scan_next(scan, &entry, &err) == BLOCKDB_OK; count++) {
        assert_true(entry.seq == count);
    }
    assert_true(count == f.next_seq);
    segment_scan_free(scan);
    fixture_deinit(&f);
}

/* What was begun and not published is as if nothing had happened, also after opening again. */
static void test_unpublished(void **state)
{
    struct fixture f;
    struct error err;
    uint64_t seq = 5;

    (void)state;
    replacement_len = 30;
    start(&f, 52, false);
    assert_int_equal(rewrite(&f, &seq, 1, false, &err), BLOCKDB_OK);
    fixture_expect_all(&f);
    fixture_reopen(&f, f.next_seq);
    assert_int_equal(f.recovery.removed_files, 1);
    fixture_expect_all(&f);
    assert_int_equal(rewrite(&f, &seq, 1, true, &err), BLOCKDB_OK);
    check_all(&f, &seq, 1);
    fixture_deinit(&f);
}

/* A manifest that names a revision which is not there, or an old one: nothing is removed. */
static void test_wrong_revision(void **state)
{
    struct fixture f;
    struct error err;
    uint64_t seq = 5;

    (void)state;
    replacement_len = 30;
    start(&f, 53, false);
    assert_int_equal(rewrite(&f, &seq, 1, true, &err), BLOCKDB_OK);
    fixture_close(&f);
    f.known[0].revision = 0;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "000001.blk"));
    f.known[0].revision = 1;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    check_all(&f, &seq, 1);
    fixture_close(&f);
    assert_int_equal(
        os_rename(f.os, FIXTURE_DIR "/000001-1.blk", FIXTURE_DIR "/000001-2.blk", &err),
        BLOCKDB_OK);
    f.known[0].revision = 2;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT); /* its header says 1 */
    fixture_deinit(&f);
}

/* Each allocation and each file operation of a rewriting fails once. */
static void test_failures(void **state)
{
    uint64_t nth;
    bool failed = true;

    (void)state;
    replacement_len = 30;
    for (nth = 1; failed; nth++) {
        struct fixture f;
        struct error err = {0};
        uint64_t seq = 7;
        int rc;

        start(&f, 54, nth % 2 == 0);
        if (nth % 4 < 2) {
            seq = f.next_seq - 3;
        }
        fixture_fail_alloc(nth / 4 + 1);
        rc = rewrite(&f, &seq, 1, true, &err);
        failed = fixture_alloc_failed();
        fixture_fail_alloc(0);
        if (rc < 0) {
            fixture_reopen(&f, 0);
            check_all(&f, &seq, f.known[seq == 7 ? 0 : f.known_count - 1].revision);
        } else {
            check_all(&f, &seq, 1);
        }
        fixture_deinit(&f);
    }
    assert_true(nth > 20);
}

static void test_operations(void **state)
{
    uint64_t nth;
    bool fired = true;

    (void)state;
    replacement_len = 30;
    for (nth = 1; fired; nth++) {
        struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .nth = nth};
        struct fixture f;
        struct error err = {0};
        uint64_t seq = 7;
        int rc;

        start(&f, 55, false);
        os_fault_arm(f.fault, &plan);
        rc = rewrite(&f, &seq, 1, true, &err);
        fired = os_fault_fired(f.fault);
        os_fault_arm(f.fault, NULL);
        if (rc < 0) {
            assert_true(strlen(err.message) > 0);
            fixture_reopen(&f, 0);
        }
        check_all(&f, &seq, f.known[0].revision);
        fixture_deinit(&f);
    }
    assert_true(nth > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),     cmocka_unit_test(test_scan_from_before),
        cmocka_unit_test(test_unpublished), cmocka_unit_test(test_wrong_revision),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
