/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flush: the oldest frozen memtable becomes a table.
 *
 * Threads: the flusher, or recovery; one at a time.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>

enum flush_when {
    FLUSH_RUNNING,    /* waits until its entries are in synced blocks (WORK-1) */
    FLUSH_RECOVERING, /* its entries came from the ledger */
};

/* ENOTFOUND (without message): nothing is frozen. ENOSPC, ENOMEM: try again later. */
RESULT_MUST_BE_USED int flush_oldest(struct blockdb *db, enum flush_when when, struct error *err);

/* Fills an edit with the durable tip and the request table, for a flush or a close. The bytes live
 * in out_tip (TIP_LEN_MAX bytes) and out_requests. ENOMEM. */
struct manifest_edit;
struct buf;
RESULT_MUST_BE_USED int flush_edit(struct blockdb *db, struct manifest_edit *edit, uint8_t *out_tip,
                                   struct buf *out_requests);
