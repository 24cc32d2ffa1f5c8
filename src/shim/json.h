/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: a C face of simdjson that reads one document at a time, strictly.
 *
 * JSON-1  Only RFC 8259 passes: valid UTF-8, no lone surrogates, no trailing bytes, no comments.
 * JSON-2  An object with two equal keys is refused, at any depth.
 * JSON-3  Depth and length are bounded by what json_new() was told.
 * JSON-4  No exception leaves; short memory is ENOMEM and leaves the parser usable.
 *
 * Threads:   one thread at a time per parser; values belong to their parser.
 * Ownership: a parser owns its documents; values and texts are borrowed until the next json_parse()
 *            or json_free().
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json;

enum json_type {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* One value of the document; its fields are the parser's own business. */
struct json_value {
    const void *document;
    size_t index;
};

/* Walks the members of an object or array; its fields, too. */
struct json_cursor {
    struct json_value at;
    struct json_value end;
    bool is_object;
};

/* depth_max counts nested objects and arrays that are not empty, at least 1. NULL when out of
 * memory. */
struct json *json_new(unsigned depth_max, size_t len_max);
void json_free(struct json *json);
void json_free_ptr(struct json **json);

/* Parses text, which is copied. EINVAL: not JSON, with the byte offset, or a duplicate key; ELIMIT:
 * longer than len_max; ENOMEM. On failure earlier values are gone too. */
RESULT_MUST_BE_USED int json_parse(struct json *json, struct slice text,
                                   struct json_value *out_root, struct error *err);

enum json_type json_type_of(struct json_value value);
/* "an object", "a string", ...: for messages. Static. */
const char *json_type_name(enum json_type type);

/* Each is false, with the output untouched, when the value is of another type or does not fit. */
bool json_text(struct json_value value, struct slice *out);
bool json_u64(struct json_value value, uint64_t *out);
bool json_i64(struct json_value value, int64_t *out);
bool json_double(struct json_value value, double *out);
bool json_boolean(struct json_value value, bool *out);

/* The member of an object with this key; false when value is no object or has none. */
bool json_member(struct json_value value, const char *key, struct json_value *out);

/* Starts before the first member of an object or array; of anything else there are none. */
struct json_cursor json_walk(struct json_value value);
/* Moves on; false at the end. out_key (may be NULL) is empty for arrays. */
bool json_next(struct json_cursor *cursor, struct slice *out_key, struct json_value *out_value);

#ifdef __cplusplus
}
#endif
