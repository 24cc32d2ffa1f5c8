/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files: what those of entries (prove_entry.c) and of keys (prove_key.c) share.
 *
 * PROVE-1  What goes into a proof file was verified against the head that it carries: a ledger or
 *          tiles that were damaged give an error and no proof.
 * PROVE-2  A value whose redaction is on record is not disclosed, also while its bytes are still
 *          being erased.
 *
 * Threads:   any thread; a file belongs to the one that makes it.
 * Ownership: a zeroed struct is empty and may be released; it is released by the thread that filled
 *            it. A file borrows database and options.
 * Format:    docs/format/proof.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "ledger/evidence.h"
#include "ledger/proof.h"
#include "ledger/record.h"
#include "store/segment.h"

#include <blockdb/evidence.h>
#include <stdbool.h>

/* An entry of the sealed log with its leaf. */
struct proven_entry {
    uint64_t seq;
    struct segment_record held;
    struct record record; /* borrows held */
    struct hash commitment;
    struct hash hash; /* of the leaf */
    struct buf leaf;  /* its bytes */
};

/* Reads entry seq, which must be sealed, and derives its leaf. */
RESULT_MUST_BE_USED int proven_entry_load(struct blockdb *db, uint64_t seq,
                                          struct proven_entry *out, struct error *err);
void proven_entry_deinit(struct proven_entry *entry);

/* The head that a file is made against. */
struct proven_head {
    struct blockdb_value note;
    uint64_t size;
    struct hash root;
};

/* A file being made. */
struct proof_file {
    struct blockdb *db;
    const struct blockdb_prove_options *options;
    struct proven_head head;
    struct proven_entry entry; /* the one that the file is about */
    bool is_hidden;            /* it is redacted, by entry redact_seq */
    uint64_t redact_seq;
    struct buf extra;
    struct evidence_writer writer;
};

void proof_file_init(struct proof_file *f, struct blockdb *db,
                     const struct blockdb_prove_options *options);
void proof_file_deinit(struct proof_file *f);

/* Forgets what was written; head and entry stay until they are loaded again. */
void proof_file_restart(struct proof_file *f);

/* Takes the newest signed head if it covers entry seq, else signs one. EUNSUPPORTED: no key is
 * configured. */
RESULT_MUST_BE_USED int proof_file_load_head(struct proof_file *f, uint64_t seq, struct error *err);
/* Signs a head that covers all that is sealed. */
RESULT_MUST_BE_USED int proof_file_renew_head(struct proof_file *f, uint64_t seq,
                                              struct error *err);
/* Loads the entry that the file is about; the head covers it. Where the entry is redacted, the head
 * is renewed when it does not cover the redaction. EBUSY: it is being redacted at this moment. */
RESULT_MUST_BE_USED int proof_file_load_entry(struct proof_file *f, uint64_t seq,
                                              struct error *err);

/* The inclusion of an entry in the file's head, verified (PROVE-1). */
RESULT_MUST_BE_USED int proof_file_prove(struct proof_file *f, const struct proven_entry *entry,
                                         struct proof *out, struct error *err);

/* Sections. Each writes nothing where there is nothing to say; they come in this order, the others
 * between them. */
void proof_file_write_entry(struct proof_file *f);
/* VALUE, or RANGE when the options want one. EINVAL: the value does not have that range. */
RESULT_MUST_BE_USED int proof_file_write_value(struct proof_file *f, struct error *err);
RESULT_MUST_BE_USED int proof_file_write_redaction(struct proof_file *f, struct error *err);
/* Ends the evidence and hands out the text. */
RESULT_MUST_BE_USED int proof_file_finish(struct proof_file *f, struct blockdb_value *out_file,
                                          struct error *err);
