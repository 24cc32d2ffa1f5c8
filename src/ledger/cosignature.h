/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cosignatures (C2SP tlog-cosignature, Ed25519, version 1): a witness says that at a time it had
 * seen nothing larger of the log, and only trees that continue each other.
 *
 * What is signed is a line "cosignature/v1", a line "time <seconds>", and the text of the
 * checkpoint.
 *
 * COSIG-1  Only checkpoints are cosigned: signing and verifying refuse other texts.
 *
 * Threads:   pure functions; any thread.
 * Ownership: borrows inputs for the call.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/note.h"

#define COSIGNATURE_TIME_MAX 0x7fffffffffffffffULL

/* Appends the signature line of a witness over the text of a checkpoint. The key is of type
 * cosignature. EINVAL: the text is no checkpoint, or the time is beyond COSIGNATURE_TIME_MAX.
 * ENOMEM, EUNSUPPORTED. On failure out is unchanged. */
RESULT_MUST_BE_USED int cosignature_sign(struct buf *out, const struct signing_key *key,
                                         struct slice text, uint64_t time_s, struct error *err);
/* Verifies one cosignature over the text of a checkpoint, whose name and key ID are those of key.
 * ETAMPERED; EUNSUPPORTED without libcrypto; ENOMEM. On failure *out_time_s is untouched. */
RESULT_MUST_BE_USED int cosignature_verify_one(const struct note_signature *signature,
                                               const struct verifier_key *key, struct slice text,
                                               uint64_t *out_time_s, struct error *err);
/* Verifies all cosignatures of a witness on a note. 0: there is at least one, and all are valid;
 * *out_time_s is the latest time. ENOTFOUND: there is none. ETAMPERED: one is not valid.
 * EUNSUPPORTED without libcrypto; ENOMEM. */
RESULT_MUST_BE_USED int cosignature_verify(const struct note *note, const struct verifier_key *key,
                                           uint64_t *out_time_s, struct error *err);
