/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of the Redis protocol can make grow, and how far.
 *
 * Threads: immutable.
 */
#pragma once

#include <blockdb/types.h>

/* One MSET of as many entries as a batch has. */
#define RESP_ARGS_MAX (2 * 100000 + 1)
/* One value; a key is shorter. */
#define RESP_BULK_MAX (16u * 1024 * 1024)
/* All of one command. */
#define RESP_COMMAND_BYTES_MAX (RESP_BULK_MAX + 1024 * 1024)
/* One line of an inline command. */
#define RESP_INLINE_MAX (64 * 1024)
/* Before a client has said who it is. */
#define RESP_ARGS_MAX_UNKNOWN 16
#define RESP_BULK_MAX_UNKNOWN 4096
#define RESP_COMMAND_BYTES_MAX_UNKNOWN (32 * 1024)

/* Values that one command, or one transaction, reads. */
#define RESP_READ_BYTES_MAX (64u * 1024 * 1024)
/* Commands and their bytes between MULTI and EXEC. */
#define RESP_QUEUED_MAX 10000
#define RESP_QUEUED_BYTES_MAX (16u * 1024 * 1024)
#define RESP_WATCHED_MAX 1000
/* The name a client gives itself. */
#define RESP_NAME_MAX 256
/* What KEYS answers; SCAN has no such end. */
#define RESP_KEYS_MAX 100000
/* Keys that one SCAN looks at. */
#define RESP_SCAN_COUNT_MAX 10000
#define RESP_HISTORY_MAX 10000
