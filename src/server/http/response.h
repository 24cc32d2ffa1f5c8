/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an answer, as bytes.
 *
 * What is the same for all answers of a second (the date among them) is made once and copied.
 *
 * RESP-H1  A head never contains a line break that came from a value: such a header is left out.
 *
 * Threads:   pure functions; a response_common belongs to one thread.
 * Ownership: borrows everything for the call.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define RESPONSE_COMMON_BYTES 96

/* "Date: ...", and what else stands in each answer; zeroed memory is not made yet. */
struct response_common {
    uint64_t made_ms; /* monotonic */
    size_t len;
    char text[RESPONSE_COMMON_BYTES];
};

/* What follows the answer on its connection. */
enum response_end {
    RESPONSE_KEEP,    /* HTTP/1.1: nothing is said */
    RESPONSE_KEEP_10, /* HTTP/1.0: "Connection: keep-alive" */
    RESPONSE_CLOSE,   /* "Connection: close" */
};

struct response_header {
    const char *name;
    const char *value;
};

struct response {
    int status;
    const char *content_type; /* NULL: none */
    const char *encoding;     /* Content-Encoding; NULL: none */
    const char *request_id;   /* NULL: none */
    uint64_t content_length;
    bool has_length; /* never for 1xx, 204, 304 */
    bool is_chunked;
    enum response_end end;
    const struct response_header *headers;
    size_t header_count;
};

/* Makes common anew when it is older than half a second. now_ms is wall clock time. */
void response_common_refresh(struct response_common *common, uint64_t monotonic_ms,
                             uint64_t now_ms);
static inline bool response_common_is_fresh(const struct response_common *common,
                                            uint64_t monotonic_ms)
{
    return common->len > 0 && monotonic_ms - common->made_ms < 500;
}
/* Appends the head with its empty line. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int response_head(struct buf *out, const struct response *r,
                                      const struct response_common *common);
/* "Not Found"; "Unknown" for a status that is not known. */
const char *response_reason(int status);

#define RESPONSE_DATE_BYTES 30 /* with the zero */
/* "Mon, 23 Nov 2026 02:24:00 GMT". */
void response_date(uint64_t time_ms, char out[RESPONSE_DATE_BYTES]);
