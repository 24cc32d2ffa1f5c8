/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "common/test_env.h"
#include "os/os_crash.h"
#include "os/os_fault.h"
#include "store/manifest.h"
#include "store/manifest_format.h"
#include "store/manifest_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* after those that it needs */
#include <cmocka.h>

#define DIR "/db"

static const uint8_t ledger_id[LEDGER_ID_LEN] = "sixteen bytes id";

static uint64_t seed_of_test(void)
{
    const char *text = getenv("BLOCKDB_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : os_monotonic_ns(os_real());

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* A new disk with a durable, empty directory. */
static struct os_crash *new_disk(uint64_t seed)
{
    struct os_crash *disk = os_crash_new(seed);

    assert_non_null(disk);
    assert_int_equal(os_make_dirs(os_crash_os(disk), DIR, NULL), BLOCKDB_OK);
    return disk;
}

static struct manifest_open_options options_on(struct os *os)
{
    struct manifest_open_options options = {.os = os, .dir = DIR, .roll_bytes = 600};

    memcpy(options.ledger_id, ledger_id, LEDGER_ID_LEN);
    return options;
}

static int open_or_create(struct os *os, struct manifest **out, struct error *err)
{
    struct manifest_open_options options = options_on(os);
    int rc = manifest_open(&options, out, err);

    return rc == BLOCKDB_ENOTFOUND ? manifest_create(&options, out, err) : rc;
}

/* ---- A script of edits whose result is easily compared --------------------------------------- */

static struct table_meta table(uint64_t number, uint32_t level, uint64_t first_seq,
                               const char *first_key, const char *last_key)
{
    return (struct table_meta){
        .number = number,
        .level = level,
        .bytes = 1000 * number,
        .key_count = 10,
        .version_count = 20,
        .first_seq = first_seq,
        .last_seq = first_seq + 9,
        .first_key = slice_of_text(first_key),
        .last_key = slice_of_text(last_key),
    };
}

/* Step n flushes a table, every fourth step merges the tables so far into one. Each step moves
 * everything else too, so that flushed_seq tells how many steps there were. */
static int step(struct manifest *m, struct error *err)
{
    const struct manifest_state *state = manifest_state(m);
    uint64_t n = state->flushed_seq / 10;
    uint64_t number = manifest_take_file_number(m);
    struct table_meta added = table(number, 0, 10 * n, "a", "zebra");
    uint64_t removed[64];
    uint8_t blob[40];
    struct manifest_segment segment = {.number = n / 2 + 1, .first_seq = n / 2 * 20};
    struct manifest_edit edit = {
        .add_tables = &added,
        .add_table_count = 1,
        .remove_tables = removed,
        .put_segments = &segment,
        .put_segment_count = 1,
        .set_flushed = true,
        .flushed_seq = 10 * (n + 1),
        .set_sealed = true,
        .sealed = {.seq_count = 10 * (n + 1), .block_height = n, .tree_size = 10 * (n + 1)},
        .set_wal = true,
        .wal = {.position = 77 * n, .end_seq = n, .clean = n % 2 == 1},
        .set_dedupe = true,
        .dedupe_seq = n,
        .set_options = true,
        .options = {.merge_strategy = 1, .features = n},
        .set_epoch = true,
        .epoch = n / 3,
        .set_redactions = true,
        .redactions_from = n % 3 == 0 ? UINT64_MAX : n,
    };

    memset(blob, (int)n, sizeof(blob));
    edit.dedupe = slice_of(blob, n % 20);
    edit.sealed.frontier = slice_of(blob, sizeof(blob));
    segment.finished = n % 2 == 1;
    segment.revision = n % 5;
    if (n % 4 == 3) {
        size_t i;

        for (i = 0; i < state->table_count; i++) {
            removed[edit.remove_table_count++] = state->tables[i].number;
        }
        added.level = 2;
        added.first_seq = 0;
    }
    return manifest_append(m, &edit, err);
}

/* Checks that the state is what exactly the first n steps make, and returns n. */
static uint64_t check_state(const struct manifest_state *state)
{
    uint64_t n = state->flushed_seq / 10;
    size_t tables = (n >= 4) + n % 4;
    size_t i;

    assert_int_equal(state->flushed_seq % 10, 0);
    assert_int_equal(state->table_count, tables);
    for (i = 0; i < n % 4; i++) { /* newest first */
        assert_int_equal(state->tables[i].level, 0);
        assert_int_equal(state->tables[i].first_seq, 10 * (n - 1 - i));
        assert_true(slice_equal(state->tables[i].first_key, slice_of_text("a")));
        assert_true(slice_equal(state->tables[i].last_key, slice_of_text("zebra")));
        assert_true(state->tables[i].number < state->next_file_number);
    }
    if (n >= 4) {
        assert_int_equal(state->tables[tables - 1].level, 2);
        assert_int_equal(state->tables[tables - 1].first_seq, 0);
    }
    if (n == 0) {
        assert_int_equal(state->segment_count, 0);
        return n;
    }
    assert_int_equal(state->segment_count, (n + 1) / 2);
    for (i = 0; i < state->segment_count; i++) {
        assert_int_equal(state->segments[i].number, i + 1);
        assert_int_equal(state->segments[i].finished, 2 * i + 1 < n);
    }
    assert_int_equal(state->sealed.seq_count, 10 * n);
    assert_int_equal(state->sealed.frontier.len, 40);
    assert_int_equal(state->sealed.frontier.data[39], n - 1);
    assert_int_equal(state->wal.position, 77 * (n - 1));
    assert_int_equal(state->wal.end_seq, n - 1);
    assert_int_equal(state->dedupe_seq, n - 1);
    assert_int_equal(state->dedupe.len, (n - 1) % 20);
    assert_int_equal(state->options.features, n - 1);
    assert_int_equal(state->epoch, (n - 1) / 3);
    assert_true(state->redactions_from == ((n - 1) % 3 == 0 ? UINT64_MAX : n - 1));
    return n;
}

static void run_steps(struct manifest *m, int count)
{
    for (; count > 0; count--) {
        assert_int_equal(step(m, NULL), BLOCKDB_OK);
    }
}

/* ---- Plain use ------------------------------------------------------------------------------- */

static void test_edits_come_back(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest_open_options options = options_on(os);
    struct manifest *m = NULL;
    uint64_t next = 1;
    int i;

    (void)state;
    assert_int_equal(manifest_open(&options, &m, NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(manifest_create(&options, &m, NULL), BLOCKDB_OK);
    assert_int_equal(manifest_number(m), 1);
    assert_int_equal(check_state(manifest_state(m)), 0);
    for (i = 0; i < 60; i++) {
        assert_int_equal(step(m, NULL), BLOCKDB_OK);
        assert_true(manifest_take_file_number(m) > next);
        next = manifest_state(m)->next_file_number;
        manifest_close(m);
        m = NULL;
        assert_int_equal(manifest_open(&options, &m, NULL), BLOCKDB_OK);
        assert_int_equal(check_state(manifest_state(m)), i + 1);
        assert_int_equal(manifest_state(m)->next_file_number, next);
    }
    assert_true(manifest_number(m) > 1);
    manifest_close(m);
    assert_int_equal(manifest_create(&options, &m, NULL), BLOCKDB_EEXIST);
    os_crash_free(disk);
}

static int count_manifests(void *context, const char *path, uint64_t len_bytes)
{
    (void)len_bytes;
    *(int *)context += strstr(path, "MANIFEST-") != NULL;
    return BLOCKDB_OK;
}

static void test_rolls_and_cleans_up(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct manifest *m = NULL;
    int files = 0;

    (void)state;
    assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
    run_steps(m, 200);
    assert_true(manifest_number(m) > 5);
    assert_true(manifest_bytes(m) < 64 * 1024);
    manifest_close(m);
    assert_int_equal(os_crash_visit(disk, "/", count_manifests, &files, NULL), BLOCKDB_OK);
    assert_int_equal(files, 1);
    os_crash_free(disk);
}

static void test_edits_that_do_not_fit(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct manifest *m = NULL;
    struct table_meta t[2];
    struct manifest_edit edit = {.add_tables = t, .add_table_count = 1};
    struct manifest_edit bad = {0};
    const uint64_t absent = 99;
    struct error err;
    int i;

    (void)state;
    assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
    for (i = 0; i < 10; i++) {
        (void)manifest_take_file_number(m);
    }
    t[0] = table(3, 1, 0, "b", "d");
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_OK);
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_EINVAL); /* twice */
    t[0] = table(4, 1, 0, "d", "e");                                   /* overlaps b..d */
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_EINVAL);
    t[0] = table(4, 7, 0, "x", "y"); /* no such level */
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_EINVAL);
    t[0] = table(11, 1, 0, "x", "y"); /* number not handed out */
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_EINVAL);
    t[0] = table(4, 1, 0, "y", "x");
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_EINVAL);
    t[0] = table(4, 0, 0, "x", "y");
    t[1] = table(5, 0, 5, "a", "b"); /* ages overlap in level 0 */
    edit.add_table_count = 2;
    assert_int_equal(manifest_append(m, &edit, &err), BLOCKDB_EINVAL);
    bad = (struct manifest_edit){.remove_tables = &absent, .remove_table_count = 1};
    assert_int_equal(manifest_append(m, &bad, &err), BLOCKDB_EINVAL);
    bad = (struct manifest_edit){.remove_segments = &absent, .remove_segment_count = 1};
    assert_int_equal(manifest_append(m, &bad, &err), BLOCKDB_EINVAL);
    bad = (struct manifest_edit){.set_flushed = true, .flushed_seq = 50};
    assert_int_equal(manifest_append(m, &bad, &err), BLOCKDB_OK);
    bad.flushed_seq = 49;
    assert_int_equal(manifest_append(m, &bad, &err), BLOCKDB_EINVAL);
    assert_int_equal(manifest_state(m)->flushed_seq, 50);
    assert_int_equal(manifest_state(m)->table_count, 1);
    assert_non_null(manifest_state_find(manifest_state(m), 3));
    assert_null(manifest_state_find(manifest_state(m), 4));
    manifest_close(m);
    os_crash_free(disk);
}

static void test_table_changes_its_level(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct manifest *m = NULL;
    struct table_meta t = table(1, 0, 0, "b", "d");
    const uint64_t number = 1;
    struct manifest_edit edit = {.add_tables = &t, .add_table_count = 1};

    (void)state;
    assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
    (void)manifest_take_file_number(m);
    assert_int_equal(manifest_append(m, &edit, NULL), BLOCKDB_OK);
    t.level = 3;
    edit.remove_tables = &number;
    edit.remove_table_count = 1;
    assert_int_equal(manifest_append(m, &edit, NULL), BLOCKDB_OK);
    manifest_close(m);
    assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
    assert_int_equal(manifest_state(m)->table_count, 1);
    assert_int_equal(manifest_state(m)->tables[0].level, 3);
    manifest_close(m);
    os_crash_free(disk);
}

static void test_read_only(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest_open_options options = options_on(os);
    struct manifest *m = NULL;
    uint64_t operations;

    (void)state;
    options.read_only = true;
    assert_int_equal(manifest_create(&options, &m, NULL), BLOCKDB_EREADONLY);
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    run_steps(m, 5);
    manifest_close(m);
    operations = os_crash_operations(disk);
    assert_int_equal(manifest_open(&options, &m, NULL), BLOCKDB_OK);
    assert_int_equal(check_state(manifest_state(m)), 5);
    assert_int_equal(step(m, NULL), BLOCKDB_EREADONLY);
    manifest_close(m);
    assert_int_equal(os_crash_operations(disk), operations);
    os_crash_free(disk);
}

#define APPENDS 100

static void append_many(void *arg)
{
    struct manifest *m = arg;
    int i;

    for (i = 0; i < APPENDS; i++) {
        uint64_t number = manifest_take_file_number(m);
        char key[32];
        struct table_meta t;
        struct manifest_edit edit = {.add_tables = &t, .add_table_count = 1};

        (void)snprintf(key, sizeof(key), "%08llu", (unsigned long long)number);
        t = table(number, 3, 10 * number, key, key);
        ASSERT(manifest_append(m, &edit, NULL) == BLOCKDB_OK);
        ASSERT(manifest_bytes(m) > 0);
    }
}

static void test_appends_from_several_threads(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest *m = NULL;
    struct os_thread *threads[3];
    size_t i;

    (void)state;
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    for (i = 0; i < 3; i++) {
        assert_int_equal(os_thread_start(os, "append", append_many, m, &threads[i], NULL),
                         BLOCKDB_OK);
    }
    for (i = 0; i < 3; i++) {
        os_thread_join(os, threads[i]);
    }
    assert_int_equal(manifest_state(m)->table_count, 3 * APPENDS);
    manifest_close(m);
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    assert_int_equal(manifest_state(m)->table_count, 3 * APPENDS);
    manifest_close(m);
    os_crash_free(disk);
}

/* ---- CURRENT --------------------------------------------------------------------------------- */

static void write_current(struct os *os, const char *text)
{
    assert_int_equal(os_replace_file(os, DIR "/" CURRENT_NAME, slice_of_text(text), NULL),
                     BLOCKDB_OK);
}

static void expect_current(struct os *os, int code, const char *words)
{
    struct manifest_open_options options = options_on(os);
    struct manifest *m = NULL;
    struct error err = {0};

    assert_int_equal(manifest_open(&options, &m, &err), code);
    if (strstr(err.message, words) == NULL) {
        fail_msg("'%s' is not in: %s", words, err.message);
    }
    if (code != BLOCKDB_ENOTFOUND) {
        assert_int_equal(manifest_create(&options, &m, &err),
                         code == BLOCKDB_OK ? BLOCKDB_EEXIST : code);
    }
}

static void test_bad_current(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest *m = NULL;

    (void)state;
    expect_current(os, BLOCKDB_ENOTFOUND, "holds no database");
    write_current(os, "");
    expect_current(os, BLOCKDB_ECORRUPT, "is empty, and no manifest is there");
    assert_int_equal(os_unlink(os, DIR "/" CURRENT_NAME, NULL), BLOCKDB_OK);
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    run_steps(m, 100);
    manifest_close(m);
    assert_int_equal(os_unlink(os, DIR "/" CURRENT_NAME, NULL), BLOCKDB_OK);
    expect_current(os, BLOCKDB_ECORRUPT, "is missing");
    expect_current(os, BLOCKDB_ECORRUPT, "MANIFEST-0000");
    write_current(os, "MANIFEST-000003"); /* no line feed */
    expect_current(os, BLOCKDB_ECORRUPT, "does not hold the name");
    write_current(os, "MANIFEST-3\n");
    expect_current(os, BLOCKDB_ECORRUPT, "does not hold the name");
    write_current(os, "MANIFEST-00000x\n");
    expect_current(os, BLOCKDB_ECORRUPT, "does not hold the name");
    write_current(os, "MANIFEST-99999999999999999999\n");
    expect_current(os, BLOCKDB_ECORRUPT, "does not hold the name");
    write_current(os, "manifest-000001\nand so on and on, for more than a name can be long "
                      "in any release\n");
    expect_current(os, BLOCKDB_ECORRUPT, "does not hold the name");
    os_crash_free(disk);
}

static void test_current_names_what_is_not_there(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest_open_options options = options_on(os);
    struct manifest *m = NULL;
    struct error err;

    (void)state;
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    run_steps(m, 2);
    manifest_close(m);
    write_current(os, "MANIFEST-000009\n");
    assert_int_equal(manifest_open(&options, &m, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "MANIFEST-000001"));
    assert_int_equal(os_rename(os, DIR "/MANIFEST-000001", DIR "/MANIFEST-000009", NULL),
                     BLOCKDB_OK);
    assert_int_equal(manifest_open(&options, &m, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "renamed"));
    assert_int_equal(os_rename(os, DIR "/MANIFEST-000009", DIR "/MANIFEST-000001", NULL),
                     BLOCKDB_OK);
    write_current(os, "MANIFEST-000001\n"); /* the repair that the message asks for */
    assert_int_equal(manifest_open(&options, &m, &err), BLOCKDB_OK);
    assert_int_equal(check_state(manifest_state(m)), 2);
    manifest_close(m);
    options.ledger_id[3] ^= 1;
    assert_int_equal(manifest_open(&options, &m, &err), BLOCKDB_EFOREIGN);
    os_crash_free(disk);
}

/* ---- Power cuts ------------------------------------------------------------------------------ */

/* Runs steps until the power goes; returns how many were acknowledged. */
static uint64_t run_until_off(struct os_crash *disk, uint64_t steps)
{
    struct manifest *m = NULL;
    uint64_t done = 0;

    if (open_or_create(os_crash_os(disk), &m, NULL) < 0) {
        return 0;
    }
    done = check_state(manifest_state(m));
    for (; steps > 0 && step(m, NULL) == BLOCKDB_OK; steps--) {
        done++;
    }
    manifest_close(m);
    return done;
}

/* Opens after a cut: all acknowledged steps are there, and at most the one that was under way. */
static void check_after_cut(struct os_crash *disk, uint64_t acknowledged)
{
    struct manifest *m = NULL;
    struct error err = {0};
    uint64_t n;
    int rc = open_or_create(os_crash_os(disk), &m, &err);

    if (rc < 0) {
        fail_msg("%s: %s", blockdb_status_name(rc), err.message);
    }
    n = check_state(manifest_state(m));
    assert_true(n >= acknowledged && n <= acknowledged + 1);
    run_steps(m, 3);
    manifest_close(m);
    assert_int_equal(open_or_create(os_crash_os(disk), &m, &err), BLOCKDB_OK);
    assert_int_equal(check_state(manifest_state(m)), n + 3);
    manifest_close(m);
}

static void test_power_cut_at_every_operation(void **state)
{
    uint64_t seed = seed_of_test();
    uint64_t nth;
    bool off = true;

    (void)state;
    for (nth = 1; off; nth++) {
        uint64_t fate;

        for (fate = 0; fate < 4; fate++) {
            struct os_crash *disk = new_disk(seed);
            uint64_t done;

            os_crash_arm(disk, nth);
            done = run_until_off(disk, 12);
            off = os_crash_is_off(disk);
            assert_int_equal(os_crash_restart(disk, seed + 1000 * nth + fate), BLOCKDB_OK);
            check_after_cut(disk, done);
            os_crash_free(disk);
        }
    }
    assert_true(nth > 30);
}

static void test_power_cuts_during_recovery(void **state)
{
    uint64_t seed = seed_of_test();
    uint64_t round;

    (void)state;
    for (round = 0; round < 400; round++) {
        struct os_crash *disk = new_disk(seed);
        uint64_t done = 0;
        int depth;

        for (depth = 0; depth < 4; depth++) {
            uint64_t now;

            os_crash_arm(disk, 1 + (seed * 31 + round * 7 + (uint64_t)depth * 3) % 41);
            now = run_until_off(disk, 12);
            done = now > done ? now : done;
            assert_int_equal(os_crash_restart(disk, seed + 10 * round + (uint64_t)depth),
                             BLOCKDB_OK);
        }
        /* Each cut may have kept one more than was acknowledged; the run after it counts it. */
        check_after_cut(disk, done);
        os_crash_free(disk);
    }
}

/* ---- Failing operations ---------------------------------------------------------------------- */

static void test_every_operation_fails_once(void **state)
{
    static const int codes[] = {BLOCKDB_EIO, BLOCKDB_ENOSPC};
    size_t c;
    int partial;

    (void)state;
    for (c = 0; c < 4; c++) {
        uint64_t nth;
        bool fired = true;

        partial = c >= 2;
        for (nth = 1; fired; nth++) {
            struct os_crash *disk = new_disk(nth);
            struct os_fault *fault = os_fault_new(os_crash_os(disk));
            struct os_fault_plan plan = {
                .classes = OS_FAULT_ALL, .nth = nth, .partial = partial, .code = codes[c % 2]};
            struct manifest *m = NULL;
            uint64_t done = 0;
            int failed = BLOCKDB_OK;
            int i;

            os_fault_arm(fault, &plan);
            if (open_or_create(os_fault_os(fault), &m, NULL) == BLOCKDB_OK) {
                for (i = 0; i < 12; i++) {
                    int rc = step(m, NULL);

                    done += rc == BLOCKDB_OK;
                    if (failed == BLOCKDB_EIO) {
                        assert_int_equal(rc, BLOCKDB_EIO); /* MANIFEST-4: for good */
                    }
                    failed = rc < 0 ? rc : failed;
                }
                manifest_close(m);
            }
            fired = os_fault_fired(fault);
            os_fault_free(fault);
            check_after_cut(disk, done);
            os_crash_free(disk);
        }
        assert_true(nth > 30);
    }
}

static void test_full_disk(void **state)
{
    uint64_t room;

    (void)state;
    for (room = 0; room < 3000; room += test_rounds(97, 1)) {
        struct os_crash *disk = new_disk(room);
        struct manifest *m = NULL;
        uint64_t done = 3;
        int i;

        assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
        run_steps(m, 3);
        os_crash_set_capacity(disk, os_crash_used_bytes(disk) + room);
        for (i = 0; i < 30; i++) {
            int rc = step(m, NULL);

            assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOSPC);
            done += rc == BLOCKDB_OK;
        }
        if (room % 2 == 0) { /* also opens while full */
            manifest_close(m);
            assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
        }
        assert_int_equal(check_state(manifest_state(m)), done);
        os_crash_set_capacity(disk, UINT64_MAX);
        run_steps(m, 3); /* space is back: no restart needed */
        manifest_close(m);
        os_crash_power_off(disk);
        assert_int_equal(os_crash_restart(disk, room), BLOCKDB_OK);
        assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
        assert_int_equal(check_state(manifest_state(m)), done + 3);
        manifest_close(m);
        os_crash_free(disk);
    }
}

static bool fail_at(void *context)
{
    long *left = context;

    return *left >= 0 && (*left)-- == 0;
}

static void test_failing_allocations(void **state)
{
    long n;
    bool done = false;

    (void)state;
    for (n = 0; !done; n++) {
        struct os_crash *disk = new_disk(1);
        struct manifest *m = NULL;
        uint64_t acknowledged = 0;
        long left = n;
        int i;

        mem_set_fail_hook(fail_at, &left);
        if (open_or_create(os_crash_os(disk), &m, NULL) == BLOCKDB_OK) {
            for (i = 0; i < 9; i++) {
                acknowledged += step(m, NULL) == BLOCKDB_OK;
            }
            manifest_close(m);
        }
        mem_set_fail_hook(NULL, NULL);
        done = left >= 0;
        check_after_cut(disk, acknowledged);
        os_crash_free(disk);
    }
    assert_true(n > 50);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static void read_manifest(struct os_crash *disk, uint64_t number, struct buf *out)
{
    char path[64];
    char name[MANIFEST_NAME_MAX];

    manifest_name(number, name);
    (void)snprintf(path, sizeof(path), DIR "/%s", name);
    assert_int_equal(os_read_file(os_crash_os(disk), path, 1 << 20, out, NULL), BLOCKDB_OK);
}

static void test_every_flipped_byte_is_found(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct manifest *m = NULL;
    AUTO(buf_deinit) struct buf bytes = {0};
    size_t i;

    (void)state;
    assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
    run_steps(m, 3);
    manifest_close(m);
    read_manifest(disk, 1, &bytes);
    assert_true(bytes.len > MANIFEST_HEAD_BYTES);
    for (i = 0; i < bytes.len; i++) {
        uint8_t mask = (uint8_t)(1u << i % 8);
        bool mark = i >= MANIFEST_MARK_OFFSET && i < MANIFEST_MARK_OFFSET + 2 * MANIFEST_MARK_BYTES;
        struct manifest_log log = {0};
        struct error err = {0};
        int rc;

        bytes.data[i] ^= mask;
        rc = manifest_log_parse(buf_slice(&bytes), "M", NULL, NULL, &log, &err);
        if (mark) { /* the other mark is there; the state must be whole */
            assert_int_equal(rc, BLOCKDB_OK);
            assert_int_equal(check_state(&log.state), 3);
        } else {
            assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EFOREIGN || rc == BLOCKDB_EVERSION);
            assert_non_null(strstr(err.message, "'M'"));
        }
        manifest_log_deinit(&log);
        bytes.data[i] ^= mask;
    }
    os_crash_free(disk);
}

static void test_every_shorter_file_is_found(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct manifest *m = NULL;
    AUTO(buf_deinit) struct buf bytes = {0};
    size_t len;

    (void)state;
    assert_int_equal(open_or_create(os_crash_os(disk), &m, NULL), BLOCKDB_OK);
    run_steps(m, 2);
    manifest_close(m);
    read_manifest(disk, 1, &bytes);
    for (len = 0; len < bytes.len; len++) {
        struct manifest_log log = {0};
        int rc = manifest_log_parse(slice_of(bytes.data, len), "M", NULL, NULL, &log, NULL);

        assert_true(rc == BLOCKDB_ECORRUPT || (len < 8 && rc == BLOCKDB_EFOREIGN));
    }
    os_crash_free(disk);
}

static void test_torn_tail(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest *m = NULL;
    AUTO(buf_deinit) struct buf bytes = {0};
    struct manifest_edit edit = {.set_flushed = true, .flushed_seq = 1000};
    struct manifest_log log = {0};
    size_t whole;

    (void)state;
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    run_steps(m, 2);
    manifest_close(m);
    read_manifest(disk, 1, &bytes);
    whole = bytes.len;
    /* Two records that no mark covers: the first damaged with the second whole is no torn tail. */
    assert_int_equal(manifest_record_encode(&edit, 1, whole, &bytes), BLOCKDB_OK);
    bytes.data[bytes.len - 1] ^= 1;
    assert_int_equal(manifest_log_parse(buf_slice(&bytes), "M", NULL, NULL, &log, NULL),
                     BLOCKDB_OK);
    assert_int_equal(log.end, whole);
    assert_int_equal(check_state(&log.state), 2);
    manifest_log_deinit(&log);
    assert_int_equal(manifest_record_encode(&edit, 1, bytes.len, &bytes), BLOCKDB_OK);
    assert_int_equal(manifest_log_parse(buf_slice(&bytes), "M", NULL, NULL, &log, NULL),
                     BLOCKDB_ECORRUPT);
    os_crash_free(disk);
}

static int count_edits(void *arg, uint64_t offset, const struct manifest_edit *edit)
{
    assert_true(offset >= MANIFEST_HEAD_BYTES);
    assert_non_null(edit);
    ++*(int *)arg;
    return BLOCKDB_OK;
}

static int stop_at_once(void *arg, uint64_t offset, const struct manifest_edit *edit)
{
    (void)arg;
    (void)offset;
    (void)edit;
    return BLOCKDB_ECANCELED;
}

static void test_inspect(void **state)
{
    struct os_crash *disk = new_disk(1);
    struct os *os = os_crash_os(disk);
    struct manifest *m = NULL;
    struct manifest_info info;
    int edits = 0;

    (void)state;
    assert_int_equal(open_or_create(os, &m, NULL), BLOCKDB_OK);
    run_steps(m, 2);
    assert_int_equal(manifest_inspect(os, DIR "/MANIFEST-000001", count_edits, &edits, &info, NULL),
                     BLOCKDB_OK);
    assert_int_equal(edits, 2);
    assert_int_equal(info.edit_count, 2);
    assert_int_equal(info.number, 1);
    assert_int_equal(info.bytes, manifest_bytes(m));
    assert_int_equal(info.torn_bytes, 0);
    assert_memory_equal(info.ledger_id, ledger_id, LEDGER_ID_LEN);
    assert_int_equal(manifest_inspect(os, DIR "/MANIFEST-000001", stop_at_once, NULL, &info, NULL),
                     BLOCKDB_ECANCELED);
    manifest_close(m);
    os_crash_free(disk);
}

/* ---- Edits as bytes -------------------------------------------------------------------------- */

static int decode_payload(const void *payload, size_t len)
{
    AUTO(manifest_edit_owned_deinit) struct manifest_edit_owned owned = {0};

    return manifest_edit_decode(slice_of(payload, len), &owned, NULL);
}

static void test_unknown_fields(void **state)
{
    (void)state;
    assert_int_equal(decode_payload("\x06\x01\x05", 3), BLOCKDB_OK);
    assert_int_equal(decode_payload("\xc8\x02hi\x06\x01\x05", 7), BLOCKDB_OK); /* passed over */
    assert_int_equal(decode_payload("\x0d\x02hi", 4), BLOCKDB_EVERSION);
    assert_int_equal(decode_payload("\x00\x00", 2), BLOCKDB_EVERSION);
    assert_int_equal(decode_payload("\x06\x02\x05\x05", 4), BLOCKDB_ECORRUPT);     /* left over */
    assert_int_equal(decode_payload("\x06\x05\x05", 3), BLOCKDB_ECORRUPT);         /* too short */
    assert_int_equal(decode_payload("\x08\x03\x01\x01\x02", 5), BLOCKDB_ECORRUPT); /* flag 2 */
    assert_int_equal(decode_payload("\x06", 1), BLOCKDB_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits_come_back),
        cmocka_unit_test(test_rolls_and_cleans_up),
        cmocka_unit_test(test_edits_that_do_not_fit),
        cmocka_unit_test(test_table_changes_its_level),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_appends_from_several_threads),
        cmocka_unit_test(test_bad_current),
        cmocka_unit_test(test_current_names_what_is_not_there),
        cmocka_unit_test(test_power_cut_at_every_operation),
        cmocka_unit_test(test_power_cuts_during_recovery),
        cmocka_unit_test(test_every_operation_fails_once),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_every_flipped_byte_is_found),
        cmocka_unit_test(test_every_shorter_file_is_found),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_unknown_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
