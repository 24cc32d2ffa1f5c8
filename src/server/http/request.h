/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.x request, parsed strictly (RFC 9112).
 *
 * A head is parsed as a whole, once its empty line has come: no state between reads. What two
 * programs on the way of a request could read in two ways is refused, because that is how requests
 * are smuggled: lines that end in a bare line feed, folded lines, spaces before a colon, lengths
 * that are no plain numbers, more than one length, a length beside chunks, a transfer coding other
 * than chunked, no host or two.
 *
 * HREQ-1  The parser borrows and allocates nothing; it never reads beyond the head.
 * HREQ-2  Whatever is not surely right is refused with the status that says why.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a request borrows the bytes of its head.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX 64   /* header lines of one request */
#define HTTP_TARGET_MAX 16384 /* bytes of the request target */

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER, /* well-formed and unknown here: 405 or 501 */
    HTTP_METHOD_COUNT,
};

struct http_header {
    struct slice name;  /* as it was sent */
    struct slice value; /* without the spaces around it */
};

struct http_request {
    enum http_method method;
    struct slice method_name;
    unsigned minor_version; /* 0 or 1 of HTTP/1.x */
    struct slice path;      /* as it was sent, from the first '/' up to '?' */
    struct slice query;     /* behind '?'; empty without one */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;

    /* What the headers say about the body and the connection. */
    bool is_chunked;
    uint64_t content_length; /* 0 when there is none */
    bool keep_alive;         /* by version and Connection */
    bool expects_continue;   /* Expect: 100-continue */
};

/* Why a head was refused. */
struct http_refusal {
    int status;          /* 400, 414, 417, 431, 501, 505 */
    const char *message; /* static */
};

/* Whether a request of that method may change something. */
static inline bool http_method_writes(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

/* The length of the head at the start of bytes, its empty line included; 0 when it is not whole
 * yet. A line that ends in a bare line feed ends the head as well: parsing it refuses it. Searching
 * goes on from *searched, which is updated; 0 at the start. Empty lines before the
 * request line are part of no head: skip them with http_empty_lines(). */
size_t http_head_len(struct slice bytes, size_t *searched);
/* How many bytes of CR LF pairs stand at the start of bytes (a robust server skips a few). */
size_t http_empty_lines(struct slice bytes);
/* Parses a whole head. False: out_refusal tells. */
RESULT_MUST_BE_USED bool http_request_parse(struct slice head, struct http_request *out,
                                            struct http_refusal *out_refusal);

/* The value of the first header of that name; empty when there is none. */
struct slice http_request_header(const struct http_request *r, const char *name);
bool http_request_has_header(const struct http_request *r, const char *name);

/* Decodes percent signs of text into out, which has room for text.len bytes (and may be text's own
 * memory); plus_is_space for queries. EINVAL: a percent sign without two hexadecimal digits. */
RESULT_MUST_BE_USED int http_percent_decode(struct slice text, bool plus_is_space, uint8_t *out,
                                            size_t *out_len);
/* Whether token is one of the elements, separated by commas, of value; without case. */
bool http_list_has(struct slice value, const char *token);
/* Whether two texts are equal without case. */
bool http_equal_fold(struct slice a, const char *b);
