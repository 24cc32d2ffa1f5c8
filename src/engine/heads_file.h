/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of signed heads, ledger/heads: what was signed, remembered before it is signed.
 *
 * HEADSF-1  A signature may be made once the intent for its size and root is synced, and shown once
 *           its note is.
 * HEADSF-2  Sizes of intents never fall, and intents of one size have one root.
 * HEADSF-3  A torn record at the end was never shown to anybody and is cut off; damage with a whole
 *           record behind it is ECORRUPT. As each head is in two records, an intent is never lost
 *           with one of them.
 * HEADSF-4  A failed write (but for lack of space) or sync is final: nothing is written any more.
 *
 * Threads:   one at a time.
 * Ownership: borrows os; owns file and state.
 * Format:    docs/format/heads.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/sha256.h"
#include "os/os.h"
#include "store/identity.h"

#include <stdbool.h>
#include <stdint.h>

#define HEADS_FILE_NAME "heads"
/* The file is replaced by its newest records when it exceeds this. */
#define HEADS_FILE_ROLL_BYTES (256u * 1024)
/* A record's body, and so a note. */
#define HEADS_FILE_BODY_MAX (64u * 1024)
#define HEADS_FILE_HEADER_LEN 96

/* What a file says. Zeroed: nothing. */
struct heads_state {
    bool has_intent;
    uint64_t size; /* of the last intent, as root */
    struct hash root;
    uint64_t note_size; /* of the newest note; size, or less after an interrupted signing */
    struct hash note_root;
    struct buf note; /* empty: none */
    struct buf keys; /* lines of verifier keys; empty: none recorded */
};

void heads_state_deinit(struct heads_state *state);

/* Whose file it is. */
struct heads_file_id {
    uint8_t ledger_id[LEDGER_ID_LEN];
    uint64_t epoch;
};

struct heads_file_options {
    struct os *os;
    const char *dir; /* ledger; borrowed for the call */
    struct heads_file_id id;
    bool read_only; /* change nothing on disk */
};

struct heads_file;

/* Makes an empty file, durable on return, and opens it. Replaces one that is there. */
RESULT_MUST_BE_USED int heads_file_create(const struct heads_file_options *options,
                                          struct heads_file **out, struct error *err);
/* Opens the file; *out_cut_bytes of a torn record were cut off. ENOTFOUND; ECORRUPT with offset;
 * EFOREIGN: of another ledger or epoch; EVERSION. */
RESULT_MUST_BE_USED int heads_file_open(const struct heads_file_options *options,
                                        struct heads_file **out, uint64_t *out_cut_bytes,
                                        struct error *err);
void heads_file_close(struct heads_file *file);

/* Borrowed until the next call. */
const struct heads_state *heads_file_state(const struct heads_file *file);

/* Remembers for good that this head may be signed; HEADSF-2 else ETAMPERED. Writes nothing when it
 * is the last intent already. ENOSPC, ENOMEM change nothing; HEADSF-4. */
RESULT_MUST_BE_USED int heads_file_intend(struct heads_file *file, uint64_t size,
                                          const struct hash *root, struct error *err);
/* Remembers the note of the last intent. ELIMIT: it is too long. Else as heads_file_intend(). */
RESULT_MUST_BE_USED int heads_file_publish(struct heads_file *file, struct slice note,
                                           struct error *err);
/* Remembers which keys are recorded in the ledger. Errors as heads_file_publish(). */
RESULT_MUST_BE_USED int heads_file_record_keys(struct heads_file *file, struct slice keys,
                                               struct error *err);

/* Parses a whole file. *out_len is where its last whole record ends. Errors as heads_file_open();
 * name stands for it in messages. On success *out is to be deinited. */
RESULT_MUST_BE_USED int heads_file_decode(struct slice bytes, const struct heads_file_id *id,
                                          const char *name, struct heads_state *out,
                                          uint64_t *out_len, struct error *err);
