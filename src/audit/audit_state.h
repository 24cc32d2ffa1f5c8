/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an auditor remembers of a log between audits: the head it verified last, and all that is
 * needed to go on from there without reading anything again.
 *
 * STATE-1  The position stands at 0 or directly behind a block header: no block and no batch is
 *          open there.
 * STATE-2  The position is not before the verified head; what lies between was checked by an audit
 *          that did not reach its end, and counts once the root of a later head covers it.
 * STATE-3  The file is replaced as a whole; a power cut leaves the old or the new one.
 *
 * Threads:   caller locks.
 * Ownership: a state owns its notes.
 * Format:    docs/format/audit-state.md
 */
#pragma once

#include "base/bytes.h"
#include "ledger/block_header.h"
#include "ledger/frontier.h"

struct os;

/* A head of a log: the text of its checkpoint and what it says. A zeroed one is none. */
struct audit_head {
    struct buf note; /* as it was published; without signatures when it was not signed */
    uint64_t size;
    struct hash root;
};

/* Entries by kind, from the beginning of the log. */
struct audit_counts {
    uint64_t blocks;
    uint64_t puts;
    uint64_t deletes;
    uint64_t redactions;
    uint64_t epochs;
    uint64_t configs;
};

struct audit_state {
    struct audit_head head;   /* verified last; size 0: none yet */
    struct audit_head seen;   /* newer, of an audit that did not reach its end; size 0: none */
    struct frontier frontier; /* the position is its size */
    struct block_header last_header; /* in front of the position; unless that is 0 */
    struct audit_counts counts;      /* up to the position */
    uint64_t epoch;                  /* declared last; 0: none */
};

void audit_head_deinit(struct audit_head *head);
/* Copies. ENOMEM leaves to unchanged. */
RESULT_MUST_BE_USED int audit_head_copy(struct audit_head *to, const struct audit_head *from);
/* The origin, which is the first line of the note; empty without one. */
struct slice audit_head_origin(const struct audit_head *head);

void audit_state_init(struct audit_state *state);
void audit_state_deinit(struct audit_state *state);

/* Appends the bytes of the file. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int audit_state_encode(const struct audit_state *state, struct buf *out);
/* Decodes them into an initialised state, which is untouched on failure. EFOREIGN: something else.
 * ECORRUPT: damaged. EVERSION: of a newer version. ENOMEM. */
RESULT_MUST_BE_USED int audit_state_decode(struct slice bytes, struct audit_state *out,
                                           struct error *err);

/* Reads path into an initialised state; ENOTFOUND when there is no such file. */
RESULT_MUST_BE_USED int audit_state_load(struct os *os, const char *path, struct audit_state *out,
                                         struct error *err);
RESULT_MUST_BE_USED int audit_state_store(struct os *os, const char *path,
                                          const struct audit_state *state, struct error *err);
