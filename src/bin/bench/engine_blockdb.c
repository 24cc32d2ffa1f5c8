/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BlockDB under test, through its public interface only.
 */
#include "base/mem.h"
#include "bin/bench/bench_engine.h"

#include <stdio.h>

struct session {
    struct blockdb *db;
    struct blockdb_batch *batch;
    struct blockdb_value value;
};

static void options_free_ptr(struct blockdb_options **options)
{
    blockdb_options_free(*options);
}

static int set_size(struct blockdb_options *options, const char *name, uint64_t value,
                    struct error *err)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return blockdb_options_set(options, name, text, err);
}

/* "name=value" as given with --set. */
static int set_pair(struct blockdb_options *options, const char *pair, struct error *err)
{
    const char *equals = strchr(pair, '=');
    char name[64];

    if (equals == NULL || (size_t)(equals - pair) >= sizeof(name)) {
        return error_set(err, BLOCKDB_EINVAL, "--set '%s': give NAME=VALUE", pair);
    }
    memcpy(name, pair, (size_t)(equals - pair));
    name[equals - pair] = '\0';
    return blockdb_options_set(options, name, equals + 1, err);
}

static int apply(struct blockdb_options *options, const struct bench_setup *setup,
                 struct error *err)
{
    unsigned i;
    int rc = set_size(options, "block_cache_size", setup->cache_bytes, err);

    if (rc == 0) {
        rc = set_size(options, "memtable_size_limit", setup->write_buffer_bytes, err);
    }
    if (rc == 0) {
        rc = blockdb_options_set(options, "compression_type", setup->compression, err);
    }
    if (rc == 0) {
        rc = blockdb_options_set(options, "enable_bloom_filters",
                                 setup->bloom_bits > 0 ? "true" : "false", err);
    }
    if (rc == 0 && setup->bloom_bits > 0) {
        rc = set_size(options, "bloom_filter_bits_per_key", setup->bloom_bits, err);
    }
    for (i = 0; rc == 0 && i < setup->set_count; i++) {
        rc = set_pair(options, setup->set[i], err);
    }
    return rc;
}

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    struct blockdb *db;
    int rc;

    if (options == NULL) {
        return error_set_no_memory(err);
    }
    rc = apply(options, setup, err);
    if (rc == 0) {
        rc = blockdb_open(setup->dir, options, BLOCKDB_OPEN_CREATE, &db, err);
    }
    if (rc == 0) {
        *out_db = db;
    }
    return rc;
}

static int engine_close(void *db, struct error *err)
{
    return blockdb_close(db, err);
}

static int session_new(void *db, void **out_session, struct error *err)
{
    struct session *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->db = db;
    s->batch = blockdb_batch_new(db);
    if (s->batch == NULL) {
        mem_free(s);
        return error_set_no_memory(err);
    }
    *out_session = s;
    return BLOCKDB_OK;
}

static void session_free(void *session)
{
    struct session *s = session;

    blockdb_batch_free(s->batch);
    blockdb_value_deinit(&s->value);
    mem_free(s);
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;

    options.durability = durability;
    return blockdb_put(s->db, pair->key.data, pair->key.len, pair->value.data, pair->value.len,
                       &options, NULL, err);
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    size_t i;

    options.durability = durability;
    blockdb_batch_reset(s->batch);
    for (i = 0; i < count; i++) {
        int rc = blockdb_batch_put(s->batch, pairs[i].key.data, pairs[i].key.len,
                                   pairs[i].value.data, pairs[i].value.len, err);

        if (rc < 0) {
            return rc;
        }
    }
    return blockdb_write(s->db, s->batch, &options, NULL, err);
}

static int get_at(struct session *s, struct slice key, uint64_t seq, struct slice *out_value,
                  struct error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    int rc;

    options.at_seq = seq;
    rc = blockdb_get(s->db, key.data, key.len, &options, &s->value, err);
    if (rc == 0) {
        *out_value = slice_of(s->value.data, s->value.len);
    }
    return rc;
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    return get_at(session, key, BLOCKDB_SEQ_NONE, out_value, err);
}

static int get_as_of(void *session, struct slice key, uint64_t seq, struct slice *out_value,
                     struct error *err)
{
    return get_at(session, key, seq, out_value, err);
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter;
    int rc;

    options.start = start.data;
    options.start_len = start.len;
    rc = blockdb_iter_new(s->db, &options, &iter, err);
    if (rc < 0) {
        return rc;
    }
    while (count-- > 0 && (rc = blockdb_iter_next(iter, err)) == 0) {
        struct slice key = {0};
        struct slice value = {0};

        key.data = blockdb_iter_key(iter, &key.len);
        value.data = blockdb_iter_value(iter, &value.len);
        rc = visit(arg, key, value);
        if (rc < 0) {
            break;
        }
    }
    blockdb_iter_free(iter);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int seq_count(void *session, uint64_t *out_count, struct error *err)
{
    struct session *s = session;
    struct blockdb_view *view;
    int rc = blockdb_view_new(s->db, &view, err);

    if (rc == 0) {
        *out_count = blockdb_view_seq_count(view);
        blockdb_view_free(view);
    }
    return rc;
}

static int history(void *session, struct slice key, bench_visit_fn visit, void *arg,
                   struct error *err)
{
    struct session *s = session;
    struct blockdb_history *versions;
    int rc = blockdb_history_new(s->db, key.data, key.len, NULL, &versions, err);

    if (rc < 0) {
        return rc;
    }
    while ((rc = blockdb_history_next(versions, err)) == 0) {
        struct slice value = {0};

        value.data = blockdb_history_value(versions, &value.len);
        rc = visit(arg, key, value);
        if (rc < 0) {
            break;
        }
    }
    blockdb_history_free(versions);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int verify(void *db, unsigned threads, uint64_t *out_entries, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb_verify_report report;
    int rc;

    options.threads = threads;
    rc = blockdb_verify(db, &options, &report, err);
    if (rc == 0) {
        *out_entries = report.entries;
    }
    return rc;
}

static int stats(void *db, struct blockdb_stats *out_stats, struct error *err)
{
    return blockdb_stats_get(db, out_stats, err);
}

const struct bench_engine bench_engine_blockdb = {
    .name = "blockdb",
    .title = "BlockDB",
    .open = engine_open,
    .close = engine_close,
    .session_new = session_new,
    .session_free = session_free,
    .put = put,
    .put_many = put_many,
    .get = get,
    .scan = scan,
    .seq_count = seq_count,
    .get_as_of = get_as_of,
    .history = history,
    .verify = verify,
    .stats = stats,
};
