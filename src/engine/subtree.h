/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots of complete subtrees of the sealed log: what proofs are made of.
 *
 * A proof needs up to eight subtrees of each tile it passes, and they cover the whole tile between
 * them: out of its hashes alone that takes 247 more. So the roots of height 4 to 7 within a tile
 * are kept in a cache once they were computed, as its *digest*; what is lower is computed from a
 * *group* of 16 hashes.
 *
 * SUBTREE-1  A digest covers whole groups only. A tile that still grows has one for each number of
 *            groups, so that nothing in the cache ever changes.
 *
 * Threads:   a reader belongs to one thread; any number beside each other and beside the sealer.
 * Ownership: borrows the database.
 */
#pragma once

#include "ledger/proof.h"

#include <blockdb/blockdb.h>

#define SUBTREE_GROUP 16 /* hashes */

struct subtree_reader {
    struct blockdb *db;
    /* The group that was read last. */
    unsigned level;
    uint64_t group;
    unsigned have; /* of its hashes, from the first on; 0: there is none */
    struct hash hashes[SUBTREE_GROUP];
};

void subtree_reader_init(struct subtree_reader *reader, struct blockdb *db);

/* The root of the subtree of 2^height leaves whose first is leaf index * 2^height. ECORRUPT: the
 * tiles do not have it, which they must for all that is sealed; EIO. */
RESULT_MUST_BE_USED int subtree_root(struct subtree_reader *reader, unsigned height, uint64_t index,
                                     struct hash *out, struct error *err);
/* A source for ledger/proof.h; borrows the reader. */
struct hash_source subtree_source(struct subtree_reader *reader);
