/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Installing the outcome of a flush or merge: first in the manifest, then for readers.
 *
 * INSTALL-1  When the manifest has the change, readers get it: lack of memory only delays that.
 *
 * Threads: workers, and recovery. Flushes come from one thread at a time.
 */
#pragma once

#include "engine/read_state.h"
#include "store/manifest_state.h"
#include "store/merge.h"

#include <blockdb/blockdb.h>

/* Tables that take the place of others, or of the oldest memtable. */
struct install {
    const uint64_t *remove; /* numbers of tables that go */
    size_t remove_count;
    const struct table_facts *add; /* new tables, in files of the data directory */
    size_t add_count;
    bool move;                 /* the tables in remove only change their level; add is empty */
    uint32_t level;            /* of what is added or moved */
    bool is_flush;             /* the oldest memtable goes; edit says what else becomes true */
    struct manifest_edit edit; /* tables are filled in by install_run() */
};

/* On failure nothing has changed and the new files are removed. Files of replaced tables are
 * removed once nobody holds them (workers_hold_files()). */
RESULT_MUST_BE_USED int install_run(struct blockdb *db, struct install *install, struct error *err);

/* Options of a merge in this database. */
void install_merge_options(struct blockdb *db, struct merge_options *out);
