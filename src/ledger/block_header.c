/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/block_header.h"

#include "base/assert.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <assert.h>
#include <inttypes.h>

static_assert(BLOCK_HEADER_LEN == 2 + 2 + 7 * 8 + 4 * SHA256_LEN, "the fields of the format page");

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    put_be64(at, number);
    return at + 8;
}

static uint8_t *put_hash(uint8_t *at, const struct hash *hash)
{
    memcpy(at, hash->bytes, SHA256_LEN);
    return at + SHA256_LEN;
}

/* The rules that a header obeys by itself. */
static bool is_legal(const struct block_header *h)
{
    if (h->count >= UINT64_MAX - h->first_seq || h->tree_size != h->first_seq + h->count) {
        return false; /* HDR-1, with room for the header's own seq */
    }
    if (h->height == 0 ? h->first_seq != 0 || !hash_is_zero(&h->previous)
                       : h->first_seq < h->height) {
        return false; /* HDR-3 */
    }
    return h->map_size <= h->tree_size && (h->map_size > 0 || hash_is_zero(&h->map_root));
}

void block_header_encode(const struct block_header *h, uint8_t *out)
{
    uint8_t *at = out + 4;

    ASSERT(is_legal(h));
    put_be16(out, BLOCK_HEADER_VERSION);
    put_be16(out + 2, 0);
    at = put_number(at, h->height);
    at = put_hash(at, &h->previous);
    at = put_number(at, h->first_seq);
    at = put_number(at, h->count);
    at = put_hash(at, &h->block_root);
    at = put_number(at, h->tree_size);
    at = put_hash(at, &h->tree_root);
    at = put_number(at, h->map_size);
    at = put_hash(at, &h->map_root);
    at = put_number(at, h->time_ms);
    at = put_number(at, h->term);
    ASSERT(at == out + BLOCK_HEADER_LEN);
}

int block_header_decode(struct slice payload, struct block_header *out)
{
    struct reader in = reader_of(payload);
    struct block_header h;
    uint16_t version = reader_be16(&in);
    uint16_t flags = reader_be16(&in);

    if (!reader_ok(&in) || version == 0) {
        return BLOCKDB_ECORRUPT;
    }
    if (version > BLOCK_HEADER_VERSION || flags != 0) {
        return BLOCKDB_EVERSION;
    }
    h.height = reader_be64(&in);
    reader_copy(&in, h.previous.bytes, SHA256_LEN);
    h.first_seq = reader_be64(&in);
    h.count = reader_be64(&in);
    reader_copy(&in, h.block_root.bytes, SHA256_LEN);
    h.tree_size = reader_be64(&in);
    reader_copy(&in, h.tree_root.bytes, SHA256_LEN);
    h.map_size = reader_be64(&in);
    reader_copy(&in, h.map_root.bytes, SHA256_LEN);
    h.time_ms = reader_be64(&in);
    h.term = reader_be64(&in);
    if (!reader_done(&in) || !is_legal(&h)) {
        return BLOCKDB_ECORRUPT;
    }
    *out = h;
    return BLOCKDB_OK;
}

/* The record around an encoded payload, which it borrows; HDR-2. */
static struct record record_around(const struct block_header *h, const uint8_t *payload)
{
    return (struct record){
        .kind = BLOCKDB_KIND_BLOCK_HEADER,
        .batch_count = 1,
        .time_ms = h->time_ms,
        .value_len = BLOCK_HEADER_LEN,
        .value = slice_of(payload, BLOCK_HEADER_LEN),
    };
}

void block_header_record(const struct block_header *h, uint8_t *out)
{
    uint8_t payload[BLOCK_HEADER_LEN];
    struct record r = record_around(h, payload);

    block_header_encode(h, payload);
    record_encode(&r, out);
}

int block_header_of_record(const struct record *r, struct block_header *out)
{
    struct block_header h;
    int rc;

    /* That it has no actor, request, key or collection is a rule of every record of its kind. */
    if (r->kind != BLOCKDB_KIND_BLOCK_HEADER) {
        return BLOCKDB_ECORRUPT;
    }
    rc = block_header_decode(r->value, &h);
    if (rc < 0) {
        return rc;
    }
    if (h.time_ms != r->time_ms) {
        return BLOCKDB_ECORRUPT;
    }
    *out = h;
    return BLOCKDB_OK;
}

void block_header_hash(const struct block_header *h, struct hash *out)
{
    uint8_t payload[BLOCK_HEADER_LEN];
    struct record r = record_around(h, payload);

    block_header_encode(h, payload);
    leaf_hash(&r, NULL, out);
}

/* Whether next may stand at the beginning of a chain. */
static int is_first(const struct block_header *next, struct error *err)
{
    if (next->height != 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "block %" PRIu64 " stands where the first block must be: blocks before it "
                         "are missing",
                         next->height);
    }
    return BLOCKDB_OK;
}

int block_header_follows(const struct block_header *previous, const struct block_header *next,
                         struct error *err)
{
    const char *reason = NULL;
    struct hash hash;

    if (previous == NULL) {
        return is_first(next, err);
    }
    block_header_hash(previous, &hash);
    if (next->height != previous->height + 1) {
        reason = "its height is not one more";
    } else if (!hash_equal(&next->previous, &hash)) {
        reason = "it links to another header";
    } else if (next->first_seq != previous->tree_size + 1) {
        reason = "its first entry is not the one after the header";
    } else if (next->time_ms < previous->time_ms) {
        reason = "its time is earlier";
    } else if (next->term < previous->term) {
        reason = "its term is lower";
    } else if (next->map_size < previous->map_size) {
        reason = "its map is smaller";
    } else if (next->map_size == previous->map_size &&
               !hash_equal(&next->map_root, &previous->map_root)) {
        reason = "its map is of the same size and has another root";
    }
    if (reason == NULL) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_ETAMPERED,
                     "block %" PRIu64 " does not follow block %" PRIu64
                     ": %s; compare both with a backup or another copy of the ledger",
                     next->height, previous->height, reason);
}
