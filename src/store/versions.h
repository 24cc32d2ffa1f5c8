/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version lists: the older seqs of a key, newest first, wherever they are kept.
 *
 * A list is a small value that names its source: bytes in a page, pages of a table, an array, a
 * chain in a memtable. It is walked with a cursor on the caller's stack, one seq at a time, so a
 * list of a million seqs is merged, searched or copied to a table without being loaded. Several
 * lists are put one after another with a version chain: newer.older ++ [older.seq] ++ older.older.
 *
 * VERS-1  Seqs of a list are strictly descending.
 * VERS-2  `count` is exact. A list with count 0 is empty and has no source.
 * VERS-3  A chain holds no chains: appending a chain copies its parts.
 *
 * Threads:   lists are immutable; a cursor belongs to one thread.
 * Ownership: a list borrows its source and is valid as long as the item it came from. A cursor
 *            copies the list; it must be released, and may outlive the item only where the source
 *            says so (table_versions() does).
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERSIONS_ALL UINT64_MAX /* no bound, as BLOCKDB_SEQ_NONE */

struct version_cursor;

/* What a kind of source implements. c->list is set and c->state is zeroed before seek(). */
struct version_ops {
    /* Stands before the first seq < before_seq (VERSIONS_ALL: before the first). Called once, or
     * again after further moves. */
    int (*seek)(struct version_cursor *c, uint64_t before_seq, struct error *err);
    /* Gives the seq and moves on; ENOTFOUND (without message) at the end. */
    int (*next)(struct version_cursor *c, uint64_t *out_seq, struct error *err);
    /* Lets go of what the state holds; may be NULL. Called at most once, also after a failure. */
    void (*release)(struct version_cursor *c);
};

struct version_list {
    const struct version_ops *ops; /* NULL when empty */
    uint64_t count;
    const void *source; /* with arg: meaning is the source's own */
    uint64_t arg[3];
};

/* The state of a source in a cursor; meaning is the source's own. */
struct version_state {
    const void *pointer[3];
    uint64_t number[3];
};

struct version_cursor {
    struct version_list list; /* the plain list being walked; of a chain, its current part */
    struct version_state state;
    const struct version_chain *chain; /* the chain being walked, or NULL */
    size_t chain_next;                 /* its next part */
    uint64_t before_seq;               /* the bound of the seek, for parts to come */
};

static inline struct version_list version_list_empty(void)
{
    return (struct version_list){0};
}

/* Starts to walk list at its first seq < before_seq (VERSIONS_ALL: its first). On failure nothing
 * needs to be released. */
RESULT_MUST_BE_USED int version_cursor_init(struct version_cursor *c,
                                            const struct version_list *list, uint64_t before_seq,
                                            struct error *err);
/* Gives the next seq, always lower than the one before; ENOTFOUND (without message) at the end.
 * ECORRUPT or EIO from a table, with its path. */
RESULT_MUST_BE_USED int version_cursor_next(struct version_cursor *c, uint64_t *out_seq,
                                            struct error *err);
/* Moves, forwards only, to the first seq < before_seq. */
RESULT_MUST_BE_USED int version_cursor_seek(struct version_cursor *c, uint64_t before_seq,
                                            struct error *err);
/* May be called on a zeroed cursor and twice. For AUTO(). */
void version_cursor_deinit(struct version_cursor *c);

/* The greatest seq <= at_seq; ENOTFOUND (without message) when all are higher. Logarithmic in a
 * long list of a table. */
RESULT_MUST_BE_USED int version_list_find(const struct version_list *list, uint64_t at_seq,
                                          uint64_t *out_seq, struct error *err);

/* A list over count descending seqs in memory, borrowed. */
struct version_list version_list_of_array(const uint64_t *seqs, size_t count);

/* A list over count delta-coded seqs in memory, borrowed: each is a varint, the distance to the
 * seq before it less one; `above` is the seq before the first. The bytes are trusted only as far as
 * they are checked: a walk stops with ECORRUPT where they end early or go below zero. */
struct version_list version_list_of_deltas(struct slice deltas, uint64_t count, uint64_t above);

/* Several lists and single seqs, one after another; see VERS-3. Owned by who merges (one for each
 * item on its way); emptied and used again for the next item. */
struct version_part {
    bool single;  /* this part is the one seq `seq` */
    uint64_t seq; /* with single */
    struct version_list list;
};
struct version_chain {
    struct version_part *parts;
    size_t count;
    size_t cap;
    uint64_t seq_count;
};

void version_chain_deinit(struct version_chain *chain);
/* Empties the chain and keeps its memory. */
static inline void version_chain_reset(struct version_chain *chain)
{
    chain->count = 0;
    chain->seq_count = 0;
}
/* Appends; all seqs must be lower than those in the chain. ENOMEM leaves the chain unchanged. A
 * list that is the list of another chain may be appended: its parts are copied. */
RESULT_MUST_BE_USED int version_chain_append_seq(struct version_chain *chain, uint64_t seq);
RESULT_MUST_BE_USED int version_chain_append_list(struct version_chain *chain,
                                                  const struct version_list *list);
/* The chain as one list; borrows the chain until it is changed. */
struct version_list version_chain_list(const struct version_chain *chain);
