/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification: recomputes all evidence from the stored bytes.
 *
 * Three kinds of work, each in units that threads take one after the other:
 *   tables  every page of every table, and two sums over what the tables say (verify_index.h); a
 *           unit is a part of a table, so that one large table keeps all threads busy
 *   blocks  every value against its commitment, every leaf and every node of the tree against its
 *           tile, batches, block roots, the chain of headers, tree roots; and the same two sums
 *           over what the ledger says
 *   files   every byte of every ledger segment outside pages: heads, indexes, footers
 *
 * Not recomputed is the map of newest versions in headers (docs/format/map.md), only that it does
 * not go back: that needs a map of all keys from the first entry on, and is what audit does.
 *
 * VERIFY-1  What verification reports as the root was computed from the stored values.
 * VERIFY-2  The first failure stops it; its message names file and offset, and entry or block.
 *
 * Threads:   one coordinator, which alone calls progress; workers of its own.
 * Ownership: holds a read state, and the files of its tables, for its whole time.
 */
#pragma once

#include "base/lock.h"
#include "engine/read_state.h"
#include "engine/tip.h"
#include "engine/verify_index.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

#define VERIFY_THREADS_MAX 64

enum verify_stage {
    VERIFY_TABLES,
    VERIFY_BLOCKS,
    VERIFY_FILES,
    VERIFY_DONE,
};

/* A table of the state, in parts that are units of their own. */
struct verify_table {
    struct table *table; /* borrowed from the state */
    uint64_t first_unit;
    uint32_t parts;
    _Atomic uint32_t parts_left;
    struct table_verification *verification; /* guarded by mu: from the first part to the end */
};

struct verify {
    /* Constant while threads run. */
    struct blockdb *db;
    uint64_t index_bytes; /* in the account */
    struct read_state *state;
    struct tip tip;        /* what is verified ends here */
    uint64_t first_height; /* blocks [first_height, end_height) */
    uint64_t end_height;
    bool is_whole;       /* all blocks, none left out */
    uint64_t sample;     /* a block is looked at when a random number is below; UINT64_MAX: all */
    uint64_t sample_key; /* the random numbers are a function of this and the height */
    enum verify_stage stage;
    uint64_t unit_count;
    struct verify_table *tables;
    size_t table_count;
    uint64_t table_units;

    _Atomic uint64_t next_unit;
    atomic_bool stop;
    _Atomic uint64_t entries;
    _Atomic uint64_t blocks;
    _Atomic uint64_t bytes_hashed;
    _Atomic uint64_t bytes_read;
    _Atomic uint64_t redactions;
    struct index_check index;

    /* Guarded by mu. */
    struct mutex mu;
    struct cond idle;
    unsigned running;
    int status; /* of the first failure */
    struct error error;
};

/* One unit of each stage. On failure err says where. */
RESULT_MUST_BE_USED int verify_blocks_unit(struct verify *v, uint64_t unit, struct error *err);
uint64_t verify_blocks_units(const struct verify *v);
/* A hash of a tile above level 0 against the one that is stored. */
RESULT_MUST_BE_USED int verify_tile_hash(struct verify *v, const struct tile_hash *made,
                                         struct error *err);
RESULT_MUST_BE_USED int verify_table_unit(struct verify *v, uint64_t unit, struct error *err);
/* Makes the list of tables and their units. ENOMEM. */
RESULT_MUST_BE_USED int verify_tables_init(struct verify *v);
void verify_tables_deinit(struct verify *v);
/* After tables and blocks: the first entry on which they differ, or OK. Slow. */
RESULT_MUST_BE_USED int verify_index_locate(struct verify *v, struct error *err);

/* The frontier of the tree of `size` leaves, from the tiles. */
RESULT_MUST_BE_USED int verify_frontier(struct blockdb *db, uint64_t size, struct frontier *out,
                                        struct error *err);
