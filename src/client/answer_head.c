/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer: its status, and the headers that mean something to us. */
#include "base/text.h"
#include "client/answer_priv.h"

#include <strings.h>

#define INFORMATIONAL_MAX 16

void answer_head_reset(struct answer *a)
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

int answer_senseless(struct answer *a, const char *what, struct error *err)
{
    a->keeps_alive = false;
    return error_set(err, BLOCKDB_EIO, "the answer is no proper HTTP: %s", what);
}

bool answer_take_line(struct slice *rest, struct slice *out)
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

size_t answer_head_len(struct slice bytes)
{
    struct slice rest = bytes;
    struct slice line;

    while (answer_take_line(&rest, &line)) {
        if (line.len == 0) {
            return bytes.len - rest.len;
        }
    }
    return 0;
}

int answer_head_parse(struct answer *a, struct slice head, struct error *err)
{
    const char *fault = NULL;
    struct slice line = {0};

    answer_head_reset(a);
    if (!answer_take_line(&head, &line) || !parse_status(a, line)) {
        return answer_senseless(a, "it does not begin with a status", err);
    }
    while (fault == NULL && answer_take_line(&head, &line) && line.len > 0) {
        fault = parse_line(a, line);
    }
    if (fault == NULL && a->status < 200) {
        fault = a->status == 101                          ? "it switches protocols"
                : a->informational++ == INFORMATIONAL_MAX ? "informational answers without end"
                                                          : NULL;
    } else if (fault == NULL) {
        fault = choose_body(a);
    }
    return fault != NULL ? answer_senseless(a, fault, err) : BLOCKDB_OK;
}
