/* SPDX-License-Identifier: Apache-2.0 */
#include "segment_fixture.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CACHE_BYTES ((size_t)4 * 1024 * 1024)
#define TIME_STEP_MS 10

/* ---- Allocation failures -------------------------------------------------------------------- */

static uint64_t alloc_countdown;
static bool alloc_failed;
static bool alloc_paused;

uint64_t fixture_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x2545f4914f6cdd1dull;
}

uint64_t fixture_seed(const char *test)
{
    const char *text = getenv("SEGMENT_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);

    print_message("%s: SEGMENT_TEST_SEED=%" PRIu64 "\n", test, seed);
    return seed | 1;
}

void fixture_init(struct fixture *f, uint64_t seed)
{
    struct cache_options cache = {.capacity_bytes = CACHE_BYTES};
    struct error err = {0};

    *f = (struct fixture){.seed = seed | 1, .record_max = 300};
    f->crash = os_crash_new(seed);
    assert_non_null(f->crash);
    f->fault = os_fault_new(os_crash_os(f->crash));
    assert_non_null(f->fault);
    f->os = os_fault_os(f->fault);
    f->epoch = epoch_new();
    assert_non_null(f->epoch);
    cache.epoch = f->epoch;
    f->cache = cache_new(&cache);
    assert_non_null(f->cache);
    assert_int_equal(os_make_dirs(f->os, FIXTURE_DIR, &err), BLOCKDB_OK);
    f->options = (struct segments_options){
        .os = f->os,
        .dir = FIXTURE_DIR,
        .ledger_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
        .epoch = f->epoch,
        .cache = f->cache,
        .codec = CODEC_LZ4,
        .segment_bytes = SEGMENT_BYTES_MIN,
    };
}

void fixture_deinit(struct fixture *f)
{
    fixture_close(f);
    cache_free(f->cache);
    epoch_free(f->epoch);
    os_fault_free(f->fault);
    os_crash_free(f->crash);
}

int fixture_open(struct fixture *f, struct error *err)
{
    f->options.known = f->known;
    f->options.known_count = f->known_count;
    f->options.trusted_seq = f->trusted_seq;
    return segments_open(&f->options, &f->segments, &f->recovery, err);
}

void fixture_close(struct fixture *f)
{
    segments_close(f->segments);
    f->segments = NULL;
}

/* A test's file of the same name may come back with other bytes: a cache must not remember. */
static void forget_pages(struct fixture *f)
{
    struct cache_options cache = {.capacity_bytes = CACHE_BYTES, .epoch = f->epoch};

    cache_free(f->cache);
    f->cache = cache_new(&cache);
    assert_non_null(f->cache);
    if (f->options.cache != NULL) {
        f->options.cache = f->cache;
    }
}

void fixture_reopen(struct fixture *f, uint64_t trusted_seq)
{
    struct error err = {0};

    fixture_close(f);
    forget_pages(f);
    f->trusted_seq = trusted_seq;
    if (fixture_open(f, &err) < 0) {
        fail_msg("cannot reopen: %s", err.message);
    }
}

/* How long record seq is: mostly small, now and then beyond a page. */
static size_t record_len(const struct fixture *f, uint64_t seq, uint64_t *state)
{
    uint64_t kind = fixture_random(state) % 400;

    if (f->record_max > 300 && kind == 0) {
        return f->record_max - fixture_random(state) % 100;
    }
    if (kind < 4) {
        return 16000 + fixture_random(state) % 1000;
    }
    return 1 + fixture_random(state) % (f->record_max < 300 ? f->record_max : 300);
}

void fixture_record(const struct fixture *f, uint64_t seq, struct buf *out)
{
    uint64_t state = (f->seed + seq) * 0x9e3779b97f4a7c15ull | 1;
    size_t len = record_len(f, seq, &state);
    bool random = fixture_random(&state) % 2 == 0; /* else it compresses well */
    size_t i;

    assert_int_equal(buf_reserve(out, len), BLOCKDB_OK);
    for (i = 0; i < len; i++) {
        out->data[out->len + i] = random ? (uint8_t)fixture_random(&state)
                                         : (uint8_t)("abcdefgh"[i % 8] + seq % 16);
    }
    out->len += len;
}

uint64_t fixture_time(uint64_t height)
{
    return 1000 + height * TIME_STEP_MS;
}

int fixture_rotate(struct fixture *f, struct error *err)
{
    struct segment_info finished;
    struct segment_info added;
    int rc = segments_rotate(f->segments, f->next_seq, f->next_height, &finished, &added, err);

    if (rc < 0) {
        return rc;
    }
    if (finished.number != 0) {
        assert_true(f->known_count > 0);
        assert_int_equal(f->known[f->known_count - 1].number, finished.number);
        f->known[f->known_count - 1] = finished;
    }
    assert_true(f->known_count < FIXTURE_KNOWN_MAX);
    assert_false(added.finished);
    f->known[f->known_count++] = added;
    return BLOCKDB_OK;
}

/* Appends a block of records whose bytes are in all, ending at ends[i]. */
static int append_records(struct fixture *f, const struct buf *all, const size_t *ends,
                          uint32_t count, struct error *err)
{
    struct slice *records = calloc(count, sizeof(*records));
    struct segment_block block = {
        .height = f->next_height,
        .first_seq = f->next_seq,
        .time_min_ms = fixture_time(f->next_height),
        .time_max_ms = fixture_time(f->next_height) + TIME_STEP_MS - 1,
        .records = records,
        .count = count,
    };
    uint32_t i;
    int rc;

    assert_non_null(records);
    for (i = 0; i < count; i++) {
        size_t start = i > 0 ? ends[i - 1] : 0;

        records[i] = slice_of(all->data + start, ends[i] - start);
    }
    rc = segments_append_block(f->segments, &block, err);
    free(records);
    return rc;
}

int fixture_append(struct fixture *f, uint32_t count, struct error *err)
{
    struct buf all = {0};
    size_t *ends = calloc(count, sizeof(*ends));
    uint32_t i;
    int rc = BLOCKDB_OK;

    alloc_paused = true; /* the model's own memory never fails */
    assert_non_null(ends);
    assert_int_equal(buf_reserve(&all, 1), BLOCKDB_OK);
    for (i = 0; i < count; i++) {
        fixture_record(f, f->next_seq + i, &all);
        ends[i] = all.len;
    }
    alloc_paused = false;
    if (segments_should_rotate(f->segments, all.len)) {
        rc = fixture_rotate(f, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = append_records(f, &all, ends, count, err);
    }
    if (rc == BLOCKDB_OK) {
        f->next_seq += count;
        f->next_height++;
    }
    buf_deinit(&all);
    free(ends);
    return rc;
}

void fixture_append_ok(struct fixture *f, uint32_t count)
{
    struct error err = {0};

    if (fixture_append(f, count, &err) < 0) {
        fail_msg("cannot append: %s", err.message);
    }
}

void fixture_expect(struct fixture *f, uint64_t seq)
{
    struct segment_record record = {0};
    struct buf expected = {0};
    struct error err = {0};

    fixture_record(f, seq, &expected);
    if (segments_read(f->segments, seq, &record, &err) < 0) {
        fail_msg("cannot read %" PRIu64 ": %s", seq, err.message);
    }
    assert_true(slice_equal(record.bytes, buf_slice(&expected)));
    segment_record_release(&record);
    buf_deinit(&expected);
}

uint64_t fixture_expect_scan(struct fixture *f, uint64_t from, uint64_t to)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    struct buf expected = {0};
    struct error err = {0};
    uint64_t seq = from;
    int rc;

    assert_int_equal(segments_scan(f->segments, from, to, &scan, &err), BLOCKDB_OK);
    while ((rc = segment_scan_next(scan, &entry, &err)) == BLOCKDB_OK) {
        assert_int_equal(entry.seq, seq);
        buf_reset(&expected);
        fixture_record(f, seq, &expected);
        assert_true(slice_equal(entry.record, buf_slice(&expected)));
        assert_true(entry.block->first_seq <= seq &&
                    seq < entry.block->first_seq + entry.block->count);
        assert_int_equal(entry.block->time_min_ms, fixture_time(entry.block->height));
        assert_int_equal(entry.block_first, seq == entry.block->first_seq);
        assert_int_equal(entry.block_last, seq + 1 == entry.block->first_seq + entry.block->count);
        seq++;
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        fail_msg("scan failed at %" PRIu64 ": %s", seq, err.message);
    }
    segment_scan_free(scan);
    buf_deinit(&expected);
    return seq - from;
}

int fixture_check(struct fixture *f, uint32_t number, struct error *err)
{
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    int rc = segments_scan(f->segments, 0, UINT64_MAX, &scan, err);

    while (rc == BLOCKDB_OK) {
        rc = segment_scan_next(scan, &entry, err);
    }
    segment_scan_free(scan);
    return rc == BLOCKDB_ENOTFOUND ? segments_check_frame(f->segments, number, err) : rc;
}

void fixture_expect_all(struct fixture *f)
{
    struct segment_record record = {0};
    struct segment_info info;
    struct error err = {0};
    uint64_t seq;
    uint32_t i;

    assert_int_equal(segments_end_seq(f->segments), f->next_seq);
    for (seq = 0; seq < f->next_seq; seq++) {
        fixture_expect(f, seq);
    }
    assert_int_equal(segments_read(f->segments, f->next_seq, &record, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(fixture_expect_scan(f, 0, UINT64_MAX), f->next_seq);
    for (i = 0; segments_info(f->segments, i, &info); i++) {
        if (fixture_check(f, info.number, &err) < 0) {
            fail_msg("segment %" PRIu32 " does not check: %s", info.number, err.message);
        }
    }
    assert_int_equal(i, f->known_count);
}

static bool fail_at_zero(void *context)
{
    (void)context;
    if (alloc_paused || alloc_countdown == 0 || --alloc_countdown > 0) {
        return false;
    }
    alloc_failed = true;
    return true;
}

void fixture_fail_alloc(uint64_t nth)
{
    if (nth > 0) {
        alloc_failed = false;
    }
    alloc_countdown = nth;
    mem_set_fail_hook(nth > 0 ? fail_at_zero : NULL, NULL);
}

bool fixture_alloc_failed(void)
{
    return alloc_failed;
}
