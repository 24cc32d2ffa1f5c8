/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change, as one line of JSON describes it: what batch and import read and export writes.
 *
 * Threads:   one thread at a time per parser.
 * Ownership: a change borrows from its parser and line until the next call.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

enum change_type {
    CHANGE_PUT,
    CHANGE_DELETE,
    CHANGE_REDACTED, /* a value that is no more: there is nothing to store */
};

struct change {
    enum change_type type;
    bool if_absent;
    struct slice key;
    struct slice value;
};

struct change_parser;

/* NULL when out of memory. */
struct change_parser *change_parser_new(void);
void change_parser_free(struct change_parser *parser);
void change_parser_free_ptr(struct change_parser **parser);

/* Reads {"type":"put","key":...,"value":...,"encoding":...}, or a put with "redacted":true in place
 * of the value. EINVAL: no JSON, a member that is
 * missing, unknown or of a wrong type, or bytes that are no base64. */
RESULT_MUST_BE_USED int change_parse(struct change_parser *parser, struct slice line,
                                     struct change *out, struct error *err);

/* Reads any object; its member key_field, a string or whole number, is the key and the line the
 * value. */
RESULT_MUST_BE_USED int change_parse_object(struct change_parser *parser, struct slice line,
                                            const char *key_field, struct change *out,
                                            struct error *err);

/* Decodes key and value of a change from base64. EINVAL says which is none. */
RESULT_MUST_BE_USED int change_decode(struct change_parser *parser, struct change *change,
                                      struct error *err);
