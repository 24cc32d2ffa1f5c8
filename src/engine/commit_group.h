/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One commit group on its way: judged, encoded, appended, synced, published.
 *
 * Threads: the leader of commit.c only.
 */
#pragma once

#include "engine/commit.h"
#include "engine/group.h"
#include "store/memtable.h"

#define COMMIT_GROUP_REQUESTS_MAX 1024
#define COMMIT_GROUP_BYTES_MAX (4u * 1024 * 1024)
/* A block ends when its records reach this, whatever their number. */
#define BLOCK_BYTES_MAX (4u * 1024 * 1024)
/* What the end of a block adds to the bytes of a group. */
#define COMMIT_MARKER_BYTES (GROUP_ITEM_HEADER_LEN + GROUP_MARKER_LEN)

/* Ends the open block, if it has entries, with a group of its own. Its marker lies in memtable, the
 * active one. The caller leads. ENOSPC and ENOMEM change nothing. */
RESULT_MUST_BE_USED int commit_group_end_block(struct blockdb *db, struct memtable *memtable,
                                               struct error *err);

/* Commits the chain of requests and fills in the answer of each. */
void commit_group_run(struct blockdb *db, struct commit_request *requests);
