/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints (C2SP tlog-checkpoint): the text of the note that is a signed head.
 *
 * Three lines: origin, number of entries, base64 of the root. Further lines are tolerated in what
 * is read, and never written.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct checkpoint` borrows its texts.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/sha256.h"
#include "ledger/note.h"

#define CHECKPOINT_TEXT_MAX 8192 /* of a text with its extension lines */

struct checkpoint {
    struct slice origin;
    uint64_t size; /* entries */
    struct hash root;
    struct slice extensions; /* further lines with their newlines; mostly empty */
};

/* Parses the text of a note. ECORRUPT with the line that is wrong; ELIMIT beyond
 * CHECKPOINT_TEXT_MAX. On failure *out is untouched. */
RESULT_MUST_BE_USED int checkpoint_parse(struct slice text, struct checkpoint *out,
                                         struct error *err);
/* Parses a note and its text. Errors of both. Says nothing about signatures. */
RESULT_MUST_BE_USED int checkpoint_parse_note(struct slice bytes, struct note *out_note,
                                              struct checkpoint *out, struct error *err);
/* Appends the text: three lines. EINVAL: the origin cannot be the name of a key, or is longer than
 * NOTE_NAME_MAX; ENOMEM. Both leave out unchanged. extensions must be empty. */
RESULT_MUST_BE_USED int checkpoint_append(struct buf *out, const struct checkpoint *checkpoint);
/* Whether origin, size and root are the same. */
bool checkpoint_equal(const struct checkpoint *a, const struct checkpoint *b);
