/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a database as of now into another directory: what backup and restore share.
 *
 * Files that never change again are linked where the file system allows it, the rest is copied.
 * Everything is in the ledger first, so the copy needs no WAL.
 *
 * COPY-1  IDENTITY comes last: a copy that was cut short is refused when it is opened.
 * COPY-2  Nothing in the source is changed, but that its last block ends.
 *
 * Threads: any; writers go on.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>

struct copy_options {
    const char *dir; /* made; must be missing or empty */
    uint64_t epoch;  /* of the copy */
    blockdb_progress_cb progress;
    void *progress_arg;
};

RESULT_MUST_BE_USED int copy_database(struct blockdb *db, const struct copy_options *options,
                                      struct error *err);
