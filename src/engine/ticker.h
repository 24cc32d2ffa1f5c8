/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ticker: the engine's only clock. It ends blocks that have been open for block_interval, and
 * syncs the WAL so that no byte stays unsynced longer than wal_sync_interval (in every mode but
 * `none`). It tells when the system's clock falls behind the ledger's time.
 *
 * Threads:   one of its own.
 * Ownership: part of the database.
 */
#pragma once

#include "base/lock.h"
#include "os/os.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

struct ticker {
    struct mutex mu;
    struct cond wake;
    bool stopped;    /* guarded by mu */
    bool clock_told; /* the ticker's thread: that the clock is behind */
    struct os_thread *thread;
};

void ticker_init(struct ticker *t);
void ticker_deinit(struct ticker *t);
RESULT_MUST_BE_USED int ticker_start(struct blockdb *db, struct error *err);
void ticker_stop(struct blockdb *db);
