/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifest: the log of edits that says which tables, segments and WAL positions are the database.
 *
 * CURRENT names the manifest in force. Each edit is written and synced before it counts. When the
 * file has grown, its state is written to a new manifest and CURRENT is moved to that.
 *
 * MANIFEST-1  After manifest_append() returned 0 the edit is durable; after a failure it is not in
 *             force, and at most after a power cut that follows a failed sync it may come back
 *             whole.
 * MANIFEST-2  Two marks at the head tell how far the file was synced; damage below the mark is
 *             ECORRUPT, what is beyond and incomplete is a torn tail that is cut off.
 * MANIFEST-3  CURRENT never names a manifest that is not complete and synced.
 * MANIFEST-4  A write that fails for lack of space is undone, and the next append may succeed. Any
 *             other failed write, and any failed sync, is final: every later append fails with it.
 *
 * Threads:   any thread; appends wait for one another. manifest_state() as told there.
 * Ownership: borrows os until close; owns state and file.
 * Format:    docs/format/manifest.md
 */
#pragma once

#include "base/error.h"
#include "os/os.h"
#include "store/identity.h"
#include "store/manifest_state.h"

#include <stdbool.h>
#include <stdint.h>

#define MANIFEST_NAME_MAX 32
#define CURRENT_NAME "CURRENT"

struct manifest;

struct manifest_open_options {
    struct os *os;
    const char *dir; /* borrowed for the call */
    uint8_t ledger_id[LEDGER_ID_LEN];
    uint64_t roll_bytes; /* a new manifest is begun above so many bytes of edits; 0: 1 MiB */
    bool read_only;      /* change nothing on disk; appends fail with EREADONLY */
};

/* Starts the manifest of a new database, empty, durable on return. EEXIST: dir has one. Left-overs
 * of an interrupted creation are replaced. */
RESULT_MUST_BE_USED int manifest_create(const struct manifest_open_options *options,
                                        struct manifest **out, struct error *err);
/* Opens the manifest that CURRENT names and replays it; cuts a torn tail, removes manifests that
 * are no longer in force. ENOTFOUND: there is none (or an interrupted creation). ECORRUPT: damage,
 * or CURRENT is missing, empty or names no file; the message says where and what to do. EFOREIGN:
 * of another ledger. EVERSION: of a newer format. */
RESULT_MUST_BE_USED int manifest_open(const struct manifest_open_options *options,
                                      struct manifest **out, struct error *err);
/* Without a final edit: whoever wants a clean-close mark appends it first. NULL does nothing. */
void manifest_close(struct manifest *m);
/* For AUTO(). */
void manifest_close_ptr(struct manifest **m);

/* The state with all edits applied, borrowed. Only while no append can run: after opening, in
 * tests. */
const struct manifest_state *manifest_state(const struct manifest *m);

/* Makes edit durable and applies it. edit->next_file_number is filled in from the counter below;
 * the caller leaves it 0. EINVAL: it does not fit the state. ENOSPC and ENOMEM change nothing.
 * Otherwise see MANIFEST-4. */
RESULT_MUST_BE_USED int manifest_append(struct manifest *m, const struct manifest_edit *edit,
                                        struct error *err);

/* Hands out a file number that no file of this database has had. Durable with the next edit: files
 * of numbers that no edit names are left-overs and may be overwritten after a restart. */
uint64_t manifest_take_file_number(struct manifest *m);

/* The number in the name of the manifest in force, and its bytes so far. */
uint64_t manifest_number(struct manifest *m);
uint64_t manifest_bytes(struct manifest *m);

/* Called for each edit of a file, in order, borrowed for the call; non-zero stops and is handed on.
 */
typedef int (*manifest_visit_fn)(void *arg, uint64_t offset, const struct manifest_edit *edit);
/* What a manifest file is, besides its edits. */
struct manifest_info {
    uint64_t number;
    uint8_t ledger_id[LEDGER_ID_LEN];
    uint64_t edit_count;
    uint64_t bytes;      /* up to the end of the last whole edit */
    uint64_t torn_bytes; /* beyond */
};
/* Reads the manifest at path without changing it, checks it, and visits its edits; visit may be
 * NULL. Errors as manifest_open(). */
RESULT_MUST_BE_USED int manifest_inspect(struct os *os, const char *path, manifest_visit_fn visit,
                                         void *arg, struct manifest_info *out, struct error *err);
