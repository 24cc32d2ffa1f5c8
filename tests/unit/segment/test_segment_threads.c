/* SPDX-License-Identifier: Apache-2.0 */
/* Readers, scans and lookups beside the appender; for the thread sanitizer above all. */
#include "segment_fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#define READERS 3
#define BLOCKS 250

struct reader_task {
    struct fixture *f;
    uint64_t random;
    atomic_bool *stop;
    uint64_t reads;
    const char *failed; /* cmocka's assertions belong to the main thread */
};

/* Reads random records and compares them with the model. */
static void read_one(struct reader_task *task, uint64_t end)
{
    struct segment_record record = {0};
    struct buf expected = {0};
    uint64_t seq = fixture_random(&task->random) % end;

    fixture_record(task->f, seq, &expected);
    if (segments_read(task->f->segments, seq, &record, NULL) != BLOCKDB_OK) {
        task->failed = "a record cannot be read";
    } else if (!slice_equal(record.bytes, buf_slice(&expected))) {
        task->failed = "a record has other bytes";
    }
    if (seq % 3 == 0) {
        segment_record_keep(&record);
    }
    segment_record_release(&record);
    buf_deinit(&expected);
}

/* The newest block by height, seq and time is one and the same. */
static void find_one(struct reader_task *task, uint64_t end)
{
    struct segments *segments = task->f->segments;
    struct segment_block_info by_seq;
    struct segment_block_info by_height;
    struct segment_block_info by_time;

    if (segments_find_seq(segments, end - 1, &by_seq, NULL) != BLOCKDB_OK ||
        segments_find_height(segments, by_seq.height, &by_height, NULL) != BLOCKDB_OK ||
        segments_find_time(segments, by_seq.time_min_ms, &by_time, NULL) != BLOCKDB_OK) {
        task->failed = "a block is not found";
        return;
    }
    if (by_seq.first_seq != by_height.first_seq || by_seq.count != by_height.count ||
        by_seq.offset != by_time.offset || by_seq.len_bytes != by_time.len_bytes ||
        by_seq.first_seq + by_seq.count != end) {
        task->failed = "a block is not the same by all ways";
    }
}

static void scan_some(struct reader_task *task, uint64_t end)
{
    uint64_t from = end > 200 ? end - 200 : 0;
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    uint64_t count = 0;

    if (segments_scan(task->f->segments, from, end, &scan, NULL) != BLOCKDB_OK) {
        task->failed = "a scan does not start";
        return;
    }
    while (segment_scan_next(scan, &entry, NULL) == BLOCKDB_OK) {
        count++;
    }
    if (count != end - from) {
        task->failed = "a scan does not see all";
    }
    segment_scan_free(scan);
}

static void *run_reader(void *arg)
{
    struct reader_task *task = arg;

    while (!atomic_load(task->stop) && task->failed == NULL) {
        uint64_t end = segments_end_seq(task->f->segments);

        if (end == 0) {
            continue;
        }
        read_one(task, end);
        if (task->reads % 16 == 0) {
            find_one(task, end);
        }
        if (task->reads % 64 == 0) {
            scan_some(task, end);
        }
        task->reads++;
    }
    return NULL;
}

static void run_threads(uint64_t seed, bool with_cache)
{
    struct reader_task tasks[READERS];
    pthread_t threads[READERS];
    atomic_bool stop = false;
    struct fixture f;
    struct error err = {0};
    uint64_t random;
    unsigned i;

    fixture_init(&f, seed);
    random = f.seed;
    if (!with_cache) {
        f.options.cache = NULL;
    }
    assert_int_equal(fixture_open(&f, &err), BLOCKDB_OK);
    for (i = 0; i < READERS; i++) {
        tasks[i] = (struct reader_task){.f = &f, .random = seed + i * 2 + 1, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, run_reader, &tasks[i]), 0);
    }
    for (i = 0; i < BLOCKS; i++) {
        fixture_append_ok(&f, 1 + (uint32_t)(fixture_random(&random) % 40));
    }
    atomic_store(&stop, true);
    for (i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
        if (tasks[i].failed != NULL) {
            fail_msg("%s", tasks[i].failed);
        }
    }
    assert_true(f.known_count > 3);
    fixture_expect_all(&f);
    fixture_deinit(&f);
}

static void test_readers(void **state)
{
    uint64_t seed = fixture_seed("readers");

    (void)state;
    run_threads(seed, true);
    run_threads(seed, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
