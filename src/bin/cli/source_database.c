/* SPDX-License-Identifier: Apache-2.0 */
/* A source that is a database in a directory, opened by this process. */
#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/signals.h"
#include "engine/heads.h"
#include "engine/open.h"
#include "os/os.h"

#include <inttypes.h>

#define NS_PER_MS 1000000ULL
#define SEAL_WAIT_STEP_NS (20 * NS_PER_MS)
#define SEAL_WAIT_STEPS 500 /* ten seconds, beyond any sensible block_interval */

struct source_batch {
    struct blockdb *db;
    struct blockdb_batch *batch;
};

struct source_cursor {
    struct blockdb_iter *iter; /* one of the two */
    struct blockdb_history *history;
};

static struct blockdb_write_options write_options(enum blockdb_durability durability)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;

    options.durability = durability;
    return options;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int database_batch_new(struct source *s, struct source_batch **out, struct error *err)
{
    struct source_batch *batch = mem_calloc(1, sizeof(*batch));

    if (batch != NULL) {
        batch->db = s->db;
        batch->batch = blockdb_batch_new(s->db);
    }
    if (batch == NULL || batch->batch == NULL) {
        mem_free(batch);
        return error_set_no_memory(err);
    }
    *out = batch;
    return BLOCKDB_OK;
}

static void database_batch_free(struct source_batch *batch)
{
    if (batch != NULL) {
        blockdb_batch_free(batch->batch);
        mem_free(batch);
    }
}

static int database_batch_put(struct source_batch *batch, const struct source_put *put,
                              struct error *err)
{
    int rc = BLOCKDB_OK;

    if (put->if_absent) {
        rc = blockdb_batch_require_absent(batch->batch, put->key.data, put->key.len, err);
    }
    return rc < 0 ? rc
                  : blockdb_batch_put(batch->batch, put->key.data, put->key.len, put->value.data,
                                      put->value.len, err);
}

static int database_batch_delete(struct source_batch *batch, struct slice key, struct error *err)
{
    return blockdb_batch_delete(batch->batch, key.data, key.len, err);
}

static size_t database_batch_count(const struct source_batch *batch)
{
    return blockdb_batch_count(batch->batch);
}

static size_t database_batch_bytes(const struct source_batch *batch)
{
    return blockdb_batch_bytes(batch->batch);
}

static int database_batch_write(struct source_batch *batch, enum blockdb_durability durability,
                                struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_write_options options = write_options(durability);

    return blockdb_write(batch->db, batch->batch, &options, out, err);
}

static int database_batch_submit(struct source_batch *batch, enum blockdb_durability durability,
                                 blockdb_write_cb cb, void *arg, struct error *err)
{
    struct blockdb_write_options options = write_options(durability);
    int rc = blockdb_submit(batch->db, batch->batch, &options, cb, arg, err);

    mem_free(batch);
    return rc;
}

static int database_put(struct source *s, const struct source_put *put,
                        struct blockdb_write_result *out, struct error *err)
{
    struct source_batch *batch = NULL;
    int rc;

    if (!put->if_absent) {
        return blockdb_put(s->db, put->key.data, put->key.len, put->value.data, put->value.len,
                           &put->options, out, err);
    }
    rc = database_batch_new(s, &batch, err);
    if (rc == BLOCKDB_OK) {
        rc = database_batch_put(batch, put, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_write(batch->db, batch->batch, &put->options, out, err);
    }
    database_batch_free(batch);
    return rc;
}

static int database_remove(struct source *s, struct slice key,
                           const struct blockdb_write_options *options,
                           struct blockdb_write_result *out, struct error *err)
{
    return blockdb_delete(s->db, key.data, key.len, options, out, err);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int database_get(struct source *s, struct slice key, uint64_t at_seq,
                        struct blockdb_value *value, struct error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;

    options.at_seq = at_seq;
    return blockdb_get(s->db, key.data, key.len, &options, value, err);
}

/* Waits until entry seq is part of a sealed block; there is nothing to check before. */
static int wait_until_sealed(struct blockdb *db, uint64_t seq, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    int step;

    for (step = 0; step < SEAL_WAIT_STEPS && !signals_stop_asked(); step++) {
        int rc = blockdb_stats_get(db, &stats, err);

        if (rc < 0 || stats.sealed_seq > seq) {
            return rc;
        }
        os_sleep_ns(os_real(), SEAL_WAIT_STEP_NS);
    }
    if (signals_stop_asked()) {
        return error_set(err, BLOCKDB_ECANCELED, "interrupted");
    }
    return error_set(err, BLOCKDB_ETIMEDOUT,
                     "entry %" PRIu64
                     " is not in a sealed block yet, so there is nothing to verify "
                     "it against: try again later",
                     seq);
}

static int database_get_verified(struct source *s, struct slice key, uint64_t at_seq,
                                 struct blockdb_value *value, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    uint64_t seq;
    int rc = database_get(s, key, at_seq, value, err);

    if (rc < 0) {
        return rc;
    }
    seq = value->version.seq;
    rc = wait_until_sealed(s->db, seq, err);
    if (rc < 0) {
        return rc;
    }
    options.from_seq = seq;
    options.to_seq = seq;
    rc = blockdb_verify(s->db, &options, NULL, err);
    return rc < 0 ? error_wrap(err, rc, "entry %" PRIu64 " does not verify", seq) : rc;
}

static int database_seq_at_time(struct source *s, uint64_t time_ms, uint64_t *out_seq,
                                struct error *err)
{
    return blockdb_seq_at_time(s->db, time_ms, out_seq, err);
}

/* ---- Cursors ------------------------------------------------------------------------------- */

static void database_cursor_free(struct source_cursor *cursor)
{
    if (cursor != NULL) {
        blockdb_iter_free(cursor->iter);
        blockdb_history_free(cursor->history);
        mem_free(cursor);
    }
}

static int database_scan_new(struct source *s, const struct blockdb_scan_options *options,
                             struct source_cursor **out, struct error *err)
{
    struct source_cursor *cursor = mem_calloc(1, sizeof(*cursor));
    int rc = cursor != NULL ? blockdb_iter_new(s->db, options, &cursor->iter, err)
                            : error_set_no_memory(err);

    if (rc < 0) {
        mem_free(cursor);
        return rc;
    }
    *out = cursor;
    return BLOCKDB_OK;
}

static int database_history_new(struct source *s, struct slice key, bool versions_only,
                                struct source_cursor **out, struct error *err)
{
    struct blockdb_history_options options = BLOCKDB_HISTORY_OPTIONS_INIT;
    struct source_cursor *cursor = mem_calloc(1, sizeof(*cursor));
    int rc;

    options.versions_only = versions_only;
    rc = cursor != NULL
             ? blockdb_history_new(s->db, key.data, key.len, &options, &cursor->history, err)
             : error_set_no_memory(err);
    if (rc < 0) {
        mem_free(cursor);
        return rc;
    }
    *out = cursor;
    return BLOCKDB_OK;
}

static int database_cursor_next(struct source_cursor *cursor, struct entry *out, struct error *err)
{
    struct entry entry = {.keys_only = false};
    int rc = cursor->iter != NULL ? blockdb_iter_next(cursor->iter, err)
                                  : blockdb_history_next(cursor->history, err);

    if (rc < 0) {
        return rc;
    }
    if (cursor->iter != NULL) {
        entry.key.data = blockdb_iter_key(cursor->iter, &entry.key.len);
        entry.value.data = blockdb_iter_value(cursor->iter, &entry.value.len);
        entry.version = blockdb_iter_version(cursor->iter);
    } else {
        entry.value.data = blockdb_history_value(cursor->history, &entry.value.len);
        entry.version = blockdb_history_version(cursor->history);
    }
    *out = entry;
    return BLOCKDB_OK;
}

/* ---- Evidence ------------------------------------------------------------------------------ */

static int database_block_get(struct source *s, uint64_t height, struct blockdb_block *out,
                              struct error *err)
{
    return blockdb_block_get(s->db, height, out, err);
}

static int database_head_get(struct source *s, struct blockdb_head *out, struct error *err)
{
    return blockdb_head_get(s->db, out, err);
}

static int database_checkpoint_get(struct source *s, struct blockdb_value *out, struct error *err)
{
    return blockdb_checkpoint_get(s->db, out, err);
}

static int database_checkpoint_sign(struct source *s, struct blockdb_value *out, struct error *err)
{
    return blockdb_checkpoint_sign(s->db, out, err);
}

static int database_prove_entry(struct source *s, uint64_t seq,
                                const struct blockdb_prove_options *options,
                                struct blockdb_value *out, struct error *err)
{
    return blockdb_prove_entry(s->db, seq, options, out, err);
}

static int database_prove_key(struct source *s, struct slice key,
                              const struct blockdb_prove_options *options,
                              struct blockdb_value *out, struct error *err)
{
    return blockdb_prove_key(s->db, key.data, key.len, options, out, err);
}

/* ---- Administration ------------------------------------------------------------------------ */

static int database_stats(struct source *s, struct blockdb_stats *out, struct error *err)
{
    return blockdb_stats_get(s->db, out, err);
}

static int database_identity(struct source *s, struct source_identity *out, struct error *err)
{
    (void)err;
    *out = (struct source_identity){
        .version = blockdb_version(),
        .data_dir = s->name,
        .ledger_id = blockdb_ledger_id(s->db),
        .origin = blockdb_origin(s->db),
        .epoch = blockdb_epoch(s->db),
    };
    return BLOCKDB_OK;
}

static int database_verify(struct source *s, const struct blockdb_verify_options *options,
                           struct blockdb_verify_report *out, struct error *err)
{
    return blockdb_verify(s->db, options, out, err);
}

static int database_flush(struct source *s, struct error *err)
{
    return blockdb_flush(s->db, err);
}

static int database_compact(struct source *s, bool wait, blockdb_progress_cb progress, void *arg,
                            struct error *err)
{
    return blockdb_compact(s->db, wait, progress, arg, err);
}

static int database_backup(struct source *s, const char *dir, blockdb_progress_cb progress,
                           void *arg, struct error *err)
{
    return blockdb_backup(s->db, dir, progress, arg, err);
}

static int database_redact(struct source *s, const struct blockdb_redact_target *targets,
                           size_t count, const struct blockdb_redact_options *options,
                           struct blockdb_write_result *out, struct error *err)
{
    return blockdb_redact_many(s->db, targets, count, options, out, err);
}

/* ---- Opening and closing ------------------------------------------------------------------- */

/* A source, and the pin of its log, which it moves when it is closed. */
struct database_source {
    struct source base;
    struct cli *cli;
};

static int database_close(struct source *s, struct error *err)
{
    struct cli *cli = ((struct database_source *)s)->cli;
    struct pinned_head pinned = {.size = 0};
    struct blockdb_head head = {.size = 0};
    uint64_t signed_size = heads_signed_size(s->db);
    int rc = db_close(s->db, &head, err);

    pinned.size = head.size;
    memcpy(pinned.root.bytes, head.root, BLOCKDB_HASH_LEN);
    pinned.is_signed = signed_size > 0 && signed_size == head.size;
    if (rc == BLOCKDB_OK && head.size > 0) {
        pin_keep(&cli->pin, &pinned);
    }
    mem_free(s);
    return rc;
}

static const struct source_ops database_ops = {
    .close = database_close,
    .put = database_put,
    .remove = database_remove,
    .batch_new = database_batch_new,
    .batch_free = database_batch_free,
    .batch_put = database_batch_put,
    .batch_delete = database_batch_delete,
    .batch_count = database_batch_count,
    .batch_bytes = database_batch_bytes,
    .batch_write = database_batch_write,
    .batch_submit = database_batch_submit,
    .get = database_get,
    .get_verified = database_get_verified,
    .seq_at_time = database_seq_at_time,
    .scan_new = database_scan_new,
    .history_new = database_history_new,
    .cursor_next = database_cursor_next,
    .cursor_free = database_cursor_free,
    .block_get = database_block_get,
    .head_get = database_head_get,
    .checkpoint_get = database_checkpoint_get,
    .checkpoint_sign = database_checkpoint_sign,
    .prove_entry = database_prove_entry,
    .prove_key = database_prove_key,
    .stats = database_stats,
    .identity = database_identity,
    .verify = database_verify,
    .flush = database_flush,
    .compact = database_compact,
    .backup = database_backup,
    .redact = database_redact,
};

int source_of_database(struct cli *cli, struct blockdb *db, const char *dir, struct source **out,
                       struct error *err)
{
    struct database_source *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->base = (struct source){.ops = &database_ops, .name = dir, .db = db};
    s->cli = cli;
    *out = &s->base;
    return BLOCKDB_OK;
}
