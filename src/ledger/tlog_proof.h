/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files (C2SP tlog-proof, version 1): a checkpoint with its signatures, and an inclusion
 * proof, for use without a server.
 *
 * The entry itself is not a part of it. The extra data is not protected by anything: what it means
 * and how it is checked is in docs/format/notes.md.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct tlog_proof` borrows its texts.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/proof.h"

#define TLOG_PROOF_FIRST_LINE "c2sp.org/tlog-proof@v1"

struct tlog_proof {
    struct slice extra; /* base64, well-formed, for base64_decode(); empty: there is none */
    uint64_t index;     /* of the entry */
    struct proof proof; /* its inclusion */
    struct slice note;  /* the checkpoint with its signatures, for checkpoint_parse_note() */
};

/* Parses a proof that takes up all of bytes, except for the note, which is only cut out. ECORRUPT
 * with the line that is wrong; ELIMIT: more hashes than any tree needs. On failure *out has no
 * meaning. */
RESULT_MUST_BE_USED int tlog_proof_parse(struct slice bytes, struct tlog_proof *out,
                                         struct error *err);
/* Appends a proof. extra are the bytes themselves here; empty leaves the line out. ENOMEM leaves
 * out unchanged. */
RESULT_MUST_BE_USED int tlog_proof_append(struct buf *out, struct slice extra, uint64_t index,
                                          const struct proof *proof, struct slice note);
