/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redaction: the value and salt of one version are erased everywhere; its entry and all proofs
 * stay.
 *
 * A redaction is an entry of the log (ledger/redaction.h), appended like any other. From then on
 * it is pending: its target is in a short list in memory that every read asks, until the bytes are
 * gone from WAL, memtables, tables, ledger and caches. Then the record in the ledger says by itself
 * that it is redacted, and by which entry; the list forgets it. So memory does not grow with the
 * number of redactions.
 *
 * Erasing is a row of steps that may be cut short anywhere and begun again:
 *   1  the block ends, the WAL goes on in a file that never held another byte
 *   2  the memtable is flushed; a flush or merge leaves out the inline value of what is pending
 *   3  tables that have the value inline are rewritten, each by a merge of its own
 *   4  the sealer, who alone appends to the ledger, rewrites the ledger segment
 *   5  WAL files with an earlier life are removed; caches forget the files; freed memory is wiped
 *   6  the manifest notes that nothing is pending
 *
 * REDACT-1  Before the entry is appended the manifest says from which seq on redactions may be
 *           pending, so an opening finds them by reading the log from there.
 * REDACT-2  One erasing runs at a time, and none while a verification or a copy runs
 *           (workers_hold_files()), because those compare or take files one after the other.
 * REDACT-3  A read state from before an erasing may hold the value until its last reader lets go.
 *           Reads from such a state ask the ledger, which says what is redacted.
 * REDACT-4  Not erased is what the library does not hold: backups, hard links, values that callers
 *           were given.
 *
 * Threads:   any thread.
 * Ownership: part of the database.
 * Format:    docs/format/record.md, entry.md, manifest.md (tag 12)
 */
#pragma once

#include "base/epoch.h"
#include "base/error.h"
#include "base/lock.h"
#include "engine/read_state.h"
#include "ledger/record.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

struct manifest_state;

/* A target and the entry that redacts it. */
struct redaction_pair {
    uint64_t target_seq;
    uint64_t redact_seq; /* BLOCKDB_SEQ_NONE while it is being appended */
};

/* What is pending, by target; replaced as a whole. */
struct redaction_list {
    struct epoch_link retired;
    size_t count;
    struct redaction_pair pairs[];
};

struct redactions {
    struct mutex mu;
    struct cond idle;

    /* Guarded by mu. */
    bool busy;        /* somebody redacts; what follows is theirs */
    bool erasing;     /* files are being replaced (REDACT-2), or are about to be */
    unsigned holders; /* who must not see files replaced */
    uint64_t from;    /* as the manifest says; BLOCKDB_SEQ_NONE: nothing is pending */

    /* Atomic, released by who is busy; read inside the epoch. NULL: nothing is pending. */
    _Atomic(struct redaction_list *) pending;
    /* Atomic: read states with a lower serial may hold what was erased (REDACT-3). */
    _Atomic uint64_t erased_serial;
    /* Atomic: reads from states with a lower serial take the slow path. UINT64_MAX while anything
     * is pending, else erased_serial. */
    _Atomic uint64_t watch;
};

void redactions_init(struct redactions *r);
void redactions_deinit(struct redactions *r);

/* Whether a read from this state must ask redact_judge() before it hands out a value. */
static inline bool redact_watches(const struct redactions *r, const struct read_state *state)
{
    return state->serial < atomic_load_explicit(&r->watch, memory_order_acquire);
}
/* Whether entry seq is redacted, for a value found in a memtable or table of state. Errors are
 * those of reading the ledger. */
RESULT_MUST_BE_USED int redact_judge(struct blockdb *db, const struct read_state *state,
                                     uint64_t seq, bool *out_redacted, struct error *err);
/* Whether the erasing of entry seq is pending; out_redact_seq may be NULL. */
bool redact_is_pending(struct blockdb *db, uint64_t seq, uint64_t *out_redact_seq);
/* Whether a record read from the ledger, or from memory, may not be disclosed. */
static inline bool redact_hides(struct blockdb *db, uint64_t seq, const struct record *record)
{
    return (record->flags & RECORD_REDACTED) != 0 || redact_is_pending(db, seq, NULL);
}

/* The entry that redacts entry seq, for proofs. ENOTFOUND (without message): it is not redacted.
 * The redact entry may not be sealed yet when the target's erasing is pending. Costs one read. */
RESULT_MUST_BE_USED int redact_find(struct blockdb *db, uint64_t seq, uint64_t *out_redact_seq,
                                    struct error *err);
/* Checks that entry redact_seq is a redaction of entry seq with this leaf hash. ETAMPERED. */
RESULT_MUST_BE_USED int redact_check_entry(struct blockdb *db, uint64_t seq,
                                           const struct hash *leaf, uint64_t redact_seq,
                                           struct error *err);

/* When opening, after recovery: finds what is pending and, in a database that may be written and
 * whose threads run, finishes it. What cannot be finished now stays pending, with a warning. */
RESULT_MUST_BE_USED int redact_load(struct blockdb *db, uint64_t from, struct error *err);
void redact_resume(struct blockdb *db);

/* For a time in which no erasing may run; from several threads at once. Waits for one that does. */
void redact_hold_off(struct blockdb *db);
void redact_let_go(struct blockdb *db);

/* Pending targets at or above which the log must be read when a copy of it is opened, for its
 * manifest; BLOCKDB_SEQ_NONE: none. */
uint64_t redact_pending_from(struct blockdb *db);
