/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups and restores: a copy made beside writers is a prefix of the source, a copy that was cut
 * short is refused and harms nothing, and a restore declares its epoch.
 */
#include "common/test_env.h"
#include "engine/copy.h"
#include "engine/open.h"
#include "engine_fixture.h"
#include "ledger/epoch_entry.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/identity.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 60

static uint64_t seed;

static const struct fixture_option small_options[] = {
    {"ledger_segment_size", "64KiB"}, {"memtable_size_limit", "128KiB"}, {NULL, NULL}};

static void write_entries(struct blockdb *db, unsigned first, unsigned count)
{
    char key[32];
    char value[700];
    unsigned i;

    memset(value, 'v', sizeof(value));
    for (i = first; i < first + count; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i * 7 % KEYS);
        (void)snprintf(value, 16, "%015u", i);
        fixture_put(db, key, value, 16 + i % 680);
    }
}

static int copy_to(struct blockdb *db, const char *dir, struct error *err)
{
    struct copy_options options = {.dir = dir, .epoch = blockdb_epoch(db)};

    return copy_database(db, &options, err);
}

static bool values_equal(const struct blockdb_value *a, const struct blockdb_value *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0) &&
           a->version.seq == b->version.seq && a->version.time_ms == b->version.time_ms &&
           a->version.kind == b->version.kind;
}

/* All entries of copy are those of source, in order. Returns how many there are. */
static uint64_t check_prefix(struct blockdb *copy, struct blockdb *source)
{
    uint64_t count = fixture_stats(copy).acked_seq;
    struct blockdb_value keys[2] = {0};
    struct blockdb_value values[2] = {0};
    struct error err;
    uint64_t seq;

    for (seq = 0; seq < count; seq++) {
        fixture_must(blockdb_get_entry(copy, seq, &keys[0], &values[0], &err), &err);
        fixture_must(blockdb_get_entry(source, seq, &keys[1], &values[1], &err), &err);
        assert_true(values_equal(&keys[0], &keys[1]) && values_equal(&values[0], &values[1]));
    }
    blockdb_value_deinit(&keys[0]);
    blockdb_value_deinit(&keys[1]);
    blockdb_value_deinit(&values[0]);
    blockdb_value_deinit(&values[1]);
    return count;
}

/* ---- Beside writers ------------------------------------------------------------------------ */

struct writer {
    struct blockdb *db;
    atomic_bool stop;
    atomic_uint written;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;

    while (!atomic_load(&w->stop)) {
        write_entries(w->db, atomic_load(&w->written), 10);
        (void)atomic_fetch_add(&w->written, 10);
    }
    return NULL;
}

static void test_hot_backup_is_a_prefix(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct blockdb *source = fixture_open(os, "/db", small_options, BLOCKDB_OPEN_CREATE);
    struct writer w = {.db = source};
    unsigned rounds = test_rounds(6, 100);
    uint64_t before = 0;
    struct error err;
    pthread_t thread;
    unsigned i;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (i = 0; i < rounds; i++) {
        uint64_t acked = fixture_stats(source).acked_seq;
        struct blockdb *copy;
        char dir[32];
        uint64_t count;

        (void)snprintf(dir, sizeof(dir), "/copy%u", i);
        if (i % 3 == 2) {
            fixture_must(blockdb_compact(source, false, NULL, NULL, &err), &err);
        }
        fixture_must(copy_to(source, dir, &err), &err);
        copy = fixture_open(os, dir, small_options, 0);
        count = check_prefix(copy, source);
        assert_true(count >= acked && count >= before);
        assert_string_equal(blockdb_ledger_id(copy), blockdb_ledger_id(source));
        assert_int_equal(fixture_verify(copy), count);
        write_entries(copy, 0, 200); /* the copy goes its own way */
        fixture_close(copy);
        before = count;
    }
    atomic_store(&w.stop, true);
    (void)pthread_join(thread, NULL);
    (void)fixture_verify(source);
    fixture_close(source);
    source = fixture_open(os, "/db", small_options, 0);
    (void)fixture_verify(source);
    fixture_close(source);
    os_crash_free(disk);
}

static void test_backup_of_a_backup(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct blockdb *dbs[4];
    struct error err;
    unsigned i;

    (void)state;
    dbs[0] = fixture_open(os, "/db0", small_options, BLOCKDB_OPEN_CREATE);
    write_entries(dbs[0], 0, 500);
    for (i = 1; i < 4; i++) {
        char dir[32];

        (void)snprintf(dir, sizeof(dir), "/db%u", i);
        fixture_must(copy_to(dbs[i - 1], dir, &err), &err);
        dbs[i] = fixture_open(os, dir, small_options, i == 3 ? BLOCKDB_OPEN_READ_ONLY : 0);
        assert_int_equal(check_prefix(dbs[i], dbs[0]), fixture_stats(dbs[0]).acked_seq);
        (void)fixture_verify(dbs[i]);
    }
    for (i = 0; i < 4; i++) {
        fixture_close(dbs[i]);
    }
    os_crash_free(disk);
}

static void test_empty_database(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct blockdb *source = fixture_open(os, "/db", NULL, BLOCKDB_OPEN_CREATE);
    struct blockdb *copy;
    struct error err;

    (void)state;
    fixture_must(copy_to(source, "/copy", &err), &err);
    copy = fixture_open(os, "/copy", NULL, 0);
    write_entries(copy, 0, 10);
    (void)fixture_verify(copy);
    fixture_close(copy);
    fixture_close(source);
    os_crash_free(disk);
}

static void test_full_targets_are_refused(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct blockdb *source = fixture_open(os, "/db", NULL, BLOCKDB_OPEN_CREATE);
    struct error err;

    (void)state;
    write_entries(source, 0, 10);
    assert_int_equal(copy_to(source, "/db", &err), BLOCKDB_EEXIST);
    assert_non_null(strstr(err.message, "'/db'"));
    fixture_must(os_make_dirs(os, "/some/folder", &err), &err);
    assert_int_equal(copy_to(source, "/some", &err), BLOCKDB_EEXIST);
    fixture_must(copy_to(source, "/some/folder", &err), &err);
    (void)fixture_verify(source);
    fixture_close(source);
    os_crash_free(disk);
}

/* ---- Cut short ----------------------------------------------------------------------------- */

/* The copy is refused, or it was complete. */
static void check_copy(struct os *os, struct blockdb *source)
{
    struct blockdb *copy = NULL;
    struct error err;
    int rc = db_open(os, "/copy", NULL, 0, &copy, &err);

    if (rc < 0) {
        assert_int_equal(rc, BLOCKDB_ENOTFOUND); /* never damage: it says that nothing is there */
        assert_non_null(strstr(err.message, "'/copy'"));
        return;
    }
    (void)check_prefix(copy, source);
    (void)fixture_verify(copy);
    fixture_close(copy);
}

static struct blockdb *open_source(struct os *os)
{
    struct blockdb *db = fixture_open(os, "/db", small_options, BLOCKDB_OPEN_CREATE);
    struct error err;

    write_entries(db, 0, 150);
    fixture_must(blockdb_flush(db, &err), &err);
    write_entries(db, 150, 50);
    return db;
}

/* The n-th operation in the copy fails. False when there are fewer. */
static bool fail_nth(uint64_t nth)
{
    struct os_crash *disk = os_crash_new(seed + nth);
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    struct os_fault_plan plan = {.classes = OS_FAULT_ALL, .nth = nth, .path_part = "/copy"};
    struct blockdb *source;
    struct error err;
    bool fired;
    int rc;

    os_fault_arm(fault, &plan); /* before there are threads; the source's own paths do not count */
    source = open_source(os_fault_os(fault));
    rc = copy_to(source, "/copy", &err);
    fired = os_fault_fired(fault);
    if (rc < 0) {
        assert_true(fired && strlen(err.message) > 0);
    }
    check_copy(os_crash_os(disk), source);
    write_entries(source, 200, 20);
    (void)fixture_verify(source);
    fixture_must(copy_to(source, "/second", &err), &err);
    fixture_close(source);
    os_fault_free(fault);
    os_crash_free(disk);
    return fired;
}

static void test_operation_fails(void **state)
{
    uint64_t step = test_rounds(3, 1);
    uint64_t nth;

    (void)state;
    for (nth = 1 + seed % step; fail_nth(nth); nth += step) {
    }
    assert_true(nth > 10); /* a copy takes more than that */
}

/* The power goes at the n-th operation after the copy began. */
static bool cut_nth(uint64_t nth)
{
    struct os_crash *disk = os_crash_new(seed + nth);
    struct os *os = os_crash_os(disk);
    struct blockdb *source = open_source(os);
    struct error err;
    bool was_cut;
    int rc;

    os_crash_arm(disk, nth);
    rc = copy_to(source, "/copy", &err);
    was_cut = os_crash_is_off(disk);
    (void)blockdb_close(source, &err); /* fails when the power is off */
    assert_int_equal(os_crash_restart(disk, seed * 31 + nth), BLOCKDB_OK);
    source = fixture_open(os, "/db", small_options, 0);
    assert_true(fixture_stats(source).acked_seq >= 200);
    (void)fixture_verify(source);
    check_copy(os, source);
    if (rc == BLOCKDB_OK) {
        struct blockdb *copy = fixture_open(os, "/copy", small_options, 0);

        assert_true(fixture_stats(copy).acked_seq >= 200); /* what a backup returned is durable */
        fixture_close(copy);
    }
    fixture_close(source);
    os_crash_free(disk);
    return was_cut;
}

static void test_power_cut(void **state)
{
    uint64_t step = test_rounds(3, 1);
    uint64_t nth;

    (void)state;
    for (nth = 1 + seed % step; cut_nth(nth); nth += step) {
    }
    assert_true(nth > 10);
}

static bool cancel_third(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    unsigned *calls = arg;

    assert_string_equal(unit, "files");
    assert_true(done <= total || total == 0);
    return ++*calls < 3;
}

static void test_cancel(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct blockdb *source = open_source(os);
    unsigned calls = 0;
    struct copy_options options = {
        .dir = "/copy", .progress = cancel_third, .progress_arg = &calls};
    struct error err;

    (void)state;
    assert_int_equal(copy_database(source, &options, &err), BLOCKDB_ECANCELED);
    assert_int_equal(calls, 3);
    check_copy(os, source);
    fixture_close(source);
    os_crash_free(disk);
}

/* ---- Restore ------------------------------------------------------------------------------- */

struct places {
    char base[64];
    char db[80];
    char backup[80];
    char restored[80];
    char again[80];
};

static void make_places(struct places *p)
{
    fixture_make_dir(p->base);
    (void)snprintf(p->db, sizeof(p->db), "%s/db", p->base);
    (void)snprintf(p->backup, sizeof(p->backup), "%s/backup", p->base);
    (void)snprintf(p->restored, sizeof(p->restored), "%s/restored", p->base);
    (void)snprintf(p->again, sizeof(p->again), "%s/again", p->base);
}

/* The entry at seq declares an epoch and the tree before it. */
static void check_epoch_entry(struct blockdb *db, uint64_t epoch, uint64_t seq,
                              const struct blockdb_head *head)
{
    struct blockdb_value value = {0};
    struct epoch_entry entry;
    struct error err;

    assert_int_equal(blockdb_epoch(db), epoch);
    fixture_must(blockdb_get_entry(db, seq, NULL, &value, &err), &err);
    assert_int_equal(value.version.kind, BLOCKDB_KIND_EPOCH);
    assert_int_equal(epoch_entry_decode(slice_of(value.data, value.len), &entry), BLOCKDB_OK);
    assert_int_equal(entry.cause, EPOCH_RESTORE);
    assert_int_equal(entry.epoch, epoch);
    assert_int_equal(entry.tree_size, seq);
    assert_memory_equal(entry.tree_root.bytes, head->root, BLOCKDB_HASH_LEN);
    blockdb_value_deinit(&value);
}

static void test_restore_makes_an_epoch(void **state)
{
    struct os *os = os_real();
    struct places p;
    struct blockdb *source;
    struct blockdb *backup;
    struct blockdb *restored;
    struct blockdb_head head;
    struct error err;

    (void)state;
    make_places(&p);
    source = fixture_open(os, p.db, small_options, BLOCKDB_OPEN_CREATE);
    write_entries(source, 0, 300);
    fixture_must(blockdb_backup(source, p.backup, NULL, NULL, &err), &err);
    write_entries(source, 300, 50);
    backup = fixture_open(os, p.backup, NULL, BLOCKDB_OPEN_READ_ONLY);
    fixture_must(blockdb_head_get(backup, &head, &err), &err);
    fixture_close(backup);

    assert_int_equal(blockdb_restore(p.backup, p.db, NULL, NULL, &err), BLOCKDB_EEXIST);
    assert_int_equal(blockdb_restore(p.again, p.restored, NULL, NULL, &err), BLOCKDB_ENOTFOUND);
    fixture_must(blockdb_restore(p.backup, p.restored, NULL, NULL, &err), &err);
    restored = fixture_open(os, p.restored, NULL, 0);
    assert_int_equal(blockdb_epoch(source), 0);
    assert_string_equal(blockdb_ledger_id(restored), blockdb_ledger_id(source));
    check_epoch_entry(restored, 1, head.size, &head);
    write_entries(restored, 300, 10);
    (void)fixture_verify(restored);
    fixture_must(blockdb_head_get(restored, &head, &err), &err);
    fixture_close(restored);

    fixture_must(blockdb_restore(p.restored, p.again, NULL, NULL, &err), &err);
    restored = fixture_open(os, p.again, NULL, 0);
    check_epoch_entry(restored, 2, head.size, &head);
    fixture_close(restored);

    (void)fixture_verify(source); /* linked files were left alone */
    fixture_close(source);
    backup = fixture_open(os, p.backup, NULL, 0);
    assert_int_equal(blockdb_epoch(backup), 0);
    (void)fixture_verify(backup);
    fixture_close(backup);
    fixture_remove_dir(p.base);
}

/* A restore that ended before the declaration: the next opening makes it, once. */
static void test_undeclared_epoch_is_declared(void **state)
{
    struct os *os = os_real();
    struct places p;
    struct blockdb *db;
    struct blockdb_head head;
    struct identity identity;
    struct error err;
    uint64_t entries = 0;
    int round;

    (void)state;
    make_places(&p);
    db = fixture_open(os, p.db, small_options, BLOCKDB_OPEN_CREATE);
    write_entries(db, 0, 50);
    fixture_close(db);
    fixture_must(identity_load(os, p.db, &identity, &err), &err);
    identity.epoch = 1;
    fixture_must(identity_replace(os, p.db, &identity, &err), &err);
    db = fixture_open(os, p.db, NULL, BLOCKDB_OPEN_READ_ONLY);
    fixture_must(blockdb_head_get(db, &head, &err), &err);
    fixture_close(db);
    for (round = 0; round < 2; round++) {
        db = fixture_open(os, p.db, NULL, 0);
        check_epoch_entry(db, 1, head.size, &head);
        if (round == 0) {
            entries = fixture_verify(db);
        }
        assert_int_equal(fixture_verify(db), entries);
        fixture_close(db);
    }
    fixture_remove_dir(p.base);
}

/* A directory copied by other means while it was open is no backup; opening it repairs it. */
static void test_raw_copies_are_refused(void **state)
{
    static const struct fixture_option unsealed[] = {
        {"block_interval", "1h"}, {"blockchain_batch_size", "100000"}, {NULL, NULL}};
    struct places p;
    struct blockdb *db;
    char command[256];
    struct error err;

    (void)state;
    make_places(&p);
    db = fixture_open(os_real(), p.db, unsealed, BLOCKDB_OPEN_CREATE);
    write_entries(db, 0, 20);
    (void)snprintf(command, sizeof(command), "cp -r %s %s", p.db, p.backup);
    assert_int_equal(system(command), 0);
    assert_int_equal(blockdb_restore(p.backup, p.restored, NULL, NULL, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, p.backup));
    assert_int_equal(blockdb_restore(p.db, p.restored, NULL, NULL, &err), BLOCKDB_EBUSY);
    fixture_close(db);
    db = fixture_open(os_real(), p.backup, NULL, 0);
    assert_true(fixture_stats(db).acked_seq >= 20);
    fixture_close(db);
    fixture_must(blockdb_restore(p.backup, p.restored, NULL, NULL, &err), &err);
    fixture_remove_dir(p.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hot_backup_is_a_prefix),
        cmocka_unit_test(test_backup_of_a_backup),
        cmocka_unit_test(test_empty_database),
        cmocka_unit_test(test_full_targets_are_refused),
        cmocka_unit_test(test_operation_fails),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_restore_makes_an_epoch),
        cmocka_unit_test(test_undeclared_epoch_is_declared),
        cmocka_unit_test(test_raw_copies_are_refused),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
