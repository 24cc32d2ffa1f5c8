/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON (RFC 8259) into a buf, front to back, without a tree.
 *
 * Commas and colons come by themselves. A failure is sticky: the caller writes on and looks at
 * json_writer_finish() once. Misuse (a value without a key in an object, unbalanced ends) is our
 * own bug and asserted.
 *
 * Threads:   caller locks.
 * Ownership: borrows the buf until finished; appends to what it holds.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define JSON_WRITER_DEPTH_MAX 32

struct json_writer {
    struct buf *out;
    int status;
    unsigned depth;
    uint32_t object_bits; /* bit d: the container at depth d is an object */
    uint32_t filled_bits; /* bit d: it has a member already */
    bool key_written;     /* a key stands before the next value */
};

void json_writer_init(struct json_writer *w, struct buf *out);
/* 0, or ENOMEM when something could not be written; then out holds broken JSON. */
RESULT_MUST_BE_USED int json_writer_finish(struct json_writer *w);

void json_writer_begin_object(struct json_writer *w);
void json_writer_end_object(struct json_writer *w);
void json_writer_begin_array(struct json_writer *w);
void json_writer_end_array(struct json_writer *w);
/* The name of the next member of an object. */
void json_writer_key(struct json_writer *w, const char *key);

/* Bytes that are not UTF-8 are written as U+FFFD, so the output is always valid. */
void json_writer_string(struct json_writer *w, struct slice text);
void json_writer_text(struct json_writer *w, const char *text);
void json_writer_u64(struct json_writer *w, uint64_t value);
void json_writer_i64(struct json_writer *w, int64_t value);
/* Up to six decimals; what is not finite is written as null. */
void json_writer_double(struct json_writer *w, double value);
void json_writer_bool(struct json_writer *w, bool value);
void json_writer_null(struct json_writer *w);
void json_writer_base64(struct json_writer *w, struct slice bytes);
void json_writer_hex(struct json_writer *w, struct slice bytes);
/* RFC 3339 with milliseconds. */
void json_writer_time(struct json_writer *w, uint64_t time_ms);
/* JSON that was written elsewhere, as one value; must be valid. */
void json_writer_raw(struct json_writer *w, struct slice json);

/* One member: key and value. */
void json_writer_member_text(struct json_writer *w, const char *key, const char *text);
void json_writer_member_u64(struct json_writer *w, const char *key, uint64_t value);
void json_writer_member_bool(struct json_writer *w, const char *key, bool value);

#define JSON_ESCAPE_BYTES_MAX 6
/* Writes the JSON form of the character at the start of text (not empty) to out, and how many bytes
 * of text it took to *out_used; returns how many bytes were written. */
size_t json_escape_one(struct slice text, char out[JSON_ESCAPE_BYTES_MAX], size_t *out_used);
