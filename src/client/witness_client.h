/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks witnesses to cosign a head (C2SP tlog-witness).
 *
 * A witness cosigns a head that continues the one it cosigned before. The client says which that
 * was, as far as it remembers, and proves the continuation; a witness that has another size answers
 * with it, and is asked again. What comes back is checked against the key the policy has for that
 * witness; nothing else of the answer is trusted.
 *
 * WCLI-1  A line handed out is a valid cosignature of the witness's key over the head.
 * WCLI-2  A round ends within its time limit, with the results it has by then; witnesses do not
 *         wait for each other.
 * WCLI-3  A witness that has seen a longer log, or another one, is reported as ETAMPERED: that is
 *         how a fork, or a directory put back from an old backup, shows.
 *
 * Threads:   a round starts a thread for each witness and joins all of them.
 * Ownership: borrows all inputs for the call; outcomes own their lines.
 */
#pragma once

#include "client/http.h"
#include "ledger/policy.h"
#include "ledger/proof.h"
#include "os/os.h"

#define WITNESS_ROUND_TIMEOUT_MS_DEFAULT 10000

/* Proves that the tree of new_size entries continues that of old_size; 0 < old_size < new_size.
 * Called by several threads at the same time. */
typedef int (*witness_prove_fn)(void *context, uint64_t old_size, uint64_t new_size,
                                struct proof *out, struct error *err);

/* The head that is to be cosigned. */
struct witness_submission {
    struct slice note;
    witness_prove_fn prove;
    void *context;
    struct os *os;        /* whose clock deadline_ns is of; may be NULL without one */
    uint64_t deadline_ns; /* monotonic; 0: only the client's time limits count. A round sets both */
};

/* What became of one witness. A zeroed one is valid and owns nothing. */
struct witness_outcome {
    uint64_t size;      /* in: the size the witness is believed to have, 0 when unknown;
                           out: the size it told or cosigned */
    int status;         /* 0: it cosigned; else as below, and `error` says why */
    struct buf lines;   /* its cosignatures: signature lines, each with its newline */
    struct error error; /* set unless status is 0 */
};

/* Submits a head to one witness, whose URL must not be empty. Returns outcome->status:
 * EINVAL: no http or https URL; EIO: no connection, or an answer that no witness gives;
 * ETIMEDOUT; EDENIED: it does not know this log, or not its key; ECORRUPT: its cosignature is not
 * valid, or is missing; ETAMPERED: WCLI-3; EUNSUPPORTED: a library is missing; ENOMEM; and what
 * prove returns. */
RESULT_MUST_BE_USED int witness_submit(struct http *http, const struct policy_witness *witness,
                                       const struct witness_submission *submission,
                                       struct witness_outcome *outcome);

struct witness_round {
    struct os *os;
    const struct policy *policy;
    struct witness_submission submission;
    uint64_t skip;       /* bit i: do not ask witnesses[i] of the policy */
    uint32_t timeout_ms; /* of the whole round; 0: WITNESS_ROUND_TIMEOUT_MS_DEFAULT */
    const char *ca_file; /* as in struct http_access */
};

/* Submits the head to all witnesses of the policy that have a URL, at the same time. outcomes has
 * policy->witness_count elements; those of witnesses that were not asked keep what they have. *out
 * receives the set of those that cosigned (bit i: witnesses[i]). ENOMEM when nothing was started; a
 * witness that fails is no failure of the round. */
RESULT_MUST_BE_USED int witness_round_run(const struct witness_round *round,
                                          struct witness_outcome *outcomes, uint64_t *out,
                                          struct error *err);

void witness_outcome_deinit(struct witness_outcome *outcome);
