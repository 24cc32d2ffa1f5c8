/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/response.h"

#include "base/assert.h"
#include "base/text.h"
#include "server/http/octet.h"

#include <stdio.h>

#define MS_PER_DAY 86400000U
/* A status line, a type, a length, an id and what else has no length of its own. */
#define FIXED_BYTES_MAX 512
#define DECIMAL_BYTES_MAX 20

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *response_reason(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

void response_date(uint64_t time_ms, char out[RESPONSE_DATE_BYTES])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[TEXT_TIME_BYTES];
    unsigned month;

    text_format_time(iso, time_ms);
    month = (unsigned)(iso[5] - '0') * 10 + (unsigned)(iso[6] - '0') - 1;
    (void)snprintf(out, RESPONSE_DATE_BYTES, "%.3s, %.2s %.3s %.4s %.8s GMT",
                   days + time_ms / MS_PER_DAY % 7 * 3, iso + 8, months + (size_t)month * 3, iso,
                   iso + 11);
}

void response_common_refresh(struct response_common *common, uint64_t monotonic_ms, uint64_t now_ms)
{
    char date[RESPONSE_DATE_BYTES];
    int len;

    response_date(now_ms, date);
    len = snprintf(common->text, sizeof(common->text),
                   "Date: %s\r\nX-Content-Type-Options: nosniff\r\n", date);
    ASSERT(len > 0 && (size_t)len < sizeof(common->text));
    common->len = (size_t)len;
    common->made_ms = monotonic_ms;
}

/* ---- Writing into memory that was reserved --------------------------------------------------- */

static uint8_t *put(uint8_t *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static uint8_t *put_text(uint8_t *at, const char *text)
{
    return put(at, text, strlen(text));
}

static uint8_t *put_decimal(uint8_t *at, uint64_t value)
{
    char digits[DECIMAL_BYTES_MAX];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(at, digits + i, sizeof(digits) - i);
}

static uint8_t *put_header(uint8_t *at, const char *name, const char *value)
{
    at = put_text(at, name);
    at = PUT(at, ": ");
    at = put_text(at, value);
    return PUT(at, "\r\n");
}

static uint8_t *put_status_line(uint8_t *at, int status)
{
    if (status == 200) {
        return PUT(at, "HTTP/1.1 200 OK\r\n");
    }
    at = PUT(at, "HTTP/1.1 ");
    at = put_decimal(at, (uint64_t)status);
    at = PUT(at, " ");
    at = put_text(at, response_reason(status));
    return PUT(at, "\r\n");
}

static bool is_sendable(const struct response_header *h)
{
    return octet_all(slice_of_text(h->name), OCTET_TOKEN) &&
           octet_all(slice_of_text(h->value), OCTET_FIELD);
}

/* Room for a head at most. */
static size_t bytes_max(const struct response *r)
{
    size_t len = FIXED_BYTES_MAX;

    for (size_t i = 0; i < r->header_count; i++) {
        len += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 4;
    }
    len += r->content_type != NULL ? strlen(r->content_type) : 0;
    len += r->encoding != NULL ? strlen(r->encoding) : 0;
    return len + (r->request_id != NULL ? strlen(r->request_id) : 0);
}

static uint8_t *put_body_headers(uint8_t *at, const struct response *r)
{
    if (r->content_type != NULL) {
        at = put_header(at, "Content-Type", r->content_type);
    }
    if (r->encoding != NULL) {
        at = put_header(at, "Content-Encoding", r->encoding);
    }
    if (r->is_chunked) {
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    } else if (r->has_length) {
        at = PUT(at, "Content-Length: ");
        at = put_decimal(at, r->content_length);
        at = PUT(at, "\r\n");
    }
    return at;
}

int response_head(struct buf *out, const struct response *r, const struct response_common *common)
{
    int rc = buf_reserve(out, bytes_max(r));
    uint8_t *at;

    if (rc < 0) {
        return rc;
    }
    at = put_status_line(out->data + out->len, r->status);
    at = put(at, common->text, common->len);
    at = put_body_headers(at, r);
    if (r->request_id != NULL) {
        at = put_header(at, "X-Request-Id", r->request_id);
    }
    for (size_t i = 0; i < r->header_count; i++) {
        if (is_sendable(&r->headers[i])) {
            at = put_header(at, r->headers[i].name, r->headers[i].value);
        }
    }
    if (r->end == RESPONSE_CLOSE) {
        at = PUT(at, "Connection: close\r\n");
    } else if (r->end == RESPONSE_KEEP_10) {
        at = PUT(at, "Connection: keep-alive\r\n");
    }
    at = PUT(at, "\r\n");
    out->len = (size_t)(at - out->data);
    ASSERT(out->len <= out->cap);
    return BLOCKDB_OK;
}
