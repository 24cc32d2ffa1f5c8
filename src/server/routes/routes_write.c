/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put, delete, batch: each fills the batch of the exchange's call and commits it. Nothing of it
 * blocks, and nothing is allocated but the batch.
 */
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"
#include "server/routes/write_body.h"

/* ---- Committing ---------------------------------------------------------------------------- */

static void write_done(struct exchange *x, struct call *call)
{
    if (call->status < 0) {
        exchange_error(x, call->status, &call->error);
        return;
    }
    reply_outcome(x, &call->written);
}

/* Commits what was added to the call, unless adding failed. */
static void write_commit(struct exchange *x, int rc, enum blockdb_durability durability,
                         struct error *err)
{
    struct call_commit commit = {.durability = durability};
    struct write_identity identity;

    if (rc == BLOCKDB_OK) {
        rc = header_identity(x, &identity, err);
    }
    if (rc < 0) {
        exchange_error(x, rc, err);
        return;
    }
    if (identity.given) {
        commit.client_id = identity.client_id;
        commit.request = identity.request;
    }
    exchange_call_then(x, write_done);
    exchange_started(x, dispatch_commit(exchange_call(x), &commit));
}

/* Adds an operation and its conditions to the batch of a call. */
static int add(void *arg, const struct write_operation *op, struct error *err)
{
    struct call *call = arg;
    int rc = BLOCKDB_OK;

    if (op->if_absent) {
        rc = dispatch_require_absent(call, op->key, err);
    }
    if (rc == BLOCKDB_OK && op->if_seq != BLOCKDB_SEQ_NONE) {
        rc = dispatch_require_seq(call, op->key, op->if_seq, err);
    }
    if (rc < 0) {
        return rc;
    }
    switch (op->kind) {
    case WRITE_PUT:
        return dispatch_put(call, op->key, op->value, err);
    case WRITE_DELETE:
        return dispatch_delete(call, op->key, err);
    case WRITE_REQUIRE_ABSENT:
        return dispatch_require_absent(call, op->key, err);
    case WRITE_REQUIRE_SEQ:
        return BLOCKDB_OK; /* if_seq was it */
    }
    return BLOCKDB_EINVAL;
}

/* ---- The handlers -------------------------------------------------------------------------- */

void route_put(struct exchange *x)
{
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct write_operation op;
    struct json_request q;
    struct error err;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), &err);
    rc = write_body_put(&q, &op, &durability);
    if (rc == BLOCKDB_OK) {
        rc = add(exchange_call(x), &op, &err);
    }
    write_commit(x, rc, durability, &err);
}

void route_batch(struct exchange *x)
{
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct json_request q;
    struct error err;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), &err);
    rc = write_body_batch(&q, add, exchange_call(x), &durability);
    write_commit(x, rc, durability, &err);
}

void route_delete(struct exchange *x)
{
    static const char *const names[] = {"durability", "if_seq", NULL};
    struct write_operation op = {
        .kind = WRITE_DELETE, .key = exchange_param(x, "key"), .if_seq = BLOCKDB_SEQ_NONE};
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct error err;
    int rc = exchange_query_check(x, names, &err);

    if (rc == BLOCKDB_OK) {
        rc = query_durability(x, &durability, &err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "if_seq", &op.if_seq, &err);
    }
    if (rc == BLOCKDB_OK) {
        rc = add(exchange_call(x), &op, &err);
    }
    write_commit(x, rc, durability, &err);
}
