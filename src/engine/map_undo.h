/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the last updates of the map replaced, so that states shortly before can still be proven.
 *
 * Each update leaves the old hashes of the inner nodes it changed, by level and in order, and the
 * old records of the leaves. What was at an earlier state is found in the first update since then
 * that changed it; if none did, it is what it is now.
 *
 * UNDO-1  Kept are the newest updates, at most MAP_UNDO_BYTES_MAX bytes of them; an update that
 *         alone is longer is not kept, nor anything before it.
 *
 * Threads:   caller locks.
 * Ownership: owns its memory.
 */
#pragma once

#include "base/error.h"
#include "engine/map_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_UNDO_BYTES_MAX (24u * 1024 * 1024)
#define MAP_UNDO_LEVELS 25

struct map_undo_node {
    uint32_t index; /* of the node in the array of the tree */
    struct hash hash;
};

struct map_undo_leaf {
    struct map_record record; /* with existed false only its place counts */
    bool existed;
};

/* One update. */
struct map_undo_step {
    struct map_undo_step *next; /* the update after this one */
    struct hash root;           /* of the state before */
    size_t node_count;
    size_t node_cap;
    struct map_undo_node *nodes;
    size_t level_starts[MAP_UNDO_LEVELS]; /* where the nodes of a level lie */
    size_t level_ends[MAP_UNDO_LEVELS];
    size_t leaf_count;
    size_t leaf_cap;
    struct map_undo_leaf *leaves; /* in the order of places */
};

struct map_undo {
    struct map_undo_step *oldest;
    struct map_undo_step *newest;
    struct map_undo_step *open; /* of the update that is going on, or NULL */
    size_t bytes;               /* of finished steps */
};

void map_undo_deinit(struct map_undo *u);
/* Forgets all steps. */
void map_undo_clear(struct map_undo *u);

/* Begins the step of an update to a state with this root. ENOMEM. */
RESULT_MUST_BE_USED int map_undo_begin(struct map_undo *u, const struct hash *root);
/* Ends it, and forgets the oldest steps where there are too many. */
void map_undo_end(struct map_undo *u);
/* Adds to the step that was begun; nothing when none was. Nodes of one level come one after the
 * other, in the order of their index. ENOMEM. */
RESULT_MUST_BE_USED int map_undo_add_node(struct map_undo *u, unsigned level, uint32_t index,
                                          const struct hash *hash);
RESULT_MUST_BE_USED int map_undo_add_leaf(struct map_undo *u, const struct map_record *record,
                                          bool existed);

/* The newest step that began at a state with this root, or NULL. */
const struct map_undo_step *map_undo_find(const struct map_undo *u, const struct hash *root);
/* What a node was before the step `from`, or NULL when it was what it is now. */
const struct hash *map_undo_node_before(const struct map_undo_step *from, unsigned level,
                                        uint32_t index);
