/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leaf entry: the small public record that the Merkle tree commits to.
 *
 * It is derived from the stored record: all of it but salt and value, for which the commitment
 * stands. It never holds a value, so it may be given to anyone who may know the key.
 *
 * LEAF-1  One leaf has exactly one encoding; leaf_decode() refuses every other.
 * LEAF-2  At most LEAF_LEN_MAX bytes, so that it fits an entry bundle of tlog-tiles.
 * LEAF-3  Redaction of a record does not change its leaf.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct leaf` borrows all its bytes.
 * Format:    docs/format/entry.md
 */
#pragma once

#include "base/bytes.h"
#include "ledger/record.h"

#define LEAF_VERSION 1
#define LEAF_HEADER_LEN 38
#define LEAF_LEN_MAX                                                                               \
    (LEAF_HEADER_LEN + RECORD_ACTOR_MAX + RECORD_REQUEST_LEN + BLOCKDB_KEY_MAX + SYSTEM_PAYLOAD_MAX)

/* As `struct record`, but for puts `commitment` in place of salt and value. */
struct leaf {
    uint8_t kind;          /* enum blockdb_kind */
    uint16_t flags;        /* zero in this version */
    uint16_t content_type; /* zero in this version */
    uint32_t batch_position;
    uint32_t batch_count;
    uint32_t collection;
    uint64_t time_ms;
    struct slice actor;
    const uint8_t *client_id; /* BLOCKDB_CLIENT_ID_LEN bytes, or NULL */
    uint64_t request;
    struct slice key;
    uint64_t value_len;            /* of the value, or of the payload */
    const struct hash *commitment; /* puts only */
    struct slice payload;          /* system kinds only */
};

/* The leaf of a record. commitment belongs to a put that is not redacted; else it may be NULL. */
struct leaf leaf_of_record(const struct record *r, const struct hash *commitment);

/* The length of the encoding. */
size_t leaf_len(const struct leaf *leaf);
/* Writes leaf_len(leaf) bytes to out. */
void leaf_encode(const struct leaf *leaf, uint8_t *out);
/* Decodes a leaf that takes up all of bytes, which *out borrows. ECORRUPT: no leaf. EVERSION: of a
 * newer version. On failure *out is untouched. */
RESULT_MUST_BE_USED int leaf_decode(struct slice bytes, struct leaf *out);

/* The RFC 6962 leaf hash of a record's leaf: SHA-256(0x00 || leaf), without building the leaf in
 * memory. commitment as in leaf_of_record(). */
void leaf_hash(const struct record *r, const struct hash *commitment, struct hash *out);
/* The same for n records: out[i] from records[i] and commitments[i]. commitments may be NULL when
 * no record needs one; out may be equal to commitments. */
void leaf_hash_many(const struct record *records, const struct hash *commitments, size_t n,
                    struct hash *out);
