/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cosigner: shows each new signed head to the witnesses of [ledger] witness_policy_file.
 *
 * It works beside everything else on a thread of its own: nothing waits for a witness, and a
 * witness that is missing holds up nothing but its own signature. Heads that were signed while a
 * round was under way are left out; the next round takes the newest. A head that too few witnesses
 * have cosigned is shown again to those that are missing, until there is a newer one.
 *
 * COSIGN-1  A head counts as witnessed only when the policy says so of signatures that were
 *           verified.
 * COSIGN-2  A witness that has seen another log, or a longer one, is told as an error each time: it
 *           is how a fork shows.
 * COSIGN-3  The witnessed head that is kept never goes back to a smaller one.
 *
 * Cosignatures are added to the head in the database while it is the newest one. On a busy server
 * a newer head is there by then; so the newest witnessed head is kept here, too. It is what the
 * server publishes at /checkpoint (docs/adr/0017-the-witnessed-head-is-published.md).
 *
 * Threads:   new and free by the owner, the rest any thread; has one thread named `witness`.
 * Ownership: borrows all of its options.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdint.h>

struct blockdb;
struct cosigner;
struct os;

struct cosigner_options {
    struct os *os;
    struct blockdb *db;
    struct logger *logger;     /* may be NULL */
    const char *policy_path;   /* read once, now */
    uint64_t interval_ms;      /* between two looks for a new head */
    uint32_t round_timeout_ms; /* 0: 5 s */
};

/* Reads the policy and starts the thread. EINVAL: the policy is malformed; ENOTFOUND, EDENIED, EIO:
 * it cannot be read; ENOMEM. */
RESULT_MUST_BE_USED int cosigner_new(const struct cosigner_options *options, struct cosigner **out,
                                     struct error *err);
/* Asks the thread to end; does not wait. NULL is fine. */
void cosigner_stop_soon(struct cosigner *c);
/* Ends the thread, after the round under way, and frees. NULL is fine. */
void cosigner_free(struct cosigner *c);

/* Appends the newest head that the policy calls witnessed, with its cosignatures. ENOTFOUND: no
 * head was witnessed since the start, nor was the newest one from before; ENOMEM. */
RESULT_MUST_BE_USED int cosigner_note(struct cosigner *c, struct buf *out);

struct cosigner_stats {
    uint64_t rounds;         /* heads that were shown */
    uint64_t witnessed;      /* heads for which the policy was fulfilled */
    uint64_t failures;       /* answers of witnesses that were no cosignature */
    uint64_t contradictions; /* COSIGN-2 */
    uint64_t size;           /* of the newest witnessed head */
};
struct cosigner_stats cosigner_stats(struct cosigner *c);
