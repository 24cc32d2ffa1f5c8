/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer_priv.h"

#define ROOM_MIN ((size_t)4 << 10)
#define ROOM_MAX ((size_t)1 << 20)
#define LINE_MAX_BYTES ((size_t)1 << 10) /* of a chunk's head */
#define CHUNK_DIGITS_MAX 15
#define KEPT_MAX ((size_t)1 << 20) /* memory kept between answers */

void answer_deinit(struct answer *a)
{
    buf_deinit(&a->raw);
    buf_deinit(&a->body);
    *a = (struct answer){0};
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
    answer_head_reset(a);
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
    size_t len = answer_head_len(slice_of(rest.data, at_most(rest.len, ANSWER_HEAD_MAX)));

    *out_more = len > 0;
    if (len == 0) {
        return rest.len >= ANSWER_HEAD_MAX ? head_too_long(a, err) : BLOCKDB_OK;
    }
    a->raw_at += len;
    return answer_head_parse(a, slice_of(rest.data, len), err);
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

    *out_more = answer_take_line(&rest, &line);
    if (!*out_more) {
        return rest.len > LINE_MAX_BYTES ? answer_senseless(a, "a chunk's line is too long", err)
                                         : BLOCKDB_OK;
    }
    a->raw_at = a->raw.len - rest.len;
    if (a->state == ANSWER_CHUNK_END) {
        a->state = ANSWER_CHUNK_HEAD;
        return line.len == 0 ? BLOCKDB_OK
                             : answer_senseless(a, "a chunk does not end where it says", err);
    }
    if (a->state == ANSWER_TRAILER) {
        a->trailer_len += line.len + 2;
        a->state = line.len == 0 ? ANSWER_DONE : ANSWER_TRAILER;
        return a->trailer_len <= ANSWER_HEAD_MAX
                   ? BLOCKDB_OK
                   : answer_senseless(a, "its trailer is too long", err);
    }
    if (!parse_chunk_len(line, &a->body_left)) {
        return answer_senseless(a, "a chunk without a length", err);
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
