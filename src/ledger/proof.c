/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/proof.h"

#include "base/assert.h"
#include "ledger/merkle.h"
#include "ledger/tile.h"

#include <inttypes.h>
#include <stdbool.h>

/* The leaves [begin, end) of a tree. */
struct range {
    uint64_t begin;
    uint64_t end;
};

/* Where a range of more than one leaf splits: behind the largest power of two below its length. */
static uint64_t range_split(const struct range *range)
{
    uint64_t len = range->end - range->begin;

    return range->begin + (UINT64_C(1) << (63 - __builtin_clzll(len - 1)));
}

int proof_subtree(const struct hash_source *source, unsigned height, uint64_t index,
                  struct hash *out, struct error *err)
{
    struct hash hashes[TILE_WIDTH / 2];
    unsigned below = height % TILE_HEIGHT;
    size_t count = (size_t)1 << below;
    int rc;

    ASSERT(height < 64);
    if (source->subtree != NULL) {
        return source->subtree(source->context, height, index, out, err);
    }
    rc = source->read(source->context, height / TILE_HEIGHT, index << below, count, hashes, err);
    if (rc < 0) {
        return rc;
    }
    merkle_complete_root(hashes, below, out);
    return BLOCKDB_OK;
}

/* The root over a range that RFC 6962 makes a tree of: complete subtrees, largest first. */
static int range_root(const struct hash_source *source, const struct range *range, struct hash *out,
                      struct error *err)
{
    uint64_t left = range->end - range->begin;
    uint64_t end = range->end;
    struct hash root;
    bool any = false;

    while (left > 0) {
        unsigned height = (unsigned)__builtin_ctzll(left);
        uint64_t len = UINT64_C(1) << height;
        struct hash subtree;
        int rc = proof_subtree(source, height, (end - len) >> height, &subtree, err);

        if (rc < 0) {
            return rc;
        }
        if (any) {
            merkle_node(&subtree, &root, &root);
        } else {
            root = subtree;
            any = true;
        }
        left -= len;
        end -= len;
    }
    ASSERT(any);
    *out = root;
    return BLOCKDB_OK;
}

int proof_root(const struct hash_source *source, uint64_t size, struct hash *out, struct error *err)
{
    struct range all = {0, size};

    if (size == 0) {
        merkle_empty_root(out);
        return BLOCKDB_OK;
    }
    return range_root(source, &all, out, err);
}

/* Adds the root of a range to a proof that is built from the root of the tree downwards. */
static int proof_add(struct proof *proof, const struct hash_source *source,
                     const struct range *range, struct error *err)
{
    int rc;

    ASSERT(proof->count < PROOF_HASHES_MAX);
    rc = range_root(source, range, &proof->hashes[proof->count], err);
    if (rc < 0) {
        return rc;
    }
    proof->count++;
    return BLOCKDB_OK;
}

/* Proofs are told from the leaf upwards. */
static void proof_reverse(const struct proof *proof, struct proof *out)
{
    out->count = proof->count;
    for (size_t i = 0; i < proof->count; i++) {
        out->hashes[i] = proof->hashes[proof->count - 1 - i];
    }
}

/* Halves range to the side where `leaf` is and adds the other side to the proof. */
static int proof_descend(struct proof *proof, const struct hash_source *source, struct range *range,
                         uint64_t leaf, struct error *err)
{
    uint64_t split = range_split(range);
    struct range left = {range->begin, split};
    struct range right = {split, range->end};

    if (leaf < split) {
        *range = left;
        return proof_add(proof, source, &right, err);
    }
    *range = right;
    return proof_add(proof, source, &left, err);
}

int proof_inclusion(const struct hash_source *source, uint64_t index, uint64_t size,
                    struct proof *out, struct error *err)
{
    struct range range = {0, size};
    struct proof proof;
    int rc;

    if (index >= size) {
        return error_set(err, BLOCKDB_EINVAL,
                         "no proof of entry %" PRIu64 " in a tree of %" PRIu64
                         " entries: ask for a larger tree",
                         index, size);
    }
    proof.count = 0;
    while (range.end - range.begin > 1) {
        rc = proof_descend(&proof, source, &range, index, err);
        if (rc < 0) {
            return rc;
        }
    }
    proof_reverse(&proof, out);
    return BLOCKDB_OK;
}

int proof_consistency(const struct hash_source *source, uint64_t old_size, uint64_t new_size,
                      struct proof *out, struct error *err)
{
    struct range range = {0, new_size};
    struct proof proof;
    int rc;

    if (old_size == 0 || old_size > new_size) {
        return error_set(err, BLOCKDB_EINVAL,
                         "no proof from a tree of %" PRIu64 " entries to one of %" PRIu64
                         ": the old size must "
                         "be from 1 to the new size",
                         old_size, new_size);
    }
    proof.count = 0;
    while (range.end != old_size) {
        rc = proof_descend(&proof, source, &range, old_size - 1, err);
        if (rc < 0) {
            return rc;
        }
    }
    /* The old tree itself need not be told: whoever verifies knows its root. */
    if (range.begin != 0) {
        rc = proof_add(&proof, source, &range, err);
        if (rc < 0) {
            return rc;
        }
    }
    proof_reverse(&proof, out);
    return BLOCKDB_OK;
}

/* Where a verification stands: the node on the way up, and the last node of the same height. */
struct climb {
    uint64_t node;
    uint64_t last;
};

/* Whether the next hash of a proof stands on the left. */
static bool climb_is_right_child(const struct climb *climb)
{
    return (climb->node & 1) || climb->node == climb->last;
}

static void climb_up(struct climb *climb)
{
    climb->node >>= 1;
    climb->last >>= 1;
}

/* Goes past heights at which the node, being the last one, has no sibling. It is not node 0: it is
 * a right child, or the last of several. */
static void climb_skip(struct climb *climb)
{
    DASSERT(climb->node != 0);
    while (!(climb->node & 1)) {
        climb_up(climb);
    }
}

int inclusion_root(const struct inclusion *claim, const struct hash *proof, size_t count,
                   struct hash *out)
{
    struct climb climb;
    struct hash root = *claim->leaf;

    if (claim->index >= claim->size) {
        return BLOCKDB_ETAMPERED;
    }
    climb = (struct climb){claim->index, claim->size - 1};
    for (size_t i = 0; i < count; i++) {
        if (climb.last == 0) {
            return BLOCKDB_ETAMPERED;
        }
        if (climb_is_right_child(&climb)) {
            merkle_node(&proof[i], &root, &root);
            climb_skip(&climb);
        } else {
            merkle_node(&root, &proof[i], &root);
        }
        climb_up(&climb);
    }
    if (climb.last != 0) {
        return BLOCKDB_ETAMPERED;
    }
    *out = root;
    return BLOCKDB_OK;
}

int inclusion_verify(const struct inclusion *claim, const struct hash *proof, size_t count)
{
    struct hash root;
    int rc = inclusion_root(claim, proof, count, &root);

    if (rc < 0) {
        return rc;
    }
    return hash_equal(&root, claim->root) ? BLOCKDB_OK : BLOCKDB_ETAMPERED;
}

/* Climbs from the hash that both trees share; 0 when both roots come out. */
static int verify_growth(const struct consistency *claim, const struct hash *shared,
                         const struct hash *proof, size_t count)
{
    struct climb climb = {claim->old_size - 1, claim->new_size - 1};
    struct hash old_root = *shared;
    struct hash new_root = *shared;

    while (climb.node & 1) {
        climb_up(&climb);
    }
    for (size_t i = 0; i < count; i++) {
        if (climb.last == 0) {
            return BLOCKDB_ETAMPERED;
        }
        if (climb_is_right_child(&climb)) {
            merkle_node(&proof[i], &old_root, &old_root);
            merkle_node(&proof[i], &new_root, &new_root);
            climb_skip(&climb);
        } else {
            merkle_node(&new_root, &proof[i], &new_root);
        }
        climb_up(&climb);
    }
    if (climb.last != 0 || !hash_equal(&old_root, claim->old_root) ||
        !hash_equal(&new_root, claim->new_root)) {
        return BLOCKDB_ETAMPERED;
    }
    return BLOCKDB_OK;
}

int consistency_verify(const struct consistency *claim, const struct hash *proof, size_t count)
{
    uint64_t old_size = claim->old_size;

    if (old_size == 0 || old_size > claim->new_size) {
        return BLOCKDB_ETAMPERED;
    }
    if (old_size == claim->new_size) {
        bool equal = hash_equal(claim->old_root, claim->new_root);

        return count == 0 && equal ? BLOCKDB_OK : BLOCKDB_ETAMPERED;
    }
    if (count == 0) {
        return BLOCKDB_ETAMPERED;
    }
    if ((old_size & (old_size - 1)) == 0) {
        return verify_growth(claim, claim->old_root, proof, count); /* the old tree is complete */
    }
    return verify_growth(claim, &proof[0], proof + 1, count - 1);
}
