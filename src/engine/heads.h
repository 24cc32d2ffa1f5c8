/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed heads: the newest one, and the thread that signs more.
 *
 * A head is signed when somebody asks, and at most once a head_interval when there is something
 * new. It says what is sealed then; block_interval decides how soon that is.
 *
 * HEADS-1  Only the durable tip of the sealer is signed: everything in it is on disk, and its last
 *          entry is a block header (SEAL-1, TIP-1).
 * HEADS-2  Size and root are on disk before a signature is made, the note before it is shown
 *          (heads_file.h). So no size ever gets two roots, and no smaller one follows.
 * HEADS-3  An opening compares the last signed size and root with the log. When the log is shorter
 *          or differs, the database is only read and nothing is signed. When what was signed is not
 *          known any more, nothing is signed.
 * HEADS-4  From epoch 1 on the origin tells the epoch: a restored directory cannot sign as the one
 *          that it was copied from. A copy of the same epoch has the file of heads.
 * HEADS-5  Which keys sign is on record in the ledger before they do: a database that is opened
 *          with others appends a config entry first.
 * HEADS-6  A signature that was made elsewhere is stored only if it is that of a key on record over
 *          the text of this head: a line for another head, or of another key, is refused.
 *
 * Threads:   one of its own; the public functions any thread. Signing has one turn at a time; no
 *            lock is held while it writes, signs or runs a command, and whoever only wants the
 *            newest head does not wait for it.
 * Ownership: part of the database.
 * Format:    docs/format/heads.md, docs/format/notes.md
 */
#pragma once

#include "base/lock.h"
#include "engine/heads_file.h"
#include "engine/heads_keys.h"
#include "engine/tip.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <stdbool.h>

struct heads {
    struct mutex mu;
    struct cond wake; /* a turn ended, or the thread is to stop */

    /* Constant after open. */
    char *origin;
    bool can_sign;        /* there is a key or a command */
    bool forbids_writing; /* the log is not what was signed; refusal says it */

    struct error refusal; /* code 0: none. HEADS-3 */

    /* Guarded by mu. */
    bool is_busy; /* somebody has the turn */
    bool stopped;
    struct buf shown; /* the newest note under this origin; empty: there is none */
    uint64_t shown_size;

    /* Whoever has the turn. */
    struct heads_file *file; /* NULL: no head was signed yet, or refusal */
    struct heads_keys keys;
    struct error last;            /* why the last attempt of the thread failed; told once */
    struct error last_of_command; /* why signer_command added nothing to the last head; as last */

    struct os_thread *thread;
};

/* Reads origin, keys and ledger/heads, and compares (HEADS-3). After recovery, before any thread.
 * EINVAL, EDENIED, ENOTFOUND: what the options say does not go. */
RESULT_MUST_BE_USED int heads_open(struct blockdb *db, struct error *err);
/* Records changed keys (HEADS-5) and starts the thread. The database can be written by then. */
RESULT_MUST_BE_USED int heads_start(struct blockdb *db, struct error *err);
void heads_stop(struct blockdb *db);
void heads_close(struct blockdb *db);

/* The reason why a database that was opened for writing is read-only; false when there is none. */
bool heads_forbid_writing(const struct blockdb *db, struct error *err);

/* Whether the file of heads is whole, is there if heads were signed, and the log is what they say,
 * as found when opening. ETAMPERED; EVERSION. */
RESULT_MUST_BE_USED int heads_verify(const struct blockdb *db, struct error *err);

/* Copies the file of heads to the ledger directory of a copy of the same epoch. What is in the file
 * is sealed, so the copy's sealed point must be taken later. */
RESULT_MUST_BE_USED int heads_copy(struct blockdb *db, const char *ledger_dir, struct error *err);

/* The size of the newest signed head under this origin; 0: there is none. */
uint64_t heads_signed_size(struct blockdb *db);
/* The root of the tree of the first size entries, out of its tiles. size is sealed. */
RESULT_MUST_BE_USED int heads_root_at(struct blockdb *db, uint64_t size, struct hash *out,
                                      struct error *err);

/* For heads_sign.c and heads.c; the caller has the turn. */

/* Makes the file of heads when there is none yet. */
RESULT_MUST_BE_USED int heads_need_file(struct blockdb *db, struct error *err);
/* Signs the durable tip, unless the newest note has it already. Errors as
 * blockdb_checkpoint_sign(). */
RESULT_MUST_BE_USED int heads_sign_tip(struct blockdb *db, struct error *err);
/* Shows the newest note of the file to everybody, if it is under this origin. ENOMEM. */
RESULT_MUST_BE_USED int heads_show(struct heads *heads, struct error *err);
