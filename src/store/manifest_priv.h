/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the manifest: its fields, and the making of a new file.
 *
 * One append runs at a time (`busy`), without the mutex, as it waits for the disk. What an append
 * works on belongs to whoever is busy.
 *
 * Threads: as manifest.h.
 */
#pragma once

#include "base/lock.h"
#include "store/manifest.h"
#include "store/manifest_log.h"

#include <stdatomic.h>

#define MANIFEST_ROLL_GROWTH 4 /* a new manifest when so many times the size of its snapshot */

struct manifest {
    /* constant after open */
    struct os *os;
    char *dir;
    char *current_path;
    char *current_tmp_path;
    uint64_t roll_bytes;
    bool read_only;
    uint8_t ledger_id[LEDGER_ID_LEN];

    /* atomic, relaxed: a counter */
    _Atomic uint64_t next_file_number;

    struct mutex mu;
    struct cond idle;
    bool busy;       /* guarded by mu */
    uint64_t number; /* changed under mu by who is busy */
    uint64_t end;    /* the same: behind the last record */

    /* who is busy only */
    struct manifest_state state;
    struct os_file *file; /* NULL when read_only */
    unsigned mark;        /* the mark that was written last */
    uint64_t roll_at;     /* begin a new manifest when `end` is beyond */
    struct error failure; /* code 0: none; else every append fails with it (MANIFEST-4) */
};

/* Owned text, NULL when out of memory. */
char *manifest_path(const struct manifest *m, uint64_t number);
/* Removes the file of a manifest that is not in force, if that can be done. */
void manifest_remove(const struct manifest *m, uint64_t number);
/* Notes that m may not write any more (MANIFEST-4); returns rc. */
int manifest_fail(struct manifest *m, int rc, const struct error *err);
/* The size at which a manifest whose first record ends at snapshot_end is replaced. */
uint64_t manifest_roll_point(const struct manifest *m, uint64_t snapshot_end);
/* Writes the state to a manifest with the next number, makes it the one in force, removes the old
 * one. On failure the old one stays in force; m->failure tells whether it may be used. err is not
 * NULL. */
RESULT_MUST_BE_USED int manifest_roll(struct manifest *m, struct error *err);
