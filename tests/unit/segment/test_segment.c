/* SPDX-License-Identifier: Apache-2.0 */
/* Ledger segments against a model: what was appended is found again, however it was stored. */
#include "common/test_env.h"
#include "segment_fixture.h"

#include <blockdb/status.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Appends random blocks, reopening now and then; reads everything back. */
static void run_model(uint64_t seed, const struct segments_options *how, unsigned steps)
{
    struct fixture f;
    struct error err = {0};
    uint64_t state;
    unsigned i;

    fixture_init(&f, seed);
    state = f.seed;
    f.record_max = 100000;
    f.options.codec = how->codec;
    f.options.codec_level = how->codec_level;
    f.options.direct_io = how->direct_io;
    f.options.cache = how->cache != NULL ? f.cache : NULL;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    for (i = 0; i < steps; i++) {
        uint64_t what = fixture_random(&state) % 16;

        fixture_append_ok(&f, 1 + (uint32_t)(fixture_random(&state) % (what < 2 ? 1000 : 60)));
        if (what == 3) {
            assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_OK);
            assert_int_equal(segments_durable_seq(f.segments), f.next_seq);
        }
        if (what == 4) {
            fixture_reopen(&f, fixture_random(&state) % (f.next_seq + 1));
            assert_false(f.recovery.cut);
        }
        fixture_expect(&f, fixture_random(&state) % f.next_seq);
    }
    assert_true(f.known_count > 2);
    fixture_expect_all(&f);
    fixture_reopen(&f, f.next_seq);
    assert_int_equal(f.recovery.blocks_checked, 0);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

static void test_model(void **state)
{
    uint64_t seed = fixture_seed("model");
    struct cache *with_cache = (struct cache *)&seed; /* only says: yes */
    unsigned codec;

    (void)state;
    for (codec = 0; codec < CODEC_COUNT; codec++) {
        run_model(seed + codec,
                  &(struct segments_options){.codec = (uint8_t)codec, .cache = with_cache},
                  test_rounds(60, 600));
    }
    run_model(seed, &(struct segments_options){.codec = CODEC_LZ4}, test_rounds(60, 600));
    run_model(seed, &(struct segments_options){.codec = CODEC_ZSTD, .direct_io = true},
              test_rounds(60, 600));
}

static void test_lookups(void **state)
{
    struct segment_block_info info;
    struct segment_block_info by_seq;
    struct fixture f;
    struct error err = {0};
    uint64_t height;
    uint64_t next_seq = 0;
    unsigned i;
    unsigned round;

    (void)state;
    fixture_init(&f, 5);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    assert_int_equal(segments_find_height(f.segments, 0, &info, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(segments_find_seq(f.segments, 0, &info, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(segments_find_time(f.segments, UINT64_MAX, &info, &err), BLOCKDB_ENOTFOUND);
    for (i = 0; i < 700; i++) {
        fixture_append_ok(&f, 1 + i % 7);
    }
    assert_true(f.known_count > 2);
    for (round = 0; round < 2; round++) {
        next_seq = 0;
        for (height = 0; height < f.next_height; height++) {
            assert_int_equal(segments_find_height(f.segments, height, &info, &err), BLOCKDB_OK);
            assert_int_equal(info.height, height);
            assert_int_equal(info.first_seq, next_seq);
            assert_int_equal(info.count, 1 + height % 7);
            assert_int_equal(info.time_min_ms, fixture_time(height));
            assert_int_equal(info.time_max_ms, fixture_time(height + 1) - 1);
            assert_int_equal(
                segments_find_seq(f.segments, next_seq + info.count - 1, &by_seq, &err),
                BLOCKDB_OK);
            assert_memory_equal(&info, &by_seq, sizeof(info));
            assert_int_equal(
                segments_find_time(f.segments, fixture_time(height) + 3, &by_seq, &err),
                BLOCKDB_OK);
            assert_memory_equal(&info, &by_seq, sizeof(info));
            next_seq += info.count;
        }
        assert_int_equal(segments_find_height(f.segments, height, &info, &err), BLOCKDB_ENOTFOUND);
        assert_int_equal(segments_find_time(f.segments, fixture_time(0) - 1, &info, &err),
                         BLOCKDB_ENOTFOUND);
        assert_int_equal(segments_find_time(f.segments, UINT64_MAX, &info, &err), BLOCKDB_OK);
        assert_int_equal(info.height, f.next_height - 1);
        fixture_reopen(&f, 0);
    }
    assert_int_equal(segments_end_height(f.segments), f.next_height);
    assert_int_equal(segments_first_seq(f.segments), 0);
    fixture_deinit(&f);
}

/* So many pages and blocks that each index has many partitions, and its directory grows. */
static void test_large_index(void **state)
{
    struct segment_block_info info;
    struct fixture f;
    struct error err = {0};
    uint64_t i;
    unsigned round;

    (void)state;
    fixture_init(&f, 14);
    f.record_max = 8;
    f.options.segment_bytes = 2u << 20;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    while (f.known_count < 2) {
        fixture_append_ok(&f, 1);
    }
    assert_true(f.next_seq > 6000);
    for (round = 0; round < 3; round++) {
        for (i = 0; i < f.next_seq; i += 1 + i % 7) {
            fixture_expect(&f, i);
            assert_int_equal(segments_find_seq(f.segments, i, &info, &err), BLOCKDB_OK);
            assert_int_equal(info.height, i);
            assert_int_equal(segments_find_time(f.segments, fixture_time(i) + 1, &info, &err),
                             BLOCKDB_OK);
            assert_int_equal(info.height, i);
        }
        assert_int_equal(fixture_expect_scan(&f, 0, UINT64_MAX), f.next_seq);
        assert_int_equal(segments_check_frame(f.segments, 1, &err), BLOCKDB_OK);
        if (round == 0) {
            /* The same segment, once more active. */
            f.known[0].finished = false;
            f.known_count = 1;
            f.next_seq = f.next_height = f.known[0].end_seq;
            fixture_close(&f);
            assert_int_equal(os_unlink(f.os, FIXTURE_DIR "/000002.blk", &err), BLOCKDB_OK);
        }
        fixture_reopen(&f, round == 2 ? 0 : f.next_seq);
    }
    fixture_deinit(&f);
}

static void test_scan_ranges(void **state)
{
    struct fixture f;
    struct error err = {0};
    uint64_t random = 77;
    unsigned i;

    (void)state;
    fixture_init(&f, 6);
    f.record_max = 40000;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    assert_int_equal(fixture_expect_scan(&f, 0, 10), 0);
    while (f.known_count < 4) {
        fixture_append_ok(&f, 1 + (uint32_t)(fixture_random(&random) % 200));
    }
    for (i = 0; i < 60; i++) {
        uint64_t from = fixture_random(&random) % (f.next_seq + 1);
        uint64_t to = from + fixture_random(&random) % 600;
        uint64_t end = to < f.next_seq ? to : f.next_seq;

        assert_int_equal(fixture_expect_scan(&f, from, to), end - from);
    }
    assert_int_equal(fixture_expect_scan(&f, 5, 5), 0);
    assert_int_equal(fixture_expect_scan(&f, 5, 3), 0);
    fixture_deinit(&f);
}

/* A page around a record, and a record kept beyond the epoch and the cache. */
static void test_records(void **state)
{
    struct segment_record record = {0};
    struct segment_record other = {0};
    struct buf expected = {0};
    struct fixture f;
    struct error err = {0};
    uint32_t i;

    (void)state;
    fixture_init(&f, 7);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    fixture_append_ok(&f, 300);
    assert_int_equal(segments_read(f.segments, 0, &record, &err), BLOCKDB_OK);
    assert_true(record.page.count > 1);
    for (i = 0; i < record.page.count; i++) {
        buf_reset(&expected);
        fixture_record(&f, record.page.first_seq + i, &expected);
        assert_true(slice_equal(segment_page_record(&record.page, i), buf_slice(&expected)));
    }
    /* Reading into a record that holds one releases that first. */
    assert_int_equal(segments_read(f.segments, 200, &record, &err), BLOCKDB_OK);
    assert_int_equal(segments_read(f.segments, 100, &other, &err), BLOCKDB_OK);
    segment_record_keep(&record);
    segment_record_keep(&record);
    segment_record_release(&other);
    segment_record_release(&other);
    assert_false(epoch_inside(f.epoch));
    cache_free(f.cache);
    f.cache = NULL;
    f.options.cache = NULL;
    fixture_close(&f);
    buf_reset(&expected);
    fixture_record(&f, 200, &expected);
    assert_true(slice_equal(record.bytes, buf_slice(&expected)));
    segment_record_release(&record);
    buf_deinit(&expected);
    fixture_deinit(&f);
}

/* The largest record, and one of a byte. */
static void test_sizes(void **state)
{
    uint8_t *big = malloc(SEGMENT_RECORD_MAX + 1u);
    struct slice records[3] = {slice_of("x", 1), slice_of(big, SEGMENT_RECORD_MAX),
                               slice_of("yz", 2)};
    struct segment_block block = {.records = records, .count = 3, .time_max_ms = 1};
    struct segment_record record = {0};
    struct segment_info info;
    struct segments_stats stats;
    struct fixture f;
    struct error err = {0};
    size_t i;

    (void)state;
    assert_non_null(big);
    for (i = 0; i <= SEGMENT_RECORD_MAX; i++) {
        big[i] = (uint8_t)(i % 251);
    }
    fixture_init(&f, 8);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    assert_int_equal(segments_rotate(f.segments, 0, 0, NULL, &info, &err), BLOCKDB_OK);
    records[1].len++;
    assert_int_equal(segments_append_block(f.segments, &block, &err), BLOCKDB_ELIMIT);
    records[1].len--;
    assert_int_equal(segments_append_block(f.segments, &block, &err), BLOCKDB_OK);
    for (i = 0; i < 3; i++) {
        assert_int_equal(segments_read(f.segments, i, &record, &err), BLOCKDB_OK);
        assert_true(slice_equal(record.bytes, records[i]));
    }
    segment_record_release(&record);
    segments_get_stats(f.segments, &stats);
    assert_int_equal(stats.appended_records, 3);
    assert_int_equal(stats.appended_pages, 3);
    assert_int_equal(stats.appended_blocks, 1);
    assert_int_equal(stats.appended_raw_bytes, 3 + SEGMENT_RECORD_MAX);
    assert_int_equal(stats.segments, 1);
    assert_int_equal(stats.file_bytes, 4096 + stats.appended_stored_bytes);
    assert_int_equal(stats.page_reads, 3);
    assert_int_equal(segments_check_frame(f.segments, 1, &err), BLOCKDB_OK);
    assert_int_equal(segments_check_frame(f.segments, 2, &err), BLOCKDB_ENOTFOUND);
    free(big);
    fixture_deinit(&f);
}

static void test_misuse(void **state)
{
    struct slice record = slice_of("r", 1);
    struct slice empty = slice_of("r", 0);
    struct segment_block block = {
        .records = &record, .count = 1, .time_min_ms = 5, .time_max_ms = 5};
    struct segment_block bad;
    struct segment_info info;
    struct fixture f;
    struct error err = {0};

    (void)state;
    fixture_init(&f, 9);
    f.options.segment_bytes = SEGMENT_BYTES_MIN - 1;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_EINVAL);
    f.options.segment_bytes = 0;
    f.options.codec = CODEC_COUNT;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_EINVAL);
    f.options.codec = CODEC_NONE;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    assert_true(segments_should_rotate(f.segments, 0));
    assert_int_equal(segments_append_block(f.segments, &block, &err), BLOCKDB_EINVAL);
    assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_OK);
    assert_int_equal(segments_rotate(f.segments, 0, 0, NULL, &info, &err), BLOCKDB_OK);
    assert_false(segments_should_rotate(f.segments, 1ull << 40));
    assert_int_equal(segments_rotate(f.segments, 0, 0, NULL, &info, &err), BLOCKDB_EINVAL);
    bad = block;
    bad.count = 0;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    bad.count = SEGMENT_BLOCK_RECORDS_MAX + 1;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_ELIMIT);
    bad = block;
    bad.records = &empty;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    bad = block;
    bad.first_seq = 1;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    bad = block;
    bad.height = 1;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    bad = block;
    bad.time_max_ms = 4;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    assert_int_equal(segments_append_block(f.segments, &block, &err), BLOCKDB_OK);
    bad = block;
    bad.first_seq = 1;
    bad.height = 1;
    bad.time_min_ms = 4;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    assert_int_equal(segments_rotate(f.segments, 2, 1, NULL, &info, &err), BLOCKDB_EINVAL);
    assert_int_equal(segments_rotate(f.segments, 1, 1, NULL, &info, &err), BLOCKDB_OK);
    /* Nor may time go back from segment to segment. */
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_EINVAL);
    bad.time_min_ms = 5;
    bad.time_max_ms = 5;
    assert_int_equal(segments_append_block(f.segments, &bad, &err), BLOCKDB_OK);
    fixture_deinit(&f);
}

static int refuse_odd(void *context, const struct segment_page *page, struct error *err)
{
    unsigned *calls = context;

    (*calls)++;
    return page->first_seq % 2 == 1 ? error_set(err, BLOCKDB_ETAMPERED, "odd") : BLOCKDB_OK;
}

static void count_bytes(void *context, uint64_t len_bytes)
{
    *(uint64_t *)context += len_bytes;
}

static void test_hooks(void **state)
{
    struct segment_record record = {0};
    struct segments_stats stats;
    uint64_t throttled = 0;
    unsigned calls = 0;
    struct fixture f;
    struct error err = {0};

    (void)state;
    fixture_init(&f, 10);
    f.options.on_load = refuse_odd;
    f.options.on_load_context = &calls;
    f.options.throttle = count_bytes;
    f.options.throttle_context = &throttled;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    fixture_append_ok(&f, 1);
    fixture_append_ok(&f, 1);
    segments_get_stats(f.segments, &stats);
    assert_int_equal(throttled, stats.appended_stored_bytes);
    fixture_expect(&f, 0);
    fixture_expect(&f, 0);
    assert_int_equal(calls, 1);
    assert_int_equal(segments_read(f.segments, 1, &record, &err), BLOCKDB_ETAMPERED);
    assert_int_equal(segments_read(f.segments, 1, &record, &err), BLOCKDB_ETAMPERED);
    assert_int_equal(calls, 3);
    assert_false(epoch_inside(f.epoch));
    assert_int_equal(fixture_expect_scan(&f, 0, 2), 2);
    fixture_deinit(&f);
}

static void test_read_only(void **state)
{
    struct slice record = slice_of("r", 1);
    struct segment_block block = {.records = &record, .count = 1};
    struct segment_info info;
    struct fixture f;
    struct error err = {0};

    (void)state;
    fixture_init(&f, 11);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    while (f.known_count < 3) {
        fixture_append_ok(&f, 50);
    }
    f.options.read_only = true;
    fixture_reopen(&f, 0);
    fixture_expect_all(&f);
    block.first_seq = f.next_seq;
    assert_int_equal(segments_append_block(f.segments, &block, &err), BLOCKDB_EREADONLY);
    assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_EREADONLY);
    assert_int_equal(segments_rotate(f.segments, f.next_seq, f.next_height, NULL, &info, &err),
                     BLOCKDB_EREADONLY);
    fixture_deinit(&f);
}

/* Heights may be left to the files; a wrong one is found. */
static void test_known_heights(void **state)
{
    struct fixture f;
    struct error err = {0};
    uint32_t i;

    (void)state;
    fixture_init(&f, 12);
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    while (f.known_count < 3) {
        fixture_append_ok(&f, 50);
    }
    for (i = 0; i < f.known_count; i++) {
        f.known[i].first_height = SEGMENT_HEIGHT_UNKNOWN;
        f.known[i].end_height = SEGMENT_HEIGHT_UNKNOWN;
    }
    fixture_reopen(&f, f.next_seq);
    fixture_expect_all(&f);
    fixture_close(&f);
    f.known[1].first_height = 1;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    f.known[1].first_height = SEGMENT_HEIGHT_UNKNOWN;
    f.known[1].end_seq++;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    f.known[1].end_seq--;
    f.known[0].finished = false;
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_ECORRUPT);
    fixture_deinit(&f);
}

static int remove_name(void *context, const char *name, bool is_dir)
{
    char path[512];

    (void)is_dir;
    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    return os_unlink(os_real(), path, NULL);
}

/* On a real file system, through the page cache and past it. */
static void test_real_files(void **state)
{
    char dir[] = "/tmp/blockdb-segment-XXXXXX";
    struct fixture f;
    struct error err = {0};
    unsigned round;
    unsigned i;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (round = 0; round < 2; round++) {
        fixture_init(&f, 13);
        f.record_max = 50000;
        f.options.os = os_real();
        f.options.dir = dir;
        f.options.direct_io = round == 1;
        assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
        for (i = 0; i < 12; i++) {
            fixture_append_ok(&f, 1 + 37 * i % 200);
            fixture_expect(&f, f.next_seq - 1);
            if (i % 5 == 4) {
                fixture_reopen(&f, f.next_seq / 2);
            }
        }
        assert_int_equal(segments_sync(f.segments, &err), BLOCKDB_OK);
        fixture_expect_all(&f);
        fixture_reopen(&f, f.next_seq);
        fixture_expect_all(&f);
        fixture_deinit(&f);
        assert_int_equal(os_list(os_real(), dir, remove_name, dir, &err), BLOCKDB_OK);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),         cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_scan_ranges),   cmocka_unit_test(test_records),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_hooks),         cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_known_heights), cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_large_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
