/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table set: the open tables of a database at one moment, stacked in levels.
 *
 * A set never changes; a flush or merge makes a new one that shares the tables. Readers inside an
 * epoch use the set that an atomic pointer leads to, without counting references; who replaces it
 * gives its reference back through the epoch.
 *
 * TSET-1  Level 0 is ordered by age, newest first; higher levels by key, without overlap
 * (table_meta.h).
 *
 * Threads:   immutable; references from any thread.
 * Ownership: refcounted; holds a reference on each table.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "store/cursor.h"
#include "store/table.h"
#include "store/table_meta.h"

#include <stddef.h>
#include <stdint.h>

struct table_set;

struct table_set_add {
    struct table *table; /* borrowed; the set takes a reference of its own */
    uint32_t level;
};
/* Removes, then adds: a table changes its level by both. */
struct table_set_edit {
    const uint64_t *remove; /* file numbers */
    size_t remove_count;
    const struct table_set_add *add;
    size_t add_count;
};

/* An empty set with one reference; NULL when out of memory. */
struct table_set *table_set_new(void);
struct table_set *table_set_ref(struct table_set *set);
/* NULL does nothing. */
void table_set_unref(struct table_set *set);
/* For AUTO(), and as an epoch_free_fn. */
void table_set_unref_ptr(struct table_set **set);
void table_set_unref_fn(void *set);

/* Makes the set that edit makes of base. EINVAL: a table to remove is not there, one to add is, or
 * TSET-1 would not hold. ENOMEM. */
RESULT_MUST_BE_USED int table_set_apply(const struct table_set *base,
                                        const struct table_set_edit *edit,
                                        struct table_set **out_set);

/* The tables of a level in order, borrowed. */
struct table_span {
    struct table *const *tables;
    size_t count;
};
struct table_span table_set_level(const struct table_set *set, uint32_t level);
size_t table_set_count(const struct table_set *set);
uint64_t table_set_bytes(const struct table_set *set);
/* The table of that number, borrowed, or NULL; its level in *out_level (may be NULL). */
struct table *table_set_find(const struct table_set *set, uint64_t number, uint32_t *out_level);
/* The tables of a level above 0 that touch first..last, both inclusive. */
struct table_span table_set_overlaps(const struct table_set *set, uint32_t level,
                                     struct slice first, struct slice last);

/* Walks the tables whose key range holds key, newest first. Zero-initialise; NULL at the end. */
struct table_set_walk {
    uint32_t level;
    size_t index; /* level 0 only */
};
struct table *table_set_walk_next(const struct table_set *set, struct table_set_walk *walk,
                                  struct slice key);

/* Finds the newest version of key (at_seq BLOCKDB_SEQ_NONE), or the newest with seq <= at_seq; as
 * table_get(), inside the epoch. */
RESULT_MUST_BE_USED int table_set_get(const struct table_set *set, struct slice key,
                                      uint64_t at_seq, struct table_hit *out, struct error *err);

/* How many cursors table_set_cursors() makes: one for each table of level 0 and each other level
 * that is not empty. */
size_t table_set_source_count(const struct table_set *set);
/* Fills out[0 .. table_set_source_count()) with cursors over all tables, newest first, for a
 * merging cursor; the caller frees them. Each holds its tables. On failure none is left. options
 * may be NULL. */
RESULT_MUST_BE_USED int table_set_cursors(const struct table_set *set,
                                          const struct table_cursor_options *options,
                                          struct cursor **out, struct error *err);

/* A cursor over tables that do not overlap, in key order: a run. Opens one table at a time and
 * holds them all. */
RESULT_MUST_BE_USED int run_cursor_new(struct table *const *tables, size_t count,
                                       const struct table_cursor_options *options,
                                       struct cursor **out, struct error *err);
