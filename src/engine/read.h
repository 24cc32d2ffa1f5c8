/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Point reads: the newest version of a key at or below a seq, and entries by seq.
 *
 * A lookup asks the memtables, then the tables, newest first; the first that knows the key has the
 * answer. Values that are not inline come from the ledger by their seq. On the path of a cached
 * read there is no lock, no allocation, and no write to memory that threads share.
 *
 * Threads:   any thread.
 */
#pragma once

#include "base/bytes.h"
#include "engine/read_state.h"
#include "ledger/record.h"
#include "store/segment.h"

#include <blockdb/blockdb.h>

/* What a read may see: everything up to limit_seq in state. has_limit is false while nothing was
 * written. */
struct read_bound {
    const struct read_state *state;
    uint64_t limit_seq;
    bool is_empty;
};

/* The newest seq that a read with this view (NULL: none) and at_seq may see. The caller is inside
 * the epoch, or the view holds the state. */
struct read_bound read_bound_of(struct blockdb *db, const struct blockdb_view *view,
                                uint64_t at_seq);

/* The version of key that is in force now, a deletion included; no value is loaded. ENOTFOUND
 * (without message): there is none. */
RESULT_MUST_BE_USED int read_newest_version(struct blockdb *db, struct slice key,
                                            struct blockdb_version_info *out, struct error *err);

/* Reads the stored record of a sealed entry and parses it. The record is released by the caller.
 * EREDACTED is not judged here. ENOTFOUND (without message): not in the ledger (yet). */
RESULT_MUST_BE_USED int read_ledger_record(struct blockdb *db, uint64_t seq,
                                           struct segment_record *out_held,
                                           struct record *out_record, struct error *err);

/* ENOTFOUND with a standing message; cheap enough for every miss. */
int read_not_found(struct error *err);
/* EREDACTED, naming the entry. */
int read_redacted(uint64_t seq, struct error *err);

/* Replaces the content of value; ENOMEM leaves it unchanged. */
RESULT_MUST_BE_USED int value_assign(struct blockdb_value *value, struct slice bytes,
                                     struct error *err);

/* The hook of segments_read(): checks each record of a page that was just loaded against the tree's
 * leaf hashes. */
int read_check_page(void *db, const struct segment_page *page, struct error *err);
