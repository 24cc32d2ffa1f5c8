/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trie of the map of newest versions, in bounded memory.
 *
 * Places are hashes, so the highest bits of a place number buckets of about the same size. Above
 * the buckets the trie is a complete binary tree in one array, node i with the children 2i and
 * 2i + 1, where an empty child makes the parent equal to the other one: in a compressed trie there
 * is no node then. Within a bucket, some ten leaves, nothing is kept: its root is computed again
 * from the leaves. Leaves lie in a map file; those that changed since lie in a delta in memory, and
 * while deltas are merged into a new file, in two: the frozen one, that is being merged, and the
 * young one.
 *
 * An update sorts what it changes by place, so each bucket is read once and each node above is
 * hashed once.
 *
 * TREE-1  root is that of the leaves of file, frozen and young together, the younger one first.
 * TREE-2  The array has at most 2^(MAP_TREE_BITS_MAX + 1) hashes; with more leaves buckets grow.
 * TREE-3  After a failed call the tree is good for nothing but map_tree_free(); files are as they
 *         were.
 * TREE-4  A file is published only when everything in it is durable elsewhere, with the anchor: the
 *         caller says so.
 *
 * Threads:   caller locks: one thread at a time.
 * Ownership: owns its memory and its files; borrows os, directory name and ledger id.
 * Format:    docs/format/map.md
 */
#pragma once

#include "base/error.h"
#include "ledger/map_proof.h"
#include "os/os.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_TREE_BITS_MAX 20
/* Changed leaves in memory after which they are merged into a file: one for each
 * MAP_TREE_DELTA_SHARE leaves, in these bounds. With half as many more, while a merge cannot end,
 * the tree gives up. */
#define MAP_TREE_DELTA_SHARE 8
#define MAP_TREE_DELTA_MIN (192u * 1024)
#define MAP_TREE_DELTA_MAX (384u * 1024)

enum map_update_kind {
    MAP_UPDATE_PUT,
    MAP_UPDATE_DELETE,
    MAP_UPDATE_REDACT, /* seq and entry are those of the target */
};

struct map_update {
    struct hash place;
    struct hash entry; /* leaf hash in the log's tree */
    uint64_t seq;
    uint8_t kind; /* enum map_update_kind */
};

struct map_tree;

struct map_tree_options {
    struct os *os;
    const char *dir; /* of the map file; must exist */
    const uint8_t *ledger_id;
    uint32_t delta_max; /* 0: as above; tests merge earlier */
    /* What goes into a file of that size to tell its history from others: the hash of entry `size`,
     * which is durable then. */
    int (*anchor)(void *context, uint64_t size, struct hash *out, struct error *err);
    void *anchor_context;
};

/* One update. */
struct map_tree_batch {
    const struct map_update *updates; /* in the order of the log */
    size_t count;
    uint64_t size;         /* entries that the tree reflects afterwards */
    uint64_t durable_size; /* entries below are durable (TREE-4) */
};

/* Opens the tree of the map file; without a file, the empty tree. ECORRUPT, EVERSION, EFOREIGN: the
 * file is not usable; remove it with map_file_remove(). ENOMEM, EIO. */
RESULT_MUST_BE_USED int map_tree_open(const struct map_tree_options *options, struct map_tree **out,
                                      struct error *err);
/* NULL does nothing. */
void map_tree_free(struct map_tree *t);

/* How many entries the tree reflects, its root, and the anchor of its file; zeros without one. */
uint64_t map_tree_size(const struct map_tree *t);
void map_tree_root(const struct map_tree *t, struct hash *out);
void map_tree_anchor(const struct map_tree *t, struct hash *out);
uint64_t map_tree_leaf_count(const struct map_tree *t);
size_t map_tree_bytes(const struct map_tree *t);
uint64_t map_tree_file_bytes(const struct map_tree *t);
/* Changed leaves that no file has. */
uint32_t map_tree_delta_count(const struct map_tree *t);

/* How many entries must be durable before the merge that is going on can end; 0: it waits for
 * nothing. */
uint64_t map_tree_waits_for(const struct map_tree *t);

/* Whether states before an update are kept for proofs. False at first. */
void map_tree_keep_states(struct map_tree *t, bool keep);
/* Applies a batch; also merges a little. ENOSPC, EIO, ENOMEM, ECORRUPT: TREE-3. */
RESULT_MUST_BE_USED int map_tree_apply(struct map_tree *t, const struct map_tree_batch *batch,
                                       struct error *err);

enum map_save {
    MAP_SAVE_CHEAP, /* only where the file is not much longer than what changed */
    MAP_SAVE_ALL,
};
/* Merges what changed into the file, as far as durable_size allows. *stop, when it becomes true,
 * cuts it short. */
RESULT_MUST_BE_USED int map_tree_save(struct map_tree *t, uint64_t durable_size, enum map_save how,
                                      const atomic_bool *stop, struct error *err);

/* Proves what is at place in the state with that root: the current one or one shortly before. The
 * leaf lacks its entry, which is the leaf hash of its seq. ENOTFOUND: no such state is known. */
RESULT_MUST_BE_USED int map_tree_prove(struct map_tree *t, const struct hash *root,
                                       const struct hash *place, struct map_proof *out,
                                       struct error *err);
