/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of memory: what it says is there, gives way, and stays under memory_limit whatever
 * the load.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1024u * 1024)
#define LIMIT (28u * MIB)
#define WRITERS 3
#define KEYS 400

static void test_each_part_is_counted(void **state)
{
    struct blockdb_stats before;
    struct blockdb_stats after;
    struct blockdb_iter *iter;
    struct world w;

    (void)state;
    world_new(&w, "block_cache_size", "8MiB", NULL);
    before = fixture_stats(w.db);
    world_put_many(w.db, 0, 200, 20000);
    after = fixture_stats(w.db);
    assert_true(after.memory_bytes >= before.memory_bytes + 4000000);
    assert_true(after.memory_peak_bytes >= after.memory_bytes);
    assert_true(after.seal_queue_bytes > 0);
    assert_int_equal(after.commit_queue_bytes, 0);
    assert_int_equal(after.memory_limit, 1024 * MIB);
    assert_int_equal(after.work_bytes, 0);
    fixture_must(blockdb_iter_new(w.db, NULL, &iter, NULL), NULL);
    assert_int_equal(fixture_stats(w.db).work_bytes, ACCOUNT_SCAN_BYTES);
    blockdb_iter_free(iter);
    world_flush(w.db);
    after = fixture_stats(w.db);
    assert_int_equal(after.work_bytes, 0);
    assert_true(after.memtable_frozen_bytes == 0);
    world_free(&w);
}

/* Work that takes memory makes the caches smaller, down to an eighth; later they grow again. */
static void test_caches_give_way(void **state)
{
    const struct fixture_option list[] = {{"index_cache_size", "4MiB"},
                                          {"memtable_size_limit", "1MiB"},
                                          {"block_cache_size", "12MiB"},
                                          {"inline_value_limit", "0"},
                                          {NULL, NULL}};
    struct blockdb_stats full;
    struct blockdb_stats small;
    struct world w;

    (void)state;
    world_new(&w, "memory_limit", "24MiB", list);
    world_put_many(w.db, 0, 600, 30000);
    world_flush(w.db);
    world_get_many(w.db, "key", 600, BLOCKDB_OK);
    full = fixture_stats(w.db);
    assert_true(full.block_cache_bytes > 8 * MIB);
    account_add(w.db, ACCOUNT_WORK, 20 * MIB);
    small = fixture_stats(w.db);
    assert_true(small.block_cache_bytes < 3 * MIB);
    assert_true(small.block_cache_bytes + small.index_cache_bytes + 20 * MIB < 24 * MIB);
    cache_check(w.db->block_cache);
    world_get_many(w.db, "key", 600, BLOCKDB_OK);
    assert_true(fixture_stats(w.db).block_cache_bytes < 3 * MIB);
    account_add(w.db, ACCOUNT_WORK, 20 * MIB); /* more than there is: a floor stays */
    assert_true(atomic_load(&w.db->account.cache_room) == 16 * MIB / 8);
    assert_false(account_fits(w.db, 0));
    account_subtract(w.db, ACCOUNT_WORK, 40 * MIB);
    account_adapt(w.db, 0);
    world_get_many(w.db, "key", 600, BLOCKDB_OK);
    assert_true(fixture_stats(w.db).block_cache_bytes > 8 * MIB);
    cache_check(w.db->block_cache);
    assert_int_equal(cache_used_bytes(w.db->block_cache), fixture_stats(w.db).block_cache_bytes);
    world_free(&w);
}

/* Where nothing can come free, one group after the other still goes on. */
static void test_writers_go_on(void **state)
{
    struct blockdb_stats stats;
    struct world w;

    (void)state;
    world_new(&w, "memory_limit", "512MiB", NULL);
    account_add(w.db, ACCOUNT_WORK, 512 * MIB);
    world_put_many(w.db, 0, 50, 1000);
    stats = fixture_stats(w.db);
    assert_int_equal(stats.puts, 50);
    assert_true(stats.flushes > 0);
    assert_true(stats.stall_memory_ns > 0);
    account_subtract(w.db, ACCOUNT_WORK, 512 * MIB);
    world_free(&w);
}

/* ---- A mix ----------------------------------------------------------------------------------- */

struct mix {
    struct blockdb *db;
    atomic_uint pending;
    atomic_uint seed;
    atomic_bool stop;
};

static void note_answer(void *arg, int status, const struct blockdb_write_result *result,
                        const struct blockdb_error *err)
{
    struct mix *mix = arg;

    (void)result;
    fixture_must(status, err);
    (void)atomic_fetch_sub(&mix->pending, 1);
}

static uint64_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

/* Submits values of all sizes as fast as they are taken. */
static void write_mix(void *arg)
{
    struct mix *mix = arg;
    uint64_t random = world_seed + atomic_fetch_add(&mix->seed, 1);
    uint8_t *value = mem_calloc(1, MIB);
    unsigned i;

    for (i = 0; i < KEYS; i++) {
        struct blockdb_batch *batch = blockdb_batch_new(mix->db);
        size_t len = next_random(&random) % (i % 50 == 0 ? MIB : 60000);
        char key[16];
        struct error err;

        (void)snprintf(key, sizeof(key), "key%06u", (unsigned)(next_random(&random) % KEYS));
        fixture_must(blockdb_batch_put(batch, key, strlen(key), value, len, &err), &err);
        (void)atomic_fetch_add(&mix->pending, 1);
        fixture_must(blockdb_submit(mix->db, batch, NULL, note_answer, mix, &err), &err);
    }
    mem_free(value);
}

static void read_mix(void *arg)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct mix *mix = arg;
    uint64_t random = world_seed;

    while (!atomic_load(&mix->stop)) {
        struct blockdb_iter *iter;
        struct error err;
        char key[16];
        unsigned i;
        int rc;

        (void)snprintf(key, sizeof(key), "key%06u", (unsigned)(next_random(&random) % KEYS));
        rc = blockdb_get(mix->db, key, strlen(key), NULL, &value, &err);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOTFOUND);
        fixture_must(blockdb_iter_new(mix->db, NULL, &iter, &err), &err);
        for (i = 0; i < 20 && rc == BLOCKDB_OK; i++) {
            rc = blockdb_iter_next(iter, &err);
        }
        blockdb_iter_free(iter);
    }
}

static void test_mix_stays_below_the_limit(void **state)
{
    const struct fixture_option list[] = {
        {"memory_limit", "28MiB"},      {"block_cache_size", "12MiB"},
        {"index_cache_size", "4MiB"},   {"memtable_size_limit", "3MiB"},
        {"write_buffer_size", "64KiB"}, {"wal_sync_mode", "none"},
        {"proof_map", "false"},         {NULL, NULL},
    };
    struct os_thread *writers[WRITERS] = {NULL};
    struct os_thread *reader = NULL;
    struct blockdb_stats stats;
    struct mix mix = {0};
    char base[64];
    char dir[80];
    unsigned i;

    (void)state;
    fixture_make_dir(base);
    (void)snprintf(dir, sizeof(dir), "%s/db", base);
    mix.db = fixture_open(os_real(), dir, list, BLOCKDB_OPEN_CREATE);
    for (i = 0; i < WRITERS; i++) {
        fixture_must(os_thread_start(os_real(), "writer", write_mix, &mix, &writers[i], NULL),
                     NULL);
    }
    fixture_must(os_thread_start(os_real(), "reader", read_mix, &mix, &reader, NULL), NULL);
    for (i = 0; i < WRITERS; i++) {
        os_thread_join(os_real(), writers[i]);
    }
    while (atomic_load(&mix.pending) > 0) {
        os_sleep_ns(os_real(), 1000000);
    }
    atomic_store(&mix.stop, true);
    os_thread_join(os_real(), reader);
    stats = fixture_stats(mix.db);
    printf("peak %llu of %u KiB, stalled %llu ms\n",
           (unsigned long long)stats.memory_peak_bytes / 1024, LIMIT / 1024,
           (unsigned long long)stats.stall_memory_ns / 1000000);
    assert_true(stats.memory_peak_bytes <= LIMIT);
    assert_true(stats.memory_peak_bytes > LIMIT / 4);
    assert_int_equal(stats.puts, WRITERS * KEYS);
    while (fixture_stats(mix.db).commit_queue_bytes > 0) {
        os_sleep_ns(os_real(), 1000000); /* a group is given back behind its last answer */
    }
    (void)fixture_verify(mix.db);
    while (fixture_stats(mix.db).work_bytes > 0) {
        os_sleep_ns(os_real(), 1000000); /* a merge is at work */
    }
    fixture_close(mix.db);
    fixture_remove_dir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_part_is_counted),
        cmocka_unit_test(test_caches_give_way),
        cmocka_unit_test(test_writers_go_on),
        cmocka_unit_test(test_mix_stays_below_the_limit),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
