/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stored record: one entry of the log as it lies in the WAL and in ledger pages.
 *
 * A record is a 32-byte header, then actor, request, key, then what the kind has: a put its salt
 * and value, a system kind its public payload, a delete nothing. The evidence of an entry (ledger/
 * leaf.h) is derived from the record and never stored beside it.
 *
 * REC-1  One record has exactly one encoding; record_parse() refuses every other.
 * REC-2  A redacted put keeps its header, actor, request, key and value_len; its commitment, and
 * the seq of the entry that redacts it, stand in place of salt and value. Its leaf is the same as
 * before. REC-3  A record of a system kind has no key and no salt, and at most SYSTEM_PAYLOAD_MAX
 * bytes.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct record` borrows all its bytes.
 * Format:    docs/format/record.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#include <blockdb/blockdb.h>

#define RECORD_HEADER_LEN 32
#define RECORD_REQUEST_LEN 24
#define RECORD_ACTOR_MAX 255
#define SALT_LEN 16
#define SYSTEM_PAYLOAD_MAX 60000

enum record_flag {
    RECORD_REDACTED = 1 << 0, /* only in storage; never part of the leaf */
};

/* Legal combinations:
 *   put            key, salt and value (value.len == value_len); commitment NULL
 *   put, REDACTED  key, commitment, redact_seq, value_len as it was; salt NULL, value empty
 *   delete         key; value_len 0; salt and commitment NULL, value empty
 *   system kinds   value is the payload (value.len == value_len >= 1); no key, salt, commitment
 * A block header is alone in its batch and has no actor, request or collection. */
struct record {
    uint8_t kind;  /* enum blockdb_kind */
    uint8_t flags; /* enum record_flag */
    uint32_t batch_position;
    uint32_t batch_count; /* batch_position < batch_count */
    uint32_t collection;
    uint64_t time_ms;
    struct slice actor;       /* who, from authentication; may be empty */
    const uint8_t *client_id; /* BLOCKDB_CLIENT_ID_LEN bytes of the request's id, or NULL */
    uint64_t request;         /* number of the client's request; 0 without client_id */
    struct slice key;
    uint32_t value_len;
    const uint8_t *salt; /* SALT_LEN bytes */
    struct slice value;
    const struct hash *commitment;
    uint64_t redact_seq; /* with REDACTED: the entry of kind redact; else 0 */
};

/* Whether the kind has a public payload instead of key and value. */
static inline bool kind_is_system(uint8_t kind)
{
    return kind >= BLOCKDB_KIND_BLOCK_HEADER && kind <= BLOCKDB_KIND_CONFIG;
}

/* The length of the encoding of r, which must be a legal combination. */
size_t record_len(const struct record *r);
/* Writes record_len(r) bytes to out. */
void record_encode(const struct record *r, uint8_t *out);

/* Parses a record that takes up all of bytes, which *out borrows. ECORRUPT: no record. EVERSION: a
 * kind, flag or reserved field of a newer version. On failure *out is untouched. */
RESULT_MUST_BE_USED int record_parse(struct slice bytes, struct record *out);
/* The same for the record at the front of r; on failure r is failed or anywhere. */
RESULT_MUST_BE_USED int record_read(struct reader *r, struct record *out);

/* Sets, in an encoded record, what only the commit knows. position < count. */
void record_patch(uint8_t *bytes, uint64_t time_ms, uint32_t position, uint32_t count);

/* The redacted form of a put (already redacted: the same again), for record_encode(). The result
 * borrows what r borrows, and commitment; r is not changed and its bytes are not wiped. */
struct record record_redacted(const struct record *r, const struct hash *commitment,
                              uint64_t redact_seq);
