/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests: one JSON object, read into a struct of the handler's.
 *
 * The handler describes the members by a table; the body is read front to back, once. Texts without
 * escapes are borrowed from the body, others are decoded into the arena; base64 is decoded there,
 * too.
 *
 * JREQ-1  Nothing unexpected passes: an unknown member, one given twice, a wrong type, a number out
 *         of range, malformed UTF-8 or JSON, bytes behind the object are EINVAL, and the message
 *         names the member and where it stands.
 * JREQ-2  Outputs of a refused body are not to be used.
 *
 * Threads:   caller locks.
 * Ownership: borrows body and arena; so do the texts that are read.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct json_request;

enum json_field_type {
    JSON_FIELD_TEXT,   /* struct slice, UTF-8 */
    JSON_FIELD_U64,    /* uint64_t, min to max */
    JSON_FIELD_DOUBLE, /* double, min to max */
    JSON_FIELD_BOOL,   /* bool */
    JSON_FIELD_LIST,   /* an array; item() is called for each value of it */
    JSON_FIELD_ANY,    /* passed over */
};

struct json_field {
    const char *name;
    enum json_field_type type;
    size_t offset; /* of the member in the struct */
    uint64_t min, max;
    bool is_required;
    /* Reads the item at the reader, with json_request_object(); out is that of the caller. */
    int (*item)(struct json_request *request, void *out);
    const char *item_name; /* for messages: "operation" */
};

#define JSON_FIELDS_MAX 32 /* of one object */

struct json_request {
    struct json_reader reader;
    struct slice body;
    struct arena *arena;
    struct error *err;
    const char *item_name; /* of the list that is being read; NULL: none is */
    uint64_t index;        /* of its item, for messages */
};

/* Begins with a body; err is where refusals go. */
void json_request_init(struct json_request *request, struct slice body, struct arena *arena,
                       struct error *err);
/* Reads the body, which must be one object, into out. *out_seen (may be NULL) gets bit i set when
 * field i of the table was given. EINVAL, ENOMEM; whatever item() returns. */
RESULT_MUST_BE_USED int json_request_read(struct json_request *request,
                                          const struct json_field *fields, size_t count, void *out,
                                          uint32_t *out_seen);
/* The same for an object inside of the body: for item(). */
RESULT_MUST_BE_USED int json_request_object(struct json_request *request,
                                            const struct json_field *fields, size_t count,
                                            void *out, uint32_t *out_seen);
/* EINVAL with a message about a member of the object that is being read: "operation 3: ...". */
int json_request_refuse(const struct json_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether encoding (empty: not given) says base64. EINVAL: neither "utf8" nor "base64". */
RESULT_MUST_BE_USED int json_request_encoding(const struct json_request *request,
                                              struct slice encoding, bool *out_base64);
/* Replaces text, the member called name, by the bytes that it stands for. EINVAL, ENOMEM. */
RESULT_MUST_BE_USED int json_request_base64(const struct json_request *request, const char *name,
                                            struct slice *text);
