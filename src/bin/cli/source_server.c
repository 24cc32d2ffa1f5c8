/* SPDX-License-Identifier: Apache-2.0 */
/* A source that is a server: the operations by libblockdb-client. */
#include "base/json_reader.h"
#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/connect.h"
#include "bin/cli/server_work.h"
#include "bin/cli/stat_rows.h"

#include <blockdb/client.h>
#include <stdio.h>
#include <string.h>

#define KEYS_MAX BLOCKDB_TRUST_KEYS_MAX /* ARGS_OPTIONS_MAX is no more */

struct server_source {
    struct source base;
    struct cli *cli;
    struct blockdb_client *client;
    struct buf url;           /* with a zero behind it */
    struct buf identity_text; /* what the last identity points into */
};

struct source_batch {
    struct server_source *s;
    struct blockdb_client_batch *batch;
};

struct source_cursor {
    struct blockdb_client_iter *iter; /* one of the two */
    struct blockdb_client_history *history;
};

static struct server_source *server_of(struct source *s)
{
    return (struct server_source *)s;
}

struct blockdb_client *source_client(struct source *s)
{
    return server_of(s)->client;
}

static struct blockdb_write_options write_options(enum blockdb_durability durability)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;

    options.durability = durability;
    return options;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int server_put(struct source *s, const struct source_put *put,
                      struct blockdb_write_result *out, struct error *err)
{
    return (put->if_absent ? blockdb_client_put_if_absent : blockdb_client_put)(
        server_of(s)->client, put->key.data, put->key.len, put->value.data, put->value.len,
        &put->options, out, err);
}

static int server_remove(struct source *s, struct slice key,
                         const struct blockdb_write_options *options,
                         struct blockdb_write_result *out, struct error *err)
{
    return blockdb_client_delete(server_of(s)->client, key.data, key.len, options, out, err);
}

static int server_batch_new(struct source *s, struct source_batch **out, struct error *err)
{
    struct source_batch *batch = mem_calloc(1, sizeof(*batch));

    if (batch != NULL) {
        batch->s = server_of(s);
        batch->batch = blockdb_client_batch_new();
    }
    if (batch == NULL || batch->batch == NULL) {
        mem_free(batch);
        return error_set_no_memory(err);
    }
    *out = batch;
    return BLOCKDB_OK;
}

static void server_batch_free(struct source_batch *batch)
{
    if (batch != NULL) {
        blockdb_client_batch_free(batch->batch);
        mem_free(batch);
    }
}

static int server_batch_put(struct source_batch *batch, const struct source_put *put,
                            struct error *err)
{
    int rc = BLOCKDB_OK;

    if (put->if_absent) {
        rc = blockdb_client_batch_require_absent(batch->batch, put->key.data, put->key.len, err);
    }
    return rc < 0 ? rc
                  : blockdb_client_batch_add_put(batch->batch, put->key.data, put->key.len,
                                                 put->value.data, put->value.len, err);
}

static int server_batch_delete(struct source_batch *batch, struct slice key, struct error *err)
{
    return blockdb_client_batch_add_delete(batch->batch, key.data, key.len, err);
}

static size_t server_batch_count(const struct source_batch *batch)
{
    return blockdb_client_batch_count(batch->batch);
}

static size_t server_batch_bytes(const struct source_batch *batch)
{
    return blockdb_client_batch_bytes(batch->batch);
}

static int server_batch_write(struct source_batch *batch, enum blockdb_durability durability,
                              struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_write_options options = write_options(durability);

    return blockdb_client_write(batch->s->client, batch->batch, &options, out, err);
}

static int server_batch_submit(struct source_batch *batch, enum blockdb_durability durability,
                               blockdb_write_cb cb, void *arg, struct error *err)
{
    struct blockdb_write_result result = {0};
    int rc = server_batch_write(batch, durability, &result, err);

    server_batch_free(batch);
    if (rc == BLOCKDB_OK) {
        cb(arg, rc, &result, NULL);
    }
    return rc;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int server_get(struct source *s, struct slice key, uint64_t at_seq,
                      struct blockdb_value *value, struct error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;

    options.at_seq = at_seq;
    return blockdb_client_get(server_of(s)->client, key.data, key.len, &options, value, err);
}

/* The keys that --key and the profile name; how many. */
static size_t trusted_keys(struct cli *cli, const char *keys[KEYS_MAX])
{
    size_t count = 0;
    const char *key;

    while (count < KEYS_MAX && (key = args_value_at(&cli->args, "key", (unsigned)count)) != NULL) {
        keys[count++] = key;
    }
    return count;
}

static int server_get_verified(struct source *s, struct slice key, uint64_t at_seq,
                               struct blockdb_value *value, struct error *err)
{
    struct blockdb_client_verified_options options = BLOCKDB_CLIENT_VERIFIED_OPTIONS_INIT;
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    struct server_source *server = server_of(s);
    struct blockdb_client_pin pin = {.tree_size = 0};
    struct pinned_head pinned = {.is_signed = true};
    const char *keys[KEYS_MAX];
    int rc;

    trust.keys = keys;
    trust.key_count = trusted_keys(server->cli, keys);
    if (trust.key_count == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "get --verify does not trust the server, so it needs the log's verifier "
                         "key: --key VKEY, as keygen printed it");
    }
    if (server->cli->pin.has_kept && server->cli->pin.kept.is_signed) {
        pin.tree_size = server->cli->pin.kept.size;
        memcpy(pin.root, server->cli->pin.kept.root.bytes, sizeof(pin.root));
    }
    options.trust = &trust;
    options.pin = &pin;
    options.at_seq = at_seq;
    rc = blockdb_client_get_verified(server->client, key.data, key.len, &options, value, err);
    if (rc == BLOCKDB_OK) {
        pinned.size = pin.tree_size;
        memcpy(pinned.root.bytes, pin.root, sizeof(pin.root));
        pin_keep(&server->cli->pin, &pinned);
    }
    return rc;
}

static int server_seq_at_time(struct source *s, uint64_t time_ms, uint64_t *out_seq,
                              struct error *err)
{
    return blockdb_client_seq_at_time(server_of(s)->client, time_ms, out_seq, err);
}

/* ---- Cursors ------------------------------------------------------------------------------- */

static void server_cursor_free(struct source_cursor *cursor)
{
    if (cursor != NULL) {
        blockdb_client_iter_free(cursor->iter);
        blockdb_client_history_free(cursor->history);
        mem_free(cursor);
    }
}

/* Nobody fetches a thousand entries to print ten. */
static unsigned page_of(struct cli *cli)
{
    uint64_t limit = args_u64(&cli->args, "limit", 0);

    return limit > 0 && limit < 1000 ? (unsigned)limit : 0;
}

static int server_scan_new(struct source *s, const struct blockdb_scan_options *options,
                           struct source_cursor **out, struct error *err)
{
    struct source_cursor *cursor = mem_calloc(1, sizeof(*cursor));
    int rc = cursor != NULL
                 ? blockdb_client_iter_new(server_of(s)->client, options, &cursor->iter, err)
                 : error_set_no_memory(err);

    if (rc < 0) {
        mem_free(cursor);
        return rc;
    }
    blockdb_client_iter_set_page(cursor->iter, page_of(server_of(s)->cli));
    *out = cursor;
    return BLOCKDB_OK;
}

static int server_history_new(struct source *s, struct slice key, bool versions_only,
                              struct source_cursor **out, struct error *err)
{
    struct blockdb_history_options options = BLOCKDB_HISTORY_OPTIONS_INIT;
    struct source_cursor *cursor = mem_calloc(1, sizeof(*cursor));
    int rc;

    options.versions_only = versions_only;
    rc = cursor != NULL ? blockdb_client_history_new(server_of(s)->client, key.data, key.len,
                                                     &options, &cursor->history, err)
                        : error_set_no_memory(err);
    if (rc < 0) {
        mem_free(cursor);
        return rc;
    }
    blockdb_client_history_set_page(cursor->history, page_of(server_of(s)->cli));
    *out = cursor;
    return BLOCKDB_OK;
}

static int server_cursor_next(struct source_cursor *cursor, struct entry *out, struct error *err)
{
    struct entry entry = {.keys_only = false};
    int rc = cursor->iter != NULL ? blockdb_client_iter_next(cursor->iter, err)
                                  : blockdb_client_history_next(cursor->history, err);

    if (rc < 0) {
        return rc;
    }
    if (cursor->iter != NULL) {
        entry.key.data = blockdb_client_iter_key(cursor->iter, &entry.key.len);
        entry.value.data = blockdb_client_iter_value(cursor->iter, &entry.value.len);
        entry.version = blockdb_client_iter_version(cursor->iter);
    } else {
        entry.value.data = blockdb_client_history_value(cursor->history, &entry.value.len);
        entry.version = blockdb_client_history_version(cursor->history);
    }
    *out = entry;
    return BLOCKDB_OK;
}

/* ---- Evidence ------------------------------------------------------------------------------ */

static int server_block_get(struct source *s, uint64_t height, struct blockdb_block *out,
                            struct error *err)
{
    return blockdb_client_block_get(server_of(s)->client, height, out, err);
}

static int server_head_get(struct source *s, struct blockdb_head *out, struct error *err)
{
    return blockdb_client_head_get(server_of(s)->client, out, err);
}

static int server_checkpoint_get(struct source *s, struct blockdb_value *out, struct error *err)
{
    return blockdb_client_checkpoint_get(server_of(s)->client, out, err);
}

static int server_checkpoint_sign(struct source *s, struct blockdb_value *out, struct error *err)
{
    return blockdb_client_checkpoint_sign(server_of(s)->client, out, err);
}

static int server_prove_entry(struct source *s, uint64_t seq,
                              const struct blockdb_prove_options *options,
                              struct blockdb_value *out, struct error *err)
{
    return blockdb_client_prove_entry(server_of(s)->client, seq, options, out, err);
}

static int server_prove_key(struct source *s, struct slice key,
                            const struct blockdb_prove_options *options, struct blockdb_value *out,
                            struct error *err)
{
    return blockdb_client_prove_key(server_of(s)->client, key.data, key.len, options, out, err);
}

/* ---- Administration ------------------------------------------------------------------------ */

static int stats_failure(const struct json_reader *r, struct error *err)
{
    return json_reader_status(r) == BLOCKDB_ENOMEM
               ? error_set_no_memory(err)
               : error_set(err, BLOCKDB_EIO, "the server's /stats cannot be understood");
}

static void read_figures(struct json_reader *r, struct blockdb_stats *out)
{
    struct slice key;

    json_reader_begin_object(r);
    while (json_reader_key(r, &key)) {
        const struct stat_row *row = stat_row_find(key);
        uint64_t value = 0;

        if (row == NULL || json_reader_type(r) != JSON_READER_NUMBER) {
            json_reader_skip(r);
        } else if (json_reader_u64(r, &value)) {
            stat_row_set(row, out, value);
        }
    }
}

static int server_stats(struct source *s, struct blockdb_stats *out, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value json = {0};
    struct json_reader r;
    struct slice key;
    int rc = blockdb_client_stats_get(server_of(s)->client, &json, err);

    if (rc < 0) {
        return rc;
    }
    r = json_reader_of(slice_of(json.data, json.len));
    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "database")) {
            read_figures(&r, out);
        } else {
            json_reader_skip(&r);
        }
    }
    return json_reader_done(&r) ? BLOCKDB_OK : stats_failure(&r, err);
}

/* Where the texts of an identity begin in identity_text. */
struct identity_places {
    size_t version, data_dir, ledger_id, origin;
    uint64_t epoch;
};

static void read_place(struct json_reader *r, struct buf *texts, size_t *out)
{
    size_t at = texts->len;

    if (json_reader_type(r) != JSON_READER_STRING) {
        json_reader_skip(r);
    } else if (json_reader_text(r, texts) && buf_append_u8(texts, '\0') == BLOCKDB_OK) {
        *out = at;
    }
}

static int read_identity(struct slice json, struct buf *texts, struct identity_places *out,
                         struct error *err)
{
    struct json_reader r = json_reader_of(json);
    struct slice key;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "version")) {
            read_place(&r, texts, &out->version);
        } else if (json_key_is(key, "data_dir")) {
            read_place(&r, texts, &out->data_dir);
        } else if (json_key_is(key, "ledger_id")) {
            read_place(&r, texts, &out->ledger_id);
        } else if (json_key_is(key, "origin")) {
            read_place(&r, texts, &out->origin);
        } else if (json_key_is(key, "epoch")) {
            (void)json_reader_u64(&r, &out->epoch); /* sticky */
        } else {
            json_reader_skip(&r);
        }
    }
    return json_reader_done(&r) ? BLOCKDB_OK : stats_failure(&r, err);
}

static int server_identity(struct source *s, struct source_identity *out, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value json = {0};
    struct server_source *server = server_of(s);
    struct buf *texts = &server->identity_text;
    struct identity_places at = {0};
    const char *base;
    int rc = blockdb_client_stats_get(server->client, &json, err);

    buf_reset(texts);
    if (rc == BLOCKDB_OK && buf_append_u8(texts, '\0') < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK) {
        rc = read_identity(slice_of(json.data, json.len), texts, &at, err);
    }
    if (rc < 0) {
        return rc;
    }
    base = (const char *)texts->data;
    *out = (struct source_identity){
        .version = base + at.version,
        .data_dir = base + at.data_dir,
        .ledger_id = base + at.ledger_id,
        .origin = base + at.origin,
        .epoch = at.epoch,
    };
    return BLOCKDB_OK;
}

static struct server_work server_work(struct source *s, blockdb_progress_cb progress, void *arg)
{
    return (struct server_work){
        .client = server_of(s)->client, .url = s->name, .progress = progress, .progress_arg = arg};
}

static int server_verify(struct source *s, const struct blockdb_verify_options *options,
                         struct blockdb_verify_report *out, struct error *err)
{
    struct server_work work = server_work(s, options->progress, options->progress_arg);

    return server_work_verify(&work, options, out, err);
}

static int server_flush(struct source *s, struct error *err)
{
    return blockdb_client_flush(server_of(s)->client, err);
}

static int server_compact(struct source *s, bool wait, blockdb_progress_cb progress, void *arg,
                          struct error *err)
{
    struct server_work work = server_work(s, progress, arg);

    return wait ? server_work_compact(&work, err) : blockdb_client_compact(work.client, false, err);
}

static int server_backup(struct source *s, const char *dir, blockdb_progress_cb progress, void *arg,
                         struct error *err)
{
    struct server_work work = server_work(s, progress, arg);

    return server_work_backup(&work, dir, err);
}

static int server_redact(struct source *s, const struct blockdb_redact_target *targets,
                         size_t count, const struct blockdb_redact_options *options,
                         struct blockdb_write_result *out, struct error *err)
{
    struct server_work work = server_work(s, options->progress, options->progress_arg);

    return server_work_redact(&work, targets, count, options, out, err);
}

/* ---- Opening and closing ------------------------------------------------------------------- */

/* A log that was seen for the first time, or anew, may only now have a head to remember. */
static void pin_first(struct server_source *server)
{
    const struct pin *pin = &server->cli->pin;
    struct pinned_head first = {.size = 0};
    struct blockdb_head head;
    struct error ignored;

    if (!pin->is_checked || pin->has_kept ||
        blockdb_client_head_get(server->client, &head, &ignored) < 0 || head.size == 0) {
        return;
    }
    first.size = head.size;
    memcpy(first.root.bytes, head.root, BLOCKDB_HASH_LEN);
    pin_keep(&server->cli->pin, &first);
}

static int server_close(struct source *s, struct error *err)
{
    struct server_source *server = server_of(s);

    (void)err;
    pin_first(server);
    blockdb_client_free(server->client);
    buf_deinit(&server->url);
    buf_deinit(&server->identity_text);
    mem_free(server);
    return BLOCKDB_OK;
}

static const struct source_ops server_ops = {
    .close = server_close,
    .put = server_put,
    .remove = server_remove,
    .batch_new = server_batch_new,
    .batch_free = server_batch_free,
    .batch_put = server_batch_put,
    .batch_delete = server_batch_delete,
    .batch_count = server_batch_count,
    .batch_bytes = server_batch_bytes,
    .batch_write = server_batch_write,
    .batch_submit = server_batch_submit,
    .get = server_get,
    .get_verified = server_get_verified,
    .seq_at_time = server_seq_at_time,
    .scan_new = server_scan_new,
    .history_new = server_history_new,
    .cursor_next = server_cursor_next,
    .cursor_free = server_cursor_free,
    .block_get = server_block_get,
    .head_get = server_head_get,
    .checkpoint_get = server_checkpoint_get,
    .checkpoint_sign = server_checkpoint_sign,
    .prove_entry = server_prove_entry,
    .prove_key = server_prove_key,
    .stats = server_stats,
    .identity = server_identity,
    .verify = server_verify,
    .flush = server_flush,
    .compact = server_compact,
    .backup = server_backup,
    .redact = server_redact,
};

int source_of_server(struct cli *cli, struct source **out, struct error *err)
{
    struct server_source *s = mem_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->base.ops = &server_ops;
    s->cli = cli;
    rc = connect_client(cli, &s->client, &s->url, err);
    if (rc < 0) {
        buf_deinit(&s->url);
        mem_free(s);
        return rc;
    }
    s->base.name = (const char *)s->url.data;
    *out = &s->base;
    return BLOCKDB_OK;
}
