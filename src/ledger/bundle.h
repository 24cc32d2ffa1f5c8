/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry bundles of C2SP tlog-tiles: the leaves of a level 0 tile, each with a 16-bit length.
 *
 * Threads:   pure functions; any thread.
 * Ownership: appends copy; parsing borrows.
 * Format:    docs/format/entry.md
 */
#pragma once

#include "base/bytes.h"
#include "ledger/leaf.h"

/* Appends one leaf. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int bundle_append(struct buf *out, const struct leaf *leaf);
/* Takes the next leaf's bytes from r, borrowed, not decoded. ECORRUPT when r ends within it or it
 * is longer than any leaf. Ask reader_left() whether there is one. */
RESULT_MUST_BE_USED int bundle_next(struct reader *r, struct slice *out_leaf);
