/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declaring an epoch: the entry that says in the ledger that its directory was restored.
 *
 * DECLARE-1  IDENTITY tells the epoch, the manifest the one that the ledger has declared. An
 * opening that finds IDENTITY ahead declares it before anyone else writes, so a restore that was
 *            cut short is declared all the same.
 *
 * Threads: the opening one.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>

/* Appends the entry of the current epoch, makes it durable and notes it in the manifest, unless
 * declared_epoch says that it was done. */
RESULT_MUST_BE_USED int declare_epoch(struct blockdb *db, uint64_t declared_epoch,
                                      struct error *err);
