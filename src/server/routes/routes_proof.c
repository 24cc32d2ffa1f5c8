/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: hashes as JSON, and proof files as text. All of it reads the ledger, so all of it runs on
 * the pool.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"

#include <blockdb/evidence.h>
#include <inttypes.h>

static void value_free(struct blockdb_value *value)
{
    blockdb_value_deinit(value);
}

static void write_hashes(struct json_writer *w, const struct blockdb_proof *proof)
{
    size_t i;

    json_writer_key(w, "hashes");
    json_writer_begin_array(w);
    for (i = 0; i < proof->count; i++) {
        json_writer_hex(w, slice_of(proof->hashes[i], BLOCKDB_HASH_LEN));
    }
    json_writer_end_array(w);
}

/* The hash of entry seq, the last one of a tile that ends there. */
static int leaf_hash(struct blockdb *db, uint64_t seq, uint8_t out[BLOCKDB_HASH_LEN],
                     struct error *err)
{
    unsigned width = (unsigned)(seq % BLOCKDB_TILE_WIDTH) + 1;
    uint8_t tile[BLOCKDB_TILE_LEN];
    int rc = blockdb_tile_read(db, 0, seq / BLOCKDB_TILE_WIDTH, width, tile, err);

    if (rc == BLOCKDB_OK) {
        memcpy(out, tile + (size_t)(width - 1) * BLOCKDB_HASH_LEN, BLOCKDB_HASH_LEN);
    }
    return rc;
}

/* The sealed tree, which must have entry seq. What is not sealed yet will be within a moment. */
static int sealed_head(struct blockdb *db, uint64_t seq, struct blockdb_head *out,
                       struct error *err)
{
    int rc = blockdb_head_get(db, out, err);

    if (rc == BLOCKDB_OK && seq >= out->size && seq < blockdb_seq_count(db)) {
        rc = error_set(err, BLOCKDB_EWOULDBLOCK,
                       "entry %" PRIu64 " is in no sealed block yet; ask again in a moment", seq);
    } else if (rc == BLOCKDB_OK && seq >= out->size) {
        rc = error_set(err, BLOCKDB_ENOTFOUND, "there is no entry %" PRIu64, seq);
    }
    return rc;
}

struct inclusion {
    uint64_t seq;
    uint64_t size; /* 0: the sealed tree */
    struct blockdb_head head;
    struct blockdb_proof proof;
    uint8_t leaf[BLOCKDB_HASH_LEN];
};

/* Fills in all but seq and size. */
static int inclusion_prove(struct blockdb *db, struct inclusion *in, struct error *err)
{
    int rc = sealed_head(db, in->seq, &in->head, err);

    if (rc < 0) {
        return rc;
    }
    in->size = in->size != 0 ? in->size : in->head.size;
    rc = blockdb_prove_inclusion(db, in->seq, in->size, &in->proof, err);
    return rc < 0 ? rc : leaf_hash(db, in->seq, in->leaf, err);
}

static void inclusion_write(struct json_writer *w, const struct inclusion *in)
{
    json_writer_member_u64(w, "size", in->size);
    if (in->size == in->head.size) {
        reply_hash_member(w, "root", in->head.root);
    }
    reply_hash_member(w, "leaf_hash", in->leaf);
    write_hashes(w, &in->proof);
}

int proof_of_entry(struct blockdb *db, uint64_t seq, struct json_writer *w, struct error *err)
{
    struct inclusion in = {.seq = seq};
    int rc = inclusion_prove(db, &in, err);

    if (rc == BLOCKDB_OK) {
        inclusion_write(w, &in);
    }
    return rc;
}

/* The answer is file, as text or as the member "proof" of an answer that was begun. */
static int reply_text(struct exchange *x, const struct blockdb_value *file, struct error *err)
{
    exchange_prepare(x, 200, HTTP_TYPE_TEXT);
    return buf_append(exchange_out(x), file->data, file->len) < 0 ? error_set_no_memory(err)
                                                                  : BLOCKDB_OK;
}

static int reply_file(struct json_writer *w, const struct blockdb_value *file, struct error *err)
{
    json_writer_key(w, "proof");
    json_writer_string(w, slice_of(file->data, file->len));
    return reply_finish(w, err);
}

/* A parameter that must be there. */
static int query_required(const struct exchange *x, const char *name, uint64_t *out,
                          struct error *err)
{
    struct slice text;

    if (!exchange_query(x, name, &text)) {
        return error_set(err, BLOCKDB_EINVAL, "parameter '%s' is missing", name);
    }
    return exchange_query_u64(x, name, out, err);
}

/* ---- Inclusion ----------------------------------------------------------------------------- */

static int inclusion_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(value_free) struct blockdb_value file = {0};
    struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;
    struct inclusion in = {0};
    struct json_writer w;
    int rc = query_required(x, "seq", &in.seq, err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "size", &in.size, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (wants_text(x)) {
        options.without_value = true;
        rc = blockdb_prove_entry(db, in.seq, &options, &file, err);
        return rc < 0 ? rc : reply_text(x, &file, err);
    }
    rc = inclusion_prove(db, &in, err);
    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    json_writer_member_u64(&w, "seq", in.seq);
    inclusion_write(&w, &in);
    return reply_finish(&w, err);
}

void route_proof_inclusion(struct exchange *x)
{
    static const char *const names[] = {"seq", "size", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_READ, inclusion_run);
}

/* ---- Consistency --------------------------------------------------------------------------- */

/* One hash a line, in base64. */
static int consistency_text(struct exchange *x, const struct blockdb_proof *proof,
                            struct error *err)
{
    struct buf *out = exchange_out(x);
    size_t i;

    exchange_prepare(x, 200, HTTP_TYPE_TEXT);
    for (i = 0; i < proof->count; i++) {
        if (base64_append(out, slice_of(proof->hashes[i], BLOCKDB_HASH_LEN)) < 0 ||
            buf_append_u8(out, '\n') < 0) {
            return error_set_no_memory(err);
        }
    }
    return BLOCKDB_OK;
}

static int consistency_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct blockdb_proof proof;
    struct blockdb_head head;
    struct json_writer w;
    uint64_t from;
    uint64_t to = 0;
    int rc = query_required(x, "from", &from, err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "to", &to, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_head_get(db, &head, err);
    }
    if (rc == BLOCKDB_OK) {
        to = to != 0 ? to : head.size;
        rc = blockdb_prove_consistency(db, from, to, &proof, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (wants_text(x)) {
        return consistency_text(x, &proof, err);
    }
    reply_begin(x, &w);
    json_writer_member_u64(&w, "from", from);
    json_writer_member_u64(&w, "to", to);
    write_hashes(&w, &proof);
    return reply_finish(&w, err);
}

void route_proof_consistency(struct exchange *x)
{
    static const char *const names[] = {"from", "to", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_READ, consistency_run);
}

/* ---- Files --------------------------------------------------------------------------------- */

/* "OFFSET:LEN". */
static int query_range(const struct exchange *x, struct blockdb_prove_options *out,
                       struct error *err)
{
    struct slice text;
    const uint8_t *colon;
    size_t at;

    if (!exchange_query(x, "range", &text)) {
        return BLOCKDB_OK;
    }
    colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
    at = colon != NULL ? (size_t)(colon - text.data) : 0;
    if (colon == NULL || text_parse_decimal(slice_of(text.data, at), &out->range_offset) < 0 ||
        text_parse_decimal(slice_of(colon + 1, text.len - at - 1), &out->range_len) < 0 ||
        out->range_len == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "parameter 'range' must be OFFSET:LEN, the latter at least 1");
    }
    return BLOCKDB_OK;
}

/* Who may not read key gets its proofs without values. */
static int check_disclosure(const struct exchange *x, struct slice key,
                            const struct blockdb_prove_options *options, struct error *err)
{
    const struct principal *who = exchange_principal(x);

    if (options->without_value || principal_may_key(who, RIGHT_READ, key)) {
        return BLOCKDB_OK;
    }
    return error_wrap(err, principal_deny(who, RIGHT_READ, key, err),
                      "a proof with the value needs the right to read it; ask with no_value=1");
}

/* Whether the value of entry seq may be disclosed. */
static int check_entry(const struct exchange *x, struct blockdb *db, uint64_t seq,
                       const struct blockdb_prove_options *options, struct error *err)
{
    AUTO(value_free) struct blockdb_value key = {0};
    AUTO(value_free) struct blockdb_value value = {0};
    int rc;

    if (options->without_value ||
        principal_may_prefix(exchange_principal(x), RIGHT_READ, slice_of_text(RESERVED_PREFIX))) {
        return BLOCKDB_OK;
    }
    rc = blockdb_get_entry(db, seq, &key, &value, err);
    if (rc < 0 && rc != BLOCKDB_EREDACTED) {
        return rc;
    }
    return key.len == 0 ? BLOCKDB_OK
                        : check_disclosure(x, slice_of(key.data, key.len), options, err);
}

static int proof_entry_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(value_free) struct blockdb_value file = {0};
    struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;
    struct json_writer w;
    uint64_t seq;
    int rc = param_u64(x, "seq", &seq, err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "no_value", &options.without_value, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "block", &options.with_block, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = query_range(x, &options, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_entry(x, db, seq, &options, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_prove_entry(db, seq, &options, &file, err);
    }
    if (rc < 0 || wants_text(x)) {
        return rc < 0 ? rc : reply_text(x, &file, err);
    }
    reply_begin(x, &w);
    json_writer_member_u64(&w, "seq", seq);
    return reply_file(&w, &file, err);
}

void route_proof_entry(struct exchange *x)
{
    static const char *const names[] = {"no_value", "range", "block", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_LONG, proof_entry_run);
}

static int proof_key_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(value_free) struct blockdb_value file = {0};
    struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;
    struct slice key = exchange_param(x, "key");
    struct json_writer w;
    int rc = exchange_query_bool(x, "no_value", &options.without_value, err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "history", &options.with_history, err);
    }
    if (rc == BLOCKDB_OK && !principal_may_key(exchange_principal(x), RIGHT_PROVE, key)) {
        rc = principal_deny(exchange_principal(x), RIGHT_PROVE, key, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_disclosure(x, key, &options, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_prove_key(db, key.data, key.len, &options, &file, err);
    }
    if (rc < 0 || wants_text(x)) {
        return rc < 0 ? rc : reply_text(x, &file, err);
    }
    reply_begin(x, &w);
    reply_key_members(&w, key);
    return reply_file(&w, &file, err);
}

void route_proof_key(struct exchange *x)
{
    static const char *const names[] = {"no_value", "history", NULL};
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_LONG, proof_key_run);
}
