/* SPDX-License-Identifier: Apache-2.0 */
#include "redact_test.h"

#include "base/mem.h"
#include "engine/read.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NEEDLE_MIN 6 /* shorter values are found by chance */
#define NEEDLE_MAX 24

static void copy_record(struct blockdb *db, uint64_t seq, struct buf *out)
{
    struct segment_record held = {0};
    struct record record;
    struct error err;
    int rc = seal_queue_copy(&db->seal_queue, seq, out);

    if (rc == BLOCKDB_ENOTFOUND) {
        fixture_must(read_ledger_record(db, seq, &held, &record, &err), &err);
        assert_int_equal(buf_append_slice(out, held.bytes), BLOCKDB_OK);
        segment_record_release(&held);
    }
}

void secret_put(struct secret *s, struct blockdb *db, size_t len, uint64_t seed)
{
    struct blockdb_write_result result;
    AUTO(buf_deinit) struct buf bytes = {0};
    struct hash commitment;
    struct record record;
    struct error err;
    size_t i;

    s->len = len;
    for (i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        s->value[i] = (uint8_t)(seed >> 56);
    }
    fixture_must(
        blockdb_put(db, SECRET_KEY, strlen(SECRET_KEY), s->value, len, NULL, &result, &err), &err);
    s->seq = result.first_seq;
    copy_record(db, s->seq, &bytes);
    assert_int_equal(record_parse(buf_slice(&bytes), &record), BLOCKDB_OK);
    memcpy(s->salt, record.salt, SALT_LEN);
    commitment_compute(record.salt, record.value, &commitment);
    leaf_hash(&record, &commitment, &s->leaf);
}

struct search {
    const struct secret *s;
    struct os *os;
    unsigned found;
    bool tell;
};

static unsigned search_bytes(struct slice bytes, const uint8_t *needle, size_t len)
{
    return len > 0 && memmem(bytes.data, bytes.len, needle, len) != NULL ? 1 : 0;
}

static int search_file(void *context, const char *path, uint64_t file_len)
{
    struct search *search = context;
    const struct secret *s = search->s;
    AUTO(buf_deinit) struct buf bytes = {0};
    struct error err;
    size_t len = s->len < NEEDLE_MAX ? s->len : NEEDLE_MAX;
    unsigned found = 0;
    int rc = os_read_file(search->os, path, file_len + 1, &bytes, &err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return 0;
    }
    fixture_must(rc, &err);
    if (len >= NEEDLE_MIN) {
        found += search_bytes(buf_slice(&bytes), s->value, len);
        found += search_bytes(buf_slice(&bytes), s->value + s->len / 2 - len / 2, len);
        found += search_bytes(buf_slice(&bytes), s->value + s->len - len, len);
    }
    found += search_bytes(buf_slice(&bytes), s->salt, SALT_LEN);
    search->found += found;
    if (found > 0 && search->tell) {
        print_message("the secret is in '%s'\n", path);
    }
    return 0;
}

/* Visiting locks the disk, so the paths are gathered first. */
struct paths {
    char text[512][160];
    uint64_t lens[512];
    unsigned count;
};

static int gather(void *context, const char *path, uint64_t len)
{
    struct paths *p = context;

    if (strstr(path, "LOCK") == NULL) {
        assert_true(p->count < 512);
        (void)snprintf(p->text[p->count], sizeof(p->text[0]), "%s", path);
        p->lens[p->count++] = len;
    }
    return 0;
}

unsigned secret_find(const struct secret *s, struct os_crash *disk, const char *dir, bool tell)
{
    struct search search = {.s = s, .os = os_crash_os(disk), .tell = tell};
    struct paths *paths = mem_calloc(1, sizeof(*paths));
    struct error err;
    unsigned i;

    assert_non_null(paths);
    fixture_must(os_crash_visit(disk, dir, gather, paths, &err), &err);
    for (i = 0; i < paths->count; i++) {
        (void)search_file(&search, paths->text[i], paths->lens[i]);
    }
    mem_free(paths);
    return search.found;
}

int secret_redact(const struct secret *s, struct blockdb *db, struct error *err)
{
    struct blockdb_redact_options options = BLOCKDB_REDACT_OPTIONS_INIT;
    struct blockdb_write_result result;

    options.reason = "asked for";
    options.reason_code = 1;
    return blockdb_redact(db, SECRET_KEY, strlen(SECRET_KEY), s->seq, &options, &result, err);
}

static void check_history(const struct secret *s, struct blockdb *db)
{
    struct blockdb_history *history = NULL;
    struct error err;
    size_t len = 1;
    bool seen = false;

    fixture_must(blockdb_history_new(db, SECRET_KEY, strlen(SECRET_KEY), NULL, &history, &err),
                 &err);
    while (blockdb_history_next(history, &err) == BLOCKDB_OK) {
        struct blockdb_version_info version = blockdb_history_version(history);

        if (version.seq == s->seq) {
            seen = true;
            assert_true(version.redacted);
            assert_int_equal(version.kind, BLOCKDB_KIND_PUT);
            (void)blockdb_history_value(history, &len);
            assert_int_equal(len, 0);
        }
    }
    blockdb_history_free(history);
    assert_true(seen);
}

static void check_scan(const struct secret *s, struct blockdb *db)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter = NULL;
    struct error err;
    size_t len = 1;

    options.at_seq = s->seq;
    options.start = SECRET_KEY;
    options.start_len = strlen(SECRET_KEY);
    fixture_must(blockdb_iter_new(db, &options, &iter, &err), &err);
    assert_int_equal(blockdb_iter_next(iter, &err), BLOCKDB_OK);
    assert_true(blockdb_iter_version(iter).seq == s->seq);
    assert_true(blockdb_iter_version(iter).redacted);
    (void)blockdb_iter_value(iter, &len);
    assert_int_equal(len, 0);
    blockdb_iter_free(iter);
}

void secret_check_hidden(const struct secret *s, struct blockdb *db)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value key = {0};
    struct blockdb_value value = {0};
    uint64_t redact_seq = 0;
    struct hash leaf;
    struct error err;

    options.at_seq = s->seq;
    assert_int_equal(blockdb_get(db, SECRET_KEY, strlen(SECRET_KEY), &options, &value, &err),
                     BLOCKDB_EREDACTED);
    assert_true(value.version.redacted && value.version.seq == s->seq && value.len == 0);
    assert_int_equal(value.version.kind, BLOCKDB_KIND_PUT);
    assert_int_equal(blockdb_get_entry(db, s->seq, &key, &value, &err), BLOCKDB_EREDACTED);
    assert_true(value.version.redacted && value.len == 0);
    assert_memory_equal(key.data, SECRET_KEY, strlen(SECRET_KEY));
    blockdb_value_deinit(&key);
    blockdb_value_deinit(&value);
    check_history(s, db);
    check_scan(s, db);
    fixture_must(tile_files_read(db->tiles, 0, s->seq, 1, leaf.bytes, &err), &err);
    assert_memory_equal(leaf.bytes, s->leaf.bytes, sizeof(leaf.bytes));
    fixture_must(redact_find(db, s->seq, &redact_seq, &err), &err);
    fixture_must(redact_check_entry(db, s->seq, &s->leaf, redact_seq, &err), &err);
}

uint64_t secret_verify(struct blockdb *db)
{
    struct blockdb_verify_report report;
    struct error err;

    fixture_must(blockdb_verify(db, NULL, &report, &err), &err);
    return report.redactions;
}
