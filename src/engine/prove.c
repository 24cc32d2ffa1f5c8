/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/prove.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "ledger/merkle.h"

#include <assert.h>
#include <inttypes.h>

static_assert(PROOF_HASHES_MAX == BLOCKDB_PROOF_HASHES_MAX, "public and internal proofs agree");

static void proof_to_public(const struct proof *proof, struct blockdb_proof *out)
{
    out->count = proof->count;
    memcpy(out->hashes, proof->hashes, proof->count * sizeof(proof->hashes[0]));
}

int prove_check_size(struct blockdb *db, uint64_t size, struct error *err)
{
    uint64_t sealed = sealer_sealed_seq(&db->sealer);

    if (size > sealed) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "a tree of %" PRIu64 " entries cannot be proven: %" PRIu64 " are sealed",
                         size, sealed);
    }
    return BLOCKDB_OK;
}

int blockdb_prove_inclusion(struct blockdb *db, uint64_t seq, uint64_t size,
                            struct blockdb_proof *out_proof, struct blockdb_error *err)
{
    struct subtree_reader reader;
    struct hash_source source;
    struct proof proof;
    int rc;

    if (seq >= size) {
        return error_set(err, BLOCKDB_EINVAL,
                         "entry %" PRIu64 " is not in a tree of %" PRIu64 " entries", seq, size);
    }
    rc = prove_check_size(db, size, err);
    if (rc < 0) {
        return rc;
    }
    subtree_reader_init(&reader, db);
    source = subtree_source(&reader);
    rc = proof_inclusion(&source, seq, size, &proof, err);
    if (rc == BLOCKDB_OK) {
        proof_to_public(&proof, out_proof);
    }
    return rc;
}

int blockdb_prove_consistency(struct blockdb *db, uint64_t old_size, uint64_t new_size,
                              struct blockdb_proof *out_proof, struct blockdb_error *err)
{
    struct subtree_reader reader;
    struct hash_source source;
    struct proof proof;
    int rc = old_size > 0 && old_size <= new_size ? prove_check_size(db, new_size, err) : 0;

    if (rc < 0) {
        return rc;
    }
    subtree_reader_init(&reader, db);
    source = subtree_source(&reader);
    rc = proof_consistency(&source, old_size, new_size, &proof, err);
    if (rc == BLOCKDB_OK) {
        proof_to_public(&proof, out_proof);
    }
    return rc;
}

/* ---- In a block ------------------------------------------------------------------------------ */

static int memory_subtree(void *context, unsigned height, uint64_t index, struct hash *out,
                          struct error *err)
{
    const struct hash *leaves = context;

    (void)err; /* memory does not fail */
    merkle_root(leaves + (index << height), (size_t)1 << height, out);
    return BLOCKDB_OK;
}

struct hash_source prove_memory_source(struct hash *leaves)
{
    return (struct hash_source){.context = leaves, .subtree = memory_subtree};
}

/* Proves the leaf at position in the tree over the block's leaves alone. */
static int block_path(struct blockdb *db, const struct blockdb_block *block, uint64_t position,
                      struct proof *out, struct error *err)
{
    AUTO(mem_free_ptr) struct hash *leaves = mem_alloc(block->count * sizeof(*leaves));
    struct hash_source source = prove_memory_source(leaves);
    struct inclusion claim = {.index = position, .size = block->count};
    struct hash root;
    int rc;

    if (leaves == NULL) {
        return error_set_no_memory(err);
    }
    rc = tile_files_read_range(db->tiles, 0, block->first_seq, block->count, leaves[0].bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = proof_inclusion(&source, position, block->count, out, err);
    }
    if (rc < 0) {
        return rc;
    }
    memcpy(root.bytes, block->block_root, sizeof(root.bytes));
    claim.leaf = &leaves[position];
    claim.root = &root;
    rc = inclusion_verify(&claim, out->hashes, out->count);
    if (rc < 0) {
        return error_set(err, rc,
                         "tiles of '%s': the leaves of block %" PRIu64
                         " do not match the root in its header; run verify",
                         db->tile_dir, block->height);
    }
    return BLOCKDB_OK;
}

int prove_block_path(struct blockdb *db, uint64_t seq, struct blockdb_block *out_block,
                     struct proof *out, struct error *err)
{
    struct segment_block_info info;
    struct blockdb_block block;
    int rc = segments_find_seq(db->segments, seq, &info, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_block_get(db, info.height, &block, err);
    }
    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND
                   ? error_set(err, BLOCKDB_ECORRUPT, "ledger '%s': entry %" PRIu64 " is missing",
                               db->ledger_dir, seq)
                   : rc;
    }
    if (seq >= block.header_seq) {
        return error_set(err, BLOCKDB_EINVAL,
                         "entry %" PRIu64 " is the header of block %" PRIu64
                         ", not an entry in a block",
                         seq, block.height);
    }
    rc = block_path(db, &block, seq - block.first_seq, out, err);
    if (rc == BLOCKDB_OK) {
        *out_block = block;
    }
    return rc;
}

int blockdb_prove_in_block(struct blockdb *db, uint64_t seq, struct blockdb_block *out_block,
                           struct blockdb_proof *out_proof, struct blockdb_error *err)
{
    uint64_t sealed = sealer_sealed_seq(&db->sealer);
    struct proof proof;
    int rc;

    if (seq >= sealed) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "entry %" PRIu64 " is not in a sealed block; %" PRIu64
                         " entries are sealed",
                         seq, sealed);
    }
    rc = prove_block_path(db, seq, out_block, &proof, err);
    if (rc == BLOCKDB_OK) {
        proof_to_public(&proof, out_proof);
    }
    return rc;
}
