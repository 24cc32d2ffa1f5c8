/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes: the JSON objects of the HTTP API as structs of ours.
 *
 * Members that are not known are passed over, so that a newer server can say more.
 *
 * Format:    docs/operate/http.md
 * Threads:   caller locks.
 * Ownership: an entry owns its bytes.
 */
#pragma once

#include "base/bytes.h"
#include "base/json_reader.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

/* A version of a key. A zeroed one is valid and empty. */
struct shape_entry {
    struct buf key;
    struct buf value;
    struct blockdb_version_info version;
    bool has_seq;
};

void shape_entry_deinit(struct shape_entry *entry);
/* Reads the object that is next; keeps the memory of *out. False as the reader's functions. */
bool shape_entry_read(struct json_reader *r, struct shape_entry *out);
/* Reads an answer that is one entry. EIO: it is none; ENOMEM. */
RESULT_MUST_BE_USED int shape_entry_parse(struct slice json, struct shape_entry *out,
                                          struct error *err);

/* Hands the bytes of b to a value of the public face, freeing what that had; b is empty then. */
void shape_give(struct buf *b, struct blockdb_value *value);

/* Reads the answer to a write. EIO, ENOMEM. */
RESULT_MUST_BE_USED int shape_written_parse(struct slice json, struct blockdb_write_result *out,
                                            struct error *err);

/* Members of several answers. */
/* A time: RFC 3339, or milliseconds since 1970. */
bool shape_time(struct json_reader *r, uint64_t *out_ms);
/* A hash in hexadecimal. */
bool shape_hash(struct json_reader *r, uint8_t out[BLOCKDB_HASH_LEN]);
/* The code for an answer that could not be read; sets err. */
RESULT_MUST_BE_USED int shape_failure(const struct json_reader *r, const char *what,
                                      struct error *err);

struct json_writer;
/* Writes "key" and, unless value is NULL, "value" as members: as text when both are, or else in
 * base64, with "encoding". */
void shape_write_pair(struct json_writer *w, struct slice key, const struct slice *value);
