/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server under test by its HTTP API, through libblockdb-client; each session has a connection.
 */
#include "base/mem.h"
#include "bin/bench/remote.h"

#include <blockdb/client.h>

struct session {
    struct remote *remote;
    struct blockdb_client *client;
    struct blockdb_client_batch *batch;
    struct blockdb_client_pair *pairs; /* of put_many; pair_cap */
    size_t pair_cap;
    struct buf keys; /* of put_many, with their prefix */
    struct blockdb_value value;
    struct remote_key key;
    uint64_t read_seq; /* of the last get_to_change */
};

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    struct remote *remote = mem_calloc(1, sizeof(*remote));
    int rc;

    if (remote == NULL) {
        return error_set_no_memory(err);
    }
    rc = remote_open(remote, setup, false, err);
    if (rc < 0) {
        mem_free(remote);
        return rc;
    }
    *out_db = remote;
    return BLOCKDB_OK;
}

static int engine_close(void *db, struct error *err)
{
    int rc = remote_close(db, err);

    mem_free(db);
    return rc;
}

static int64_t process(void *db)
{
    return remote_process(db);
}

static void session_free(void *session)
{
    struct session *s = session;

    blockdb_client_batch_free(s->batch);
    blockdb_client_value_deinit(&s->value);
    blockdb_client_free(s->client);
    buf_deinit(&s->keys);
    mem_free(s->pairs);
    mem_free(s);
}

static int session_new(void *db, void **out_session, struct error *err)
{
    struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;
    struct session *s = mem_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->remote = db;
    options.urls = s->remote->url;
    options.max_connections = 1;
    options.token_file = s->remote->token_file;
    rc = blockdb_client_new(&options, &s->client, err);
    if (rc == BLOCKDB_OK) {
        s->batch = blockdb_client_batch_new();
        rc = s->batch != NULL ? BLOCKDB_OK : error_set_no_memory(err);
    }
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    *out_session = s;
    return BLOCKDB_OK;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int note_written(struct session *s, int rc, const struct blockdb_write_result *result)
{
    if (rc == BLOCKDB_OK) {
        remote_note_seq(s->remote, result->first_seq + result->count);
    }
    return rc;
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    struct slice key = remote_key_of(s->remote, pair->key, &s->key);
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    int rc;

    options.durability = durability;
    rc = blockdb_client_put(s->client, key.data, key.len, pair->value.data, pair->value.len,
                            &options, &result, err);
    return note_written(s, rc, &result);
}

/* Room for count pairs and their keys, so that neither moves while they are filled in. */
static int reserve(struct session *s, size_t count, size_t key_len)
{
    if (count > s->pair_cap) {
        struct blockdb_client_pair *pairs = mem_realloc(s->pairs, count * sizeof(*pairs));

        if (pairs == NULL) {
            return BLOCKDB_ENOMEM;
        }
        s->pairs = pairs;
        s->pair_cap = count;
    }
    buf_reset(&s->keys);
    return buf_reserve(&s->keys, count * (s->remote->prefix_len + key_len));
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    size_t i;
    int rc = reserve(s, count, pairs[0].key.len);

    if (rc < 0) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < count; i++) {
        struct slice key = remote_key_of(s->remote, pairs[i].key, &s->key);
        const uint8_t *kept = s->keys.data + s->keys.len;

        if (buf_append_slice(&s->keys, key) < 0) {
            return error_set_no_memory(err);
        }
        s->pairs[i] = (struct blockdb_client_pair){.key = kept,
                                                   .key_len = key.len,
                                                   .value = pairs[i].value.data,
                                                   .value_len = pairs[i].value.len};
    }
    options.durability = durability;
    rc = blockdb_client_batch_put(s->client, s->pairs, count, &options, &result, err);
    return note_written(s, rc, &result);
}

static int put_changed(void *session, const struct bench_pair *pair,
                       enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    struct slice key = remote_key_of(s->remote, pair->key, &s->key);
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    int rc;

    options.durability = durability;
    blockdb_client_batch_reset(s->batch);
    rc = blockdb_client_batch_require_seq(s->batch, key.data, key.len, s->read_seq, err);
    if (rc == BLOCKDB_OK) {
        rc = blockdb_client_batch_add_put(s->batch, key.data, key.len, pair->value.data,
                                          pair->value.len, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_client_write(s->client, s->batch, &options, &result, err);
    }
    return note_written(s, rc, &result);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int get_as_of(void *session, struct slice key, uint64_t seq, struct slice *out_value,
                     struct error *err)
{
    struct session *s = session;
    struct slice full = remote_key_of(s->remote, key, &s->key);
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    int rc;

    options.at_seq = seq;
    rc = blockdb_client_get(s->client, full.data, full.len, &options, &s->value, err);
    if (rc == BLOCKDB_OK) {
        *out_value = slice_of(s->value.data, s->value.len);
    }
    return rc;
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    return get_as_of(session, key, BLOCKDB_SEQ_NONE, out_value, err);
}

static int get_to_change(void *session, struct slice key, struct slice *out_value,
                         struct error *err)
{
    struct session *s = session;
    int rc = get(session, key, out_value, err);

    if (rc == BLOCKDB_OK) {
        s->read_seq = s->value.version.seq;
    }
    return rc;
}

/* Hands an entry to visit without its prefix. */
static int hand_on(struct session *s, const struct blockdb_client_iter *iter, bench_visit_fn visit,
                   void *arg)
{
    struct slice key = {0};
    struct slice value = {0};

    key.data = blockdb_client_iter_key(iter, &key.len);
    value.data = blockdb_client_iter_value(iter, &value.len);
    return visit(arg, slice_of(key.data + s->remote->prefix_len, key.len - s->remote->prefix_len),
                 value);
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    struct slice full = remote_key_of(s->remote, start, &s->key);
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_client_iter *iter;
    int rc;

    options.start = full.data;
    options.start_len = full.len;
    if (s->remote->prefix_len > 0) {
        options.prefix = s->remote->prefix;
        options.prefix_len = s->remote->prefix_len;
    }
    rc = blockdb_client_iter_new(s->client, &options, &iter, err);
    if (rc < 0) {
        return rc;
    }
    blockdb_client_iter_set_page(iter, (unsigned)count);
    while (count-- > 0 && (rc = blockdb_client_iter_next(iter, err)) == BLOCKDB_OK) {
        rc = hand_on(s, iter, visit, arg);
        if (rc < 0) {
            break;
        }
    }
    blockdb_client_iter_free(iter);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int seq_count(void *session, uint64_t *out_count, struct error *err)
{
    struct session *s = session;

    (void)err;
    *out_count = atomic_load_explicit(&s->remote->seq_count, memory_order_relaxed);
    return BLOCKDB_OK;
}

static int history(void *session, struct slice key, bench_visit_fn visit, void *arg,
                   struct error *err)
{
    struct session *s = session;
    struct slice full = remote_key_of(s->remote, key, &s->key);
    struct blockdb_client_history *versions;
    int rc = blockdb_client_history_new(s->client, full.data, full.len, NULL, &versions, err);

    if (rc < 0) {
        return rc;
    }
    while ((rc = blockdb_client_history_next(versions, err)) == BLOCKDB_OK) {
        struct slice value = {0};

        value.data = blockdb_client_history_value(versions, &value.len);
        rc = visit(arg, key, value);
        if (rc < 0) {
            break;
        }
    }
    blockdb_client_history_free(versions);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int verify(void *db, unsigned threads, uint64_t *out_entries, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb_verify_report report;
    void *session;
    int rc = session_new(db, &session, err);

    if (rc < 0) {
        return rc;
    }
    options.threads = threads;
    rc = blockdb_client_verify(((struct session *)session)->client, &options, &report, err);
    if (rc == BLOCKDB_OK) {
        *out_entries = report.entries;
    }
    session_free(session);
    return rc;
}

static int metrics(void *db, struct buf *out, struct error *err)
{
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;
    struct blockdb_client_answer answer = {0};
    void *session;
    int rc = session_new(db, &session, err);

    if (rc < 0) {
        return rc;
    }
    request.target = "/metrics";
    rc = blockdb_client_request(((struct session *)session)->client, &request, &answer, err);
    if (rc == BLOCKDB_OK && answer.status != 200) {
        rc = error_set(err, BLOCKDB_EDENIED, "/metrics was answered by %d", answer.status);
    }
    if (rc == BLOCKDB_OK && buf_append(out, answer.body.data, answer.body.len) < 0) {
        rc = error_set_no_memory(err);
    }
    blockdb_client_answer_deinit(&answer);
    session_free(session);
    return rc;
}

const struct bench_engine bench_engine_http = {
    .name = "http",
    .title = "BlockDB by HTTP",
    .is_remote = true,
    .open = engine_open,
    .close = engine_close,
    .process = process,
    .metrics = metrics,
    .session_new = session_new,
    .session_free = session_free,
    .put = put,
    .put_many = put_many,
    .get_to_change = get_to_change,
    .put_changed = put_changed,
    .get = get,
    .scan = scan,
    .seq_count = seq_count,
    .get_as_of = get_as_of,
    .history = history,
    .verify = verify,
};
