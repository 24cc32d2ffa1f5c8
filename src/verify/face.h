/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border between the public structs of blockdb/verify.h and those of ledger/.
 *
 * FACE-1  A struct with a size that a newer program made larger is refused when the part that this
 *         version does not know holds anything: it may demand what would not be checked.
 *
 * Threads:   pure functions; any thread.
 * Ownership: results borrow what the arguments borrow.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "ledger/block_header.h"
#include "ledger/leaf.h"
#include "ledger/redaction.h"

#include <blockdb/verify.h>

static inline struct blockdb_bytes face_bytes(struct slice s)
{
    return (struct blockdb_bytes){s.data, s.len};
}
static inline struct slice face_slice(struct blockdb_bytes bytes)
{
    return slice_of(bytes.data, bytes.len);
}
/* A hash of the caller's, where it lies. */
static inline const struct hash *face_hash(const uint8_t *bytes)
{
    return (const struct hash *)(const void *)bytes;
}

/* Copies a struct that begins with its size into one of len bytes, which holds its defaults.
 * EINVAL: the size is none, or FACE-1. */
RESULT_MUST_BE_USED int face_copy_in(void *out, size_t len, const void *in, struct error *err);
/* Copies so much of the len bytes at in as *out, which begins with its size, has room for, and
 * leaves that size. EINVAL: the size is none. */
RESULT_MUST_BE_USED int face_copy_out(void *out, const void *in, size_t len, struct error *err);

struct blockdb_entry face_entry(const struct leaf *leaf);
/* hash is the leaf hash of the header's entry. */
struct blockdb_header face_header(const struct block_header *header, const struct hash *hash);
struct blockdb_redaction face_redaction(const struct redaction *redaction);

/* Decodes a leaf. ECORRUPT, EVERSION with `what` in front of the message. */
RESULT_MUST_BE_USED int face_decode_leaf(struct slice bytes, const char *what, struct leaf *out,
                                         struct error *err);
/* Decodes the leaf of a block header. ECORRUPT also for another kind; EVERSION. */
RESULT_MUST_BE_USED int face_decode_header(struct slice bytes, const char *what,
                                           struct block_header *out, struct error *err);
