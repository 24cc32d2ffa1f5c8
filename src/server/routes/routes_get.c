/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one version: get, entry, seq. A plain get is answered on the loop when the memory has it;
 * what asks for more than one step runs on the pool.
 */
#include "base/mem.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"

/* What a get asks for; the state of its exchange. */
struct get_request {
    uint64_t at_seq;
    uint64_t as_of_ms;
    enum shown_as encoding;
    bool has_as_of;
    bool with_proof;
    bool is_not_text; /* found out on the pool: 422 */
};

static int check_consistency(const struct exchange *x, struct error *err)
{
    static const char *const words[] = {"linearizable", "leader", "stale"};
    struct slice word;
    size_t i;

    if (!exchange_query(x, "consistency", &word)) {
        return BLOCKDB_OK;
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(word, slice_of_text(words[i]))) {
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "parameter 'consistency' must be linearizable, leader or stale");
}

static int get_parse(const struct exchange *x, struct get_request *out, struct error *err)
{
    static const char *const names[] = {"encoding", "at", "as_of", "proof", "consistency", NULL};
    int rc = exchange_query_check(x, names, err);

    if (rc == BLOCKDB_OK) {
        rc = query_encoding(x, &out->encoding, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "at", &out->at_seq, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = query_time(x, "as_of", &out->as_of_ms, &out->has_as_of, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "proof", &out->with_proof, err);
    }
    if (rc == BLOCKDB_OK && out->has_as_of && out->at_seq != BLOCKDB_SEQ_NONE) {
        rc = error_set(err, BLOCKDB_EINVAL, "give one of 'at' and 'as_of', not both");
    }
    return rc < 0 ? rc : check_consistency(x, err);
}

static struct reply_entry entry_of(const struct exchange *x, const struct blockdb_value *value)
{
    return (struct reply_entry){
        .key = exchange_param(x, "key"),
        .value = slice_of(value->data, value->len),
        .version = value->version,
    };
}

static void get_done(struct exchange *x, struct call *call)
{
    const struct get_request *get = exchange_state(x);
    const struct reply_entry entry = entry_of(x, &call->value);
    struct json_writer w;

    if (call->status < 0) {
        reply_no_value(x, call->status, &call->error, &call->value.version);
        return;
    }
    reply_begin(x, &w);
    if (!reply_entry_members(&w, &entry, get != NULL ? get->encoding : SHOWN_AUTO)) {
        buf_reset(exchange_out(x));
        reply_not_text(x);
        return;
    }
    reply_end(x, &w, 200);
}

/* ---- With a proof, or as of a time ----------------------------------------------------------- */

static int get_write(struct call *call, struct blockdb *db, struct get_request *get,
                     struct error *err)
{
    struct exchange *x = exchange_of_call(call);
    const struct reply_entry entry = entry_of(x, &call->value);
    struct json_writer w;
    int rc;

    reply_begin(x, &w);
    if (!reply_entry_members(&w, &entry, get->encoding)) {
        get->is_not_text = true;
        return BLOCKDB_OK;
    }
    if (get->with_proof) {
        json_writer_key(&w, "proof");
        json_writer_begin_object(&w);
        rc = proof_of_entry(db, call->value.version.seq, &w, err);
        if (rc < 0) {
            return rc;
        }
        json_writer_end_object(&w);
    }
    return reply_finish(&w, err);
}

static int get_run(struct call *call, struct blockdb *db, struct error *err)
{
    struct exchange *x = exchange_of_call(call);
    struct get_request *get = exchange_state(x);
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct slice key = exchange_param(x, "key");
    int rc = BLOCKDB_OK;

    call->value.version = (struct blockdb_version_info){0}; /* that of another request */
    options.at_seq = get->at_seq;
    if (get->has_as_of) {
        rc = blockdb_seq_at_time(db, get->as_of_ms, &options.at_seq, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_get(db, key.data, key.len, &options, &call->value, err);
    }
    return rc < 0 ? rc : get_write(call, db, get, err);
}

static void get_run_done(struct exchange *x, struct call *call)
{
    const struct get_request *get = exchange_state(x);

    if (call->status < 0) {
        buf_reset(exchange_out(x));
        reply_no_value(x, call->status, &call->error, &call->value.version);
        return;
    }
    if (get->is_not_text) {
        reply_not_text(x);
        return;
    }
    exchange_reply_out(x, 200, HTTP_TYPE_JSON);
}

static void get_start(struct exchange *x, const struct get_request *get)
{
    struct call *call = exchange_call(x);
    const struct call_get plain = {.key = exchange_param(x, "key"), .at_seq = get->at_seq};
    struct error err;

    if (!get->has_as_of && !get->with_proof) {
        exchange_call_then(x, get_done);
        exchange_started(x, dispatch_get(call, &plain));
        return;
    }
    if (!principal_may_key(exchange_principal(x), RIGHT_READ, plain.key)) {
        exchange_error(x, principal_deny(exchange_principal(x), RIGHT_READ, plain.key, &err), &err);
        return;
    }
    exchange_call_then(x, get_run_done);
    exchange_started(x, dispatch_run(call, POOL_READ, get_run));
}

void route_get(struct exchange *x)
{
    static const struct get_request plain = {.at_seq = BLOCKDB_SEQ_NONE};
    struct get_request *get;
    struct error err;
    int rc;

    if (exchange_request(x)->query.len == 0) {
        get_start(x, &plain);
        return;
    }
    get = exchange_state_new(x, sizeof(*get));
    if (get == NULL) {
        exchange_error(x, error_set_no_memory(&err), &err);
        return;
    }
    *get = plain;
    rc = get_parse(x, get, &err);
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    get_start(x, get);
}

/* ---- entry --------------------------------------------------------------------------------- */

static int entry_write(struct exchange *x, const struct reply_entry *entry, enum shown_as encoding,
                       struct error *err)
{
    struct json_writer w;

    reply_begin(x, &w);
    if (!reply_entry_members(&w, entry, encoding)) {
        return reply_not_text_prepared(x, err);
    }
    return reply_finish(&w, err);
}

static void value_free(struct blockdb_value *value)
{
    blockdb_value_deinit(value);
}

static int entry_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(value_free) struct blockdb_value key = {0};
    AUTO(value_free) struct blockdb_value value = {0};
    enum shown_as encoding = SHOWN_AUTO;
    struct reply_entry entry;
    uint64_t seq;
    int rc = param_u64(x, "seq", &seq, err);

    if (rc == BLOCKDB_OK) {
        rc = query_encoding(x, &encoding, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_get_entry(db, seq, &key, &value, err);
    }
    if (rc < 0 && rc != BLOCKDB_EREDACTED) {
        return rc;
    }
    entry = (struct reply_entry){.key = slice_of(key.data, key.len),
                                 .value = slice_of(value.data, value.len),
                                 .version = value.version};
    if (key.len > 0 && !principal_may_key(exchange_principal(x), RIGHT_READ, entry.key)) {
        return principal_deny(exchange_principal(x), RIGHT_READ, entry.key, err);
    }
    entry.version.redacted = entry.version.redacted || rc == BLOCKDB_EREDACTED;
    return entry_write(x, &entry, encoding, err);
}

void route_entry(struct exchange *x)
{
    static const char *const names[] = {"encoding", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_READ, entry_run);
}

/* ---- seq ----------------------------------------------------------------------------------- */

static int seq_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct json_writer w;
    uint64_t time_ms = 0;
    bool given = false;
    uint64_t seq;
    int rc = query_time(x, "time", &time_ms, &given, err);

    if (rc == BLOCKDB_OK && !given) {
        rc = error_set(err, BLOCKDB_EINVAL, "parameter 'time' is missing");
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_seq_at_time(db, time_ms, &seq, err);
    }
    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    json_writer_member_u64(&w, "seq", seq);
    return reply_finish(&w, err);
}

void route_seq(struct exchange *x)
{
    static const char *const names[] = {"time", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_READ, seq_run);
}
