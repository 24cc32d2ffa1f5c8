/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redaction: after it no file holds value or salt, wherever they were, and all else is as it was.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/segment_edit.h"
#include "engine_world.h"
#include "ledger/commitment.h"
#include "redact_test.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NEIGHBOURS 40

static struct secret secret;

/* What happens between the put and the redaction. */
enum stage {
    STAGE_NONE, /* the value is in the WAL and in memory only */
    STAGE_SEALED,
    STAGE_FLUSHED,
    STAGE_MERGED,
    STAGE_REOPENED,
    STAGE_COUNT,
};

static const struct fixture_option kept_wal[] = {
    {"wal_keep_size", "1GiB"}, {"wal_file_size", "17MiB"}, {NULL, NULL}};

static void reopen(struct world *w, const char *codec)
{
    fixture_close(w->db);
    world_open(w, "compression_type", codec, kept_wal);
}

static void seal(struct blockdb *db)
{
    struct error err;

    fixture_must(sealer_seal_all(db, &err), &err);
}

static void reach(struct world *w, enum stage stage, const char *codec)
{
    struct error err;

    if (stage >= STAGE_SEALED) {
        seal(w->db);
    }
    if (stage >= STAGE_FLUSHED) {
        world_flush(w->db);
    }
    if (stage == STAGE_MERGED) {
        world_put_many(w->db, 1000, NEIGHBOURS, 50);
        world_flush(w->db);
        fixture_must(blockdb_compact(w->db, true, NULL, NULL, &err), &err);
    }
    if (stage == STAGE_REOPENED) {
        reopen(w, codec);
    }
}

static void check_after(struct world *w, uint64_t redactions)
{
    struct error err;

    secret_check_hidden(&secret, w->db);
    assert_int_equal(secret_find(&secret, w->disk, "/db", true), 0);
    world_get_many(w->db, "key", NEIGHBOURS, BLOCKDB_OK);
    assert_true(secret_verify(w->db) == redactions);
    /* Again: appends nothing. */
    {
        uint64_t before = fixture_stats(w->db).acked_seq;

        fixture_must(secret_redact(&secret, w->db, &err), &err);
        assert_true(fixture_stats(w->db).acked_seq == before);
    }
}

static void erase_one(size_t len, enum stage stage, bool is_older, const char *codec)
{
    struct world w;
    struct error err;

    world_new(&w, "compression_type", codec, kept_wal);
    world_put_many(w.db, 0, NEIGHBOURS / 2, 30);
    secret_put(&secret, w.db, len, world_seed + len);
    if (is_older) {
        fixture_put(w.db, SECRET_KEY, "public", 6);
    }
    world_put_many(w.db, NEIGHBOURS / 2, NEIGHBOURS / 2, 30);
    reach(&w, stage, codec);
    if (secret_find(&secret, w.disk, "/db", false) == 0) {
        fail_msg("the search is blind: %zu bytes, stage %d", len, stage);
    }
    fixture_must(secret_redact(&secret, w.db, &err), &err);
    check_after(&w, 1);
    reopen(&w, codec);
    check_after(&w, 1);
    world_free(&w);
}

static void test_everywhere(void **state)
{
    static const size_t lens[] = {0, 5, 15, 16, 100, 2000, 20000, 70000, SECRET_MAX};
    unsigned stage;
    size_t i;

    (void)state;
    for (stage = 0; stage < STAGE_COUNT; stage++) {
        for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            erase_one(lens[i], (enum stage)stage, (i + stage) % 2 == 1, "none");
        }
    }
    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        erase_one(lens[i], STAGE_MERGED, false, "snappy");
        erase_one(lens[i], STAGE_FLUSHED, false, "zstd");
    }
}

/* Many in one page, each smaller than what takes its place. */
static void test_a_page_of_them(void **state)
{
    static struct secret first;
    struct world w;
    struct error err;
    unsigned i;

    (void)state;
    world_new(&w, "compression_type", "lz4", kept_wal);
    world_put_many(w.db, 0, NEIGHBOURS, 30);
    for (i = 0; i < 20; i++) {
        secret_put(&secret, w.db, 8, world_seed + i);
        if (i == 0) {
            first = secret;
        }
    }
    for (i = 0; i < 20; i++) {
        secret.seq = first.seq + i;
        fixture_must(secret_redact(&secret, w.db, &err), &err);
    }
    assert_true(secret_verify(w.db) == 20);
    secret_check_hidden(&first, w.db);
    assert_int_equal(secret_find(&first, w.disk, "/db", true), 0);
    reopen(&w, "lz4");
    assert_true(secret_verify(w.db) == 20);
    world_free(&w);
}

static void test_refusals(void **state)
{
    struct world w;
    struct error err;
    struct blockdb_write_result deleted;

    (void)state;
    world_new(&w, "compression_type", "none", kept_wal);
    secret_put(&secret, w.db, 30, world_seed);
    fixture_must(blockdb_delete(w.db, "gone", 4, NULL, &deleted, &err), &err);
    assert_int_equal(blockdb_redact(w.db, "gone", 4, deleted.first_seq, NULL, NULL, &err),
                     BLOCKDB_EINVAL);
    assert_int_equal(blockdb_redact(w.db, "other", 5, secret.seq, NULL, NULL, &err),
                     BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_redact(w.db, SECRET_KEY, 6, 99, NULL, NULL, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_redact(w.db, "", 0, 0, NULL, NULL, &err), BLOCKDB_EINVAL);
    seal(w.db);
    assert_int_equal(blockdb_redact(w.db, SECRET_KEY, 6, 2, NULL, NULL, &err), BLOCKDB_ENOTFOUND);
    assert_true(fixture_stats(w.db).acked_seq == 3);
    world_free(&w);
}

/* Readers from before are told as well, once and for all. */
static void test_views_from_before(void **state)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_scan_options scan = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_value value = {0};
    struct blockdb_view *view = NULL;
    struct blockdb_iter *iter = NULL;
    struct world w;
    struct error err;
    unsigned round;

    (void)state;
    for (round = 0; round < 2; round++) {
        world_new(&w, "compression_type", "none", kept_wal);
        world_put_many(w.db, 0, NEIGHBOURS, 30);
        secret_put(&secret, w.db, 50, world_seed);
        if (round == 1) {
            world_flush(w.db);
        }
        fixture_must(blockdb_view_new(w.db, &view, &err), &err);
        options.view = view;
        scan.view = view;
        scan.prefix = SECRET_KEY;
        scan.prefix_len = strlen(SECRET_KEY);
        fixture_must(blockdb_iter_new(w.db, &scan, &iter, &err), &err);
        fixture_must(secret_redact(&secret, w.db, &err), &err);
        assert_int_equal(blockdb_get(w.db, SECRET_KEY, 6, &options, &value, &err),
                         BLOCKDB_EREDACTED);
        assert_int_equal(blockdb_get(w.db, "key000000", 9, &options, &value, &err), BLOCKDB_OK);
        assert_int_equal(blockdb_iter_next(iter, &err), BLOCKDB_OK);
        assert_true(blockdb_iter_version(iter).redacted);
        blockdb_iter_free(iter);
        blockdb_view_free(view);
        blockdb_value_deinit(&value);
        assert_int_equal(secret_find(&secret, w.disk, "/db", true), 0);
        world_free(&w);
    }
}

/* Files of the WAL that were used again may hold the secret behind what they hold now. */
static void test_recycled_wal(void **state)
{
    static const struct fixture_option recycling[] = {{"wal_file_size", "17MiB"},
                                                      {"wal_keep_size", "0"},
                                                      {"wal_sync_mode", "group"},
                                                      {NULL, NULL}};
    struct world w;
    struct error err;
    unsigned i;

    (void)state;
    world_new(&w, "compression_type", "none", recycling);
    world_put_many(w.db, 0, NEIGHBOURS, 30);
    secret_put(&secret, w.db, 100, world_seed);
    for (i = 0; i < 2; i++) {
        world_put_many(w.db, 10000, 150, 65000);
        world_flush(w.db);
    }
    fixture_must(secret_redact(&secret, w.db, &err), &err);
    assert_int_equal(secret_find(&secret, w.disk, "/db", true), 0);
    world_free(&w);
}

static void test_backup_after(void **state)
{
    struct world w;
    struct world copy;
    struct error err;

    (void)state;
    world_new(&w, "compression_type", "none", kept_wal);
    world_put_many(w.db, 0, NEIGHBOURS, 30);
    secret_put(&secret, w.db, 50, world_seed);
    fixture_must(blockdb_backup(w.db, "/before", NULL, NULL, &err), &err);
    fixture_must(secret_redact(&secret, w.db, &err), &err);
    fixture_must(blockdb_backup(w.db, "/after", NULL, NULL, &err), &err);
    assert_int_equal(secret_find(&secret, w.disk, "/after", true), 0);
    copy = w;
    copy.db = fixture_open(w.os, "/after", NULL, 0);
    secret_check_hidden(&secret, copy.db);
    assert_true(secret_verify(copy.db) == 1);
    fixture_close(copy.db);
    /* What was linked before is not reached, and not harmed. */
    copy.db = fixture_open(w.os, "/before", NULL, 0);
    assert_true(secret_verify(copy.db) == 0);
    fixture_close(copy.db);
    world_free(&w);
}

static bool never(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    unsigned *left = arg;

    (void)unit;
    (void)done;
    (void)total;
    return (*left)-- > 0;
}

/* A scan that has read ahead does not hand out what it has. */
static void test_read_ahead(void **state)
{
    struct blockdb_iter *iter = NULL;
    struct world w;
    struct error err;
    unsigned redacted = 0;
    size_t len;

    (void)state;
    world_new(&w, "compression_type", "none", kept_wal);
    world_put_many(w.db, 0, NEIGHBOURS, 3000);
    secret_put(&secret, w.db, 3000, world_seed);
    fixture_put(w.db, SECRET_KEY "2", "x", 1);
    world_flush(w.db);
    fixture_must(blockdb_iter_new(w.db, NULL, &iter, &err), &err);
    do {
        fixture_must(blockdb_iter_next(iter, &err), &err);
        (void)blockdb_iter_key(iter, &len);
    } while (memcmp(blockdb_iter_key(iter, &len), "key000038", 9) != 0);
    fixture_must(secret_redact(&secret, w.db, &err), &err);
    while (blockdb_iter_next(iter, &err) == BLOCKDB_OK) {
        if (blockdb_iter_version(iter).redacted) {
            (void)blockdb_iter_value(iter, &len);
            assert_int_equal(len, 0);
            redacted++;
        }
    }
    assert_int_equal(redacted, 1);
    blockdb_iter_free(iter);
    world_free(&w);
}

/* Interrupted at each step: hidden at once, erased by the next opening. */
static void test_interrupted(void **state)
{
    struct blockdb_redact_options options = BLOCKDB_REDACT_OPTIONS_INIT;
    unsigned step;

    (void)state;
    for (step = 0; step < 6; step++) {
        struct world w;
        struct error err;
        unsigned left = step;

        world_new(&w, "compression_type", "none", kept_wal);
        world_put_many(w.db, 0, NEIGHBOURS, 30);
        secret_put(&secret, w.db, 50, world_seed);
        options.progress = never;
        options.progress_arg = &left;
        assert_int_equal(blockdb_redact(w.db, SECRET_KEY, 6, secret.seq, &options, NULL, &err),
                         BLOCKDB_ECANCELED);
        seal(w.db);
        secret_check_hidden(&secret, w.db);
        (void)secret_verify(w.db);
        fixture_close(w.db);
        w.db = fixture_open(w.os, "/db", NULL, BLOCKDB_OPEN_READ_ONLY);
        secret_check_hidden(&secret, w.db);
        fixture_close(w.db);
        world_open(&w, "compression_type", "none", kept_wal);
        check_after(&w, 1);
        world_free(&w);
    }
}

/* ---- Many at once ---------------------------------------------------------------------------- */

#define MANY 3

static struct secret many[MANY];

/* All of them, and more often than once. */
static int redact_many(struct blockdb *db, struct blockdb_write_result *result, struct error *err)
{
    struct blockdb_redact_target targets[2 * MANY];
    unsigned i;

    for (i = 0; i < 2 * MANY; i++) {
        targets[i] = (struct blockdb_redact_target){SECRET_KEY, strlen(SECRET_KEY),
                                                    many[(i + 2) % MANY].seq};
    }
    return blockdb_redact_many(db, targets, 2 * MANY, NULL, result, err);
}

static void put_many(struct world *w, size_t len)
{
    unsigned i;

    world_new(w, "compression_type", "none", kept_wal);
    for (i = 0; i < MANY; i++) {
        world_put_many(w->db, i * NEIGHBOURS, NEIGHBOURS, 30);
        secret_put(&many[i], w->db, len + i, world_seed + i);
    }
    world_put_many(w->db, MANY * NEIGHBOURS, NEIGHBOURS, 30);
}

static void check_many(struct world *w)
{
    unsigned i;

    for (i = 0; i < MANY; i++) {
        secret_check_hidden(&many[i], w->db);
        assert_int_equal(secret_find(&many[i], w->disk, "/db", true), 0);
    }
    assert_true(secret_verify(w->db) == MANY);
}

static void test_many(void **state)
{
    static const size_t lens[] = {20, 3000, 70000};
    unsigned stage;

    (void)state;
    for (stage = 0; stage < STAGE_COUNT * 3; stage++) {
        struct blockdb_write_result result;
        struct blockdb_write_result again;
        struct world w;
        struct error err;

        put_many(&w, lens[stage % 3]);
        reach(&w, (enum stage)(stage / 3), "none");
        fixture_must(secret_redact(&many[1], w.db, &err), &err); /* the segment's revision 1 */
        fixture_must(redact_many(w.db, &result, &err), &err);
        assert_true(result.count == MANY - 1 && !result.repeated);
        assert_int_equal(world_files_with(&w, "000001-2.blk").files, 1); /* rewritten once */
        check_many(&w);
        fixture_must(redact_many(w.db, &again, &err), &err);
        assert_true(again.repeated && again.first_seq == result.first_seq);
        reopen(&w, "none");
        check_many(&w);
        world_free(&w);
    }
}

static void test_all_or_none(void **state)
{
    struct blockdb_redact_target targets[2] = {{SECRET_KEY, strlen(SECRET_KEY), 0},
                                               {"key000000", 9, 0}};
    struct blockdb_value value = {0};
    struct world w;
    struct error err;

    (void)state;
    put_many(&w, 500);
    targets[0].seq = many[0].seq;
    targets[1].seq = many[1].seq; /* another key's */
    assert_int_equal(blockdb_redact_many(w.db, targets, 2, NULL, NULL, &err), BLOCKDB_ENOTFOUND);
    fixture_must(blockdb_get_entry(w.db, many[0].seq, NULL, &value, &err), &err);
    assert_int_equal(blockdb_redact_many(w.db, targets, 0, NULL, NULL, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_redact_many(w.db, targets, BLOCKDB_REDACT_MAX + 1, NULL, NULL, &err),
                     BLOCKDB_EINVAL);
    targets[1].key_len = 0;
    assert_int_equal(blockdb_redact_many(w.db, targets, 2, NULL, NULL, &err), BLOCKDB_EINVAL);
    assert_true(secret_verify(w.db) == 0);
    blockdb_value_deinit(&value);
    world_free(&w);
}

struct countdown {
    pthread_t thread;
    uint64_t left;
};

static bool fail_nth(void *context)
{
    struct countdown *c = context;

    return pthread_equal(c->thread, pthread_self()) && c->left > 0 && --c->left == 0;
}

static void test_many_without_memory(void **state)
{
    struct countdown c = {.thread = pthread_self()};
    uint64_t n = 0;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    mem_set_fail_hook(fail_nth, &c);
    while (rc != BLOCKDB_OK) {
        struct blockdb_write_result result;
        struct world w;
        struct error err;

        put_many(&w, 100);
        n += test_rounds(3, 1);
        c.left = n;
        rc = redact_many(w.db, &result, &err);
        c.left = 0;
        if (rc < 0 && rc != BLOCKDB_ENOMEM) {
            /* The disk in memory needs memory, too: to the engine that may be a failed sync, which
             * only opening again mends. */
            IGNORE_RESULT(blockdb_close(w.db, &err)); /* it tells of the same failure */
            world_open(&w, "compression_type", "none", kept_wal);
        }
        fixture_must(redact_many(w.db, &result, &err), &err);
        check_many(&w);
        world_free(&w);
    }
    mem_set_fail_hook(NULL, NULL);
    assert_true(n > 10);
}

/* ---- A mark without an order is tampering ---------------------------------------------------- */

struct forgery {
    struct blockdb *db;
    uint64_t redact_seq;
};

static int forge_record(void *context, uint64_t seq, struct slice bytes, struct buf *out,
                        struct error *err)
{
    const struct forgery *forgery = context;
    struct hash commitment;
    struct record record;
    struct record redacted;

    (void)seq;
    (void)err;
    assert_int_equal(record_parse(bytes, &record), BLOCKDB_OK);
    commitment_compute(record.salt, record.value, &commitment);
    redacted = record_redacted(&record, &commitment, forgery->redact_seq);
    assert_int_equal(buf_reserve(out, record_len(&redacted)), BLOCKDB_OK);
    record_encode(&redacted, out->data + out->len);
    out->len += record_len(&redacted);
    return BLOCKDB_OK;
}

static int forge(struct blockdb *db, void *arg, struct error *err)
{
    struct segment_rewrite rewrite = {
        .seqs = &secret.seq, .count = 1, .replace = forge_record, .context = arg};
    struct manifest_segment segment;
    struct manifest_edit edit = {.put_segments = &segment, .put_segment_count = 1};
    struct segment_info info;

    fixture_must(segments_rewrite_begin(db->segments, &rewrite, &info, err), err);
    segment = segment_to_manifest(&info);
    fixture_must(manifest_append(db->manifest, &edit, err), err);
    return segments_rewrite_publish(db->segments, err);
}

static void test_forged(void **state)
{
    uint64_t seqs[] = {0, 1, 3, 1000};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
        struct world w;
        struct forgery forgery = {.redact_seq = seqs[i]};
        struct error err;

        world_new(&w, "compression_type", "none", kept_wal);
        fixture_put(w.db, "a", "b", 1);
        secret_put(&secret, w.db, 20000, world_seed);
        fixture_put(w.db, "c", "d", 1);
        seal(w.db);
        fixture_must(sealer_run(w.db, forge, &forgery, &err), &err);
        assert_int_equal(blockdb_verify(w.db, NULL, NULL, &err), BLOCKDB_ETAMPERED);
        assert_non_null(strstr(err.message, "000001-1.blk"));
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everywhere),   cmocka_unit_test(test_a_page_of_them),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_views_from_before),
        cmocka_unit_test(test_recycled_wal), cmocka_unit_test(test_backup_after),
        cmocka_unit_test(test_interrupted),  cmocka_unit_test(test_read_ahead),
        cmocka_unit_test(test_forged),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_all_or_none),  cmocka_unit_test(test_many_without_memory),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
