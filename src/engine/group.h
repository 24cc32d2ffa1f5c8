/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit group as bytes: the payload of one frame of the WAL.
 *
 * A group is a sequence of items, one for each seq of the frame: a stored record behind its length,
 * or a block marker, which reserves a seq for the header of the block that ends there.
 *
 * Threads:   pure functions.
 * Ownership: items borrow the payload.
 * Format:    docs/format/commit-group.md
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define GROUP_ITEM_HEADER_LEN 4
/* A marker holds the time of its block; no record is that short. */
#define GROUP_MARKER_LEN 8

struct group_item {
    bool is_marker;
    uint64_t marker_time_ms;
    struct slice record; /* of a marker: its GROUP_MARKER_LEN bytes */
};

/* Writes a marker of GROUP_ITEM_HEADER_LEN + GROUP_MARKER_LEN bytes to out. */
void group_marker_encode(uint64_t time_ms, uint8_t *out);

/* Takes the next item off r. ECORRUPT when the bytes are none; ENOTFOUND at the end. */
RESULT_MUST_BE_USED int group_next(struct reader *r, struct group_item *out);
