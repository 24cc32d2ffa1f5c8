/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the public header promises beside plain reads and writes: submitting, durability of each
 * call, keys of any bytes, positions and times, a key with very many versions, bounded memory.
 */
#include "common/test_env.h"
#include "engine/open.h"
#include "engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_NS 1000000

/* ---- Submitting ---------------------------------------------------------------------------- */

struct calls {
    atomic_uint count;
    int status;
    uint64_t first_seq;
    uint64_t entries;
    bool repeated;
};

static void note_call(void *arg, int status, const struct blockdb_write_result *result,
                      const struct blockdb_error *err)
{
    struct calls *calls = arg;

    calls->status = status;
    if (status == BLOCKDB_OK) {
        calls->first_seq = result->first_seq;
        calls->entries = result->count;
        calls->repeated = result->repeated;
    } else if (err->message[0] == '\0') {
        fixture_fail("an error without message");
    }
    (void)atomic_fetch_add(&calls->count, 1);
}

static void wait_call(struct calls *calls)
{
    while (atomic_load(&calls->count) == 0) {
        os_sleep_ns(os_real(), WAIT_NS);
    }
    assert_int_equal(atomic_load(&calls->count), 1);
}

static struct blockdb_batch *one_put(struct blockdb *db, const char *key, const char *value)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct error err;

    assert_non_null(batch);
    fixture_must(blockdb_batch_put(batch, key, strlen(key), value, strlen(value), &err), &err);
    return batch;
}

static void test_submit(void **state)
{
    static const uint8_t client[BLOCKDB_CLIENT_ID_LEN] = "a client";
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct calls calls[5] = {0};
    struct blockdb_batch *batch;
    struct world w;
    struct error err;
    unsigned i;

    (void)state;
    world_new(&w, "wal_sync_mode", "group", NULL);
    options.client_id = client;
    options.request = 1;
    for (i = 0; i < 2; i++) { /* the second is a repeat */
        fixture_must(
            blockdb_submit(w.db, one_put(w.db, "a", "1"), &options, note_call, &calls[i], &err),
            &err);
    }
    batch = one_put(w.db, "a", "2");
    fixture_must(blockdb_batch_require_absent(batch, "a", 1, &err), &err);
    fixture_must(blockdb_submit(w.db, batch, NULL, note_call, &calls[2], &err), &err);
    options.request = 0;
    fixture_must(
        blockdb_submit(w.db, one_put(w.db, "a", "3"), &options, note_call, &calls[3], &err), &err);
    fixture_must(blockdb_submit(w.db, blockdb_batch_new(w.db), NULL, note_call, &calls[4], &err),
                 &err);
    for (i = 0; i < 5; i++) {
        wait_call(&calls[i]);
    }
    assert_true(calls[0].status == BLOCKDB_OK && !calls[0].repeated && calls[0].entries == 1);
    assert_true(calls[1].status == BLOCKDB_OK && calls[1].repeated);
    assert_int_equal(calls[1].first_seq, calls[0].first_seq);
    assert_int_equal(calls[2].status, BLOCKDB_ECONFLICT);
    assert_int_equal(calls[3].status, BLOCKDB_ESTALE);
    assert_int_equal(calls[4].status, BLOCKDB_OK);
    assert_int_equal(calls[4].entries, 0);
    assert_int_equal(fixture_stats(w.db).puts, 1);
    world_free(&w);
}

/* A refused submission frees its batch and does not call. */
static void test_submit_refused(void **state)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct calls calls = {0};
    struct world w;
    struct error err;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    options.durability = (enum blockdb_durability)77;
    assert_int_equal(
        blockdb_submit(w.db, one_put(w.db, "a", "1"), &options, note_call, &calls, &err),
        BLOCKDB_EINVAL);
    fixture_close(w.db);
    fixture_must(db_open(w.os, "/db", NULL, BLOCKDB_OPEN_READ_ONLY, &w.db, &err), &err);
    assert_true(blockdb_submit(w.db, one_put(w.db, "a", "1"), NULL, note_call, &calls, &err) < 0);
    assert_int_equal(atomic_load(&calls.count), 0);
    world_free(&w);
}

/* Closing answers everything that was accepted. */
static void test_close_answers(void **state)
{
    static struct calls calls[500];
    struct world w;
    struct error err;
    unsigned i;

    (void)state;
    memset(calls, 0, sizeof(calls));
    world_new(&w, "wal_sync_mode", "group", NULL);
    for (i = 0; i < 500; i++) {
        fixture_must(
            blockdb_submit(w.db, one_put(w.db, "k", "v"), NULL, note_call, &calls[i], &err), &err);
    }
    world_free(&w);
    for (i = 0; i < 500; i++) {
        assert_int_equal(atomic_load(&calls[i].count), 1);
        assert_int_equal(calls[i].status, BLOCKDB_OK);
        assert_true(i == 0 || calls[i].first_seq > calls[i - 1].first_seq);
    }
}

/* The queue is bounded: submitters wait instead of filling the memory. */
static void test_submit_waits_for_room(void **state)
{
    static uint8_t value[1 << 20];
    struct calls calls[200] = {0};
    struct world w;
    struct error err;
    unsigned i;

    (void)state;
    world_new(&w, "wal_file_size", "32MiB", NULL);
    for (i = 0; i < 200; i++) {
        struct blockdb_batch *batch = blockdb_batch_new(w.db);

        fixture_must(blockdb_batch_put(batch, "k", 1, value, sizeof(value), &err), &err);
        fixture_must(blockdb_submit(w.db, batch, NULL, note_call, &calls[i], &err), &err);
    }
    for (i = 0; i < 200; i++) {
        wait_call(&calls[i]);
        assert_int_equal(calls[i].status, BLOCKDB_OK);
    }
    world_free(&w);
}

/* ---- Durability ---------------------------------------------------------------------------- */

static uint64_t syncs_of_put(struct blockdb *db, enum blockdb_durability durability)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    uint64_t before = fixture_stats(db).wal_syncs;
    struct error err;

    options.durability = durability;
    fixture_must(blockdb_put(db, "k", 1, "v", 1, &options, NULL, &err), &err);
    return fixture_stats(db).wal_syncs - before;
}

/* Each call may ask for more or less than the option does. */
static void test_durability_of_a_call(void **state)
{
    struct blockdb_stats stats;
    struct world w;
    struct error err;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_DEFAULT), 0);
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_INTERVAL), 0);
    stats = fixture_stats(w.db);
    assert_true(stats.durable_seq < stats.acked_seq);
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_GROUP), 1);
    stats = fixture_stats(w.db);
    assert_int_equal(stats.durable_seq, stats.acked_seq); /* what came before as well */
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_ALWAYS), 1);
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_NONE), 0);
    fixture_must(blockdb_sync(w.db, &err), &err);
    stats = fixture_stats(w.db);
    assert_int_equal(stats.durable_seq, stats.acked_seq);
    world_free(&w);
    world_new(&w, "wal_sync_mode", "always", NULL);
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_DEFAULT), 1);
    assert_int_equal(syncs_of_put(w.db, BLOCKDB_DURABILITY_NONE), 0);
    world_free(&w);
}

/* A repeat that asks for a sync is not told "done" when the sync fails. */
static void test_repeats_are_made_durable(void **state)
{
    static const uint8_t client[BLOCKDB_CLIENT_ID_LEN] = "a client";
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    struct world w;
    struct error err;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    options.client_id = client;
    options.request = 1;
    fixture_must(blockdb_put(w.db, "k", 1, "v", 1, &options, NULL, &err), &err);
    os_crash_power_off(w.disk);
    fixture_must(blockdb_put(w.db, "k", 1, "v", 1, &options, &result, &err), &err);
    assert_true(result.repeated);
    options.durability = BLOCKDB_DURABILITY_GROUP;
    assert_int_equal(blockdb_put(w.db, "k", 1, "v", 1, &options, NULL, &err), BLOCKDB_EIO);
    assert_true(blockdb_close(w.db, &err) < 0); /* tells that something may be lost */
    os_crash_free(w.disk);
}

/* ---- Keys, positions, times ---------------------------------------------------------------- */

/* Keys that differ only in zero bytes are different keys, in bytewise order. */
static void test_keys_of_any_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } keys[] = {{"\0", 1},   {"\0\0", 2},   {"\0\0\0", 3},  {"\0a", 2},   {"a", 1},
                {"a\0", 2},  {"a\0\0", 3},  {"a\0b", 3},    {"a\x7f", 2}, {"a\x80", 2},
                {"\xff", 1}, {"\xff\0", 2}, {"\xff\xff", 2}};
    const size_t count = sizeof(keys) / sizeof(keys[0]);
    struct world w;
    struct error err;
    size_t i;
    int round;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    for (i = 0; i < count; i++) {
        fixture_must(blockdb_put(w.db, keys[count - 1 - i].bytes, keys[count - 1 - i].len, &i,
                                 sizeof(i), NULL, NULL, &err),
                     &err);
    }
    for (round = 0; round < 2; round++) { /* out of memory, then out of a table */
        struct blockdb_value value = {0};
        struct blockdb_iter *iter = NULL;
        size_t len;

        fixture_must(blockdb_iter_new(w.db, NULL, &iter, &err), &err);
        for (i = 0; i < count; i++) {
            size_t number;

            fixture_must(blockdb_get(w.db, keys[i].bytes, keys[i].len, NULL, &value, &err), &err);
            memcpy(&number, value.data, sizeof(number));
            assert_int_equal(number, count - 1 - i);
            fixture_must(blockdb_iter_next(iter, &err), &err);
            assert_memory_equal(blockdb_iter_key(iter, &len), keys[i].bytes, keys[i].len);
            assert_int_equal(len, keys[i].len);
        }
        assert_int_equal(blockdb_iter_next(iter, &err), BLOCKDB_ENOTFOUND);
        blockdb_iter_free(iter);
        blockdb_value_deinit(&value);
        world_flush(w.db);
    }
    world_free(&w);
}

/* Seqs go on over reopens without a gap, and times find them again. */
static void test_seqs_and_times(void **state)
{
    struct blockdb_write_result result;
    struct world w;
    struct error err;
    uint64_t next = 0;
    unsigned i;

    (void)state;
    world_new(&w, "wal_sync_mode", "none", NULL);
    for (i = 0; i < 30; i++) {
        uint64_t seq = 0;

        fixture_must(blockdb_put(w.db, "k", 1, "v", 1, NULL, &result, &err), &err);
        assert_int_equal(result.first_seq, next);
        assert_int_equal(result.time_ms, OS_CRASH_START_MS + 10 * i);
        next = result.first_seq + 1;
        os_crash_advance(w.disk, 10);
        if (i % 10 == 9) {
            fixture_close(w.db); /* ends the block: its header is an entry too */
            world_open(&w, "wal_sync_mode", "none", NULL);
            next++;
            assert_int_equal(fixture_stats(w.db).acked_seq, next);
        }
        fixture_must(blockdb_seq_at_time(w.db, OS_CRASH_START_MS + 10 * i, &seq, &err), &err);
        assert_int_equal(seq, result.first_seq);
    }
    assert_int_equal(blockdb_seq_at_time(w.db, OS_CRASH_START_MS - 1, &next, &err),
                     BLOCKDB_ENOTFOUND);
    world_free(&w);
}

/* ---- One key with very many versions ------------------------------------------------------- */

#define VERSIONS_IN_BATCH 1000

static uint64_t page_reads(struct blockdb *db)
{
    struct blockdb_stats stats = fixture_stats(db);

    return stats.block_cache_misses + stats.block_cache_hits + stats.index_cache_misses +
           stats.index_cache_hits + stats.ledger_reads;
}

static void put_versions(struct blockdb *db, uint64_t count)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct error err;
    uint64_t i;

    fixture_put(db, "before", "b", 1);
    for (i = 0; i < count; i++) {
        fixture_must(blockdb_batch_put(batch, "hot", 3, &i, sizeof(i), &err), &err);
        if (blockdb_batch_count(batch) == VERSIONS_IN_BATCH) {
            fixture_must(blockdb_write(db, batch, NULL, NULL, &err), &err);
            blockdb_batch_reset(batch);
        }
    }
    blockdb_batch_free(batch);
    fixture_put(db, "later", "l", 1);
}

/* Reads as of some entries, and pages of ten versions from there; returns the pages touched by the
 * dearest of them. */
static uint64_t read_around(struct blockdb *db, uint64_t count, unsigned rounds)
{
    struct blockdb_value value = {0};
    uint64_t dearest = 0;
    struct error err;
    unsigned i;
    unsigned k;

    for (i = 1; i < rounds; i++) {
        struct blockdb_read_options as_of = BLOCKDB_READ_OPTIONS_INIT;
        struct blockdb_history_options before = BLOCKDB_HISTORY_OPTIONS_INIT;
        struct blockdb_history *history = NULL;
        uint64_t since = page_reads(db);
        uint64_t last;
        int rc;

        as_of.at_seq = count / rounds * i + 11;
        fixture_must(blockdb_get(db, "hot", 3, &as_of, &value, &err), &err);
        last = value.version.seq;
        assert_true(last <= as_of.at_seq && last + 2 > as_of.at_seq); /* but for a header */
        before.before_seq = last;
        fixture_must(blockdb_history_new(db, "hot", 3, &before, &history, &err), &err);
        for (k = 0; k < 10; k++) {
            rc = blockdb_history_next(history, &err);
            fixture_must(rc, &err);
            assert_true(blockdb_history_version(history).seq < last);
            last = blockdb_history_version(history).seq;
        }
        blockdb_history_free(history);
        since = page_reads(db) - since;
        dearest = since > dearest ? since : dearest;
    }
    blockdb_value_deinit(&value);
    return dearest;
}

/* A scan steps over the versions of a key, whatever their number. */
static uint64_t scan_past(struct blockdb *db)
{
    uint64_t since = page_reads(db);
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    int reverse;

    for (reverse = 0; reverse < 2; reverse++) {
        struct blockdb_iter *iter = NULL;
        unsigned count = 0;
        struct error err;
        int rc;

        options.reverse = reverse == 1;
        fixture_must(blockdb_iter_new(db, &options, &iter, &err), &err);
        while ((rc = blockdb_iter_next(iter, &err)) == BLOCKDB_OK) {
            count++;
        }
        assert_int_equal(rc, BLOCKDB_ENOTFOUND);
        assert_int_equal(count, 3);
        blockdb_iter_free(iter);
    }
    return page_reads(db) - since;
}

static void test_very_many_versions(void **state)
{
    static const struct fixture_option small[] = {{"memtable_size_limit", "8MiB"},
                                                  {"compaction_threshold", "2"},
                                                  {"ledger_segment_size", "16MiB"},
                                                  {NULL, NULL}};
    uint64_t count = test_rounds(100000, 1000000);
    struct world w;
    struct error err;
    uint64_t around;
    uint64_t past;

    (void)state;
    world_new(&w, "blockchain_batch_size", "1000", small);
    put_versions(w.db, count);
    (void)read_around(w.db, count, 50);
    (void)scan_past(w.db);
    world_flush(w.db);
    fixture_must(blockdb_compact(w.db, true, NULL, NULL, &err), &err);
    around = read_around(w.db, count, 50);
    past = scan_past(w.db);
    printf("%llu versions: %llu page reads a look, %llu for two scans\n", (unsigned long long)count,
           (unsigned long long)around, (unsigned long long)past);
    assert_true(around < 150);
    assert_true(past < 150);
    world_free(&w);
}

/* ---- Memory -------------------------------------------------------------------------------- */

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &size, &resident), 2);
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_TELLING false /* sanitizers keep what was freed, and more */
#else
#define MEMORY_IS_TELLING true
#endif

/* However much is written, memory holds caches and memtables, and little else. */
static void test_memory_is_bounded(void **state)
{
    const struct fixture_option list[] = {{"memtable_size_limit", "2MiB"}, {NULL, NULL}};
    unsigned rounds = test_rounds(6, 200);
    char base[64];
    char dir[80];
    struct blockdb *db;
    uint64_t before;
    uint64_t grown;
    unsigned i;

    (void)state;
    fixture_make_dir(base);
    (void)snprintf(dir, sizeof(dir), "%s/db", base);
    db = fixture_open(os_real(), dir, list, BLOCKDB_OPEN_CREATE);
    world_put_many(db, 0, 500, 10000); /* warms up */
    before = resident_bytes();
    for (i = 1; i <= rounds; i++) {
        world_put_many(db, i * 500, 500, 10000);
        world_get_many(db, "key", 500, BLOCKDB_OK);
    }
    grown = resident_bytes() - before;
    grown = grown > UINT64_MAX / 2 ? 0 : grown; /* it shrank */
    printf("wrote %u MB more, memory grew by %llu MB\n", rounds * 5,
           (unsigned long long)(grown >> 20));
    assert_true(!MEMORY_IS_TELLING || grown < 48u << 20);
    assert_true(fixture_stats(db).memory_bytes < 64u << 20);
    fixture_close(db);
    fixture_remove_dir(base);
}

/* Somebody removes the directory of an open database: what needs it fails, and nothing waits. */
static void test_a_directory_that_is_gone(void **state)
{
    char dir[] = "/tmp/test_engine_gone_XXXXXX";
    char command[64];
    struct blockdb *db = NULL;
    struct error err;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(blockdb_open(dir, NULL, BLOCKDB_OPEN_CREATE, &db, &err), 0);
    assert_int_equal(blockdb_put(db, "k", 1, "v", 1, NULL, NULL, &err), 0);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_true(blockdb_flush(db, &err) < 0);
    assert_non_null(strstr(err.message, "gone"));
    assert_true(blockdb_put(db, "k", 1, "w", 1, NULL, NULL, &err) < 0);
    assert_true(blockdb_close(db, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_submit_refused),
        cmocka_unit_test(test_close_answers),
        cmocka_unit_test(test_submit_waits_for_room),
        cmocka_unit_test(test_durability_of_a_call),
        cmocka_unit_test(test_repeats_are_made_durable),
        cmocka_unit_test(test_keys_of_any_bytes),
        cmocka_unit_test(test_seqs_and_times),
        cmocka_unit_test(test_very_many_versions),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_a_directory_that_is_gone),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
