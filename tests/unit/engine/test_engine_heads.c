/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed heads of a database: what is signed, by whom, and when nothing is signed any more.
 */
#include "base/lines.h"
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine/open.h"
#include "heads_test.h"
#include "ledger/merkle.h"
#include "os/os_fault.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void assert_refused(int rc, int expected, const struct error *err, const char *part)
{
    assert_int_equal(rc, expected);
    if (strstr(err->message, part) == NULL) {
        fail_msg("no '%s' in: %s", part, err->message);
    }
}

/* ---- What is signed ------------------------------------------------------------------------ */

static void a_head_covers_what_was_written(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value again = {0};
    struct blockdb_head head;
    struct checkpoint checkpoint;
    struct world w;
    struct error err;

    (void)state;
    heads_test_world(&w);
    assert_string_equal(blockdb_origin(w.db), ORIGIN);
    assert_int_equal(blockdb_checkpoint_get(w.db, &note, &err), BLOCKDB_ENOTFOUND);
    fixture_put(w.db, "a", "1", 1);
    heads_test_sign(&w, &note);
    fixture_must(blockdb_head_get(w.db, &head, &err), &err);
    checkpoint = heads_test_checkpoint(&note);
    assert_int_equal(checkpoint.size, head.size);
    assert_memory_equal(checkpoint.root.bytes, head.root, BLOCKDB_HASH_LEN);
    assert_true(heads_test_signed_by(&note, 1));
    assert_false(heads_test_signed_by(&note, 2));
    /* Nothing new: the same head. */
    heads_test_sign(&w, &again);
    assert_true(slice_equal(slice_of(note.data, note.len), slice_of(again.data, again.len)));
    heads_test_reopen(&w);
    fixture_must(blockdb_checkpoint_get(w.db, &again, &err), &err);
    assert_true(slice_equal(slice_of(note.data, note.len), slice_of(again.data, again.len)));
    fixture_put(w.db, "a", "2", 1);
    heads_test_sign(&w, &again);
    assert_int_equal(heads_test_checkpoint(&again).size, head.size + 2); /* and the header */
    world_free(&w);
}

static bool has_signed(const struct blockdb_stats *stats)
{
    return stats->heads_signed >= 1;
}

static void heads_are_signed_in_time(void **state)
{
    static const struct fixture_option often[] = {{"origin", ORIGIN},
                                                  {"signing_key_file", KEY_PATH},
                                                  {"head_interval", "10ms"},
                                                  {"block_interval", "10ms"},
                                                  {NULL, NULL}};
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct world w = {.disk = os_crash_new(world_seed), .step_ms = 100};
    struct error err;

    (void)state;
    assert_non_null(w.disk);
    w.os = os_crash_os(w.disk);
    heads_test_write_keys(w.os, KEY_PATH, 1, 1);
    w.db = fixture_open(w.os, "/db", often, BLOCKDB_OPEN_CREATE);
    fixture_put(w.db, "a", "1", 1);
    assert_true(world_comes_true(&w, has_signed));
    fixture_must(blockdb_checkpoint_get(w.db, &note, &err), &err);
    assert_true(heads_test_signed_by(&note, 1));
    world_free(&w);
}

static void without_a_key_nothing_is_signed(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct world w = {.disk = os_crash_new(world_seed)};
    struct error err;

    (void)state;
    assert_non_null(w.disk);
    w.os = os_crash_os(w.disk);
    w.db = fixture_open(w.os, "/db", NULL, BLOCKDB_OPEN_CREATE);
    assert_refused(blockdb_checkpoint_sign(w.db, &note, &err), BLOCKDB_EUNSUPPORTED, &err,
                   blockdb_origin(w.db));
    assert_non_null(strstr(blockdb_origin(w.db), blockdb_ledger_id(w.db)));
    fixture_close(w.db);
    w.db = fixture_open(w.os, "/db", NULL, BLOCKDB_OPEN_READ_ONLY);
    assert_int_equal(blockdb_checkpoint_sign(w.db, &note, &err), BLOCKDB_EREADONLY);
    assert_int_equal(blockdb_checkpoint_cosign(w.db, 1, "", 0, &err), BLOCKDB_EREADONLY);
    world_free(&w);
}

static void cosignatures_are_kept(void **state)
{
    static const char line[] =
        "\xe2\x80\x94 witness "
        "AAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value after = {0};
    struct world w;
    struct error err;
    uint64_t size;

    (void)state;
    heads_test_world(&w);
    assert_int_equal(blockdb_checkpoint_cosign(w.db, 1, line, strlen(line), &err),
                     BLOCKDB_ENOTFOUND);
    fixture_put(w.db, "a", "1", 1);
    heads_test_sign(&w, &note);
    size = heads_test_checkpoint(&note).size;
    assert_int_equal(blockdb_checkpoint_cosign(w.db, size + 1, line, strlen(line), &err),
                     BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_checkpoint_cosign(w.db, size, "no\n", 3, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_checkpoint_cosign(w.db, size, line, strlen(line) - 1, &err),
                     BLOCKDB_EINVAL);
    fixture_must(blockdb_checkpoint_cosign(w.db, size, line, strlen(line), &err), &err);
    fixture_must(blockdb_checkpoint_cosign(w.db, size, line, strlen(line), &err), &err);
    heads_test_reopen(&w);
    fixture_must(blockdb_checkpoint_get(w.db, &after, &err), &err);
    assert_int_equal(after.len, note.len + strlen(line));
    assert_memory_equal(after.data + note.len, line, strlen(line));
    assert_true(heads_test_signed_by(&after, 1));
    world_free(&w);
}

#define SIGNERS 4

static void sign_and_write(void *arg)
{
    struct world *w = arg;
    uint64_t last = 0;
    unsigned i;

    for (i = 0; i < 20; i++) {
        AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
        struct checkpoint checkpoint;
        struct note parsed;
        struct error err;

        fixture_put(w->db, "a", "1", 1);
        fixture_must(i % 2 == 0 || last == 0 ? blockdb_checkpoint_sign(w->db, &note, &err)
                                             : blockdb_checkpoint_get(w->db, &note, &err),
                     &err);
        fixture_must(
            checkpoint_parse_note(slice_of(note.data, note.len), &parsed, &checkpoint, &err), &err);
        if (checkpoint.size < last) {
            fixture_fail("a head of fewer entries was shown");
        }
        last = checkpoint.size;
    }
}

static void many_ask_at_once(void **state)
{
    static const struct fixture_option often[] = {{"origin", ORIGIN},
                                                  {"signing_key_file", KEY_PATH},
                                                  {"head_interval", "10ms"},
                                                  {NULL, NULL}};
    struct os_thread *threads[SIGNERS];
    struct world w = {.disk = os_crash_new(world_seed)};
    struct error err;
    unsigned i;

    (void)state;
    w.os = os_crash_os(w.disk);
    heads_test_write_keys(w.os, KEY_PATH, 1, 1);
    w.db = fixture_open(w.os, "/db", often, BLOCKDB_OPEN_CREATE);
    for (i = 0; i < SIGNERS; i++) {
        fixture_must(os_thread_start(w.os, "signer", sign_and_write, &w, &threads[i], &err), &err);
    }
    for (i = 0; i < SIGNERS; i++) {
        os_thread_join(w.os, threads[i]);
    }
    (void)fixture_verify(w.db);
    world_free(&w);
}

/* ---- Who signs ----------------------------------------------------------------------------- */

static void keys_are_rotated_on_record(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct world w;
    uint64_t acked;

    (void)state;
    heads_test_world(&w);
    assert_int_equal(fixture_stats(w.db).acked_seq, 1); /* the entry of the first key */
    heads_test_sign(&w, &note);
    acked = fixture_stats(w.db).acked_seq;
    heads_test_reopen(&w);
    assert_int_equal(fixture_stats(w.db).acked_seq, acked);
    heads_test_write_keys(w.os, KEY_PATH, 1, 2);
    heads_test_reopen(&w);
    assert_int_equal(fixture_stats(w.db).acked_seq, acked + 1);
    heads_test_sign(&w, &note);
    assert_true(heads_test_signed_by(&note, 1) && heads_test_signed_by(&note, 2));
    acked = fixture_stats(w.db).acked_seq;
    heads_test_write_keys(w.os, KEY_PATH, 2, 2);
    heads_test_reopen(&w);
    assert_int_equal(fixture_stats(w.db).acked_seq, acked + 1);
    heads_test_sign(&w, &note);
    assert_true(!heads_test_signed_by(&note, 1) && heads_test_signed_by(&note, 2));
    (void)fixture_verify(w.db);
    world_free(&w);
}

static int try_open(struct os *os, const char *dir, const struct fixture_option *list,
                    struct error *err)
{
    struct blockdb_options *options = fixture_options(list);
    struct blockdb *db = NULL;
    int rc = db_open(os, dir, options, BLOCKDB_OPEN_CREATE, &db, err);

    blockdb_options_free(options);
    if (rc == BLOCKDB_OK) {
        fixture_close(db);
    }
    return rc;
}

static int db_open_signing(struct os *os, struct blockdb **out_db)
{
    struct blockdb_options *options = fixture_options(heads_test_options);
    struct error err;
    int rc = db_open(os, "/db", options, 0, out_db, &err);

    blockdb_options_free(options);
    return rc;
}

static void bad_keys_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "line 1"},
        {"hello\n", "line 1"},
        {"PRIVATE+KEY+" ORIGIN "+zzzzzzzz+AA==\n", "line 1"},
        {"PRIVATE+KEY+" ORIGIN "+0123\n", "line 1"},
        {"PRIVATE+KEY+other+01234567+AA==\n", "the log 'other'"},
        {"PRIVATE+KEY+" ORIGIN "+01234567+AA==\nPRIVATE+KEY+" ORIGIN "+01234567+AA==\n",
         "earlier line"},
        {"PRIVATE+KEY+" ORIGIN "+01234567+AA==", "whole line"},
        {"PRIVATE+KEY+" ORIGIN "+00000001+A\nPRIVATE+KEY+" ORIGIN "+00000002+A\n"
         "PRIVATE+KEY+" ORIGIN "+00000003+A\nPRIVATE+KEY+" ORIGIN "+00000004+A\n"
         "PRIVATE+KEY+" ORIGIN "+00000005+A\n",
         "too many"},
        {"PRIVATE+KEY+" ORIGIN "+01234567+AA==\n", "the key in line 1"},
    };
    struct os_crash *disk = os_crash_new(world_seed);
    struct os *os = os_crash_os(disk);
    struct error err;
    size_t i;

    (void)state;
    assert_refused(try_open(os, "/db", heads_test_options, &err), BLOCKDB_EINVAL, &err, KEY_PATH);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_must(os_replace_file(os, KEY_PATH, slice_of_text(cases[i].text), &err), &err);
        assert_refused(try_open(os, "/db", heads_test_options, &err), BLOCKDB_EINVAL, &err,
                       cases[i].says);
    }
    os_crash_free(disk);
}

static void bad_origins_are_refused(void **state)
{
    static const char *const origins[] = {"a b", "a+b", "a\tb", "\xff"};
    struct os_crash *disk = os_crash_new(world_seed);
    struct error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        struct fixture_option list[] = {{"origin", origins[i]}, {NULL, NULL}};

        assert_refused(try_open(os_crash_os(disk), "/db", list, &err), BLOCKDB_EINVAL, &err,
                       "option origin");
    }
    os_crash_free(disk);
}

static void a_key_that_others_may_read_is_refused(void **state)
{
    char dir[64];
    char path[80];
    char db_path[80];
    struct fixture_option list[] = {{"origin", ORIGIN}, {"signing_key_file", path}, {NULL, NULL}};
    struct error err;

    (void)state;
    fixture_make_dir(dir);
    (void)snprintf(path, sizeof(path), "%s/key", dir);
    (void)snprintf(db_path, sizeof(db_path), "%s/db", dir);
    heads_test_write_keys(os_real(), path, 1, 1);
    assert_int_equal(chmod(path, 0640), 0);
    assert_refused(try_open(os_real(), db_path, list, &err), BLOCKDB_EDENIED, &err, "chmod 600");
    assert_int_equal(chmod(path, 0400), 0);
    fixture_must(try_open(os_real(), db_path, list, &err), &err);
    fixture_remove_dir(dir);
}

/* ---- When nothing is signed ---------------------------------------------------------------- */

/* Copies a file from one disk to another. */
static void carry_file(struct os *from, struct os *to, const char *path)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct error err;

    fixture_must(os_read_file(from, path, 1 << 20, &bytes, &err), &err);
    fixture_must(os_replace_file(to, path, buf_slice(&bytes), &err), &err);
}

/* A database that signed, and a copy of its disk from before it went on. */
static struct os_crash *make_old_copy(struct world *w)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct os_crash *old;

    heads_test_world(w);
    fixture_put(w->db, "a", "1", 1);
    heads_test_sign(w, &note);
    fixture_close(w->db);
    assert_int_equal(os_crash_copy(w->disk, &old), BLOCKDB_OK);
    w->db = fixture_open(w->os, "/db", heads_test_options, 0);
    fixture_put(w->db, "a", "2", 1);
    fixture_put(w->db, "a", "3", 1);
    heads_test_sign(w, &note);
    return old;
}

static void assert_only_read(struct os *os, const char *says)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct blockdb *db = fixture_open(os, "/db", heads_test_options, 0);
    struct error err;

    assert_refused(blockdb_checkpoint_sign(db, &value, &err), BLOCKDB_ETAMPERED, &err, says);
    assert_refused(blockdb_checkpoint_get(db, &value, &err), BLOCKDB_ETAMPERED, &err, says);
    assert_refused(blockdb_put(db, "b", 1, "x", 1, NULL, NULL, &err), BLOCKDB_EREADONLY, &err,
                   says);
    fixture_must(blockdb_get(db, "a", 1, NULL, &value, &err), &err);
    fixture_close(db);
}

static void a_log_that_was_cut_is_only_read(void **state)
{
    struct world w;
    struct os_crash *old = make_old_copy(&w);

    (void)state;
    carry_file(w.os, os_crash_os(old), HEADS_PATH);
    assert_only_read(os_crash_os(old), "entries, but a head of");
    os_crash_free(old);
    world_free(&w);
}

static void a_log_that_was_replaced_is_only_read(void **state)
{
    struct world w;
    struct os_crash *old = make_old_copy(&w);
    struct blockdb *db = fixture_open(os_crash_os(old), "/db", heads_test_options, 0);
    unsigned i;

    (void)state;
    for (i = 0; i < 9; i++) {
        fixture_put(db, "b", "x", 1);
    }
    fixture_close(db);
    carry_file(w.os, os_crash_os(old), HEADS_PATH);
    assert_only_read(os_crash_os(old), "are not those of the head");
    os_crash_free(old);
    world_free(&w);
}

static void assert_not_signed(struct world *w, int expected, const char *says)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct error err;

    w->db = fixture_open(w->os, "/db", heads_test_options, 0);
    assert_refused(blockdb_checkpoint_sign(w->db, &note, &err), expected, &err, says);
    assert_int_equal(blockdb_checkpoint_cosign(w->db, 1, "", 0, &err), BLOCKDB_ENOTFOUND);
    fixture_put(w->db, "b", "x", 1); /* writing goes on */
    fixture_close(w->db);
}

static void unknown_heads_stop_signing(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct world w;
    struct error err;

    (void)state;
    heads_test_world(&w);
    heads_test_sign(&w, &note);
    fixture_close(w.db);
    fixture_must(os_crash_flip(w.disk, HEADS_PATH, 20, 1, &err), &err);
    assert_not_signed(&w, BLOCKDB_ETAMPERED, "offset 0");
    fixture_must(os_unlink(w.os, HEADS_PATH, &err), &err);
    assert_not_signed(&w, BLOCKDB_ETAMPERED, "is missing although");
    os_crash_free(w.disk);
}

/* ---- Copies -------------------------------------------------------------------------------- */

static void a_restored_copy_has_a_name_of_its_own(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value same = {0};
    char dir[64];
    char paths[4][96];
    struct fixture_option list[] = {
        {"origin", ORIGIN}, {"signing_key_file", paths[0]}, {"head_interval", "1h"}, {NULL, NULL}};
    struct blockdb *db;
    struct error err;
    unsigned i;

    (void)state;
    fixture_make_dir(dir);
    for (i = 0; i < 4; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%u", dir, i);
    }
    heads_test_write_keys(os_real(), paths[0], 1, 1);
    db = fixture_open(os_real(), paths[1], list, BLOCKDB_OPEN_CREATE);
    fixture_put(db, "a", "1", 1);
    fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
    fixture_must(blockdb_backup(db, paths[2], NULL, NULL, &err), &err);
    fixture_close(db);
    /* A backup knows what was signed. */
    db = fixture_open(os_real(), paths[2], list, BLOCKDB_OPEN_READ_ONLY);
    fixture_must(blockdb_checkpoint_get(db, &same, &err), &err);
    assert_true(slice_equal(slice_of(note.data, note.len), slice_of(same.data, same.len)));
    fixture_close(db);
    /* What is restored from it does not, and is another log. */
    fixture_must(blockdb_restore(paths[2], paths[3], NULL, NULL, &err), &err);
    assert_refused(try_open(os_real(), paths[3], list, &err), BLOCKDB_EINVAL, &err,
                   ORIGIN "/epoch-1");
    list[1].name = NULL;
    db = fixture_open(os_real(), paths[3], list, 0);
    assert_string_equal(blockdb_origin(db), ORIGIN "/epoch-1");
    assert_int_equal(blockdb_checkpoint_get(db, &same, &err), BLOCKDB_ENOTFOUND);
    fixture_close(db);
    list[0].value = ORIGIN "/epoch-1";
    db = fixture_open(os_real(), paths[3], list, 0);
    assert_string_equal(blockdb_origin(db), ORIGIN "/epoch-1");
    fixture_close(db);
    fixture_remove_dir(dir);
}

/* ---- Failures ------------------------------------------------------------------------------ */

/* A head that was shown must be continued by what is signed later. */
static void assert_goes_on(struct os *os, const struct blockdb_value *shown)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct blockdb *db = fixture_open(os, "/db", heads_test_options, 0);
    struct error err;

    fixture_put(db, "a", "2", 1);
    fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
    if (shown->len > 0) {
        struct checkpoint seen = heads_test_checkpoint(shown);
        struct hash root;

        assert_true(heads_test_checkpoint(&note).size > seen.size);
        fixture_must(heads_root_at(db, seen.size, &root, &err), &err);
        assert_true(hash_equal(&root, &seen.root));
    }
    fixture_close(db);
}

static void every_failed_operation_is_survived(void **state)
{
    static const char *const parts[] = {"/heads", "/IDENTITY"};
    unsigned p;

    (void)state;
    for (p = 0; p < 4; p++) {
        bool fired = true;
        uint64_t n;

        for (n = 1; fired; n++) {
            AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
            struct os_crash *disk = os_crash_new(world_seed);
            struct os_fault *fault = os_fault_new(os_crash_os(disk));
            struct os_fault_plan plan = {
                .classes = OS_FAULT_ALL, .nth = n, .forever = p >= 2, .path_part = parts[p % 2]};
            struct blockdb *db;
            struct error err;

            heads_test_write_keys(os_crash_os(disk), KEY_PATH, 1, 1);
            fixture_close(fixture_open(os_crash_os(disk), "/db", NULL, BLOCKDB_OPEN_CREATE));
            os_fault_arm(fault, &plan);
            if (db_open_signing(os_fault_os(fault), &db) == BLOCKDB_OK) {
                fixture_put(db, "a", "1", 1);
                (void)!blockdb_checkpoint_sign(db, &note, &err); /* it fails or not */
                fixture_put(db, "a", "1", 1);                    /* writing goes on */
                fixture_close(db);
            }
            fired = os_fault_fired(fault);
            os_fault_arm(fault, NULL);
            assert_goes_on(os_crash_os(disk), &note);
            os_fault_free(fault);
            os_crash_free(disk);
        }
        assert_true(n > 3);
    }
}

/* Fails the n-th allocation of one thread; only that one looks at the rest. */
struct countdown {
    pthread_t thread;
    unsigned left; /* 0: none fails */
    bool fired;
};

static bool fail_nth(void *context)
{
    struct countdown *c = context;

    if (pthread_equal(pthread_self(), c->thread) == 0 || c->left == 0 || --c->left > 0) {
        return false;
    }
    c->fired = true;
    return true;
}

static void every_lack_of_memory_is_survived(void **state)
{
    struct countdown c = {.thread = pthread_self(), .fired = true};
    unsigned n;

    (void)state;
    mem_set_fail_hook(fail_nth, &c); /* while there is no other thread */
    for (n = 1; c.fired; n++) {
        AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
        struct world w;
        struct error err;
        int rc;

        heads_test_world(&w);
        fixture_put(w.db, "a", "1", 1);
        c.left = n;
        c.fired = false;
        rc = blockdb_checkpoint_sign(w.db, &note, &err);
        c.left = 0;
        assert_int_equal(rc, c.fired ? BLOCKDB_ENOMEM : BLOCKDB_OK);
        heads_test_sign(&w, &note);
        assert_true(heads_test_signed_by(&note, 1));
        fixture_close(w.db);
        assert_goes_on(w.os, &note);
        os_crash_free(w.disk);
    }
    mem_set_fail_hook(NULL, NULL);
    assert_true(n > 5);
}

/* ---- Roots --------------------------------------------------------------------------------- */

#define ROOTS 12

/* After a crash the tiles of a database that is only read end where the manifest says. */
static void roots_are_found_behind_the_tiles(void **state)
{
    struct blockdb_head heads[ROOTS];
    struct os_crash *crashed;
    struct blockdb *db;
    struct world w;
    struct error err;
    unsigned i;

    (void)state;
    heads_test_world(&w);
    for (i = 0; i < ROOTS; i++) {
        fixture_put(w.db, "a", "1", 1);
        fixture_must(sealer_seal_all(w.db, &err), &err);
        fixture_must(blockdb_head_get(w.db, &heads[i], &err), &err);
        if (i == ROOTS / 2) {
            heads_test_reopen(&w);
        }
    }
    assert_int_equal(os_crash_copy(w.disk, &crashed), BLOCKDB_OK);
    db = fixture_open(os_crash_os(crashed), "/db", NULL, BLOCKDB_OPEN_READ_ONLY);
    assert_true(tile_files_count(db->tiles, 0) < heads[ROOTS - 1].size);
    for (i = 0; i < ROOTS; i++) {
        struct hash root;

        fixture_must(heads_root_at(db, heads[i].size, &root, &err), &err);
        assert_memory_equal(root.bytes, heads[i].root, SHA256_LEN);
    }
    fixture_close(db);
    os_crash_free(crashed);
    world_free(&w);
}

/* ---- Power cuts ---------------------------------------------------------------------------- */

#define SHOWN_MAX 8

/* The heads that somebody has seen. */
struct shown {
    struct checkpoint heads[SHOWN_MAX];
    unsigned count;
};

static void run_until_cut(struct os *os, struct shown *shown)
{
    struct blockdb_options *options = fixture_options(heads_test_options);
    struct blockdb *db = NULL;
    struct error err;
    unsigned i;
    int rc = db_open(os, "/db", options, 0, &db, &err);

    blockdb_options_free(options);
    if (rc < 0) {
        return;
    }
    for (i = 0; rc == BLOCKDB_OK && i < 3; i++) {
        AUTO(blockdb_value_deinit) struct blockdb_value note = {0};

        rc = blockdb_put(db, "a", 1, "x", 1, NULL, NULL, &err);
        if (rc == BLOCKDB_OK) {
            rc = blockdb_checkpoint_sign(db, &note, &err);
        }
        if (rc == BLOCKDB_OK) {
            shown->heads[shown->count] = heads_test_checkpoint(&note);
            shown->heads[shown->count++].origin = (struct slice){0};
        }
    }
    (void)!blockdb_close(db, &err); /* it fails when the power is off */
}

static void check_after_cut(struct os *os, const struct shown *shown)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct blockdb *db = fixture_open(os, "/db", heads_test_options, 0);
    struct checkpoint checkpoint;
    struct error err;
    unsigned i;

    fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
    checkpoint = heads_test_checkpoint(&note);
    for (i = 0; i < shown->count; i++) {
        struct hash root;

        assert_true(shown->heads[i].size <= checkpoint.size);
        fixture_must(heads_root_at(db, shown->heads[i].size, &root, &err), &err);
        assert_true(hash_equal(&root, &shown->heads[i].root));
    }
    fixture_close(db);
}

static void no_power_cut_brings_two_heads_of_one_size(void **state)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    unsigned rounds = test_rounds(1, 20);
    struct world w;
    unsigned r;

    (void)state;
    heads_test_world(&w);
    fixture_put(w.db, "a", "1", 1);
    heads_test_sign(&w, &note);
    fixture_close(w.db);
    for (r = 0; r < rounds; r++) {
        uint64_t n = 1;
        bool is_off = true;

        for (; is_off; n += test_is_long() ? 1 : 1 + n / 8) {
            struct os_crash *disk;
            struct shown shown = {.count = 0};

            assert_int_equal(os_crash_copy(w.disk, &disk), BLOCKDB_OK);
            os_crash_arm(disk, n);
            run_until_cut(os_crash_os(disk), &shown);
            is_off = os_crash_is_off(disk);
            assert_int_equal(os_crash_restart(disk, world_seed + 7919 * r + n), BLOCKDB_OK);
            check_after_cut(os_crash_os(disk), &shown);
            os_crash_free(disk);
        }
    }
    os_crash_free(w.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_covers_what_was_written),
        cmocka_unit_test(heads_are_signed_in_time),
        cmocka_unit_test(without_a_key_nothing_is_signed),
        cmocka_unit_test(cosignatures_are_kept),
        cmocka_unit_test(many_ask_at_once),
        cmocka_unit_test(keys_are_rotated_on_record),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(bad_origins_are_refused),
        cmocka_unit_test(a_key_that_others_may_read_is_refused),
        cmocka_unit_test(a_log_that_was_cut_is_only_read),
        cmocka_unit_test(a_log_that_was_replaced_is_only_read),
        cmocka_unit_test(unknown_heads_stop_signing),
        cmocka_unit_test(a_restored_copy_has_a_name_of_its_own),
        cmocka_unit_test(every_failed_operation_is_survived),
        cmocka_unit_test(every_lack_of_memory_is_survived),
        cmocka_unit_test(roots_are_found_behind_the_tiles),
        cmocka_unit_test(no_power_cut_brings_two_heads_of_one_size),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
