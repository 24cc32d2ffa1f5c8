/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of keys: DEL, EXISTS, SCAN and their kin. */
#include "base/mem.h"
#include "base/text.h"
#include "server/principal.h"
#include "server/resp/resp_glob.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"

#include <stdio.h>

#define SCAN_COUNT_DEFAULT 10
#define DBSIZE_COUNTED_MAX 100000

/* DEL key ...: a deletion for each key that has a value */
void resp_run_del(struct resp_run *r)
{
    int64_t count = 0;
    struct error err;
    int rc = BLOCKDB_OK;

    for (size_t i = 1; i < r->arg_count; i++) {
        struct resp_read read = resp_op_next_read(r->op);

        if (rc == BLOCKDB_OK && (read.status == BLOCKDB_OK || read.status == BLOCKDB_EREDACTED)) {
            rc = resp_op_delete(r->op, read.key, &err);
            count++;
        }
    }
    if (rc < 0) {
        resp_write_status(&r->out, rc, &err);
        return;
    }
    resp_write_integer(&r->out, count);
}

/* EXISTS key ...: a key named twice counts twice */
void resp_run_exists(struct resp_run *r)
{
    int64_t count = 0;

    for (size_t i = 1; i < r->arg_count; i++) {
        struct resp_read read = resp_op_next_read(r->op);

        count += read.status == BLOCKDB_OK || read.status == BLOCKDB_EREDACTED;
    }
    resp_write_integer(&r->out, count);
}

/* TYPE key */
void resp_run_type(struct resp_run *r)
{
    struct resp_read read = resp_op_next_read(r->op);
    bool exists = read.status == BLOCKDB_OK || read.status == BLOCKDB_EREDACTED;

    resp_write_simple(&r->out, exists ? "string" : "none");
}

/* ---- SCAN ---------------------------------------------------------------------------------- */

struct scan {
    struct slice pattern; /* empty: all */
    uint64_t count;
    bool has_type; /* other than string: nothing */
    uint64_t cursor;
};

static int parse_scan(struct resp_run *r, struct scan *out, struct error *err)
{
    int rc = resp_number_of(r->args[1], BLOCKDB_SEQ_NONE - 1, &out->cursor, NULL);

    if (rc < 0) {
        return error_set(err, BLOCKDB_EINVAL, "invalid cursor");
    }
    if (r->arg_count % 2 != 0) {
        return error_set(err, BLOCKDB_EINVAL, "syntax error");
    }
    for (size_t i = 2; i < r->arg_count && rc == BLOCKDB_OK; i += 2) {
        if (resp_word_is(r->args[i], "match")) {
            out->pattern = r->args[i + 1];
        } else if (resp_word_is(r->args[i], "count")) {
            rc = resp_number_of(r->args[i + 1], UINT32_MAX, &out->count, err);
        } else if (resp_word_is(r->args[i], "type")) {
            out->has_type = !resp_word_is(r->args[i + 1], "string");
        } else {
            return error_set(err, BLOCKDB_EINVAL, "syntax error");
        }
    }
    if (rc == BLOCKDB_OK && out->count == 0) {
        return error_set(err, BLOCKDB_EINVAL, "syntax error: COUNT is at least 1");
    }
    out->count = out->count < RESP_SCAN_COUNT_MAX ? out->count : RESP_SCAN_COUNT_MAX;
    return rc;
}

static void iter_free_ptr(struct blockdb_iter **iter)
{
    blockdb_iter_free(*iter);
}

/* An iterator over the keys that pattern can match. */
static int iter_open(struct blockdb *db, struct slice pattern, struct buf *prefix,
                     struct blockdb_iter **out, struct error *err)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    int rc = resp_glob_prefix(pattern, prefix);

    if (rc < 0) {
        return error_set_no_memory(err);
    }
    options.keys_only = true;
    options.prefix = prefix->data;
    options.prefix_len = prefix->len;
    return blockdb_iter_new(db, &options, out, err);
}

/* Moves to the first key after the one that entry cursor - 1 wrote: entries never change, so a
 * cursor is good for ever, on any connection. */
static int seek(struct resp_run *r, struct blockdb *db, struct blockdb_iter *iter, uint64_t cursor,
                struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value key = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    size_t len;
    int rc;

    if (cursor == 0) {
        return blockdb_iter_next(iter, err);
    }
    rc = blockdb_get_entry(db, cursor - 1, &key, &value, err);
    if ((rc < 0 && rc != BLOCKDB_EREDACTED) || key.len == 0 ||
        !principal_may_key(r->op->call.principal, RIGHT_READ, slice_of(key.data, key.len))) {
        return error_set(err, BLOCKDB_EINVAL, "invalid cursor");
    }
    rc = blockdb_iter_seek(iter, key.data, key.len, err);
    if (rc == BLOCKDB_OK) {
        const void *at = blockdb_iter_key(iter, &len);

        if (slice_equal(slice_of(at, len), slice_of(key.data, key.len))) {
            rc = blockdb_iter_next(iter, err);
        }
    }
    return rc;
}

static bool is_shown(const struct resp_run *r, const struct scan *scan, struct slice key)
{
    return !scan->has_type && principal_may_key(r->op->call.principal, RIGHT_READ, key) &&
           (scan->pattern.len == 0 || resp_glob_matches(scan->pattern, key));
}

/* Writes the keys of one page into keys; *out_cursor is where the next begins, 0 at the end. */
static int scan_page(struct resp_run *r, struct blockdb *db, const struct scan *scan,
                     struct resp_writer *keys, struct error *err)
{
    AUTO(buf_deinit) struct buf prefix = {0};
    AUTO(iter_free_ptr) struct blockdb_iter *iter = NULL;
    uint64_t next_cursor = 0;
    size_t shown = 0;
    int rc = iter_open(db, scan->pattern, &prefix, &iter, err);

    if (rc == BLOCKDB_OK) {
        rc = seek(r, db, iter, scan->cursor, err);
    }
    for (uint64_t looked_at = 0; rc == BLOCKDB_OK; looked_at++) {
        size_t len;
        const void *data = blockdb_iter_key(iter, &len);

        if (looked_at == scan->count) {
            break;
        }
        next_cursor = blockdb_iter_version(iter).seq + 1;
        if (is_shown(r, scan, slice_of(data, len))) {
            resp_write_bulk(keys, slice_of(data, len));
            shown++;
        }
        rc = blockdb_iter_next(iter, err);
    }
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    resp_write_array(&r->out, 2);
    {
        char text[24];

        (void)snprintf(text, sizeof(text), "%llu",
                       rc == BLOCKDB_OK ? (unsigned long long)next_cursor : 0ull);
        resp_write_text(&r->out, text);
    }
    resp_write_array(&r->out, shown);
    return BLOCKDB_OK;
}

/* SCAN cursor [MATCH pattern] [COUNT n] [TYPE string] */
int resp_job_scan(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(buf_deinit) struct buf keys = {0};
    struct resp_writer w = resp_writer_of(&keys, r->out.version);
    struct scan scan = {.count = SCAN_COUNT_DEFAULT};
    int rc = parse_scan(r, &scan, err);

    if (rc == BLOCKDB_OK) {
        rc = scan_page(r, db, &scan, &w, err);
    }
    if (rc == BLOCKDB_OK && w.failed) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK) {
        resp_write_raw(&r->out, buf_slice(&keys));
    }
    return rc;
}

/* KEYS pattern */
int resp_job_keys(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(buf_deinit) struct buf keys = {0};
    AUTO(buf_deinit) struct buf prefix = {0};
    AUTO(iter_free_ptr) struct blockdb_iter *iter = NULL;
    struct resp_writer w = resp_writer_of(&keys, r->out.version);
    struct scan scan = {.pattern = r->args[1]};
    size_t shown = 0;
    int rc = iter_open(db, scan.pattern, &prefix, &iter, err);

    if (rc < 0) {
        return rc;
    }
    while ((rc = blockdb_iter_next(iter, err)) == BLOCKDB_OK) {
        size_t len;
        const void *data = blockdb_iter_key(iter, &len);

        if (!is_shown(r, &scan, slice_of(data, len))) {
            continue;
        }
        if (++shown > RESP_KEYS_MAX || keys.len > RESP_READ_BYTES_MAX) {
            return error_set(err, BLOCKDB_ELIMIT,
                             "more than %d keys match; walk them with SCAN instead", RESP_KEYS_MAX);
        }
        resp_write_bulk(&w, slice_of(data, len));
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (w.failed) {
        return error_set_no_memory(err);
    }
    resp_write_array(&r->out, shown);
    resp_write_raw(&r->out, buf_slice(&keys));
    return BLOCKDB_OK;
}

/* Counts keys up to DBSIZE_COUNTED_MAX; more are told by *out_more. */
static int count_keys(struct blockdb *db, uint64_t *out_count, bool *out_more, struct error *err)
{
    AUTO(iter_free_ptr) struct blockdb_iter *iter = NULL;
    AUTO(buf_deinit) struct buf prefix = {0};
    uint64_t count = 0;
    int rc = iter_open(db, slice_of(NULL, 0), &prefix, &iter, err);

    if (rc < 0) {
        return rc;
    }
    while (count <= DBSIZE_COUNTED_MAX && (rc = blockdb_iter_next(iter, err)) == BLOCKDB_OK) {
        count++;
    }
    *out_count = count;
    *out_more = count > DBSIZE_COUNTED_MAX;
    return rc == BLOCKDB_ENOTFOUND || *out_more ? BLOCKDB_OK : rc;
}

/* DBSIZE: exact for a small database, an estimate for a large one */
int resp_job_dbsize(struct resp_run *r, struct blockdb *db, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    uint64_t count = 0;
    bool has_more = false;
    int rc = count_keys(db, &count, &has_more, err);

    if (rc == BLOCKDB_OK && has_more) {
        rc = blockdb_stats_get(db, &stats, err);
        count = stats.live_keys_estimate > count ? stats.live_keys_estimate : count;
    }
    if (rc == BLOCKDB_OK) {
        resp_write_integer(&r->out, (int64_t)count);
    }
    return rc;
}
