/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the map's tree, for map_tree.c, map_gather.c, map_apply.c, map_merge.c and map_view.c.
 *
 * Threads:   as map_tree.h.
 * Ownership: as map_tree.h.
 */
#pragma once

#include "base/bytes.h"
#include "engine/map_delta.h"
#include "engine/map_forest.h"
#include "engine/map_tree.h"
#include "engine/map_undo.h"
#include "store/map_file.h"

/* Changes of one update that are worked on together: enough to hash many at a time. */
#define MAP_CHUNK 256

/* The leaves of one bucket of the file, in map_gather.loaded. */
struct map_span {
    uint32_t bucket;
    uint32_t count;
    size_t offset;
};

/* Leaves of buckets, joined from file and deltas. Scratch memory. */
struct map_gather {
    struct buf loaded; /* leaves read from the file; grows only between gatherings */
    size_t span_count;
    struct map_span spans[MAP_CHUNK];
    size_t count;
    size_t cap;
    const struct map_record **records; /* borrowed from loaded and from slots */
};

/* A merge that is going on while `writer` is there. */
struct map_merge {
    struct map_file_writer *writer;
    unsigned bits;        /* of the new file */
    uint32_t next_bucket; /* of the new file */
    bool finished;        /* all buckets are written */
    uint64_t size;        /* what is frozen reflects so many entries */
    struct hash root;
    struct buf leaves; /* of one bucket */
};

struct map_tree {
    struct os *os;
    char *dir;
    uint8_t ledger_id[MAP_FILE_LEDGER_ID_LEN];
    uint32_t delta_max; /* 0: it follows from leaf_count */
    int (*anchor)(void *context, uint64_t size, struct hash *out, struct error *err);
    void *anchor_context;

    uint64_t size;
    uint64_t leaf_count;
    unsigned bits;
    struct hash *nodes; /* 2^(bits + 1), from index 1 on; zeros: no leaf below */
    struct map_file *file;
    struct map_delta young;
    struct map_delta frozen; /* with heads NULL: there is none */
    struct map_merge merge;
    struct map_undo undo;
    bool keep_states;

    /* Scratch. */
    struct map_gather gather;
    struct map_forest forest;
    struct map_apply *apply;
};

/* The node of a bucket. */
static inline struct hash *map_tree_bucket_node(struct map_tree *t, uint32_t bucket)
{
    return &t->nodes[((size_t)1 << t->bits) + bucket];
}

/* Begins a new gathering. */
void map_gather_reset(struct map_gather *g);
void map_gather_deinit(struct map_gather *g);
/* Reads the bucket of the file that holds a bucket of the tree, unless it was the last one read.
 * At most MAP_CHUNK times after a reset. */
RESULT_MUST_BE_USED int map_gather_load(struct map_tree *t, uint32_t bucket, struct error *err);
/* The leaves that were loaded for a bucket: NULL when the file has none. */
const struct map_span *map_gather_span(const struct map_tree *t, uint32_t bucket);
/* A leaf among those of the span, or NULL. */
const struct map_record *map_gather_find(const struct map_tree *t, const struct map_span *span,
                                         const struct hash *place);
/* Appends the leaves of a bucket, which must be loaded, in order of place. ENOMEM. */
RESULT_MUST_BE_USED int map_gather_bucket(struct map_tree *t, uint32_t bucket, bool with_young);

/* Frees what map_tree_apply() needs. */
void map_apply_free(struct map_apply *a);
/* Makes a node above the buckets what its children make of it; true when that takes a hash, which
 * *job is then. */
bool map_tree_join(struct map_tree *t, unsigned level, uint32_t number, struct map_node_job *job);
/* Doubles the number of buckets while there are too many leaves for it. */
RESULT_MUST_BE_USED int map_tree_grow(struct map_tree *t, struct error *err);

/* Freezes what changed and begins a new file. Nothing may be frozen. */
RESULT_MUST_BE_USED int map_merge_begin(struct map_tree *t, struct error *err);
/* Writes about so many leaves of the new file. */
RESULT_MUST_BE_USED int map_merge_step(struct map_tree *t, uint64_t leaves, struct error *err);
/* When all in a finished file is durable: syncs and publishes it, forgets what was frozen. */
RESULT_MUST_BE_USED int map_merge_end(struct map_tree *t, uint64_t durable_size, struct error *err);
void map_merge_deinit(struct map_merge *m);
