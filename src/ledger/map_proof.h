/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs of the map of newest versions: which leaf a key has, or that it has none.
 *
 * A proof tells the nodes from the root down to a leaf. At each the key's own bit says which way it
 * goes, and the hash of the other side is told. The walk ends in one leaf: the key's, or that of
 * another key which stands where the key's would be, and then the key is not in the map.
 *
 * MAPP-1  Under one root a key has one answer, even if the map was built wrongly: every step is
 *         bound by the root and decided by the key.
 * MAPP-2  Bits grow strictly from the root downwards, so there are at most MAP_BITS steps.
 * MAPP-3  A proof has exactly one encoding; map_proof_decode() refuses every other.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a plain value, of some 8.6 KB.
 * Format:    docs/format/map.md
 */
#pragma once

#include "ledger/map_hash.h"

#define MAP_PROOF_STEPS_MAX MAP_BITS
#define MAP_PROOF_LEAF_LEN 113
#define MAP_PROOF_LEN_MAX (1 + MAP_PROOF_LEAF_LEN + 2 + MAP_PROOF_STEPS_MAX * (1 + SHA256_LEN))

struct map_step {
    uint8_t bit;
    struct hash sibling;
};

struct map_proof {
    bool is_empty;        /* the map has no leaf; nothing below counts then */
    struct map_leaf leaf; /* where the walk ends */
    unsigned count;
    struct map_step steps[MAP_PROOF_STEPS_MAX]; /* from the root downwards */
};

/* What a proof that verifies says about the key. */
enum map_answer {
    MAP_ABSENT,  /* it was never put or deleted below the map's size */
    MAP_PRESENT, /* proof->leaf is its leaf; the newest version may be a deletion */
};

/* Whether the proof shows, under root, what is at place. ETAMPERED when it shows nothing; then
 * *out_answer is untouched. */
RESULT_MUST_BE_USED int map_proof_verify(const struct map_proof *proof, const struct hash *root,
                                         const struct hash *place, enum map_answer *out_answer);

/* The length of the encoding. */
size_t map_proof_len(const struct map_proof *proof);
/* Writes map_proof_len(proof) bytes to out. */
void map_proof_encode(const struct map_proof *proof, uint8_t *out);
/* Decodes a proof that takes up all of bytes. ECORRUPT: no such proof; *out is undefined then. */
RESULT_MUST_BE_USED int map_proof_decode(struct slice bytes, struct map_proof *out);
