/* SPDX-License-Identifier: Apache-2.0 */
/* Damage of every kind, and what must not be taken for damage. */
#include "wal_test.h"

#include "base/checksum.h"
#include "store/wal_format.h"

#include <stdio.h>
#include <string.h>

static int open_and_close(struct wal_fixture *f, struct wal_seen *seen)
{
    struct wal_end_mark mark = f->options.end_mark;
    int rc = wal_fixture_open(f, seen);

    if (rc == 0) {
        assert_int_equal(wal_fixture_close(f), 0);
    }
    f->options.end_mark = mark;
    return rc;
}

/* After a clean close every byte of every segment counts, up to the end of its frames. */
static void test_every_byte_after_clean_close(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    struct os_stat stat;
    char path[512];
    uint64_t used;
    uint64_t i;
    size_t n;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 200);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 501);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.read_only = true;
    for (n = 0; n < 2; n++) {
        assert_true(test_find_file(&f, ".wal", n, path));
        used = 4096 + 72 + (n == 0 ? 2 * 248 : 3 * 552) + 48;
        assert_int_equal(os_stat_path(f.os, path, &stat, &f.err), 0);
        for (i = 0; i < used; i++) {
            test_flip(f.os, path, i, (uint8_t)(1u << (i % 8)));
            if (open_and_close(&f, &seen) != BLOCKDB_ECORRUPT) {
                fail_msg("a changed byte at offset %d of segment %d was not found", (int)i, (int)n);
            }
            assert_non_null(strstr(f.err.message, ".wal'"));
            test_flip(f.os, path, i, (uint8_t)(1u << (i % 8)));
        }
        if (stat.len_bytes > used) { /* unused: not part of the log */
            test_flip(f.os, path, used, 0xff);
        }
        assert_int_equal(open_and_close(&f, &seen), 0);
        assert_int_equal(seen.frames, 5);
    }
    wal_fixture_deinit(&f);
}

/* Without a mark, after a kill: what was synced is never cut. */
static void test_damage_below_synced(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    uint64_t durable_end;
    uint64_t i;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 4, 200);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    durable_end = 4096 + f.position;
    wal_fixture_fill(&f, 2, 200);
    wal_fixture_kill(&f);
    f.options.read_only = true;
    for (i = 0; i < durable_end + 2 * 248; i++) {
        int rc;

        test_flip(f.os, "/wal/000001.wal", i, 0x40);
        rc = open_and_close(&f, &seen);
        /* The frame behind says what was synced; the last frame has no frame behind it. */
        if (i < durable_end) {
            assert_int_equal(rc, BLOCKDB_ECORRUPT);
        } else {
            assert_int_equal(rc, 0);
            assert_true(seen.frames == (i < durable_end + 248 ? 4 : 5));
            assert_true(f.recovery.tail_cut_bytes > 0);
            assert_int_equal(f.recovery.tail_segment, 1);
            assert_true(f.recovery.tail_offset == durable_end + (seen.frames - 4) * 248);
        }
        test_flip(f.os, "/wal/000001.wal", i, 0x40);
    }
    /* A mark from the manifest knows even about the last frame. */
    f.options.end_mark.kind = WAL_END_AT_LEAST;
    f.options.end_mark.position = durable_end - 4096 + 2 * 248;
    test_flip(f.os, "/wal/000001.wal", durable_end + 2 * 248 - 1, 0x40);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    wal_fixture_deinit(&f);
}

/* The tail is cut at every byte, in three ways; what stood before is intact, appends go on in a new
 * segment, and a second opening finds the same. */
static void test_torn_tail(void **state)
{
    struct wal_fixture f;
    AUTO(buf_deinit) struct buf whole = {0};
    AUTO(buf_deinit) struct buf torn = {0};
    const uint64_t begin = 4096 + 72 + 3 * 152;
    const uint64_t end = begin + 352;
    uint64_t cut;
    int way;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 100);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    wal_fixture_fill(&f, 1, 300);
    wal_fixture_kill(&f);
    test_read_file(f.os, "/wal/000001.wal", &whole);
    assert_int_equal(whole.len, end);
    for (way = 0; way < 3; way++) {
        for (cut = begin; cut < end; cut++) {
            struct wal_seen seen;
            char path[512];

            buf_reset(&torn);
            assert_int_equal(buf_append(&torn, whole.data, cut), 0);
            if (way > 0) { /* zeros, or somebody else's bytes */
                assert_int_equal(buf_append_zeros(&torn, end - cut + 64), 0);
                memset(torn.data + cut, way == 1 ? 0 : 0xa7, end - cut);
            }
            if (way == 1 && torn.data[end - 1] == whole.data[end - 1] &&
                memcmp(torn.data, whole.data, end) == 0) {
                continue; /* only zeros were cut off */
            }
            test_write_file(f.os, "/wal/000001.wal", buf_slice(&torn));
            assert_int_equal(wal_fixture_open(&f, &seen), 0);
            assert_int_equal(seen.frames, 3);
            if (cut > begin || way == 2) {
                assert_true(f.recovery.tail_cut_bytes > 0);
                assert_int_equal(f.recovery.tail_offset, begin);
            }
            wal_fixture_fill(&f, 2, 50);
            assert_int_equal(wal_fixture_close(&f), 0);
            f.options.end_mark.kind = WAL_END_UNKNOWN;
            assert_int_equal(wal_fixture_open(&f, &seen), 0);
            assert_int_equal(seen.frames, 5);
            assert_int_equal(f.recovery.tail_cut_bytes, 0);
            assert_int_equal(wal_fixture_close(&f), 0);
            f.options.end_mark.kind = WAL_END_UNKNOWN;
            assert_true(test_find_file(&f, ".wal", 1, path));
            assert_int_equal(os_unlink(f.os, path, NULL), 0);
        }
    }
    wal_fixture_deinit(&f);
}

static void test_damaged_start_frame(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 100);
    wal_fixture_kill(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 1, 100);
    wal_fixture_kill(&f);
    /* The first frame of the second segment says that all before it was synced: nothing is lost. */
    test_flip(f.os, "/wal/000002.wal", 4096, 1);
    assert_int_equal(open_and_close(&f, &seen), 0);
    assert_int_equal(seen.frames, 2);
    assert_true(f.recovery.tail_cut_bytes > 0);
    assert_int_equal(f.recovery.tail_segment, 2);
    test_flip(f.os, "/wal/000002.wal", 4096, 1);

    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 3);
    assert_int_equal(wal_fixture_append(&f, 1, 100), 0);
    assert_int_equal(wal_sync(f.wal, f.position, &f.err), 0);
    assert_int_equal(wal_fixture_append(&f, 1, 100), 0);
    wal_fixture_kill(&f);
    /* The second frame says that the first was synced. */
    test_flip(f.os, "/wal/000003.wal", 4096, 1);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    test_flip(f.os, "/wal/000003.wal", 4096, 1);
    /* In the middle of the chain it is always damage. */
    test_flip(f.os, "/wal/000002.wal", 4096, 1);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(f.err.message, "000002.wal"));
    wal_fixture_deinit(&f);
}

static void test_missing_segments(void **state)
{
    struct wal_fixture f;
    AUTO(buf_deinit) struct buf bytes = {0};
    struct wal_seen seen;
    size_t count;
    size_t i;
    char path[512];

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 20, 20000);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.read_only = true;
    count = test_count_files(&f, ".wal");
    assert_true(count >= 6);
    for (i = 0; i < count; i++) {
        assert_true(test_find_file(&f, ".wal", i, path));
        test_read_file(f.os, path, &bytes);
        assert_int_equal(os_unlink(f.os, path, NULL), 0);
        assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
        test_write_file(f.os, path, buf_slice(&bytes));
        assert_int_equal(open_and_close(&f, &seen), 0);
    }
    /* Under a wrong name, and a file of another database. */
    assert_int_equal(os_rename(f.os, "/wal/000002.wal", "/wal/000099.wal", NULL), 0);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    assert_int_equal(os_rename(f.os, "/wal/000099.wal", "/wal/000002.wal", NULL), 0);
    assert_int_equal(open_and_close(&f, &seen), 0);
    /* A truncated middle segment. */
    test_read_file(f.os, "/wal/000002.wal", &bytes);
    test_write_file(f.os, "/wal/000002.wal", slice_of(bytes.data, 30000));
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    test_write_file(f.os, "/wal/000002.wal", slice_of(bytes.data, 100));
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    test_write_file(f.os, "/wal/000002.wal", slice_of(bytes.data, 0));
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    wal_fixture_deinit(&f);
}

static void rewrite_header(struct wal_fixture *f, const char *path,
                           void (*change)(uint8_t page[WAL_HEADER_BYTES]))
{
    AUTO(buf_deinit) struct buf bytes = {0};

    test_read_file(f->os, path, &bytes);
    change(bytes.data);
    put_le64(bytes.data + WAL_HEADER_BYTES - 8, checksum(bytes.data, WAL_HEADER_BYTES - 8, 0));
    test_write_file(f->os, path, buf_slice(&bytes));
}

static void other_version(uint8_t page[WAL_HEADER_BYTES])
{
    page[8] ^= 2;
}

static void unknown_feature(uint8_t page[WAL_HEADER_BYTES])
{
    page[16] ^= 1;
}

static void harmless_feature(uint8_t page[WAL_HEADER_BYTES])
{
    page[12] ^= 1;
}

static void other_ledger(uint8_t page[WAL_HEADER_BYTES])
{
    page[24] ^= 1;
}

static void test_headers(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 100);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.read_only = true;
    rewrite_header(&f, "/wal/000001.wal", other_version);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_EVERSION);
    rewrite_header(&f, "/wal/000001.wal", other_version);
    rewrite_header(&f, "/wal/000001.wal", unknown_feature);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_EVERSION);
    rewrite_header(&f, "/wal/000001.wal", unknown_feature);
    rewrite_header(&f, "/wal/000001.wal", harmless_feature);
    assert_int_equal(open_and_close(&f, &seen), 0);
    rewrite_header(&f, "/wal/000001.wal", other_ledger);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_EFOREIGN);
    wal_fixture_deinit(&f);
}

/* Frames of an earlier life stand behind the live ones, at places where frames are looked for. */
static void test_stale_frames(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    struct wal_stats stats;
    size_t i;

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.prewrite = true;
    for (i = 0; i < 12; i++) {
        size_t fill = 1 + i * 5 % 7;
        uint64_t begin;

        f.options.from_seq = f.seq;
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        assert_int_equal(f.recovery.tail_cut_bytes, 0);
        /* Fill whole segments with equal frames, let go of them all, and start the next. */
        wal_fixture_fill(&f, 130, 1000);
        begin = f.seq;
        assert_int_equal(wal_retire(f.wal, begin, &f.err), 0);
        wal_fixture_fill(&f, 65, 1000);
        begin = f.seq;
        assert_int_equal(wal_retire(f.wal, begin, &f.err), 0);
        wal_fixture_fill(&f, fill, 1000);
        wal_get_stats(f.wal, &stats);
        assert_true(stats.segments_recycled > 0);
        wal_fixture_kill(&f);
        f.options.from_seq = begin;
        assert_int_equal(wal_fixture_open(&f, &seen), 0);
        assert_int_equal(f.recovery.tail_cut_bytes, 0);
        assert_int_equal(seen.end_seq, f.seq);
        wal_fixture_kill(&f);
    }
    wal_fixture_deinit(&f);
}

/* Whole frames stand behind a closing frame, cut off once: what is written later must not join on
 * to them, though their checksums are good and their seqs fit. */
static void test_stale_frames_behind_close(void **state)
{
    struct wal_fixture f;
    struct wal_seen seen;
    uint64_t damaged_offset;

    (void)state;
    wal_fixture_init_memory(&f);
    f.options.prewrite = true;
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 104);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    damaged_offset = WAL_HEADER_BYTES + f.position + 60;
    f.options.end_mark.kind = WAL_END_AT_LEAST;
    assert_int_equal(wal_fixture_append(&f, 1, 104), 0);
    assert_int_equal(wal_fixture_append(&f, 1, 104), 0);
    assert_int_equal(test_count_files(&f, ".wal"), 1);
    wal_fixture_kill(&f);
    test_flip(f.os, "/wal/000001.wal", damaged_offset, 1);

    assert_int_equal(wal_fixture_open(&f, &seen), 0); /* it cuts both off, and writes nothing */
    assert_int_equal(f.recovery.tail_cut_bytes, 2 * 152);
    assert_int_equal(seen.frames, 2);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(f.options.end_mark.kind, WAL_END_EXACT);

    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    assert_int_equal(wal_fixture_append(&f, 1, 104), 0);
    wal_fixture_kill(&f);
    f.options.end_mark.kind = WAL_END_AT_LEAST;
    assert_int_equal(wal_fixture_open(&f, &seen), 0);
    assert_int_equal(seen.frames, 3);
    assert_int_equal(test_count_files(&f, ".wal"), 2);
    wal_fixture_deinit(&f);
}

/* A frame in the wrong place, with good checksums, is damage too. */
static void test_wrong_order(void **state)
{
    struct wal_fixture f;
    AUTO(buf_deinit) struct buf bytes = {0};
    struct wal_header header;
    struct wal_seen seen;
    uint64_t seed;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 3, 104);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.end_mark.kind = WAL_END_UNKNOWN;
    f.options.read_only = true;
    test_read_file(f.os, "/wal/000001.wal", &bytes);
    assert_int_equal(wal_header_decode(slice_of(bytes.data, WAL_HEADER_BYTES), &header), 0);
    seed = wal_segment_seed(&header);
    {
        const uint64_t at = 4096 + 72 + 152;
        struct wal_frame_header frame;

        assert_true(wal_frame_decode(slice_of(bytes.data + at, 48), seed + at, &frame));
        assert_int_equal(frame.first_seq, 1);
        frame.first_seq = 2;
        frame.end_seq = 4;
        wal_frame_seal(bytes.data + at, &frame, seed + at);
        test_write_file(f.os, "/wal/000001.wal", buf_slice(&bytes));
        assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
        frame.kind = WAL_FRAME_START;
        frame.first_seq = frame.end_seq = 1;
        frame.payload_len = WAL_START_PAYLOAD_BYTES;
        wal_frame_seal(bytes.data + at, &frame, seed + at);
        test_write_file(f.os, "/wal/000001.wal", buf_slice(&bytes));
        assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    }
    wal_fixture_deinit(&f);
}

static void rewrite_start(struct wal_fixture *f, const char *path, uint64_t first_seq,
                          const struct wal_start *start)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct wal_frame_header frame;
    struct wal_header header;
    uint64_t seed;

    test_read_file(f->os, path, &bytes);
    assert_int_equal(wal_header_decode(slice_of(bytes.data, WAL_HEADER_BYTES), &header), 0);
    seed = wal_segment_seed(&header) + WAL_HEADER_BYTES;
    assert_true(wal_frame_decode(slice_of(bytes.data + WAL_HEADER_BYTES, 48), seed, &frame));
    frame.first_seq = frame.end_seq = first_seq;
    wal_start_encode(start, bytes.data + WAL_HEADER_BYTES + WAL_FRAME_HEADER_BYTES);
    wal_frame_seal(bytes.data + WAL_HEADER_BYTES, &frame, seed);
    test_write_file(f->os, path, buf_slice(&bytes));
}

/* Start frames with good checksums that do not fit what comes before them. */
static void test_wrong_starts(void **state)
{
    const struct wal_start good = {
        .position = 72 + 2 * 152 + 48, .previous_number = 1, .previous_end_seq = 3};
    struct wal_fixture f;
    struct wal_start start = good;
    struct wal_seen seen;

    (void)state;
    wal_fixture_init_memory(&f);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 104);
    assert_int_equal(wal_fixture_close(&f), 0);
    assert_int_equal(wal_fixture_open(&f, NULL), 0);
    wal_fixture_fill(&f, 2, 104);
    assert_int_equal(wal_fixture_close(&f), 0);
    f.options.read_only = true;
    rewrite_start(&f, "/wal/000002.wal", 3, &good);
    assert_int_equal(open_and_close(&f, &seen), 0);

    start.previous_end_seq = 2;
    rewrite_start(&f, "/wal/000002.wal", 3, &start);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    f.options.from_seq = 3; /* the walk begins with the second segment: nothing to compare with */
    start.previous_end_seq = 4;
    rewrite_start(&f, "/wal/000002.wal", 3, &start);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    f.options.from_seq = 0;
    start = good;
    start.position -= 48;
    rewrite_start(&f, "/wal/000002.wal", 3, &start);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    start.position += 96;
    rewrite_start(&f, "/wal/000002.wal", 3, &start);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    start = good;
    start.previous_number = 2; /* itself */
    rewrite_start(&f, "/wal/000002.wal", 3, &start);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    start.previous_number = 0;
    rewrite_start(&f, "/wal/000002.wal", 3, &start);
    assert_int_equal(open_and_close(&f, &seen), BLOCKDB_ECORRUPT);
    wal_fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_after_clean_close),
        cmocka_unit_test(test_damage_below_synced),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_damaged_start_frame),
        cmocka_unit_test(test_missing_segments),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_stale_frames),
        cmocka_unit_test(test_stale_frames_behind_close),
        cmocka_unit_test(test_wrong_order),
        cmocka_unit_test(test_wrong_starts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
