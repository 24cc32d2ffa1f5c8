/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON (RFC 8259) front to back, without a tree and without C++: the counterpart of the
 * writer, for programs that must start in a millisecond and libraries that need nothing but libc.
 *
 * The caller says what it expects next. As with `struct reader` a failure is sticky: from then on
 * every call gives nothing and false, loops end, and the caller looks at json_reader_done() once.
 * Documents in which equal keys must be noticed, or that people write, go to shim/json.h.
 *
 *     json_reader_begin_object(&r);
 *     while (json_reader_key(&r, &key)) {
 *         if (json_key_is(key, "seq")) {
 *             json_reader_u64(&r, &seq);
 *         } else {
 *             json_reader_skip(&r);
 *         }
 *     }
 *
 * JREAD-1  Nothing outside of the text is read, and nesting is bounded by JSON_READER_DEPTH_MAX.
 * JREAD-2  What is accepted is RFC 8259; strings that are handed out are UTF-8. (Strings that are
 *          skipped are only searched for their ends.)
 *
 * Threads:   caller locks.
 * Ownership: borrows the text until it is no longer used.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define JSON_READER_DEPTH_MAX 32

enum json_reader_type {
    JSON_READER_NOTHING, /* the end, or a failure */
    JSON_READER_NULL,
    JSON_READER_BOOLEAN,
    JSON_READER_NUMBER,
    JSON_READER_STRING,
    JSON_READER_ARRAY,
    JSON_READER_OBJECT,
};

struct json_reader {
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
    uint32_t object_bits; /* bit d: the container at depth d is an object */
    uint32_t filled_bits; /* bit d: something of it was read already */
    bool failed;
    bool short_memory; /* it failed for lack of memory */
};

struct json_reader json_reader_of(struct slice text);
/* Whether the whole text was read, and all of it was as expected. */
bool json_reader_done(struct json_reader *r);
/* The code of what json_reader_done() denied: ENOMEM or ECORRUPT. */
int json_reader_status(const struct json_reader *r);

/* The type of the next value; reads nothing. */
enum json_reader_type json_reader_type(struct json_reader *r);

void json_reader_begin_object(struct json_reader *r);
/* Moves to the next member and gives its name as it is written, without the quotes; false at the
 * end of the object, which is read then. After true a value must be read or skipped. */
bool json_reader_key(struct json_reader *r, struct slice *out_key);
bool json_key_is(struct slice key, const char *name);
void json_reader_begin_array(struct json_reader *r);
/* Whether another item follows; false at the end of the array, which is read then. */
bool json_reader_item(struct json_reader *r);

/* Each reads a value of its type into *out, which is untouched when it fails. */
/* Appends the decoded text to out, which may hold a part of it after a failure. */
bool json_reader_text(struct json_reader *r, struct buf *out);
/* A whole number, 0 to 2^64 - 1, without exponent. */
bool json_reader_u64(struct json_reader *r, uint64_t *out);
bool json_reader_bool(struct json_reader *r, bool *out);
/* Any value; out (may be NULL) gets its text. */
bool json_reader_skip_value(struct json_reader *r, struct slice *out);
static inline void json_reader_skip(struct json_reader *r)
{
    (void)json_reader_skip_value(r, NULL); /* the failure is sticky */
}
