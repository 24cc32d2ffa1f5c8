/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map of newest versions in a database: whatever happens, what headers say of it is true, never
 * goes back, and can be proven.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/map.h"
#include "engine/open.h"
#include "engine/read.h"
#include "engine_fixture.h"
#include "ledger/merkle.h"
#include "map_check.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DIR "/db"
#define FILE_PATH DIR "/ledger/map/leaves.map"
#define WAIT_NS (60 * 1000000000ULL)

static uint64_t seed;
static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

static struct blockdb_options *make_options(const char *proof_map)
{
    struct fixture_option list[] = {
        {"proof_map", proof_map}, {"blockchain_batch_size", "20"}, {NULL, NULL}};

    return fixture_options(list);
}

static struct blockdb *must_open(struct os *os, const char *proof_map)
{
    struct blockdb_options *options = make_options(proof_map);
    struct blockdb *db = NULL;
    struct error err;

    fixture_must(db_open(os, DIR, options, BLOCKDB_OPEN_CREATE, &db, &err), &err);
    blockdb_options_free(options);
    return db;
}

/* Puts, now and then a delete, of a few keys. */
static int write_some(struct blockdb *db, unsigned count, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && count-- > 0) {
        char key[16];
        int len = snprintf(key, sizeof(key), "key%03u", (unsigned)next_random(300));

        if (next_random(10) == 0) {
            rc = blockdb_delete(db, key, (size_t)len, NULL, NULL, err);
        } else {
            rc = blockdb_put(db, key, (size_t)len, "some value", 10, NULL, NULL, err);
        }
    }
    return rc;
}

static void must_write(struct blockdb *db, unsigned count)
{
    struct error err;

    fixture_must(write_some(db, count, &err), &err);
}

static void must_wait(struct blockdb *db)
{
    struct error err;

    fixture_must(map_wait(db, WAIT_NS, &err), &err);
}

static void must_prove(struct blockdb *db, const struct block_header *header, struct slice key,
                       struct map_proof *out)
{
    struct error err;
    int rc = map_prove(db, header, 0, key, out, &err);

    if (rc == BLOCKDB_EBUSY) { /* it was damaged, and is made again */
        must_wait(db);
        rc = map_prove(db, header, 0, key, out, &err);
    }
    fixture_must(rc, &err);
}

/* Proves some keys against the last header, and compares with what the database says. */
static void check_proofs(struct blockdb *db, const struct block_header *header)
{
    struct map_proof proof;
    enum map_answer answer;
    struct hash place;
    struct error err;

    for (unsigned i = 0; i < 320; i += 7) {
        struct blockdb_version_info info = {0};
        char key[16];
        size_t len = (size_t)snprintf(key, sizeof(key), "key%03u", i);

        must_prove(db, header, slice_of(key, len), &proof);
        map_place(0, slice_of(key, len), &place);
        assert_int_equal(map_proof_verify(&proof, &header->map_root, &place, &answer), 0);
        if (header->map_size + 1 != segments_end_seq(db->segments)) {
            continue; /* the database knows more */
        }
        switch (read_newest_version(db, slice_of(key, len), &info, &err)) {
        case BLOCKDB_OK:
            assert_int_equal(answer, MAP_PRESENT);
            assert_int_equal(proof.leaf.seq, info.seq);
            break;
        default:
            assert_int_equal(answer, MAP_ABSENT);
            break;
        }
    }
}

/* All headers are true, and a renewed last one can be proven. */
static void check_all(struct blockdb *db)
{
    struct block_header last;
    struct error err;

    fixture_must(map_renew(db, WAIT_NS, &err), &err);
    map_check_headers(db, &last);
    assert_true(last.map_size > 0);
    check_proofs(db, &last);
    (void)fixture_verify(db);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_follows(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct block_header last;
    struct block_header before;
    struct blockdb *db;
    struct error err;

    (void)state;
    db = must_open(os_crash_os(disk), "true");
    must_wait(db);
    must_write(db, 500);
    check_all(db);
    map_check_headers(db, &before);
    for (unsigned i = 0; i < 5; i++) {
        must_write(db, 3);
        fixture_must(sealer_seal_all(db, &err), &err);
        map_check_headers(db, &last);
        assert_int_equal(last.map_size, last.tree_size); /* nothing else was to be done */
        check_proofs(db, &last);
    }
    check_proofs(db, &before); /* a state shortly before */
    assert_int_equal(fixture_stats(db).map_lag, 0);
    assert_true(fixture_stats(db).map_keys > 100);
    fixture_close(db);
    os_crash_free(disk);
}

/* On for a database that has entries, off, on again. */
static void test_switching(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct map_proof proof;
    struct block_header last;
    struct block_header again;
    struct blockdb *db;
    struct error err;

    (void)state;
    db = must_open(os_crash_os(disk), "false");
    must_write(db, 200);
    fixture_must(sealer_seal_all(db, &err), &err);
    map_check_headers(db, &last);
    assert_int_equal(last.map_size, 0);
    assert_int_equal(map_prove(db, &last, 0, slice_of_text("key000"), &proof, &err),
                     BLOCKDB_EUNSUPPORTED);
    assert_int_equal(map_wait(db, 0, &err), BLOCKDB_EUNSUPPORTED);
    fixture_close(db);
    for (unsigned round = 0; round < 3; round++) {
        db = must_open(os_crash_os(disk), "true");
        check_all(db);
        must_write(db, 100);
        check_all(db);
        map_check_headers(db, &last);
        fixture_close(db);
        db = must_open(os_crash_os(disk), "false");
        must_write(db, 100);
        fixture_must(sealer_seal_all(db, &err), &err);
        map_check_headers(db, &again);
        assert_true(again.height > last.height);
        assert_int_equal(again.map_size, last.map_size);
        fixture_close(db);
    }
    os_crash_free(disk);
}

static void damage_and_check(struct os_crash *disk, uint64_t offset, bool is_removed)
{
    struct os *os = os_crash_os(disk);
    struct blockdb *db;
    struct error err;

    if (is_removed) {
        fixture_must(os_unlink(os, FILE_PATH, &err), &err);
    } else {
        fixture_must(os_crash_flip(disk, FILE_PATH, offset, 0x40, &err), &err);
    }
    db = must_open(os, "true");
    must_wait(db);
    must_write(db, 40);
    check_all(db);
    fixture_close(db);
}

/* Every damaged file is made again. */
static void test_damage(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct os_stat stat;
    struct blockdb *db = must_open(os, "true");
    struct error err;

    (void)state;
    must_wait(db);
    must_write(db, 400);
    check_all(db);
    fixture_close(db);
    damage_and_check(disk, 0, true);
    for (unsigned i = 0; i < 12; i++) {
        fixture_must(os_stat_path(os, FILE_PATH, &stat, &err), &err);
        damage_and_check(disk, i < 2 ? i * 20 : next_random(stat.len_bytes), false);
    }
    os_crash_free(disk);
}

static void test_redaction(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb_write_result result;
    struct block_header last;
    struct map_proof proof;
    struct blockdb *db = must_open(os_crash_os(disk), "true");
    struct error err;

    (void)state;
    must_wait(db);
    must_write(db, 50);
    fixture_must(blockdb_put(db, "secret", 6, "old", 3, NULL, &result, &err), &err);
    fixture_must(blockdb_redact(db, "secret", 6, result.first_seq, NULL, NULL, &err), &err);
    check_all(db);
    map_check_headers(db, &last);
    fixture_must(map_prove(db, &last, 0, slice_of_text("secret"), &proof, &err), &err);
    assert_int_equal(proof.leaf.flags, MAP_LEAF_REDACTED);
    fixture_must(blockdb_put(db, "secret", 6, "new", 3, NULL, NULL, &err), &err);
    check_all(db);
    map_check_headers(db, &last);
    fixture_must(map_prove(db, &last, 0, slice_of_text("secret"), &proof, &err), &err);
    assert_int_equal(proof.leaf.flags, 0);
    assert_int_equal(proof.leaf.versions, 2);
    fixture_close(db);
    os_crash_free(disk);
}

#define WRITERS 2
#define WRITES 1500

struct writer {
    struct blockdb *db;
    unsigned number;
};

static void *run_writer(void *arg)
{
    const struct writer *w = arg;
    struct error err;

    for (unsigned i = 0; i < WRITES; i++) {
        char key[16];
        int len = snprintf(key, sizeof(key), "key%03u", (i * 7 + w->number * 31) % 300);

        fixture_must(blockdb_put(w->db, key, (size_t)len, "some value", 10, NULL, NULL, &err),
                     &err);
    }
    return NULL;
}

/* Proofs against the newest header while others write: they are right, or the map asks for a newer
 * header. */
static void prove_beside(struct blockdb *db, unsigned *out_proofs)
{
    struct hash place;
    struct tip tip;
    struct map_proof proof;
    enum map_answer answer;
    struct error err;
    int rc;

    fixture_must(map_renew(db, WAIT_NS, &err), &err);
    sealer_tip(db, &tip);
    rc = map_prove(db, &tip.last, 0, slice_of_text("key007"), &proof, &err);
    if (rc == BLOCKDB_EBUSY) {
        return;
    }
    fixture_must(rc, &err);
    map_place(0, slice_of_text("key007"), &place);
    assert_int_equal(map_proof_verify(&proof, &tip.last.map_root, &place, &answer), 0);
    (*out_proofs)++;
}

static void test_beside_writers(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = must_open(os_crash_os(disk), "true");
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned proofs = 0;
    struct block_header last;

    (void)state;
    must_wait(db);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){db, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_writer, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 200 || proofs == 0; i++) {
        prove_beside(db, &proofs);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    check_all(db);
    map_check_headers(db, &last);
    assert_int_equal(last.map_size, last.tree_size);
    fixture_close(db);
    os_crash_free(disk);
}

/* Opens, writes, closes; until something fails. */
static void work(struct os *os, const struct blockdb_options *options)
{
    struct blockdb *db = NULL;
    struct error err;

    for (unsigned round = 0; round < 2; round++) {
        int rc = db_open(os, DIR, options, BLOCKDB_OPEN_CREATE, &db, &err);

        if (rc < 0) {
            return;
        }
        rc = map_wait(db, WAIT_NS, &err);
        for (unsigned i = 0; i < 4 && rc == BLOCKDB_OK; i++) {
            rc = write_some(db, 25, &err);
            if (rc == BLOCKDB_OK) {
                rc = sealer_seal_all(db, &err);
            }
        }
        if (blockdb_close(db, &err) < 0 || rc < 0) {
            return;
        }
    }
}

static void check_after(struct os *os)
{
    struct blockdb *db = must_open(os, "true");

    must_write(db, 5);
    must_wait(db);
    check_all(db);
    fixture_close(db);
}

static void test_power_cuts(void **state)
{
    unsigned step = test_is_long() ? 1 : 7;
    struct blockdb_options *options = make_options("true");
    bool was_cut = true;

    (void)state;
    for (uint64_t nth = 1 + seed % step; was_cut; nth += step) {
        struct os_crash *disk = os_crash_new(seed + nth);

        os_crash_arm(disk, nth);
        work(os_crash_os(disk), options);
        was_cut = os_crash_is_off(disk);
        assert_int_equal(os_crash_restart(disk, seed * 31 + nth), BLOCKDB_OK);
        check_after(os_crash_os(disk));
        os_crash_free(disk);
    }
    blockdb_options_free(options);
}

/* The database goes on, whatever fails below ledger/map. */
static void test_failures(void **state)
{
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .path_part = "/map"};
    const int codes[] = {BLOCKDB_EIO, BLOCKDB_ENOSPC};
    bool fired = true;

    (void)state;
    for (plan.nth = 1; fired; plan.nth++) {
        struct os_crash *disk = os_crash_new(seed);
        struct os_fault *fault = os_fault_new(os_crash_os(disk));
        struct blockdb *db;
        struct error err;

        plan.code = codes[plan.nth % 2];
        os_fault_arm(fault, &plan);
        for (unsigned round = 0; round < 2; round++) {
            db = must_open(os_fault_os(fault), "true");
            if (plan.code == BLOCKDB_EIO) {
                IGNORE_RESULT(map_wait(db, WAIT_NS, &err)); /* it may have stopped */
            } else {
                must_wait(db); /* it starts again when there is room */
            }
            must_write(db, 60);
            fixture_must(sealer_seal_all(db, &err), &err);
            fixture_close(db);
        }
        fired = os_fault_fired(fault);
        os_fault_arm(fault, NULL);
        check_after(os_fault_os(fault));
        os_fault_free(fault);
        os_crash_free(disk);
    }
}

static _Atomic uint64_t allocations_left;

static bool fail_nth(void *context)
{
    (void)context;
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

static void test_allocations(void **state)
{
    unsigned step = test_is_long() ? 3 : 61;
    struct blockdb_options *options = make_options("true");

    (void)state;
    for (uint64_t nth = 1 + seed % step; nth < 4000; nth += step) {
        struct os_crash *disk = os_crash_new(seed);

        atomic_store(&allocations_left, nth);
        mem_set_fail_hook(fail_nth, NULL);
        work(os_crash_os(disk), options);
        mem_set_fail_hook(NULL, NULL);
        check_after(os_crash_os(disk));
        os_crash_free(disk);
    }
    blockdb_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows),     cmocka_unit_test(test_switching),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_power_cuts),  cmocka_unit_test(test_failures),
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_beside_writers),
    };

    seed = test_seed();
    random_state = seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
