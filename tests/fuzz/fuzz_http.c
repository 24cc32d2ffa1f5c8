/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of HTTP requests and bodies in chunks: whatever comes in, the parser stays inside it, says
 * why it refuses, and reads the same in one piece and in many. The first byte says which.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "server/http/chunked.h"
#include "server/http/encoding.h"
#include "server/http/octet.h"
#include "server/http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 65536

static void check_inside(struct slice part, struct slice whole)
{
    ASSERT(part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void check_request(const struct http_request *r, struct slice head)
{
    ASSERT(r->method_name.len > 0 && octet_all(r->method_name, OCTET_TOKEN));
    ASSERT(r->path.len > 0 && (r->path.data[0] == '/' || r->path.data[0] == '*'));
    ASSERT(r->minor_version <= 1);
    ASSERT(!r->is_chunked || (r->content_length == 0 && r->minor_version == 1));
    if (r->path.len > 1) { /* "/" may be ours, for a target that is a host alone */
        check_inside(r->path, head);
    }
    check_inside(r->query, head);
    for (size_t i = 0; i < r->header_count; i++) {
        check_inside(r->headers[i].name, head);
        check_inside(r->headers[i].value, head);
        ASSERT(r->headers[i].name.len > 0 && octet_all(r->headers[i].name, OCTET_TOKEN));
        ASSERT(octet_all(r->headers[i].value, OCTET_FIELD));
    }
}

/* The end of a head is found at the same place however its bytes come. */
static void try_head(struct slice bytes)
{
    struct http_refusal refusal = {0};
    struct http_request request;
    size_t searched = 0;
    size_t len = http_head_len(bytes, &searched);
    size_t again = 0;

    searched = 0;
    for (size_t i = 0; i <= bytes.len && again == 0; i++) {
        again = http_head_len(slice_of(bytes.data, i), &searched);
    }
    ASSERT(len == again && len <= bytes.len);
    if (len == 0) {
        return;
    }
    bytes.len = len;
    if (http_request_parse(bytes, &request, &refusal)) {
        check_request(&request, bytes);
        (void)encoding_choose(http_request_header(&request, "Accept-Encoding"));
    } else {
        ASSERT(refusal.status >= 400 && refusal.status <= 505 && refusal.message != NULL);
    }
}

/* step bytes at a time; how much was taken, or a negative code. */
static int64_t decode(struct slice bytes, size_t step, struct buf *body)
{
    struct chunked c = {0};
    size_t at = 0;

    while (at < bytes.len && !chunked_is_done(&c)) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        size_t taken = 0;
        int rc = chunked_decode(&c, slice_of(bytes.data + at, len), BODY_MAX, body, &taken);

        if (rc < 0) {
            return rc;
        }
        ASSERT(taken == len || chunked_is_done(&c));
        at += taken;
    }
    return (int64_t)at;
}

static void try_chunks(struct slice bytes)
{
    AUTO(buf_deinit) struct buf whole = {0};
    AUTO(buf_deinit) struct buf pieces = {0};
    int64_t taken = decode(bytes, bytes.len + 1, &whole);

    ASSERT(decode(bytes, 1, &pieces) == taken);
    ASSERT(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    ASSERT(whole.len <= BODY_MAX);
}

static void try_percent(struct slice bytes)
{
    AUTO(buf_deinit) struct buf out = {0};
    size_t len = 0;

    ASSERT(buf_append_zeros(&out, bytes.len + 1) == BLOCKDB_OK);
    if (http_percent_decode(bytes, true, out.data, &len) == BLOCKDB_OK) {
        ASSERT(len <= bytes.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = size > 0 ? slice_of(data + 1, size - 1) : (struct slice){0};

    switch (size > 0 ? data[0] : 0) {
    case 'c':
        try_chunks(rest);
        break;
    case '%':
        try_percent(rest);
        break;
    default:
        try_head(rest);
        break;
    }
    return 0;
}
