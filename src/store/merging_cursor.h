/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging cursor: several sources of keys as one, one item a key.
 *
 * Sources are given newest first: for one key, all seqs of an earlier source are above all seqs of
 * a later one. Nothing is dropped: a key whose newest version is a delete is yielded as such.
 *
 * It works in one of two ways:
 * - limit_seq == VERSIONS_ALL, for flush and merge: the item is the newest version, its `older`
 * list is complete over all sources (item_merge()).
 * - a real limit, for scans: the item is the newest version with seq <= limit_seq, keys without one
 *   are passed over, `older` is always empty. Where a source only has the seq of that version (its
 *   newest one is above the limit), the item has kind 0, no value, value_len 0 and time_ms 0: the
 *   caller finds them in the ledger at seq.
 *
 * A heap of the sources' current keys; while one source keeps having the smallest key, a step costs
 * one comparison with the runner-up.
 *
 * MERGING-1  All sources stand at or beyond the current key, in the direction of the last move.
 *
 * Threads:   one thread at a time.
 * Ownership: takes the sources.
 */
#pragma once

#include "store/cursor.h"

#include <stddef.h>
#include <stdint.h>

/* Joins count sources (0 is fine). On success takes the cursors, which are freed with it; on
 * failure (ENOMEM) the caller keeps them. */
RESULT_MUST_BE_USED int merging_cursor_new(struct cursor *const *sources, size_t count,
                                           uint64_t limit_seq, struct cursor **out_cursor);
