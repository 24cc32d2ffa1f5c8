/* SPDX-License-Identifier: Apache-2.0 */
/* Tile files against a model in which each hash follows from its level and index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "base/mem.h"
#include "common/test_env.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/cache.h"
#include "store/tile_file.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIR "/tile"
#define FILE_HASHES 512u
#define PIECE_MAX 700u

struct fixture {
    struct os_crash *crash;
    struct os_fault *fault;
    struct epoch *epoch;
    struct cache *cache;
    struct tile_files_options options;
    struct tile_files *tiles;
};

static void fixture_init(struct fixture *f, bool with_cache)
{
    struct cache_options cache = {.capacity_bytes = 1u << 20};
    struct error err = {0};

    *f = (struct fixture){.crash = os_crash_new(1)};
    assert_non_null(f->crash);
    f->fault = os_fault_new(os_crash_os(f->crash));
    f->epoch = epoch_new();
    assert_true(f->fault != NULL && f->epoch != NULL);
    cache.epoch = f->epoch;
    f->cache = cache_new(&cache);
    assert_non_null(f->cache);
    assert_int_equal(os_make_dirs(os_fault_os(f->fault), DIR, &err), BLOCKDB_OK);
    f->options = (struct tile_files_options){
        .os = os_fault_os(f->fault),
        .dir = DIR,
        .ledger_id = {9, 8, 7},
        .epoch = f->epoch,
        .cache = with_cache ? f->cache : NULL,
        .file_hashes = FILE_HASHES,
    };
}

static void fixture_deinit(struct fixture *f)
{
    tile_files_close(f->tiles);
    cache_free(f->cache);
    epoch_free(f->epoch);
    os_fault_free(f->fault);
    os_crash_free(f->crash);
}

static int reopen(struct fixture *f, struct error *err)
{
    tile_files_close(f->tiles);
    f->tiles = NULL;
    return tile_files_open(&f->options, &f->tiles, err);
}

static void make_hash(unsigned level, uint64_t index, uint8_t salt, uint8_t *out)
{
    unsigned i;

    for (i = 0; i < TILE_HASH_LEN; i++) {
        out[i] = (uint8_t)((index + 1) * 0x9e3779b97f4a7c15ull >> (i % 8 * 8)) ^
                 (uint8_t)(level * 31 + i + salt);
    }
}

/* Appends n hashes of the model. */
static int append(struct fixture *f, unsigned level, uint64_t n, uint8_t salt, struct error *err)
{
    uint64_t count = tile_files_count(f->tiles, level);
    uint8_t *hashes = malloc(n * TILE_HASH_LEN + 1);
    uint64_t i;
    int rc;

    assert_non_null(hashes);
    for (i = 0; i < n; i++) {
        make_hash(level, count + i, salt, hashes + i * TILE_HASH_LEN);
    }
    rc = tile_files_append(f->tiles, level, hashes, n, err);
    assert_int_equal(tile_files_count(f->tiles, level), rc == BLOCKDB_OK ? count + n : count);
    free(hashes);
    return rc;
}

static void expect(struct fixture *f, unsigned level, uint64_t index, uint64_t n, uint8_t salt)
{
    uint8_t *hashes = malloc(n * TILE_HASH_LEN + 1);
    uint8_t hash[TILE_HASH_LEN];
    struct error err = {0};
    uint64_t i;
    unsigned way;

    assert_non_null(hashes);
    for (way = 0; way < 2; way++) {
        memset(hashes, 0, n * TILE_HASH_LEN);
        assert_int_equal(way == 0 ? tile_files_read(f->tiles, level, index, n, hashes, &err)
                                  : tile_files_read_range(f->tiles, level, index, n, hashes, &err),
                         BLOCKDB_OK);
        for (i = 0; i < n; i++) {
            make_hash(level, index + i, salt, hash);
            assert_memory_equal(hash, hashes + i * TILE_HASH_LEN, TILE_HASH_LEN);
        }
    }
    free(hashes);
}

static void run_model(unsigned seed, bool with_cache)
{
    struct fixture f;
    struct error err = {0};
    uint8_t hash[TILE_HASH_LEN];
    unsigned step;
    unsigned l;

    fixture_init(&f, with_cache);
    srand(seed);
    assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
    for (step = 0; step < test_rounds(300, 6000); step++) {
        unsigned level = (unsigned)rand() % 3;
        uint64_t count;

        assert_int_equal(append(&f, level, (unsigned)rand() % PIECE_MAX, 0, &err), BLOCKDB_OK);
        count = tile_files_count(f.tiles, level);
        if (count > 0) {
            uint64_t index = (unsigned)rand() % count;
            uint64_t n = (unsigned)rand() % (count - index + 1);

            expect(&f, level, index, n, 0);
        }
        assert_int_equal(tile_files_read(f.tiles, level, count, 1, hash, &err), BLOCKDB_ENOTFOUND);
        assert_int_equal(tile_files_read_range(f.tiles, level, count, 1, hash, &err),
                         BLOCKDB_ENOTFOUND);
        if (step % 40 == 39) {
            assert_int_equal(tile_files_sync(f.tiles, &err), BLOCKDB_OK);
            for (l = 0; l < TILE_LEVELS; l++) {
                f.options.counts[l] = tile_files_count(f.tiles, l);
            }
            assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
        }
    }
    for (l = 0; l < TILE_LEVELS; l++) {
        expect(&f, l, 0, tile_files_count(f.tiles, l), 0);
    }
    fixture_deinit(&f);
}

static void test_model(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    run_model(seed, true);
    run_model(seed, false);
}

/* After a cut, other hashes take the place of the old, in memory, cache and file. */
static void test_truncate(void **state)
{
    struct fixture f;
    struct error err = {0};
    uint64_t cuts[] = {1100, 1024, 700, 512, 511, 256, 3, 0};
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        fixture_init(&f, true);
        assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
        assert_int_equal(append(&f, 0, 1200, 0, &err), BLOCKDB_OK);
        expect(&f, 0, 0, 1200, 0);
        assert_int_equal(tile_files_truncate(f.tiles, 0, 1201, &err), BLOCKDB_EINVAL);
        assert_int_equal(tile_files_truncate(f.tiles, TILE_LEVELS, 0, &err), BLOCKDB_EINVAL);
        assert_int_equal(tile_files_truncate(f.tiles, 0, cuts[i], &err), BLOCKDB_OK);
        expect(&f, 0, 0, cuts[i], 0);
        assert_int_equal(append(&f, 0, 900, 77, &err), BLOCKDB_OK);
        expect(&f, 0, 0, cuts[i], 0);
        expect(&f, 0, cuts[i], 900, 77);
        assert_int_equal(tile_files_sync(f.tiles, &err), BLOCKDB_OK);
        /* A lower count at the open means the same. */
        f.options.counts[0] = cuts[i];
        assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
        assert_int_equal(append(&f, 0, 900, 33, &err), BLOCKDB_OK);
        fixture_deinit(&f);
    }
}

static void test_misuse(void **state)
{
    struct tile_files_stats stats;
    struct fixture f;
    struct error err = {0};
    uint8_t hash[TILE_HASH_LEN] = {0};

    (void)state;
    fixture_init(&f, true);
    f.options.file_hashes = 100;
    assert_int_equal(reopen(&f, &err), BLOCKDB_EINVAL);
    f.options.file_hashes = 0;
    assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
    assert_int_equal(tile_files_append(f.tiles, TILE_LEVELS, hash, 1, &err), BLOCKDB_EINVAL);
    assert_int_equal(tile_files_append(f.tiles, 0, hash, UINT64_MAX / 2, &err), BLOCKDB_EINVAL);
    assert_int_equal(tile_files_append(f.tiles, 0, hash, 0, &err), BLOCKDB_OK);
    assert_int_equal(tile_files_append(f.tiles, 0, hash, 1, &err), BLOCKDB_OK);
    assert_int_equal(tile_files_read(f.tiles, TILE_LEVELS, 0, 1, hash, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(tile_files_read_range(f.tiles, TILE_LEVELS, 0, 1, hash, &err),
                     BLOCKDB_ENOTFOUND);
    assert_int_equal(tile_files_read(f.tiles, 0, UINT64_MAX, 2, hash, &err), BLOCKDB_ENOTFOUND);
    tile_files_get_stats(f.tiles, &stats);
    assert_int_equal(stats.files, 1);
    assert_int_equal(stats.appended_hashes, 1);
    f.options.counts[0] = 1;
    f.options.read_only = true;
    assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
    assert_int_equal(tile_files_append(f.tiles, 0, hash, 1, &err), BLOCKDB_EREADONLY);
    assert_int_equal(tile_files_sync(f.tiles, &err), BLOCKDB_EREADONLY);
    fixture_deinit(&f);
}

static void test_damage(void **state)
{
    struct fixture f;
    struct error err = {0};
    uint64_t offset;

    (void)state;
    fixture_init(&f, true);
    assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
    assert_int_equal(append(&f, 1, 600, 0, &err), BLOCKDB_OK);
    f.options.counts[1] = 600;
    for (offset = 0; offset < 4096;
         offset += offset < 80 || offset > 4080 ? 1 : test_rounds(37, 1)) {
        assert_int_equal(os_crash_flip(f.crash, DIR "/1/000001.tiles", offset, 1, &err),
                         BLOCKDB_OK);
        assert_int_equal(reopen(&f, &err), BLOCKDB_ECORRUPT);
        assert_non_null(strstr(err.message, DIR "/1/000001.tiles"));
        assert_int_equal(os_crash_flip(f.crash, DIR "/1/000001.tiles", offset, 1, &err),
                         BLOCKDB_OK);
    }
    f.options.counts[1] = 601;
    assert_int_equal(reopen(&f, &err), BLOCKDB_ECORRUPT);
    f.options.counts[1] = FILE_HASHES * 2 + 1;
    assert_int_equal(reopen(&f, &err), BLOCKDB_ECORRUPT);
    f.options.counts[1] = 600;
    f.options.file_hashes = FILE_HASHES * 2;
    assert_int_equal(reopen(&f, &err), BLOCKDB_ECORRUPT);
    f.options.file_hashes = FILE_HASHES;
    f.options.ledger_id[0]++;
    assert_int_equal(reopen(&f, &err), BLOCKDB_EFOREIGN);
    f.options.ledger_id[0]--;
    assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
    expect(&f, 1, 0, 600, 0);
    fixture_deinit(&f);
}

/* Each operation fails once: counts stay right, and what was appended stays readable. */
static void test_io_failures(void **state)
{
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL};
    unsigned how;

    (void)state;
    for (how = 0; how < 4; how++) {
        bool fired = true;

        plan.partial = (how & 1) != 0;
        plan.code = (how & 2) != 0 ? BLOCKDB_ENOSPC : BLOCKDB_EIO;
        for (plan.nth = 1; fired; plan.nth++) {
            struct fixture f;
            struct error err = {0};
            unsigned i;
            int rc;

            fixture_init(&f, true);
            os_fault_arm(f.fault, &plan);
            rc = reopen(&f, &err);
            for (i = 0; rc == BLOCKDB_OK && i < 5; i++) {
                rc = append(&f, i % 2, 300, 0, &err);
                if (rc == BLOCKDB_OK && i > 2) {
                    rc = tile_files_sync(f.tiles, &err);
                }
            }
            fired = os_fault_fired(f.fault);
            os_fault_arm(f.fault, NULL);
            assert_true(fired || rc == BLOCKDB_OK); /* some failures need not matter */
            for (i = 0; f.tiles != NULL && i < 2; i++) {
                expect(&f, i, 0, tile_files_count(f.tiles, i), 0);
            }
            if (rc < 0 && f.tiles != NULL && plan.code == BLOCKDB_EIO) {
                assert_int_equal(append(&f, 0, 1, 0, &err), BLOCKDB_EREADONLY);
            }
            fixture_deinit(&f);
        }
        assert_true(plan.nth > 15);
    }
}

static uint64_t alloc_countdown;

static bool fail_at_zero(void *context)
{
    (void)context;
    return alloc_countdown > 0 && --alloc_countdown == 0;
}

static void test_allocations(void **state)
{
    struct fixture f;
    struct error err = {0};
    uint64_t nth;
    unsigned succeeded = 0;

    (void)state;
    for (nth = 1; succeeded < 3; nth++) {
        unsigned i;
        int rc;

        fixture_init(&f, nth % 2 == 0);
        alloc_countdown = nth;
        mem_set_fail_hook(fail_at_zero, NULL);
        rc = reopen(&f, &err);
        for (i = 0; rc == BLOCKDB_OK && i < 8; i++) {
            uint8_t hash[TILE_HASH_LEN];

            rc = append(&f, 0, 500, 0, &err);
            if (rc == BLOCKDB_OK) {
                rc = tile_files_read(f.tiles, 0, 7, 1, hash, &err);
            }
        }
        if (rc == BLOCKDB_OK) {
            f.options.counts[0] = 4000;
            rc = reopen(&f, &err);
        }
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        succeeded += alloc_countdown > 0;
        if (f.tiles != NULL) {
            expect(&f, 0, 0, tile_files_count(f.tiles, 0), 0);
            assert_int_equal(append(&f, 0, 500, 0, &err), BLOCKDB_OK);
            expect(&f, 0, 0, tile_files_count(f.tiles, 0), 0);
        }
        fixture_deinit(&f);
    }
    assert_true(nth > 10);
}

/* Cuts the power at each operation: what was synced before is there. */
static void test_power_cuts(void **state)
{
    bool fired = true;
    uint64_t nth;

    (void)state;
    for (nth = 1; fired; nth++) {
        struct fixture f;
        struct error err = {0};
        uint64_t synced = 0;
        unsigned i;
        int rc;

        fixture_init(&f, true);
        rc = reopen(&f, &err);
        os_crash_arm(f.crash, nth);
        for (i = 0; rc == BLOCKDB_OK && i < 6; i++) {
            rc = append(&f, 0, 333, 0, &err);
            if (rc == BLOCKDB_OK && i % 2 == 1) {
                rc = tile_files_sync(f.tiles, &err);
                synced = rc == BLOCKDB_OK ? tile_files_count(f.tiles, 0) : synced;
            }
        }
        fired = os_crash_is_off(f.crash);
        tile_files_close(f.tiles);
        f.tiles = NULL;
        assert_int_equal(os_crash_restart(f.crash, nth), BLOCKDB_OK);
        f.options.counts[0] = synced;
        assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
        expect(&f, 0, 0, synced, 0);
        assert_int_equal(append(&f, 0, 1000, 0, &err), BLOCKDB_OK);
        expect(&f, 0, 0, synced + 1000, 0);
        fixture_deinit(&f);
    }
    assert_true(nth > 10);
}

struct reader_task {
    struct fixture *f;
    atomic_bool *stop;
    bool failed;
};

static void *run_reader(void *arg)
{
    struct reader_task *task = arg;
    uint64_t random = 12345;

    while (!atomic_load(task->stop) && !task->failed) {
        uint64_t count = tile_files_count(task->f->tiles, 0);
        uint8_t hash[TILE_HASH_LEN];
        uint8_t expected[TILE_HASH_LEN];

        if (count == 0) {
            continue;
        }
        random = random * 6364136223846793005ull + 1;
        random = (random >> 20) % 4 == 0 ? random : count - 1;
        make_hash(0, random % count, 0, expected);
        task->failed = tile_files_read(task->f->tiles, 0, random % count, 1, hash, NULL) !=
                           BLOCKDB_OK ||
                       memcmp(hash, expected, TILE_HASH_LEN) != 0;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct reader_task tasks[2];
    pthread_t threads[2];
    atomic_bool stop = false;
    struct fixture f;
    struct error err = {0};
    unsigned i;

    (void)state;
    fixture_init(&f, true);
    assert_int_equal(reopen(&f, &err), BLOCKDB_OK);
    for (i = 0; i < 2; i++) {
        tasks[i] = (struct reader_task){.f = &f, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, run_reader, &tasks[i]), 0);
    }
    for (i = 0; i < 400; i++) {
        assert_int_equal(append(&f, 0, 1 + i % 300, 0, &err), BLOCKDB_OK);
    }
    atomic_store(&stop, true);
    for (i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_false(tasks[i].failed);
    }
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),       cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_misuse),      cmocka_unit_test(test_damage),
        cmocka_unit_test(test_io_failures), cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_power_cuts),  cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
