/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the map of an open database, for map.c, map_seal.c, map_build.c and map_thread.c.
 *
 *   RESTING --(somebody needs it, or a moment passed)--> BEHIND
 *   BEHIND --(map_build(): has all that is sealed)--> FOLLOWING
 *   FOLLOWING --(a block was missed)--> BEHIND
 *   any --(a failure that will not go away)--> BROKEN
 *   any --(closing)--> ENDED
 *
 * Threads:   as map.h.
 * Ownership: as map.h.
 */
#pragma once

#include "base/lock.h"
#include "engine/map.h"
#include "engine/map_tree.h"
#include "engine/map_updates.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Blocks and updates that are worth waiting for, so that they are hashed together. */
#define MAP_BATCH_BLOCKS 8
#define MAP_BATCH_UPDATES 8192

enum map_phase {
    MAP_RESTING,
    MAP_BEHIND,
    MAP_FOLLOWING,
    MAP_BROKEN,
    MAP_ENDED,
};

/* Blocks that the sealer handed over. */
struct map_handed {
    struct map_updates updates;
    uint64_t blocks;
    uint64_t size; /* entries that the map reflects when they are applied */
};

struct map {
    /* Constant after map_open(). */
    struct blockdb *db;
    char *dir;
    struct os_thread *thread;

    /* Set by map_stop(), read by the thread. Atomic, relaxed: a hint to hurry. */
    atomic_bool hurry;

    struct mutex mu;
    struct cond changed;

    /* Guarded by mu. */
    enum map_phase phase;
    bool stopped;
    bool wanted;               /* somebody waits for the map: do not rest */
    bool flush;                /* somebody waits for what was handed over: apply it now */
    unsigned keepers_up;       /* of map_keep_up(): headers must tell of their own block */
    bool in_use;               /* somebody has the tree: the thread, or who proves */
    uint64_t next_seq;         /* the first entry that was neither read nor handed over */
    struct map_handed filling; /* waits */
    uint64_t blocks_under_way; /* waiting, or being applied */
    uint64_t entries_under_way;
    struct map_statement done; /* what headers may say while it follows */
    bool is_damaged;           /* a proof met damage in the file; error says where */
    struct error error;        /* of MAP_BROKEN, or with is_damaged */
    uint64_t leaf_count;
    uint64_t memory_bytes;
    uint64_t file_bytes;

    /* Whoever has the tree. NULL while there is none. */
    struct map_tree *tree;

    /* The sealer. */
    struct map_updates sealing;
    uint64_t sealing_seq; /* first entry of the block that sealing is of */

    /* The map's thread. */
    struct map_handed working;
    unsigned failures;   /* since it last followed */
    bool file_is_blamed; /* what fails may be the file's fault */
};

/* Takes the tree, waiting for whoever has it; and gives it back. */
void map_take_tree(struct map *m);
void map_give_tree(struct map *m);
/* Tells what the tree is now; by whoever has it. */
void map_note_state_locked(struct map *m) REQUIRES(m->mu);
/* Puts memory_bytes into the account. */
void map_note_memory_locked(struct map *m) REQUIRES(m->mu);

/* Opens the tree where there is none, and reads the ledger until the map follows. OK also when it
 * is to stop. ETAMPERED: the map differs from what the last header says. */
RESULT_MUST_BE_USED int map_build(struct map *m, struct error *err);

/* The thread. */
void map_main(void *arg);
