/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/map_proof.h"
#include "ledger/merkle.h"
#include "verify/face.h"

int blockdb_decode_entry(const void *leaf, size_t len, struct blockdb_entry *out_entry,
                         struct blockdb_error *err)
{
    struct leaf decoded;
    int rc = face_decode_leaf(slice_of(leaf, len), "leaf", &decoded, err);

    if (rc == BLOCKDB_OK) {
        *out_entry = face_entry(&decoded);
    }
    return rc;
}

int blockdb_decode_header(const void *leaf, size_t len, struct blockdb_header *out_header,
                          struct blockdb_error *err)
{
    struct block_header header;
    struct hash hash;
    int rc = face_decode_header(slice_of(leaf, len), "leaf", &header, err);

    if (rc == BLOCKDB_OK) {
        merkle_leaf(slice_of(leaf, len), &hash);
        *out_header = face_header(&header, &hash);
    }
    return rc;
}

static struct block_header header_of(const struct blockdb_header *header)
{
    return (struct block_header){
        .height = header->height,
        .first_seq = header->first_seq,
        .count = header->count,
        .tree_size = header->tree_size,
        .map_size = header->map_size,
        .time_ms = header->time_ms,
        .term = header->term,
        .previous = *face_hash(header->previous),
        .block_root = *face_hash(header->block_root),
        .tree_root = *face_hash(header->tree_root),
        .map_root = *face_hash(header->map_root),
    };
}

int blockdb_verify_header_link(const struct blockdb_header *previous,
                               const struct blockdb_header *next, struct blockdb_error *err)
{
    struct block_header after = header_of(next);
    struct block_header before;

    if (previous == NULL) {
        return block_header_follows(NULL, &after, err);
    }
    before = header_of(previous);
    return block_header_follows(&before, &after, err);
}

int blockdb_decode_redaction(const void *payload, size_t len,
                             struct blockdb_redaction *out_redaction, struct blockdb_error *err)
{
    struct redaction redaction;
    int rc = redaction_decode(slice_of(payload, len), &redaction);

    if (rc == BLOCKDB_EVERSION) {
        return error_set(err, rc, "the redaction was written by a newer version");
    }
    if (rc < 0) {
        return error_set(err, rc, "the %zu bytes are no redaction", len);
    }
    *out_redaction = face_redaction(&redaction);
    return BLOCKDB_OK;
}

/* ---- The map of newest versions -------------------------------------------------------------- */

static struct blockdb_map_result result_of(const struct map_leaf *leaf)
{
    struct blockdb_map_result result = {
        .is_present = true,
        .is_deleted = (leaf->flags & MAP_LEAF_DELETED) != 0,
        .is_redacted = (leaf->flags & MAP_LEAF_REDACTED) != 0,
        .seq = leaf->seq,
        .version_count = leaf->versions,
    };

    memcpy(result.leaf_hash, leaf->entry.bytes, SHA256_LEN);
    memcpy(result.chain, leaf->chain.bytes, SHA256_LEN);
    return result;
}

int blockdb_verify_map(const struct blockdb_map_claim *claim, const void *proof, size_t len,
                       struct blockdb_map_result *out_result, struct blockdb_error *err)
{
    struct map_proof decoded;
    struct hash place;
    enum map_answer answer;
    int rc;

    if (claim->header->map_size == 0) {
        return error_set(err, BLOCKDB_EINVAL, "the header says nothing of a map");
    }
    rc = map_proof_decode(slice_of(proof, len), &decoded);
    if (rc < 0) {
        return error_set(err, rc, "the %zu bytes are no proof of a map", len);
    }
    map_place(claim->collection, face_slice(claim->key), &place);
    rc = map_proof_verify(&decoded, face_hash(claim->header->map_root), &place, &answer);
    if (rc < 0) {
        return error_set(err, rc,
                         "the proof of the map leads to another root than that of the header, or "
                         "past the key");
    }
    *out_result = answer == MAP_PRESENT ? result_of(&decoded.leaf) : (struct blockdb_map_result){0};
    return BLOCKDB_OK;
}

void blockdb_history_link(uint8_t chain[BLOCKDB_HASH_LEN], uint64_t seq,
                          const uint8_t leaf_hash[BLOCKDB_HASH_LEN])
{
    struct hash next;

    map_chain(face_hash(chain), seq, face_hash(leaf_hash), &next);
    memcpy(chain, next.bytes, SHA256_LEN);
}
