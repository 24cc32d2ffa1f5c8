/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes up a database, as the manifest knows it, and edits that change it.
 *
 * MSTATE-1  Table numbers are unique and below next_file_number; so are segment numbers among
 *           segments.
 * MSTATE-2  An edit is applied whole or not at all.
 * MSTATE-3  LEVEL-2 and LEVEL-3 of table_meta.h hold.
 * MSTATE-4  flushed_seq, next_file_number, epoch and the sealed point never go back.
 *
 * Threads:   caller locks.
 * Ownership: a state owns all it points to; an edit borrows.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "store/table_meta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A ledger segment; what it holds is the ledger's business. */
struct manifest_segment {
    uint64_t number;
    uint64_t first_seq;
    uint64_t first_height; /* of its first block */
    uint64_t seq_count;    /* with finished; else 0 */
    uint64_t block_count;  /* with finished; else 0 */
    uint64_t bytes;        /* with finished; else 0 */
    uint64_t revision;     /* of its file */
    bool finished;
};

/* How far the ledger is sealed and durable: entries below seq_count are in its blocks. */
struct manifest_sealed {
    uint64_t seq_count;
    uint64_t block_height; /* blocks sealed */
    uint64_t tree_size;
    struct slice frontier; /* opaque */
};

/* Where the WAL ended when the database was last closed or opened; see struct wal_end_mark. */
struct manifest_wal {
    uint64_t position;
    uint64_t end_seq;
    bool clean; /* it ends exactly here: the database was closed in order */
};

/* What was in force when the database was last opened. */
struct manifest_options {
    uint32_t merge_strategy; /* enum merge_strategy */
    uint64_t features;
};

struct manifest_state {
    struct table_meta *tables; /* by level; level 0 newest first, others in key order; keys owned */
    size_t table_count;
    struct manifest_segment *segments; /* by number */
    size_t segment_count;
    uint64_t flushed_seq;      /* entries below are in tables */
    uint64_t next_file_number; /* above every file number used so far */
    uint64_t epoch;
    uint64_t redactions_from;      /* pending ones have this seq or a higher; UINT64_MAX: none */
    struct manifest_sealed sealed; /* frontier is in frontier_bytes */
    struct buf frontier_bytes;
    struct manifest_wal wal;
    struct manifest_options options;
    uint64_t dedupe_seq; /* the snapshot covers entries below */
    struct buf dedupe;   /* opaque */
};

/* A change: everything zero changes nothing. Tables and segments are removed before others are
 * added, so a table changes its level by being removed and added in one edit. */
struct manifest_edit {
    const struct table_meta *add_tables;
    size_t add_table_count;
    const uint64_t *remove_tables;
    size_t remove_table_count;
    const struct manifest_segment *put_segments; /* adds, or replaces the one of that number */
    size_t put_segment_count;
    const uint64_t *remove_segments;
    size_t remove_segment_count;
    bool set_flushed;
    bool set_sealed;
    bool set_wal;
    bool set_options;
    bool set_dedupe;
    bool set_epoch;
    bool set_redactions;
    uint64_t flushed_seq;
    struct manifest_sealed sealed;
    struct manifest_wal wal;
    struct manifest_options options;
    uint64_t dedupe_seq;
    struct slice dedupe;
    uint64_t epoch;
    uint64_t redactions_from;
    uint64_t next_file_number; /* 0: unchanged */
};

/* An empty state. */
void manifest_state_init(struct manifest_state *state);
void manifest_state_deinit(struct manifest_state *state);

/* What an edit makes of a state, prepared so that nothing can fail any more. */
struct manifest_change {
    struct manifest_state next; /* shares the keys of tables that stay with the state */
    uint8_t **added_keys;       /* memory of keys that only next has */
    size_t added_count;
    uint8_t **removed_keys; /* memory of keys that only the state has */
    size_t removed_count;
    bool new_frontier;
    bool new_dedupe;
};

/* Prepares edit. EINVAL with a reason in err: it does not fit the state (MSTATE-1, -3, -4; a table
 * to remove is not there ...). ENOMEM. The state is unchanged, and must stay so until one of: */
RESULT_MUST_BE_USED int manifest_change_init(struct manifest_change *change,
                                             const struct manifest_state *state,
                                             const struct manifest_edit *edit, struct error *err);
/* makes the change, */
void manifest_change_apply(struct manifest_change *change, struct manifest_state *state);
/* or forgets it. */
void manifest_change_deinit(struct manifest_change *change);

/* Both at once. */
RESULT_MUST_BE_USED int manifest_state_apply(struct manifest_state *state,
                                             const struct manifest_edit *edit, struct error *err);
/* The edit that makes state out of an empty one; borrows state. */
void manifest_state_as_edit(const struct manifest_state *state, struct manifest_edit *out);
/* The table of that number, or NULL. */
const struct table_meta *manifest_state_find(const struct manifest_state *state, uint64_t number);
