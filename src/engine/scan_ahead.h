/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scan has read ahead: some items behind the one it stands on, with their values.
 *
 * A value in the ledger costs a few waits for memory, or for the disk. A scan that meets such
 * values takes several items from its cursor and reads their values together, so that the waits
 * overlap. It starts with four and grows, so a short scan reads little in vain.
 *
 * AHEAD-1  Items are handed out in the order in which they were added; a failure is told with the
 *          item it belongs to, after all items before it.
 *
 * Threads:   the scan's.
 * Ownership: copies keys and inline values; holds the ledger's pages.
 */
#pragma once

#include "base/bytes.h"
#include "engine/read_state.h"
#include "store/item.h"
#include "store/segment.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

#define SCAN_AHEAD_MAX 16

struct scan_ahead_item {
    struct blockdb_version_info version;
    uint32_t key_offset; /* in bytes */
    uint32_t key_len;
    uint32_t value_offset; /* of an inline value, in bytes */
    uint32_t value_len;
    bool in_ledger;
    bool is_read; /* held has its record */
    struct segment_record held;
};

struct scan_ahead {
    struct buf bytes;
    size_t count;
    size_t next;   /* the item to hand out next */
    size_t window; /* how many to read ahead next time; 0: none, values are inline */
    struct scan_ahead_item items[SCAN_AHEAD_MAX];
};

/* What a scan stands on. Borrowed until the next item is taken. */
struct scan_position {
    struct slice key;
    struct slice value;
    struct blockdb_version_info version;
};

void scan_ahead_deinit(struct scan_ahead *ahead);
/* Drops all items and the window. */
void scan_ahead_reset(struct scan_ahead *ahead);
/* Drops all items that were handed out, to make room for a window. */
void scan_ahead_clear(struct scan_ahead *ahead);
/* The scan met a value in the ledger: widens the window. */
void scan_ahead_widen(struct scan_ahead *ahead);
static inline bool scan_ahead_has_next(const struct scan_ahead *ahead)
{
    return ahead->next < ahead->count;
}
/* Adds an item. ENOMEM. There is room for `window` items behind a clear. */
RESULT_MUST_BE_USED int scan_ahead_add(struct scan_ahead *ahead, const struct item *item);
/* Reads the values of all items that are in the ledger, as far as that works at once. */
void scan_ahead_read(struct scan_ahead *ahead, struct blockdb *db);
/* Hands out the next item, which came from state. ENOTFOUND (without message): it is a deletion,
 * take another. ECORRUPT ...: its value cannot be had. */
RESULT_MUST_BE_USED int scan_ahead_take(struct scan_ahead *ahead, struct blockdb *db,
                                        const struct read_state *state, struct scan_position *out,
                                        struct error *err);
