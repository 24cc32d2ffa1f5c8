/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between a log and a witness (C2SP tlog-witness, add-checkpoint).
 *
 * The request is the size the log believes the witness to have, the proof that the new head
 * continues it, and the new head as a note:
 *
 *   old 20852014
 *   <base64 of a hash>          none to 63 such lines
 *                               an empty line
 *   <the note>
 *
 * The answer is signature lines, or, when the witness has another size, that size in a line.
 *
 * ADDC-1  A message has one form: what decodes is encoded to the same bytes.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a decoded request borrows its note.
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"

/* What a witness's prefix is followed by. */
#define ADD_CHECKPOINT_PATH "add-checkpoint"
#define ADD_CHECKPOINT_LEN_MAX 65536 /* of a request */
#define ADD_CHECKPOINT_HASHES_MAX 63
#define ADD_CHECKPOINT_SIZE_TYPE "text/x.tlog.size"
#define ADD_CHECKPOINT_SIZE_LEN_MAX 21 /* 20 digits and a newline */

struct add_checkpoint {
    uint64_t old_size;
    struct slice note;
    size_t proof_count;
    struct hash proof[ADD_CHECKPOINT_HASHES_MAX];
};

/* Appends a request. EINVAL: too many hashes; ELIMIT: longer than ADD_CHECKPOINT_LEN_MAX; ENOMEM.
 * All leave out unchanged. */
RESULT_MUST_BE_USED int add_checkpoint_append(struct buf *out,
                                              const struct add_checkpoint *request);
/* Decodes a request; *out borrows the note, which is not looked at. ECORRUPT names the line that is
 * wrong; ELIMIT. On failure *out has no meaning. */
RESULT_MUST_BE_USED int add_checkpoint_decode(struct slice body, struct add_checkpoint *out,
                                              struct error *err);

/* The body that tells another size. Returns its length. */
size_t add_checkpoint_size_format(char out[ADD_CHECKPOINT_SIZE_LEN_MAX + 1], uint64_t size);
/* EINVAL. On failure *out is untouched. */
RESULT_MUST_BE_USED int add_checkpoint_size_parse(struct slice body, uint64_t *out);
