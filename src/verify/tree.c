/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "verify/face.h"

void blockdb_hash_leaf(const void *leaf, size_t len, uint8_t out_hash[BLOCKDB_HASH_LEN])
{
    struct hash hash;

    merkle_leaf(slice_of(leaf, len), &hash);
    memcpy(out_hash, hash.bytes, SHA256_LEN);
}

int blockdb_verify_inclusion(const struct blockdb_inclusion *claim, const uint8_t *hashes,
                             size_t count)
{
    struct inclusion inclusion = {
        .index = claim->index,
        .size = claim->tree_size,
        .leaf = face_hash(claim->leaf_hash),
        .root = face_hash(claim->root),
    };

    return inclusion_verify(&inclusion, face_hash(hashes), count);
}

int blockdb_verify_consistency(const struct blockdb_consistency *claim, const uint8_t *hashes,
                               size_t count)
{
    struct consistency consistency = {
        .old_size = claim->old_size,
        .new_size = claim->new_size,
        .old_root = face_hash(claim->old_root),
        .new_root = face_hash(claim->new_root),
    };

    return consistency_verify(&consistency, face_hash(hashes), count);
}

void blockdb_tree_init(struct blockdb_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
}

void blockdb_tree_append(struct blockdb_tree *tree, const uint8_t leaf_hash[BLOCKDB_HASH_LEN])
{
    struct hash hash = *face_hash(leaf_hash);
    unsigned height = 0;

    while ((tree->size >> height & 1) != 0) {
        merkle_node(face_hash(tree->peaks[height]), &hash, &hash);
        height++;
    }
    memcpy(tree->peaks[height], hash.bytes, SHA256_LEN);
    tree->size++;
}

void blockdb_tree_root(const struct blockdb_tree *tree, uint8_t out_root[BLOCKDB_HASH_LEN])
{
    struct hash root;
    bool any = false;

    merkle_empty_root(&root);
    for (unsigned height = 0; height < 64; height++) {
        if ((tree->size >> height & 1) == 0) {
            continue;
        }
        if (any) {
            merkle_node(face_hash(tree->peaks[height]), &root, &root);
        } else {
            root = *face_hash(tree->peaks[height]);
            any = true;
        }
    }
    memcpy(out_root, root.bytes, SHA256_LEN);
}

int blockdb_bundle_next(struct blockdb_bytes *bundle, struct blockdb_bytes *out_leaf)
{
    struct reader in = reader_of(face_slice(*bundle));
    struct slice leaf;

    if (bundle->len == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    leaf = reader_bytes(&in, reader_be16(&in));
    if (!reader_ok(&in)) {
        return BLOCKDB_ECORRUPT;
    }
    *out_leaf = face_bytes(leaf);
    *bundle = (struct blockdb_bytes){in.at, reader_left(&in)};
    return BLOCKDB_OK;
}
