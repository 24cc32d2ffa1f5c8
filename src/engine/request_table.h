/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request table: what each client's last write was answered, so that a repeat is answered
 * again instead of appended again.
 *
 * It is a function of the log alone: an update per batch that carries a client id, in seq order,
 * and the client updated longest ago leaves when REQUEST_CLIENTS_MAX is reached. Replaying a part
 * of the log twice changes nothing, because numbers of one client only grow.
 *
 * The idea is the session table of the Raft thesis (section 6.3).
 *
 * Threads:   caller locks.
 * Ownership: copies everything.
 * Format:    docs/format/manifest.md, "request table".
 */
#pragma once

#include "base/bytes.h"

#include <blockdb/blockdb.h>

#define REQUEST_CLIENTS_MAX 10000

struct request_table;

/* The answer to a client's last write. */
struct request_answer {
    uint64_t request;
    uint64_t first_seq;
    uint64_t count;
    uint64_t time_ms;
};

/* Returns an empty table, or NULL when out of memory. All memory it will ever need is in it. */
struct request_table *request_table_new(void);
void request_table_free(struct request_table *table);

/* The last answer of a client; NULL for an unknown one. Borrowed until the next record. */
const struct request_answer *request_table_find(const struct request_table *table,
                                                const uint8_t id[BLOCKDB_CLIENT_ID_LEN]);
/* Notes a client's answer; does nothing when its number is not above the last one. */
void request_table_record(struct request_table *table, const uint8_t id[BLOCKDB_CLIENT_ID_LEN],
                          const struct request_answer *answer);
size_t request_table_count(const struct request_table *table);

/* Appends the table to out, oldest client first. ENOMEM. */
RESULT_MUST_BE_USED int request_table_encode(const struct request_table *table, struct buf *out);
/* Records what encode wrote. ECORRUPT when the bytes are not such. */
RESULT_MUST_BE_USED int request_table_decode(struct request_table *table, struct slice bytes,
                                             struct error *err);
