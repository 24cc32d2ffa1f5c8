/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: paths in the tree of all entries and in the trees of blocks, and proof files.
 *
 * PROVE-1  What goes into a proof file was verified against the head that it carries: a ledger or
 *          tiles that were damaged give an error and no proof.
 *
 * Threads:   any thread.
 * Ownership: as said at each function.
 * Format:    docs/format/merkle.md, docs/format/proof.md
 */
#pragma once

#include "engine/subtree.h"
#include "ledger/evidence.h"
#include "store/segment.h"

#include <blockdb/evidence.h>

/* ENOTFOUND unless the tree of size entries is sealed and durable. */
RESULT_MUST_BE_USED int prove_check_size(struct blockdb *db, uint64_t size, struct error *err);

/* A source over the leaves of a tree in memory; borrows them. */
struct hash_source prove_memory_source(struct hash *leaves);

/* The block of entry seq, which must be sealed, and the path from the entry to its root. EINVAL:
 * seq is a block header. ETAMPERED: the path does not lead to the root in the header. */
RESULT_MUST_BE_USED int prove_block_path(struct blockdb *db, uint64_t seq,
                                         struct blockdb_block *out_block, struct proof *out,
                                         struct error *err);

/* An entry of the sealed log with its leaf, as stored. Zeroed: empty. */
struct proven_entry {
    uint64_t seq;
    struct segment_record held;
    struct record record; /* borrows held */
    struct hash commitment;
    struct hash hash; /* of the leaf */
    struct buf leaf;  /* its bytes */
};

/* Reads entry seq and derives its leaf. Released with proven_entry_deinit() by the same thread. */
RESULT_MUST_BE_USED int proven_entry_load(struct blockdb *db, uint64_t seq,
                                          struct proven_entry *out, struct error *err);
void proven_entry_deinit(struct proven_entry *entry);

/* The head that a proof file is made against. Zeroed: empty. */
struct proven_head {
    struct blockdb_value note;
    uint64_t size;
    struct hash root;
};

/* The newest signed head that covers entry seq; signs one when there is none. */
RESULT_MUST_BE_USED int proven_head_load(struct blockdb *db, uint64_t seq, struct proven_head *out,
                                         struct error *err);
void proven_head_deinit(struct proven_head *head);

/* The inclusion of an entry in a head, verified (PROVE-1). */
RESULT_MUST_BE_USED int prove_in_head(struct blockdb *db, const struct proven_entry *entry,
                                      const struct proven_head *head, struct proof *out,
                                      struct error *err);
