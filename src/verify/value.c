/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/value.h"

#include "ledger/commitment.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "verify/face.h"

#include <assert.h>
#include <inttypes.h>

static_assert(BLOCKDB_VALUE_WHOLE_MAX == COMMITMENT_WHOLE_MAX &&
                  BLOCKDB_CHUNK_LEN == COMMITMENT_CHUNK_LEN,
              "the public numbers are those of the format");

int value_claim_of(const struct leaf *leaf, struct value_claim *out, struct error *err)
{
    if (leaf->kind != BLOCKDB_KIND_PUT) {
        return error_set(err, BLOCKDB_ETAMPERED, "a value is shown, but the entry is no put");
    }
    *out = (struct value_claim){leaf->value_len, leaf->commitment};
    return BLOCKDB_OK;
}

int value_check(const struct value_claim *claim, const uint8_t *salt, struct slice value,
                struct error *err)
{
    struct hash commitment;

    if (value.len != claim->len) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the value has %zu byte%s, that of the entry has %" PRIu64, value.len,
                         value.len == 1 ? "" : "s", claim->len);
    }
    commitment_compute(salt, value, &commitment);
    if (!hash_equal(&commitment, claim->commitment)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "value and salt do not match the entry's value commitment");
    }
    return BLOCKDB_OK;
}

static uint64_t chunk_len(uint64_t value_len, uint64_t index)
{
    uint64_t left = value_len - index * COMMITMENT_CHUNK_LEN;

    return left < COMMITMENT_CHUNK_LEN ? left : COMMITMENT_CHUNK_LEN;
}

int value_check_chunk(const struct value_claim *claim, uint64_t index,
                      const struct evidence_chunk *chunk, struct error *err)
{
    struct hash leaf;
    struct hash root;
    struct hash commitment;
    struct inclusion place = {
        .index = index, .size = commitment_chunk_count(claim->len), .leaf = &leaf};

    if (claim->len <= COMMITMENT_WHOLE_MAX || index >= place.size ||
        chunk->bytes.len != chunk_len(claim->len, index)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "chunk %" PRIu64 " with %zu bytes is no part of a value of %" PRIu64
                         " bytes",
                         index, chunk->bytes.len, claim->len);
    }
    commitment_chunk_hash(chunk->salt, chunk->bytes, &leaf);
    if (inclusion_root(&place, chunk->in_value.hashes, chunk->in_value.count, &root) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the path of chunk %" PRIu64 " has not the length it should have", index);
    }
    commitment_of_chunk_root(claim->len, &root, &commitment);
    if (!hash_equal(&commitment, claim->commitment)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "chunk %" PRIu64 ", its salt and its path do not match the entry's value "
                         "commitment",
                         index);
    }
    return BLOCKDB_OK;
}

/* ---- Public ---------------------------------------------------------------------------------- */

static int claim_of_entry(const struct blockdb_entry *entry, struct value_claim *out,
                          struct error *err)
{
    if (entry->kind != BLOCKDB_KIND_PUT || entry->commitment == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "the entry is no put, and has no value");
    }
    *out = (struct value_claim){entry->value_len, face_hash(entry->commitment)};
    return BLOCKDB_OK;
}

int blockdb_verify_value(const struct blockdb_entry *entry, const uint8_t *salt, const void *value,
                         size_t len, struct blockdb_error *err)
{
    struct value_claim claim = {0};
    int rc = claim_of_entry(entry, &claim, err);

    return rc < 0 ? rc : value_check(&claim, salt, slice_of(value, len), err);
}

int blockdb_verify_chunk(const struct blockdb_entry *entry, const struct blockdb_chunk *chunk,
                         struct blockdb_error *err)
{
    struct evidence_chunk shown = {
        .salt = chunk->salt,
        .bytes = face_slice(chunk->bytes),
        .in_value = {face_hash(chunk->hashes), chunk->hash_count},
    };
    struct value_claim claim = {0};
    int rc = claim_of_entry(entry, &claim, err);

    if (rc < 0) {
        return rc;
    }
    if (claim.len <= COMMITMENT_WHOLE_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a value of %" PRIu64 " bytes has no chunks; values above %u bytes have",
                         claim.len, COMMITMENT_WHOLE_MAX);
    }
    return value_check_chunk(&claim, chunk->index, &shown, err);
}
