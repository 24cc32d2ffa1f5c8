/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to walk keys in order: memtables, tables, runs of tables and merges of them.
 *
 * CUR-1  A cursor stands on one item or on none; it begins on none.
 * CUR-2  Keys are visited in the order of slice_compare(), each at most once.
 * CUR-3  Stepping past either end, and any failure, leaves the cursor on none; a seek works again.
 * CUR-4  The item and all it points to are borrowed until the cursor moves or is freed.
 *
 * Threads:   one thread at a time; different cursors over one source are independent.
 * Ownership: the maker's header says what a cursor borrows; cursor_free() releases the rest.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "store/item.h"

#include <stdbool.h>

struct cursor;

/* Moves return 0 also when they end on none; an error is one of disk or memory. */
struct cursor_ops {
    int (*seek_first)(struct cursor *c, struct error *err);
    int (*seek_last)(struct cursor *c, struct error *err);
    int (*seek)(struct cursor *c, struct slice key, struct error *err);
    int (*seek_before)(struct cursor *c, struct slice key, struct error *err);
    int (*next)(struct cursor *c, struct error *err);
    int (*prev)(struct cursor *c, struct error *err);
    bool (*valid)(const struct cursor *c);
    const struct item *(*item)(const struct cursor *c);
    void (*free)(struct cursor *c);
};

/* Implementations embed it as their first field. */
struct cursor {
    const struct cursor_ops *ops;
};

/* To the smallest key. */
RESULT_MUST_BE_USED static inline int cursor_seek_first(struct cursor *c, struct error *err)
{
    return c->ops->seek_first(c, err);
}

/* To the greatest key. */
RESULT_MUST_BE_USED static inline int cursor_seek_last(struct cursor *c, struct error *err)
{
    return c->ops->seek_last(c, err);
}

/* To the first key not below `key`. */
RESULT_MUST_BE_USED static inline int cursor_seek(struct cursor *c, struct slice key,
                                                  struct error *err)
{
    return c->ops->seek(c, key, err);
}

/* To the last key below `key`. */
RESULT_MUST_BE_USED static inline int cursor_seek_before(struct cursor *c, struct slice key,
                                                         struct error *err)
{
    return c->ops->seek_before(c, key, err);
}

/* To the following key. The cursor must be valid. */
RESULT_MUST_BE_USED static inline int cursor_next(struct cursor *c, struct error *err)
{
    return c->ops->next(c, err);
}

/* To the preceding key. The cursor must be valid. */
RESULT_MUST_BE_USED static inline int cursor_prev(struct cursor *c, struct error *err)
{
    return c->ops->prev(c, err);
}

/* Whether the cursor stands on an item. */
static inline bool cursor_valid(const struct cursor *c)
{
    return c->ops->valid(c);
}

/* The item the cursor stands on (CUR-4). The cursor must be valid. */
static inline const struct item *cursor_item(const struct cursor *c)
{
    return c->ops->item(c);
}

/* NULL does nothing. */
static inline void cursor_free(struct cursor *c)
{
    if (c != NULL) {
        c->ops->free(c);
    }
}

/* For AUTO(cursor_free_ptr). */
static inline void cursor_free_ptr(struct cursor **c)
{
    cursor_free(*c);
}
