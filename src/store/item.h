/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Item: the newest version of one key in one source (memtable, table, merge), and its older seqs.
 *
 * Threads:   immutable.
 * Ownership: everything in an item is borrowed from its source, until the source's cursor moves.
 */
#pragma once

#include "base/bytes.h"
#include "store/versions.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

struct item {
    struct slice key;
    uint64_t seq;
    uint64_t time_ms;
    uint32_t value_len; /* of the newest version; 0 for a delete */
    uint8_t kind;       /* BLOCKDB_KIND_PUT or BLOCKDB_KIND_DELETE */
    bool value_inline;  /* value holds the value; else it is in the ledger at seq */
    struct slice value;
    struct version_list older; /* seqs below seq, newest first; may be empty */
};

/* Makes of two items of one key, `newer` with all its seqs above those of `older`, the item that
 * stands for both: the newest version is newer's, the older seqs are newer.older ++ [older.seq] ++
 * older.older. Takes no bytes: the result borrows from both items and from chain, which it refills.
 * newer->older may be the list of this same chain, so that many items are folded one by one:
 *     merged = items[0]; for (i = 1; ...) item_merge(&merged, &items[i], &chain, &merged);
 * out_merged may be newer. ENOMEM leaves *out_merged unchanged. */
RESULT_MUST_BE_USED int item_merge(const struct item *newer, const struct item *older,
                                   struct version_chain *chain, struct item *out_merged);
