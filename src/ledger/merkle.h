/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Merkle tree of RFC 6962: hashes of leaves and nodes, and roots.
 *
 * Words: a *subtree* of height h and index i covers the leaves [i * 2^h, (i + 1) * 2^h) and is
 * complete: all of them exist. Trees grow by frontiers (ledger/frontier.h) and are proven by
 * ledger/proof.h.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 * Format:    docs/format/merkle.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

/* The root of the tree without leaves: SHA-256 of nothing. */
void merkle_empty_root(struct hash *out);
/* SHA-256(0x00 || data). */
void merkle_leaf(struct slice data, struct hash *out);
/* SHA-256(0x01 || left || right). out may be left or right. */
void merkle_node(const struct hash *left, const struct hash *right, struct hash *out);

/* The root of the tree over n leaf hashes. */
void merkle_root(const struct hash *leaves, size_t n, struct hash *out);

/* The root of a complete subtree over 2^height hashes, height <= 8; out may be among them. */
void merkle_complete_root(const struct hash *hashes, unsigned height, struct hash *out);

static inline bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, SHA256_LEN) == 0;
}

static inline bool hash_is_zero(const struct hash *h)
{
    static const struct hash zero;

    return hash_equal(h, &zero);
}
