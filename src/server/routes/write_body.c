/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/write_body.h"

#include "server/routes/json_reply.h"

#include <inttypes.h>
#include <stddef.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define BIT(field) (1U << (field))

/* The members of an operation, or of the body of a put. */
struct members {
    struct slice type;
    struct slice key;
    struct slice value;
    struct slice encoding;
    struct slice durability;
    uint64_t if_seq;
    uint64_t seq;
    bool if_absent;
};

#define TEXT_FIELD(text, required)                                                                 \
    {                                                                                              \
        .name = #text, .type = JSON_FIELD_TEXT, .offset = offsetof(struct members, text),          \
        .is_required = (required)                                                                  \
    }
#define SEQ_FIELD(number)                                                                          \
    {                                                                                              \
        .name = #number, .type = JSON_FIELD_U64, .offset = offsetof(struct members, number),       \
        .max = BLOCKDB_SEQ_NONE - 1                                                                \
    }
#define FLAG_FIELD(flag)                                                                           \
    {                                                                                              \
        .name = #flag, .type = JSON_FIELD_BOOL, .offset = offsetof(struct members, flag)           \
    }

/* Turns key and value into the bytes that they stand for. */
static int decode(const struct json_request *q, struct members *m, bool has_value)
{
    bool is_base64;
    int rc = json_request_encoding(q, m->encoding, &is_base64);

    if (rc < 0 || !is_base64) {
        return rc;
    }
    rc = json_request_base64(q, "key", &m->key);
    return rc < 0 || !has_value ? rc : json_request_base64(q, "value", &m->value);
}

/* ---- put ----------------------------------------------------------------------------------- */

enum { PUT_KEY, PUT_VALUE, PUT_ENCODING, PUT_IF_ABSENT, PUT_IF_SEQ, PUT_DURABILITY };
static const struct json_field put_fields[] = {
    [PUT_KEY] = TEXT_FIELD(key, true),
    [PUT_VALUE] = TEXT_FIELD(value, true),
    [PUT_ENCODING] = TEXT_FIELD(encoding, false),
    [PUT_IF_ABSENT] = FLAG_FIELD(if_absent),
    [PUT_IF_SEQ] = SEQ_FIELD(if_seq),
    [PUT_DURABILITY] = TEXT_FIELD(durability, false),
};

int write_body_put(struct json_request *q, struct write_operation *out,
                   enum blockdb_durability *out_durability)
{
    struct members m = {.if_seq = BLOCKDB_SEQ_NONE};
    uint32_t seen;
    int rc = json_request_read(q, put_fields, COUNT(put_fields), &m, &seen);

    if (rc == BLOCKDB_OK) {
        rc = decode(q, &m, true);
    }
    if (rc == BLOCKDB_OK && (seen & BIT(PUT_DURABILITY)) != 0) {
        rc = durability_parse(m.durability, out_durability, q->err);
    }
    if (rc == BLOCKDB_OK) {
        *out = (struct write_operation){.kind = WRITE_PUT,
                                        .key = m.key,
                                        .value = m.value,
                                        .if_absent = m.if_absent,
                                        .if_seq = m.if_seq};
    }
    return rc;
}

/* ---- batch --------------------------------------------------------------------------------- */

enum { OP_TYPE, OP_KEY, OP_VALUE, OP_ENCODING, OP_IF_ABSENT, OP_IF_SEQ, OP_SEQ, OP_TIME };
static const struct json_field operation_fields[] = {
    [OP_TYPE] = TEXT_FIELD(type, true),
    [OP_KEY] = TEXT_FIELD(key, true),
    [OP_VALUE] = TEXT_FIELD(value, false),
    [OP_ENCODING] = TEXT_FIELD(encoding, false),
    [OP_IF_ABSENT] = FLAG_FIELD(if_absent),
    [OP_IF_SEQ] = SEQ_FIELD(if_seq),
    [OP_SEQ] = SEQ_FIELD(seq),
    [OP_TIME] = {.name = "time", .type = JSON_FIELD_ANY},
};

/* A type of operations: which members it must and may have. */
struct operation_type {
    const char *name;
    uint32_t needed;
    uint32_t allowed; /* besides those that all have */
};

/* What exports write besides, and put and delete pass over. */
#define OP_EXPORTED (BIT(OP_SEQ) | BIT(OP_TIME))
#define OP_ALWAYS (BIT(OP_TYPE) | BIT(OP_KEY) | BIT(OP_ENCODING))
static const struct operation_type operation_types[] = {
    [WRITE_PUT] = {"put", BIT(OP_VALUE),
                   OP_EXPORTED | BIT(OP_VALUE) | BIT(OP_IF_ABSENT) | BIT(OP_IF_SEQ)},
    [WRITE_DELETE] = {"delete", 0, OP_EXPORTED | BIT(OP_IF_SEQ)},
    [WRITE_REQUIRE_ABSENT] = {"require_absent", 0, 0},
    [WRITE_REQUIRE_SEQ] = {"require_seq", BIT(OP_SEQ), BIT(OP_SEQ)},
};

/* The body of a batch. */
struct batch_members {
    struct slice durability;
    write_operation_fn apply;
    void *arg;
};

/* The lowest member of a set. */
static const char *member_name(uint32_t members)
{
    return operation_fields[__builtin_ctz(members)].name;
}

static int check_type(const struct json_request *q, struct slice name, uint32_t seen,
                      enum write_kind *out)
{
    const struct operation_type *type;
    size_t i;

    for (i = 0; i < COUNT(operation_types); i++) {
        if (slice_equal(name, slice_of_text(operation_types[i].name))) {
            break;
        }
    }
    if (i == COUNT(operation_types)) {
        return json_request_refuse(q, "member 'type' must be \"put\", \"delete\", "
                                      "\"require_absent\" or \"require_seq\"");
    }
    type = &operation_types[i];
    if ((type->needed & ~seen) != 0) {
        return json_request_refuse(q, "member '%s' is missing for type \"%s\"",
                                   member_name(type->needed & ~seen), type->name);
    }
    if ((seen & ~(type->allowed | OP_ALWAYS)) != 0) {
        return json_request_refuse(q, "member '%s' does not belong to type \"%s\"",
                                   member_name(seen & ~(type->allowed | OP_ALWAYS)), type->name);
    }
    *out = (enum write_kind)i;
    return BLOCKDB_OK;
}

static int read_operation(struct json_request *q, void *out)
{
    const struct batch_members *batch = out;
    struct members m = {.if_seq = BLOCKDB_SEQ_NONE};
    struct write_operation op;
    enum write_kind kind = WRITE_PUT;
    uint32_t seen;
    int rc = json_request_object(q, operation_fields, COUNT(operation_fields), &m, &seen);

    if (rc == BLOCKDB_OK) {
        rc = check_type(q, m.type, seen, &kind);
    }
    if (rc == BLOCKDB_OK) {
        rc = decode(q, &m, kind == WRITE_PUT);
    }
    if (rc < 0) {
        return rc;
    }
    op = (struct write_operation){.kind = kind,
                                  .key = m.key,
                                  .value = m.value,
                                  .if_absent = m.if_absent,
                                  .if_seq = kind == WRITE_REQUIRE_SEQ ? m.seq : m.if_seq};
    rc = batch->apply(batch->arg, &op, q->err);
    return rc < 0 ? error_wrap(q->err, rc, "operation %" PRIu64, q->index) : rc;
}

enum { BATCH_OPERATIONS, BATCH_DURABILITY };
static const struct json_field batch_fields[] = {
    [BATCH_OPERATIONS] = {.name = "operations",
                          .type = JSON_FIELD_LIST,
                          .is_required = true,
                          .item = read_operation,
                          .item_name = "operation"},
    [BATCH_DURABILITY] = {.name = "durability",
                          .type = JSON_FIELD_TEXT,
                          .offset = offsetof(struct batch_members, durability)},
};

int write_body_batch(struct json_request *q, write_operation_fn apply, void *arg,
                     enum blockdb_durability *out_durability)
{
    struct batch_members batch = {.apply = apply, .arg = arg};
    uint32_t seen;
    int rc = json_request_read(q, batch_fields, COUNT(batch_fields), &batch, &seen);

    if (rc == BLOCKDB_OK && (seen & BIT(BATCH_DURABILITY)) != 0) {
        rc = durability_parse(batch.durability, out_durability, q->err);
    }
    return rc;
}
