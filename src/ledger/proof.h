/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs of RFC 6962 / RFC 9162: that a leaf is in a tree, and that a tree continues another.
 *
 * Proofs are built from tile hashes that the caller reads; nothing else of the tree is needed.
 *
 * PRF-1  A proof that verify accepts has exactly the length the sizes ask for.
 * PRF-2  A consistency proof from size 0 says nothing and is refused.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 * Format:    docs/format/merkle.md
 */
#pragma once

#include "base/error.h"
#include "crypto/sha256.h"

#include <stddef.h>
#include <stdint.h>

#define PROOF_HASHES_MAX 65

struct proof {
    size_t count;
    struct hash hashes[PROOF_HASHES_MAX];
};

/* Where a builder finds hashes. Both functions fail with any code, which the builder passes on. */
struct hash_source {
    /* Of tile level L, `count` (a power of two, at most 128) hashes from position `index` (a
     * multiple of count) on. All lie in one tile and exist in the tree the proof is for. */
    int (*read)(void *context, unsigned level, uint64_t index, size_t count, struct hash *out,
                struct error *err);
    void *context;
    /* The root of the complete subtree of a height at an index, for sources that know more than
     * tiles; NULL: it is computed from read(), which is not needed else. */
    int (*subtree)(void *context, unsigned height, uint64_t index, struct hash *out,
                   struct error *err);
};

/* The root of the complete subtree of a height at an index, from the source. */
RESULT_MUST_BE_USED int proof_subtree(const struct hash_source *source, unsigned height,
                                      uint64_t index, struct hash *out, struct error *err);
/* The root of the tree of the first size leaves. */
RESULT_MUST_BE_USED int proof_root(const struct hash_source *source, uint64_t size,
                                   struct hash *out, struct error *err);

/* Proves leaf index in the tree of size leaves. EINVAL unless index < size. */
RESULT_MUST_BE_USED int proof_inclusion(const struct hash_source *source, uint64_t index,
                                        uint64_t size, struct proof *out, struct error *err);
/* Proves that the tree of new_size continues that of old_size. EINVAL unless
 * 0 < old_size <= new_size. */
RESULT_MUST_BE_USED int proof_consistency(const struct hash_source *source, uint64_t old_size,
                                          uint64_t new_size, struct proof *out, struct error *err);

/* What an inclusion proof claims. */
struct inclusion {
    uint64_t index;
    uint64_t size;
    const struct hash *leaf;
    const struct hash *root; /* of the tree of size leaves */
};
/* 0 when the proof of count hashes shows the claim, else ETAMPERED. */
RESULT_MUST_BE_USED int inclusion_verify(const struct inclusion *claim, const struct hash *proof,
                                         size_t count);
/* The root that the proof leads to; ETAMPERED when index, size and count do not go together. */
RESULT_MUST_BE_USED int inclusion_root(const struct inclusion *claim, const struct hash *proof,
                                       size_t count, struct hash *out);

/* What a consistency proof claims. */
struct consistency {
    uint64_t old_size;
    uint64_t new_size;
    const struct hash *old_root;
    const struct hash *new_root;
};
/* 0 when the proof of count hashes shows the claim, else ETAMPERED. */
RESULT_MUST_BE_USED int consistency_verify(const struct consistency *claim,
                                           const struct hash *proof, size_t count);
