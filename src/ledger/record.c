/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/record.h"

#include "base/assert.h"

#define REDACT_SEQ_LEN 8

/* Where the fields of the header stand. */
enum {
    AT_KIND = 0,
    AT_FLAGS = 1,
    AT_KEY_LEN = 2,
    AT_VALUE_LEN = 4,
    AT_TIME = 8,
    AT_POSITION = 16,
    AT_COUNT = 20,
    AT_COLLECTION = 24,
    AT_ACTOR_LEN = 28,
    AT_REQUEST_LEN = 29,
    AT_RESERVED = 30,
};

/* The length of what follows the key. */
static size_t body_len(const struct record *r)
{
    if (r->kind == BLOCKDB_KIND_PUT) {
        return r->flags & RECORD_REDACTED ? SHA256_LEN + REDACT_SEQ_LEN
                                          : SALT_LEN + (size_t)r->value_len;
    }
    return r->value_len; /* 0 for a delete */
}

static size_t request_len(const struct record *r)
{
    return r->client_id != NULL ? RECORD_REQUEST_LEN : 0;
}

size_t record_len(const struct record *r)
{
    return RECORD_HEADER_LEN + r->actor.len + request_len(r) + r->key.len + body_len(r);
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(at, data, len);
    }
    return at + len;
}

static uint8_t *encode_body(const struct record *r, uint8_t *at)
{
    if (r->kind == BLOCKDB_KIND_PUT) {
        if (r->flags & RECORD_REDACTED) {
            at = put_bytes(at, r->commitment, SHA256_LEN);
            put_le64(at, r->redact_seq);
            return at + REDACT_SEQ_LEN;
        }
        at = put_bytes(at, r->salt, SALT_LEN);
    }
    return put_bytes(at, r->value.data, r->value.len);
}

void record_encode(const struct record *r, uint8_t *out)
{
    bool redacted = r->flags & RECORD_REDACTED;
    uint8_t *at = out + RECORD_HEADER_LEN;

    ASSERT(r->key.len <= BLOCKDB_KEY_MAX && r->actor.len <= RECORD_ACTOR_MAX);
    ASSERT(r->value.len == (redacted ? 0 : r->value_len));
    DASSERT(r->batch_position < r->batch_count);

    out[AT_KIND] = r->kind;
    out[AT_FLAGS] = r->flags;
    put_le16(out + AT_KEY_LEN, (uint16_t)r->key.len);
    put_le32(out + AT_VALUE_LEN, r->value_len);
    record_patch(out, r->time_ms, r->batch_position, r->batch_count);
    put_le32(out + AT_COLLECTION, r->collection);
    out[AT_ACTOR_LEN] = (uint8_t)r->actor.len;
    out[AT_REQUEST_LEN] = (uint8_t)request_len(r);
    put_le16(out + AT_RESERVED, 0);

    at = put_bytes(at, r->actor.data, r->actor.len);
    if (r->client_id != NULL) {
        at = put_bytes(at, r->client_id, BLOCKDB_CLIENT_ID_LEN);
        put_le64(at, r->request);
        at += 8;
    }
    at = put_bytes(at, r->key.data, r->key.len);
    at = encode_body(r, at);
    ASSERT((size_t)(at - out) == record_len(r));
}

void record_patch(uint8_t *bytes, uint64_t time_ms, uint32_t position, uint32_t count)
{
    put_le64(bytes + AT_TIME, time_ms);
    put_le32(bytes + AT_POSITION, position);
    put_le32(bytes + AT_COUNT, count);
}

/* The lengths that the header gives for what follows. */
struct lengths {
    uint16_t key;
    uint8_t actor;
    uint8_t request;
    uint16_t reserved;
};

/* What only a newer version writes. */
static bool is_newer(const struct record *r, const struct lengths *len)
{
    return r->kind > BLOCKDB_KIND_CONFIG || (r->flags & ~RECORD_REDACTED) != 0 ||
           len->reserved != 0;
}

static bool header_is_legal(const struct record *r, const struct lengths *len)
{
    if (r->kind == 0 || r->batch_position >= r->batch_count ||
        (len->request != 0 && len->request != RECORD_REQUEST_LEN) ||
        ((r->flags & RECORD_REDACTED) && r->kind != BLOCKDB_KIND_PUT)) {
        return false;
    }
    if (!kind_is_system(r->kind)) {
        return len->key >= 1 && len->key <= BLOCKDB_KEY_MAX &&
               (r->kind == BLOCKDB_KIND_PUT || r->value_len == 0);
    }
    if (r->kind == BLOCKDB_KIND_BLOCK_HEADER &&
        (len->actor != 0 || len->request != 0 || r->collection != 0 || r->batch_count != 1)) {
        return false;
    }
    return len->key == 0 && r->value_len >= 1 && r->value_len <= SYSTEM_PAYLOAD_MAX;
}

static void read_body(struct reader *in, struct record *r)
{
    if (r->kind == BLOCKDB_KIND_PUT) {
        if (r->flags & RECORD_REDACTED) {
            r->commitment = (const struct hash *)(const void *)reader_bytes(in, SHA256_LEN).data;
            r->redact_seq = reader_le64(in);
            return;
        }
        r->salt = reader_bytes(in, SALT_LEN).data;
    }
    r->value = reader_bytes(in, r->value_len);
}

int record_read(struct reader *in, struct record *out)
{
    struct record r = {0};
    struct lengths len;

    r.kind = reader_u8(in);
    r.flags = reader_u8(in);
    len.key = reader_le16(in);
    r.value_len = reader_le32(in);
    r.time_ms = reader_le64(in);
    r.batch_position = reader_le32(in);
    r.batch_count = reader_le32(in);
    r.collection = reader_le32(in);
    len.actor = reader_u8(in);
    len.request = reader_u8(in);
    len.reserved = reader_le16(in);
    if (!reader_ok(in)) {
        return BLOCKDB_ECORRUPT;
    }
    if (is_newer(&r, &len)) {
        return BLOCKDB_EVERSION;
    }
    if (!header_is_legal(&r, &len)) {
        return BLOCKDB_ECORRUPT;
    }

    r.actor = reader_bytes(in, len.actor);
    if (len.request != 0) {
        r.client_id = reader_bytes(in, BLOCKDB_CLIENT_ID_LEN).data;
        r.request = reader_le64(in);
    }
    r.key = reader_bytes(in, len.key);
    read_body(in, &r);
    if (!reader_ok(in)) {
        return BLOCKDB_ECORRUPT;
    }
    *out = r;
    return BLOCKDB_OK;
}

int record_parse(struct slice bytes, struct record *out)
{
    struct reader in = reader_of(bytes);
    struct record r;
    int rc = record_read(&in, &r);

    if (rc < 0) {
        return rc;
    }
    if (!reader_done(&in)) {
        return BLOCKDB_ECORRUPT;
    }
    *out = r;
    return BLOCKDB_OK;
}

struct record record_redacted(const struct record *r, const struct hash *commitment,
                              uint64_t redact_seq)
{
    struct record redacted = *r;

    ASSERT(r->kind == BLOCKDB_KIND_PUT);
    redacted.flags |= RECORD_REDACTED;
    redacted.salt = NULL;
    redacted.value = (struct slice){0};
    redacted.commitment = commitment;
    redacted.redact_seq = redact_seq;
    return redacted;
}
