/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One commit group on its way: judged, encoded, appended, synced, published.
 *
 * Threads: the leader of commit.c only.
 */
#pragma once

#include "engine/commit.h"

#define COMMIT_GROUP_REQUESTS_MAX 1024
#define COMMIT_GROUP_BYTES_MAX (4u * 1024 * 1024)
/* A block ends when its records reach this, whatever their number. */
#define BLOCK_BYTES_MAX (4u * 1024 * 1024)

/* Commits the chain of requests and fills in the answer of each. */
void commit_group_run(struct blockdb *db, struct commit_request *requests);
