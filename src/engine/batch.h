/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch: stored records in the making, their value commitments, and conditions.
 *
 * All hashing and salting happens here, in the submitter's thread: salts when an entry is added,
 * hashes of many values together before the commit, which only copies the bytes, and patches in
 * time, position and count.
 *
 * BATCH-1  `records` is a sequence of group items (docs/format/commit-group.md) without times.
 * BATCH-2  The commitments of the first hashed_count entries are made.
 * BATCH-3  Keys, values, entry count and bytes are within the limits of blockdb.h.
 *
 * Threads:   one thread at a time.
 * Ownership: copies keys and values; borrows the database.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

struct batch_entry {
    uint32_t offset; /* of the record in records */
    uint32_t len;    /* of the record */
    struct hash commitment;
};

enum condition_kind {
    CONDITION_ABSENT,
    CONDITION_SEQ,
};

struct condition {
    enum condition_kind kind;
    uint32_t key_offset; /* in condition_keys */
    uint32_t key_len;
    uint64_t seq;
};

struct blockdb_batch {
    struct blockdb *db;
    struct buf records;
    struct batch_entry *entries;
    size_t count;
    size_t hashed_count;
    size_t entry_cap;
    size_t put_count;
    size_t user_bytes; /* keys and values */
    size_t key_bytes;
    struct condition *conditions;
    size_t condition_count;
    size_t condition_cap;
    struct buf condition_keys;
    bool has_request; /* the first record carries a request; batch_set_request() */
};

void batch_init(struct blockdb_batch *batch, struct blockdb *db);
void batch_deinit(struct blockdb_batch *batch);

/* Rewrites the first record so that it carries the client's id and request number, or none when
 * client_id is NULL. ENOMEM leaves the batch unchanged. Does nothing to an empty batch. */
RESULT_MUST_BE_USED int batch_set_request(struct blockdb_batch *batch, const uint8_t *client_id,
                                          uint64_t request, struct error *err);

/* Whether the batch is so small that its commitments are better left to the sealer, which hashes
 * those of many batches side by side. */
bool batch_is_light(const struct blockdb_batch *batch);
/* Makes the commitments that are missing. Before the batch is committed. */
void batch_hash(struct blockdb_batch *batch);

/* Adds an entry of a system kind with its payload, which is copied. */
RESULT_MUST_BE_USED int batch_add_system(struct blockdb_batch *batch, enum blockdb_kind kind,
                                         struct slice payload, struct error *err);

static inline struct slice condition_key(const struct blockdb_batch *batch,
                                         const struct condition *condition)
{
    return slice_of(batch->condition_keys.data + condition->key_offset, condition->key_len);
}
