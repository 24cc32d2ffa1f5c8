/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: paths in the tree of all entries, and in the trees of blocks.
 *
 * Threads:   any thread.
 * Format:    docs/format/merkle.md
 */
#pragma once

#include "engine/subtree.h"

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
