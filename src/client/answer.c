/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer.h"

#include "base/text.h"

#include <stdio.h>
#include <strings.h>

#define ROOM_MIN ((size_t)4 << 10)
#define ROOM_MAX ((size_t)1 << 20)
#define LINE_MAX_BYTES ((size_t)1 << 10) /* of a chunk's head */
#define INFORMATIONAL_MAX 16
#define CHUNK_DIGITS_MAX 15
#define KEPT_MAX ((size_t)1 << 20) /* memory kept between answers */

void answer_deinit(struct answer *a)
{
    buf_deinit(&a->raw);
    buf_deinit(&a->body);
    *a = (struct answer){0};
}

static void head_reset(struct answer *a)
{
    a->status = 0;
    a->keeps_alive = false;
    a->has_length = false;
    a->is_chunked = false;
    a->length = 0;
    a->retry_after_s = ANSWER_NO_RETRY;
    a->content_type[0] = '\0';
    a->is_gzip = false;
    a->is_coded = false;
    a->leader[0] = '\0';
    a->location[0] = '\0';
}

static void buf_reuse(struct buf *b)
{
    if (b->cap > KEPT_MAX) {
        buf_deinit(b);
    }
    buf_reset(b);
}

void answer_reset(struct answer *a, size_t body_max, bool is_head_only)
{
    a->state = ANSWER_HEAD;
    buf_reuse(&a->raw);
    buf_reuse(&a->body);
    a->raw_at = 0;
    a->body_max = body_max;
    a->body_left = 0;
    a->trailer_len = 0;
    a->informational = 0;
    a->is_head_only = is_head_only;
    head_reset(a);
}

bool answer_is_untouched(const struct answer *a)
{
    return a->state == ANSWER_HEAD && a->raw.len == 0 && a->informational == 0;
}

/* ---- Room ---------------------------------------------------------------------------------- */

static size_t at_least(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t at_most(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

void *answer_room(struct answer *a, size_t *out_len)
{
    bool is_body = a->state == ANSWER_BODY && a->raw_at == a->raw.len;
    struct buf *b = is_body ? &a->body : &a->raw;
    size_t want = is_body ? at_most(a->body_left, at_most(at_least(b->len, ROOM_MIN), ROOM_MAX))
                          : ROOM_MIN * 2;

    if (!is_body && a->raw_at == a->raw.len) {
        buf_reset(&a->raw);
        a->raw_at = 0;
    }
    if (buf_reserve(b, want) < 0) {
        return NULL;
    }
    *out_len = is_body ? at_most(a->body_left, b->cap - b->len) : b->cap - b->len;
    return b->data + b->len;
}

/* ---- Head ---------------------------------------------------------------------------------- */

static int senseless(struct answer *a, const char *what, struct error *err)
{
    a->keeps_alive = false;
    return error_set(err, BLOCKDB_EIO, "the answer is no proper HTTP: %s", what);
}

/* Cuts the first line off *rest, without its end; false when there is no whole line. */
static bool take_line(struct slice *rest, struct slice *out)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t len;

    if (end == NULL) {
        return false;
    }
    len = (size_t)(end - rest->data);
    *out = slice_of(rest->data, len > 0 && end[-1] == '\r' ? len - 1 : len);
    *rest = slice_of(end + 1, rest->len - len - 1);
    return true;
}

/* "HTTP/1.1 200 OK" */
static bool parse_status(struct answer *a, struct slice line)
{
    uint64_t status;

    if (line.len < 12 || memcmp(line.data, "HTTP/1.", 7) != 0 || line.data[8] != ' ' ||
        (line.data[7] != '0' && line.data[7] != '1') || (line.len > 12 && line.data[12] != ' ') ||
        text_parse_decimal(slice_of(line.data + 9, 3), &status) < 0 || status < 100 ||
        status > 599) {
        return false;
    }
    a->status = (int)status;
    a->keeps_alive = line.data[7] == '1';
    return true;
}

static bool is_name(struct slice name, const char *text)
{
    return name.len == strlen(text) && strncasecmp((const char *)name.data, text, name.len) == 0;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = slice_of(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Keeps a value as text; what is too long is cut. */
static void keep(char *out, size_t cap, struct slice value)
{
    size_t len = value.len < cap ? value.len : cap - 1;

    memcpy(out, value.data, len);
    out[len] = '\0';
}

/* Whether the list "a, b" of a header has a word. */
static bool list_has(struct slice list, const char *word)
{
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.data) : list.len;

        if (is_name(trim(slice_of(list.data, len)), word)) {
            return true;
        }
        len += comma != NULL;
        list = slice_of(list.data + len, list.len - len);
    }
    return false;
}

static const char *parse_length(struct answer *a, struct slice value)
{
    uint64_t length;

    if (text_parse_decimal(value, &length) < 0) {
        return "a Content-Length that is no number";
    }
    if (a->has_length && a->length != length) {
        return "two different lengths";
    }
    a->has_length = true;
    a->length = length;
    return NULL;
}

static void parse_coding(struct answer *a, struct slice value)
{
    bool is_gzip = is_name(value, "gzip") || is_name(value, "x-gzip");

    /* Two codings, one after the other, are none that we know. */
    a->is_coded = a->is_coded || a->is_gzip || (!is_gzip && !is_name(value, "identity"));
    a->is_gzip = is_gzip && !a->is_coded;
}

/* What one header means to us; the fault, or NULL. */
static const char *parse_header(struct answer *a, struct slice name, struct slice value)
{
    uint64_t seconds;

    if (is_name(name, "Content-Length")) {
        return parse_length(a, value);
    }
    if (is_name(name, "Transfer-Encoding")) {
        if (!is_name(value, "chunked") || a->is_chunked) {
            return "a Transfer-Encoding other than chunked";
        }
        a->is_chunked = true;
    } else if (is_name(name, "Connection")) {
        a->keeps_alive = (a->keeps_alive || list_has(value, "keep-alive")) &&
                         !list_has(value, "close");
    } else if (is_name(name, "Content-Type")) {
        keep(a->content_type, sizeof(a->content_type), value);
    } else if (is_name(name, "Content-Encoding")) {
        parse_coding(a, value);
    } else if (is_name(name, "Blockdb-Leader")) {
        keep(a->leader, sizeof(a->leader), value);
    } else if (is_name(name, "Location")) {
        keep(a->location, sizeof(a->location), value);
    } else if (is_name(name, "Retry-After") && text_parse_decimal(value, &seconds) == BLOCKDB_OK) {
        a->retry_after_s = seconds < ANSWER_NO_RETRY ? (uint32_t)seconds : ANSWER_NO_RETRY - 1;
    }
    return NULL;
}

static const char *parse_line(struct answer *a, struct slice line)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    size_t i;

    if (colon == NULL || colon == line.data) {
        return "a header without a name";
    }
    for (i = 0; i < line.len; i++) {
        bool in_name = line.data + i < colon;

        if (line.data[i] == 0x7F || (line.data[i] < ' ' && line.data[i] != '\t') ||
            (in_name && line.data[i] <= ' ')) {
            return "a header with a character that may not be there";
        }
    }
    i = (size_t)(colon - line.data);
    return parse_header(a, slice_of(line.data, i), trim(slice_of(colon + 1, line.len - i - 1)));
}

/* What follows the head. */
static const char *choose_body(struct answer *a)
{
    if (a->is_chunked && a->has_length) {
        return "a length and chunks at the same time";
    }
    a->state = ANSWER_TO_END;
    if (a->is_head_only || a->status == 204 || a->status == 304) {
        a->state = ANSWER_DONE;
    } else if (a->is_chunked) {
        a->state = ANSWER_CHUNK_HEAD;
    } else if (a->has_length) {
        a->state = a->length > 0 ? ANSWER_BODY : ANSWER_DONE;
        a->body_left = a->length;
    } else {
        a->keeps_alive = false;
    }
    return NULL;
}

/* Finds the empty line that ends a head; its length with that line, or 0. */
static size_t head_len(struct slice bytes)
{
    struct slice rest = bytes;
    struct slice line;

    while (take_line(&rest, &line)) {
        if (line.len == 0) {
            return bytes.len - rest.len;
        }
    }
    return 0;
}

static int parse_head(struct answer *a, struct slice head, struct error *err)
{
    const char *fault = NULL;
    struct slice line = {0};

    head_reset(a);
    if (!take_line(&head, &line) || !parse_status(a, line)) {
        return senseless(a, "it does not begin with a status", err);
    }
    while (fault == NULL && take_line(&head, &line) && line.len > 0) {
        fault = parse_line(a, line);
    }
    if (fault == NULL && a->status < 200) {
        fault = a->status == 101                          ? "it switches protocols"
                : a->informational++ == INFORMATIONAL_MAX ? "informational answers without end"
                                                          : NULL;
    } else if (fault == NULL) {
        fault = choose_body(a);
    }
    return fault != NULL ? senseless(a, fault, err) : BLOCKDB_OK;
}

/* ---- Bytes --------------------------------------------------------------------------------- */

static struct slice raw_rest(const struct answer *a)
{
    return slice_of(a->raw.data + a->raw_at, a->raw.len - a->raw_at);
}

static int too_long(struct answer *a, struct error *err)
{
    a->keeps_alive = false;
    return error_set(err, BLOCKDB_ELIMIT, "the answer is longer than the %zu bytes allowed",
                     a->body_max);
}

static int head_too_long(struct answer *a, struct error *err)
{
    a->keeps_alive = false;
    return error_set(err, BLOCKDB_ELIMIT,
                     "the head of the answer is longer than the %zu bytes allowed",
                     ANSWER_HEAD_MAX);
}

/* Each step takes what it can from raw. *out_more tells that the state or the place changed. */

static int step_head(struct answer *a, bool *out_more, struct error *err)
{
    struct slice rest = raw_rest(a);
    size_t len = head_len(slice_of(rest.data, at_most(rest.len, ANSWER_HEAD_MAX)));

    *out_more = len > 0;
    if (len == 0) {
        return rest.len >= ANSWER_HEAD_MAX ? head_too_long(a, err) : BLOCKDB_OK;
    }
    a->raw_at += len;
    return parse_head(a, slice_of(rest.data, len), err);
}

static int step_body(struct answer *a, bool *out_more, struct error *err)
{
    struct slice rest = raw_rest(a);
    size_t len = a->state == ANSWER_TO_END ? rest.len : at_most(a->body_left, rest.len);

    *out_more = false;
    if (len > a->body_max - a->body.len || (a->state == ANSWER_BODY && a->length > a->body_max)) {
        return too_long(a, err);
    }
    if (buf_append(&a->body, rest.data, len) < 0) {
        return error_set_no_memory(err);
    }
    a->raw_at += len;
    if (a->state != ANSWER_TO_END) {
        a->body_left -= len;
        if (a->body_left == 0) {
            a->state = a->state == ANSWER_BODY ? ANSWER_DONE : ANSWER_CHUNK_END;
            *out_more = true;
        }
    }
    return BLOCKDB_OK;
}

static bool parse_chunk_len(struct slice line, uint64_t *out)
{
    uint64_t len = 0;
    size_t digits;

    for (digits = 0; digits < line.len && digits <= CHUNK_DIGITS_MAX; digits++) {
        uint8_t c = line.data[digits] | 0x20;

        if (line.data[digits] >= '0' && line.data[digits] <= '9') {
            len = len << 4 | (uint64_t)(line.data[digits] - '0');
        } else if (c >= 'a' && c <= 'f') {
            len = len << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            break;
        }
    }
    if (digits == 0 || digits > CHUNK_DIGITS_MAX ||
        (digits < line.len && line.data[digits] != ';' && line.data[digits] != ' ')) {
        return false;
    }
    *out = len;
    return true;
}

static int step_chunk_line(struct answer *a, bool *out_more, struct error *err)
{
    struct slice rest = raw_rest(a);
    struct slice line;

    *out_more = take_line(&rest, &line);
    if (!*out_more) {
        return rest.len > LINE_MAX_BYTES ? senseless(a, "a chunk's line is too long", err)
                                         : BLOCKDB_OK;
    }
    a->raw_at = a->raw.len - rest.len;
    if (a->state == ANSWER_CHUNK_END) {
        a->state = ANSWER_CHUNK_HEAD;
        return line.len == 0 ? BLOCKDB_OK : senseless(a, "a chunk does not end where it says", err);
    }
    if (a->state == ANSWER_TRAILER) {
        a->trailer_len += line.len + 2;
        a->state = line.len == 0 ? ANSWER_DONE : ANSWER_TRAILER;
        return a->trailer_len <= ANSWER_HEAD_MAX ? BLOCKDB_OK
                                                 : senseless(a, "its trailer is too long", err);
    }
    if (!parse_chunk_len(line, &a->body_left)) {
        return senseless(a, "a chunk without a length", err);
    }
    a->state = a->body_left > 0 ? ANSWER_CHUNK : ANSWER_TRAILER;
    return BLOCKDB_OK;
}

static int step(struct answer *a, bool *out_more, struct error *err)
{
    switch (a->state) {
    case ANSWER_HEAD:
        return step_head(a, out_more, err);
    case ANSWER_BODY:
    case ANSWER_CHUNK:
    case ANSWER_TO_END:
        return step_body(a, out_more, err);
    case ANSWER_CHUNK_HEAD:
    case ANSWER_CHUNK_END:
    case ANSWER_TRAILER:
        return step_chunk_line(a, out_more, err);
    case ANSWER_DONE:
        break;
    }
    *out_more = false;
    if (raw_rest(a).len > 0) {
        a->keeps_alive = false; /* bytes nobody asked for */
    }
    return BLOCKDB_OK;
}

int answer_received(struct answer *a, size_t len, struct error *err)
{
    bool more = true;
    int rc = BLOCKDB_OK;

    if (a->state == ANSWER_BODY && a->raw_at == a->raw.len) {
        if (a->length > a->body_max) {
            return too_long(a, err);
        }
        a->body.len += len;
        a->body_left -= len;
        a->state = a->body_left > 0 ? ANSWER_BODY : ANSWER_DONE;
        return BLOCKDB_OK;
    }
    a->raw.len += len;
    while (more && rc == BLOCKDB_OK) {
        rc = step(a, &more, err);
    }
    return rc;
}

int answer_ended(struct answer *a, struct error *err)
{
    a->keeps_alive = false;
    if (a->state == ANSWER_TO_END) {
        a->state = ANSWER_DONE;
    }
    if (a->state == ANSWER_DONE) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EIO, "the server closed the connection %s",
                     answer_is_untouched(a) ? "without an answer" : "in the middle of its answer");
}

void answer_drop(struct answer *a, size_t len)
{
    a->body.len -= len;
    memmove(a->body.data, a->body.data + len, a->body.len);
}
