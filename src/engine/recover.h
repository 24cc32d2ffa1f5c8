/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: from what the manifest names to a database that goes on where it stopped.
 *
 * The manifest says which tables exist and how far they index the log; the ledger has the sealed
 * entries; the WAL has the rest. Recovery seals again, in memory, every block behind the last
 * durable tip that the manifest knows, and compares the header it makes with the one on disk, so a
 * ledger that was changed behind the tip is not taken over.
 *
 * RECOVER-1  It may be cut short at any point and started again: it removes and overwrites only
 *            what no durable state names.
 * RECOVER-2  Every entry from flushed_seq on is in a memtable afterwards, every entry that is not
 *            in a block is in the seal queue.
 *
 * Threads: the opening one; no other thread of the database runs yet.
 */
#pragma once

#include <blockdb/blockdb.h>

struct manifest_state;

/* Opens ledger, tiles and WAL and rebuilds what is only in memory. */
int recover_run(struct blockdb *db, const struct manifest_state *state, struct blockdb_error *err)
    __attribute__((warn_unused_result));
