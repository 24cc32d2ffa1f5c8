/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of one cosigned head: a signed checkpoint behind a header, with a checksum.
 *
 * WHEAD-1  A decoded head belongs to the log whose name its file has.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a decoded head borrows its note.
 * Format:    docs/format/witness.md
 */
#pragma once

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "server/witness.h"

#define WITNESS_HEAD_VERSION 1
#define WITNESS_HEAD_NOTE_MAX 131072
#define WITNESS_HEAD_HEADER_LEN 48
#define WITNESS_HEAD_LEN_MAX (WITNESS_HEAD_HEADER_LEN + WITNESS_HEAD_NOTE_MAX + 8)

#define WITNESS_HEAD_SUFFIX ".head"
/* 64 digits, suffix, zero. */
#define WITNESS_HEAD_NAME_BYTES (2 * SHA256_LEN + sizeof(WITNESS_HEAD_SUFFIX))

/* Writes the name of a log's file. */
void witness_head_name(char out[WITNESS_HEAD_NAME_BYTES], const struct hash *log);
/* Whether name is that of a head's file; *out_log is its log then, else untouched. */
bool witness_head_name_parse(const char *name, struct hash *out_log);

/* Size and root of a note that is a checkpoint of log. ECORRUPT; ELIMIT beyond
 * WITNESS_HEAD_NOTE_MAX. On failure *out is untouched. */
RESULT_MUST_BE_USED int witness_head_of_note(struct slice note, const struct hash *log,
                                             struct witness_head *out, struct error *err);
/* Appends the file of a note of at most WITNESS_HEAD_NOTE_MAX bytes. ENOMEM leaves out unchanged.
 */
RESULT_MUST_BE_USED int witness_head_encode(struct buf *out, struct slice note);
/* Decodes a whole file; path is for messages. EFOREIGN, EVERSION, ECORRUPT. On failure the outputs
 * are untouched. */
RESULT_MUST_BE_USED int witness_head_decode(struct slice bytes, const struct hash *log,
                                            const char *path, struct slice *out_note,
                                            struct witness_head *out, struct error *err);
