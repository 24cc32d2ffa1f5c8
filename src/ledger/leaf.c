/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/leaf.h"

#include "base/assert.h"
#include "base/with_evidence.h"

#include <assert.h>

#define LEAVES_AT_ONCE 64
/* 0x00, the header and all that may follow it but a payload. */
#define FRONT_LEN_MAX (1 + LEAF_HEADER_LEN + RECORD_ACTOR_MAX + RECORD_REQUEST_LEN)
/* Leaves up to this length, with their prefix, are hashed together in leaf_hash_many(). */
#define SMALL_LEN 247

static_assert(LEAF_LEN_MAX < 65535, "a leaf fits the 16-bit length of an entry bundle");

struct leaf leaf_of_record(const struct record *r, const struct hash *commitment)
{
    struct leaf leaf = {
        .kind = r->kind,
        .batch_position = r->batch_position,
        .batch_count = r->batch_count,
        .collection = r->collection,
        .time_ms = r->time_ms,
        .actor = r->actor,
        .client_id = r->client_id,
        .request = r->request,
        .key = r->key,
        .value_len = r->value_len,
    };

    if (r->kind == BLOCKDB_KIND_PUT) {
        leaf.commitment = r->flags & RECORD_REDACTED ? r->commitment : commitment;
        ASSERT(leaf.commitment != NULL);
    } else {
        leaf.payload = r->value; /* empty for a delete */
    }
    return leaf;
}

static size_t request_len(const struct leaf *leaf)
{
    return leaf->client_id != NULL ? RECORD_REQUEST_LEN : 0;
}

static size_t body_len(const struct leaf *leaf)
{
    return leaf->kind == BLOCKDB_KIND_PUT ? SHA256_LEN : leaf->payload.len;
}

size_t leaf_len(const struct leaf *leaf)
{
    return LEAF_HEADER_LEN + leaf->actor.len + request_len(leaf) + leaf->key.len + body_len(leaf);
}

static uint8_t *put_slice(uint8_t *at, struct slice s)
{
    if (s.len > 0) {
        memcpy(at, s.data, s.len);
    }
    return at + s.len;
}

/* What follows the key. */
static struct slice leaf_body(const struct leaf *leaf)
{
    if (leaf->kind == BLOCKDB_KIND_PUT) {
        return slice_of(leaf->commitment, SHA256_LEN);
    }
    return leaf->payload;
}

/* Writes header, actor and request; returns where the key begins. */
static uint8_t *encode_front(const struct leaf *leaf, uint8_t *out)
{
    uint8_t *at = out + LEAF_HEADER_LEN;

    ASSERT(leaf->key.len <= BLOCKDB_KEY_MAX && leaf->actor.len <= RECORD_ACTOR_MAX);
    ASSERT(leaf->payload.len <= SYSTEM_PAYLOAD_MAX);
    out[0] = LEAF_VERSION;
    out[1] = leaf->kind;
    put_be16(out + 2, leaf->flags);
    put_be16(out + 4, leaf->content_type);
    put_be32(out + 6, leaf->batch_position);
    put_be32(out + 10, leaf->batch_count);
    put_be32(out + 14, leaf->collection);
    put_be64(out + 18, leaf->time_ms);
    put_be64(out + 26, leaf->value_len);
    put_be16(out + 34, (uint16_t)leaf->key.len);
    out[36] = (uint8_t)leaf->actor.len;
    out[37] = (uint8_t)request_len(leaf);

    at = put_slice(at, leaf->actor);
    if (leaf->client_id != NULL) {
        at = put_slice(at, slice_of(leaf->client_id, BLOCKDB_CLIENT_ID_LEN));
        put_be64(at, leaf->request);
        at += 8;
    }
    return at;
}

void leaf_encode(const struct leaf *leaf, uint8_t *out)
{
    uint8_t *at = encode_front(leaf, out);

    at = put_slice(at, leaf->key);
    at = put_slice(at, leaf_body(leaf));
    ASSERT((size_t)(at - out) == leaf_len(leaf));
}

/* The lengths that the header gives for what follows. */
struct lengths {
    uint16_t key;
    uint8_t actor;
    uint8_t request;
};

static bool header_is_legal(const struct leaf *leaf, const struct lengths *len)
{
    if (leaf->kind == 0 || leaf->batch_position >= leaf->batch_count ||
        (len->request != 0 && len->request != RECORD_REQUEST_LEN)) {
        return false;
    }
    if (!kind_is_system(leaf->kind)) {
        return len->key >= 1 && len->key <= BLOCKDB_KEY_MAX &&
               (leaf->kind == BLOCKDB_KIND_PUT || leaf->value_len == 0);
    }
    if (leaf->kind == BLOCKDB_KIND_BLOCK_HEADER &&
        (len->actor != 0 || len->request != 0 || leaf->collection != 0 || leaf->batch_count != 1)) {
        return false;
    }
    return len->key == 0 && leaf->value_len >= 1 && leaf->value_len <= SYSTEM_PAYLOAD_MAX;
}

static void read_body(struct reader *in, struct leaf *leaf)
{
    if (leaf->kind == BLOCKDB_KIND_PUT) {
        leaf->commitment = (const struct hash *)(const void *)reader_bytes(in, SHA256_LEN).data;
    } else {
        leaf->payload = reader_bytes(in, leaf->value_len);
    }
}

/* Reads the header and judges it. */
static int read_header(struct reader *in, struct leaf *leaf, struct lengths *len)
{
    uint8_t version = reader_u8(in);

    leaf->kind = reader_u8(in);
    leaf->flags = reader_be16(in);
    leaf->content_type = reader_be16(in);
    leaf->batch_position = reader_be32(in);
    leaf->batch_count = reader_be32(in);
    leaf->collection = reader_be32(in);
    leaf->time_ms = reader_be64(in);
    leaf->value_len = reader_be64(in);
    len->key = reader_be16(in);
    len->actor = reader_u8(in);
    len->request = reader_u8(in);
    if (!reader_ok(in) || version == 0) {
        return BLOCKDB_ECORRUPT;
    }
    if (version > LEAF_VERSION || leaf->kind > BLOCKDB_KIND_CONFIG || leaf->flags != 0 ||
        leaf->content_type != 0) {
        return BLOCKDB_EVERSION;
    }
    return header_is_legal(leaf, len) ? BLOCKDB_OK : BLOCKDB_ECORRUPT;
}

int leaf_decode(struct slice bytes, struct leaf *out)
{
    struct reader in = reader_of(bytes);
    struct leaf leaf = {0};
    struct lengths len;
    int rc = read_header(&in, &leaf, &len);

    if (rc < 0) {
        return rc;
    }
    leaf.actor = reader_bytes(&in, len.actor);
    if (len.request != 0) {
        leaf.client_id = reader_bytes(&in, BLOCKDB_CLIENT_ID_LEN).data;
        leaf.request = reader_be64(&in);
    }
    leaf.key = reader_bytes(&in, len.key);
    read_body(&in, &leaf);
    if (!reader_done(&in)) {
        return BLOCKDB_ECORRUPT;
    }
    *out = leaf;
    return BLOCKDB_OK;
}

/* Hashes a leaf of any length piece by piece. */
static void hash_large(const struct leaf *leaf, struct hash *out)
{
    uint8_t front[FRONT_LEN_MAX];
    struct slice body = leaf_body(leaf);
    struct sha256 s;

    front[0] = 0x00;
    sha256_init(&s);
    sha256_update(&s, front, (size_t)(encode_front(leaf, front + 1) - front));
    sha256_update(&s, leaf->key.data, leaf->key.len);
    sha256_update(&s, body.data, body.len);
    sha256_final(&s, out);
}

/* Hashes at most LEAVES_AT_ONCE leaves, the small ones together. */
static void hash_some(const struct record *records, const struct hash *commitments, size_t n,
                      struct hash *out)
{
    uint8_t small[LEAVES_AT_ONCE][SMALL_LEN + 1];
    struct sha256_job jobs[LEAVES_AT_ONCE];
    size_t job_count = 0;

    for (size_t i = 0; i < n; i++) {
        struct leaf leaf = leaf_of_record(&records[i], commitments ? &commitments[i] : NULL);
        size_t len = 1 + leaf_len(&leaf);

        if (len > SMALL_LEN) {
            hash_large(&leaf, &out[i]);
            continue;
        }
        small[job_count][0] = 0x00;
        leaf_encode(&leaf, &small[job_count][1]);
        jobs[job_count] = (struct sha256_job){NULL, 0, small[job_count], len, &out[i]};
        job_count++;
    }
    sha256_many(jobs, job_count);
}

void leaf_hash_many(const struct record *records, const struct hash *commitments, size_t n,
                    struct hash *out)
{
    for (size_t i = 0; WITH_EVIDENCE && i < n; i += LEAVES_AT_ONCE) {
        size_t count = n - i < LEAVES_AT_ONCE ? n - i : LEAVES_AT_ONCE;

        hash_some(records + i, commitments ? commitments + i : NULL, count, out + i);
    }
}

void leaf_hash(const struct record *r, const struct hash *commitment, struct hash *out)
{
    hash_some(r, commitment, 1, out);
}
