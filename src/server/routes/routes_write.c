/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put, delete, batch: each fills the batch of the exchange's call and commits it. Nothing of it
 * blocks, and nothing is allocated but the batch.
 */
#include "server/routes/json_reply.h"
#include "server/routes/json_request.h"
#include "server/routes/routes_priv.h"

#include <stddef.h>

/* One operation of a batch, or the body of a put. */
struct operation {
    struct slice type;
    struct slice key;
    struct slice value;
    struct slice encoding;
    struct slice durability;
    uint64_t if_seq;
    uint64_t seq;
    bool if_absent;
};

/* Committing and answering. */
static void write_done(struct exchange *x, struct call *call)
{
    if (call->status < 0) {
        exchange_error(x, call->status, &call->error);
        return;
    }
    reply_outcome(x, &call->written);
}

static void write_commit(struct exchange *x, enum blockdb_durability durability)
{
    struct write_identity identity;
    struct call_commit commit = {.durability = durability};
    struct error err;
    int rc = header_identity(x, &identity, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    if (identity.given) {
        commit.client_id = identity.client_id;
        commit.request = identity.request;
    }
    exchange_call_then(x, write_done);
    exchange_started(x, dispatch_commit(exchange_call(x), &commit));
}

/* ---- put ----------------------------------------------------------------------------------- */

enum { PUT_KEY, PUT_VALUE, PUT_ENCODING, PUT_IF_ABSENT, PUT_IF_SEQ, PUT_DURABILITY };
static const struct json_field put_fields[] = {
    [PUT_KEY] = {.name = "key",
                 .type = JSON_FIELD_TEXT,
                 .offset = offsetof(struct operation, key),
                 .is_required = true},
    [PUT_VALUE] = {.name = "value",
                   .type = JSON_FIELD_TEXT,
                   .offset = offsetof(struct operation, value),
                   .is_required = true},
    [PUT_ENCODING] = {.name = "encoding",
                      .type = JSON_FIELD_TEXT,
                      .offset = offsetof(struct operation, encoding)},
    [PUT_IF_ABSENT] = {.name = "if_absent",
                       .type = JSON_FIELD_BOOL,
                       .offset = offsetof(struct operation, if_absent)},
    [PUT_IF_SEQ] = {.name = "if_seq",
                    .type = JSON_FIELD_U64,
                    .offset = offsetof(struct operation, if_seq),
                    .max = BLOCKDB_SEQ_NONE - 1},
    [PUT_DURABILITY] = {.name = "durability",
                        .type = JSON_FIELD_TEXT,
                        .offset = offsetof(struct operation, durability)},
};
#define PUT_FIELD_COUNT (sizeof(put_fields) / sizeof(put_fields[0]))

/* Turns key and value into the bytes that they stand for. */
static int decode(const struct json_request *q, struct operation *op, bool has_value)
{
    bool is_base64;
    int rc = json_request_encoding(q, op->encoding, &is_base64);

    if (rc < 0 || !is_base64) {
        return rc;
    }
    rc = json_request_base64(q, "key", &op->key);
    return rc < 0 || !has_value ? rc : json_request_base64(q, "value", &op->value);
}

/* Conditions of a put or delete. */
static int add_conditions(struct call *call, const struct operation *op, bool has_if_seq,
                          struct error *err)
{
    int rc = BLOCKDB_OK;

    if (op->if_absent) {
        rc = dispatch_require_absent(call, op->key, err);
    }
    if (rc == BLOCKDB_OK && has_if_seq) {
        rc = dispatch_require_seq(call, op->key, op->if_seq, err);
    }
    return rc;
}

static int put_read(struct exchange *x, enum blockdb_durability *out_durability, struct error *err)
{
    struct call *call = exchange_call(x);
    struct operation op = {0};
    struct json_request q;
    uint32_t seen;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), err);
    rc = json_request_read(&q, put_fields, PUT_FIELD_COUNT, &op, &seen);
    if (rc == BLOCKDB_OK) {
        rc = decode(&q, &op, true);
    }
    if (rc == BLOCKDB_OK && (seen & 1U << PUT_DURABILITY) != 0) {
        rc = durability_parse(op.durability, out_durability, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = add_conditions(call, &op, (seen & 1U << PUT_IF_SEQ) != 0, err);
    }
    return rc < 0 ? rc : dispatch_put(call, op.key, op.value, err);
}

void route_put(struct exchange *x)
{
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct error err;
    int rc = put_read(x, &durability, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    write_commit(x, durability);
}

/* ---- delete -------------------------------------------------------------------------------- */

static int delete_read(struct exchange *x, enum blockdb_durability *out_durability,
                       struct error *err)
{
    static const char *const names[] = {"durability", "if_seq", NULL};
    struct operation op = {.key = exchange_param(x, "key"), .if_seq = BLOCKDB_SEQ_NONE};
    struct call *call = exchange_call(x);
    int rc = exchange_query_check(x, names, err);

    if (rc == BLOCKDB_OK) {
        rc = query_durability(x, out_durability, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "if_seq", &op.if_seq, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = add_conditions(call, &op, op.if_seq != BLOCKDB_SEQ_NONE, err);
    }
    return rc < 0 ? rc : dispatch_delete(call, op.key, err);
}

void route_delete(struct exchange *x)
{
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct error err;
    int rc = delete_read(x, &durability, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    write_commit(x, durability);
}

/* ---- batch --------------------------------------------------------------------------------- */

enum {
    OP_TYPE,
    OP_KEY,
    OP_VALUE,
    OP_ENCODING,
    OP_IF_ABSENT,
    OP_IF_SEQ,
    OP_SEQ,
    OP_TIME,
};
static const struct json_field operation_fields[] = {
    [OP_TYPE] = {.name = "type",
                 .type = JSON_FIELD_TEXT,
                 .offset = offsetof(struct operation, type),
                 .is_required = true},
    [OP_KEY] = {.name = "key",
                .type = JSON_FIELD_TEXT,
                .offset = offsetof(struct operation, key),
                .is_required = true},
    [OP_VALUE] = {.name = "value",
                  .type = JSON_FIELD_TEXT,
                  .offset = offsetof(struct operation, value)},
    [OP_ENCODING] = {.name = "encoding",
                     .type = JSON_FIELD_TEXT,
                     .offset = offsetof(struct operation, encoding)},
    [OP_IF_ABSENT] = {.name = "if_absent",
                      .type = JSON_FIELD_BOOL,
                      .offset = offsetof(struct operation, if_absent)},
    [OP_IF_SEQ] = {.name = "if_seq",
                   .type = JSON_FIELD_U64,
                   .offset = offsetof(struct operation, if_seq),
                   .max = BLOCKDB_SEQ_NONE - 1},
    [OP_SEQ] = {.name = "seq",
                .type = JSON_FIELD_U64,
                .offset = offsetof(struct operation, seq),
                .max = BLOCKDB_SEQ_NONE - 1},
    [OP_TIME] = {.name = "time", .type = JSON_FIELD_ANY},
};
#define OPERATION_FIELD_COUNT (sizeof(operation_fields) / sizeof(operation_fields[0]))

/* The body of a batch. */
struct batch_body {
    struct call *call;
    struct slice durability;
    uint32_t seen; /* of the operation that is being read */
};

struct operation_type {
    const char *name;
    uint32_t needed; /* members, besides type and key */
    uint32_t allowed;
    int (*add)(struct batch_body *body, const struct operation *op, struct error *err);
};

static int add_put(struct batch_body *body, const struct operation *op, struct error *err)
{
    int rc = add_conditions(body->call, op, (body->seen & 1U << OP_IF_SEQ) != 0, err);

    return rc < 0 ? rc : dispatch_put(body->call, op->key, op->value, err);
}

static int add_delete(struct batch_body *body, const struct operation *op, struct error *err)
{
    int rc = add_conditions(body->call, op, (body->seen & 1U << OP_IF_SEQ) != 0, err);

    return rc < 0 ? rc : dispatch_delete(body->call, op->key, err);
}

static int add_require_absent(struct batch_body *body, const struct operation *op,
                              struct error *err)
{
    return dispatch_require_absent(body->call, op->key, err);
}

static int add_require_seq(struct batch_body *body, const struct operation *op, struct error *err)
{
    return dispatch_require_seq(body->call, op->key, op->seq, err);
}

#define OP_ALWAYS (1U << OP_TYPE | 1U << OP_KEY | 1U << OP_ENCODING)
#define OP_EXPORTED (1U << OP_SEQ | 1U << OP_TIME)
static const struct operation_type operation_types[] = {
    {"put", 1U << OP_VALUE,
     OP_ALWAYS | OP_EXPORTED | 1U << OP_VALUE | 1U << OP_IF_ABSENT | 1U << OP_IF_SEQ, add_put},
    {"delete", 0, OP_ALWAYS | OP_EXPORTED | 1U << OP_IF_SEQ, add_delete},
    {"require_absent", 0, OP_ALWAYS, add_require_absent},
    {"require_seq", 1U << OP_SEQ, OP_ALWAYS | 1U << OP_SEQ, add_require_seq},
};

static const struct operation_type *find_type(struct slice name)
{
    size_t i;

    for (i = 0; i < sizeof(operation_types) / sizeof(operation_types[0]); i++) {
        if (slice_equal(name, slice_of_text(operation_types[i].name))) {
            return &operation_types[i];
        }
    }
    return NULL;
}

/* The lowest member of a set. */
static const char *member_name(uint32_t members)
{
    return operation_fields[__builtin_ctz(members)].name;
}

static int operation_read(struct json_request *q, void *out)
{
    const struct operation_type *type;
    struct batch_body *body = out;
    struct operation op = {0};
    int rc = json_request_object(q, operation_fields, OPERATION_FIELD_COUNT, &op, &body->seen);

    if (rc < 0) {
        return rc;
    }
    type = find_type(op.type);
    if (type == NULL) {
        return json_request_refuse(q, "member 'type' must be \"put\", \"delete\", "
                                      "\"require_absent\" or \"require_seq\"");
    }
    if ((type->needed & ~body->seen) != 0) {
        return json_request_refuse(q, "member '%s' is missing for type \"%s\"",
                                   member_name(type->needed & ~body->seen), type->name);
    }
    if ((body->seen & ~type->allowed) != 0) {
        return json_request_refuse(q, "member '%s' does not belong to type \"%s\"",
                                   member_name(body->seen & ~type->allowed), type->name);
    }
    rc = decode(q, &op, (body->seen & 1U << OP_VALUE) != 0);
    if (rc == BLOCKDB_OK) {
        rc = type->add(body, &op, q->err);
        rc = rc < 0 ? error_wrap(q->err, rc, "operation %llu", (unsigned long long)q->index) : rc;
    }
    return rc;
}

enum { BATCH_OPERATIONS, BATCH_DURABILITY };
static const struct json_field batch_fields[] = {
    [BATCH_OPERATIONS] = {.name = "operations",
                          .type = JSON_FIELD_LIST,
                          .is_required = true,
                          .item = operation_read,
                          .item_name = "operation"},
    [BATCH_DURABILITY] = {.name = "durability",
                          .type = JSON_FIELD_TEXT,
                          .offset = offsetof(struct batch_body, durability)},
};

void route_batch(struct exchange *x)
{
    enum blockdb_durability durability = BLOCKDB_DURABILITY_DEFAULT;
    struct batch_body body = {.call = exchange_call(x)};
    struct json_request q;
    struct error err;
    uint32_t seen;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), &err);
    rc = json_request_read(&q, batch_fields, sizeof(batch_fields) / sizeof(batch_fields[0]), &body,
                           &seen);
    if (rc == BLOCKDB_OK && (seen & 1U << BATCH_DURABILITY) != 0) {
        rc = durability_parse(body.durability, &durability, &err);
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    write_commit(x, durability);
}
