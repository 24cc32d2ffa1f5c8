/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/redis_link.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

#define TIMEOUT_MS 30000
#define IN_BYTES 16384
#define HEADER_BYTES 32
#define LINE_LEN_MAX 65536
#define DIGITS_MAX 20

static uint64_t deadline(const struct redis_link *r)
{
    return os_monotonic_ns(r->link.net.os) + r->timeout_ms * 1000000;
}

int redis_link_open(struct redis_link *r, const struct url *url, struct error *err)
{
    const struct link_net net = {.os = os_real(), .sockets = sockets_real()};

    *r = (struct redis_link){.link = LINK_CLOSED, .timeout_ms = TIMEOUT_MS};
    return link_open(&r->link, &net, url, os_monotonic_ns(net.os) + r->timeout_ms * 1000000, err);
}

void redis_link_close(struct redis_link *r)
{
    link_close(&r->link);
    buf_deinit(&r->out);
    mem_free(TAKE(r->in));
}

/* ---- Commands ------------------------------------------------------------------------------ */

static int append_header(struct buf *out, char kind, size_t number)
{
    char text[HEADER_BYTES];
    int len = snprintf(text, sizeof(text), "%c%zu\r\n", kind, number);

    return buf_append(out, text, (size_t)len);
}

int redis_link_command(struct redis_link *r, size_t count)
{
    return append_header(&r->out, '*', count);
}

int redis_link_word(struct redis_link *r, struct slice word)
{
    int rc = append_header(&r->out, '$', word.len);

    if (rc == BLOCKDB_OK) {
        rc = buf_append_slice(&r->out, word);
    }
    return rc == BLOCKDB_OK ? buf_append(&r->out, "\r\n", 2) : rc;
}

int redis_link_words(struct redis_link *r, const struct slice *words, size_t count)
{
    size_t i;
    int rc = redis_link_command(r, count);

    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = redis_link_word(r, words[i]);
    }
    return rc;
}

int redis_link_send(struct redis_link *r, struct error *err)
{
    int rc = link_send(&r->link, buf_slice(&r->out), (struct slice){0}, deadline(r), err);

    buf_reset(&r->out);
    return rc;
}

/* ---- Replies ------------------------------------------------------------------------------- */

static int not_redis(struct error *err)
{
    return error_set(err, BLOCKDB_EIO,
                     "the answer is not of the Redis protocol: is this the port "
                     "of that protocol (resp_port)?");
}

static int parse_number(struct slice text, int64_t *out, struct error *err)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    size_t i = is_negative ? 1 : 0;
    int64_t value = 0;

    if (text.len == i || text.len - i >= DIGITS_MAX - 1) {
        return not_redis(err);
    }
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return not_redis(err);
        }
        value = value * 10 + (text.data[i] - '0');
    }
    *out = is_negative ? -value : value;
    return BLOCKDB_OK;
}

/* A bulk of `number` bytes behind a header of head_len. */
static int parse_bulk(struct slice data, size_t head_len, struct redis_reply *reply,
                      size_t *out_len, struct error *err)
{
    size_t len;

    if (reply->number < 0) {
        reply->kind = REDIS_NULL;
        *out_len = head_len;
        return BLOCKDB_OK;
    }
    if (reply->number > (int64_t)REDIS_REPLY_BYTES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "a reply of %" PRId64 " bytes is too long",
                         reply->number);
    }
    len = (size_t)reply->number;
    *out_len = 0;
    if (data.len < head_len + len + 2) {
        return BLOCKDB_OK;
    }
    if (memcmp(data.data + head_len + len, "\r\n", 2) != 0) {
        return not_redis(err);
    }
    reply->text = slice_of(data.data + head_len, len);
    *out_len = head_len + len + 2;
    return BLOCKDB_OK;
}

int redis_reply_parse(struct slice data, struct redis_reply *out, size_t *out_len,
                      struct error *err)
{
    static const char kinds[] = "+-:$*"; /* in the order of the enum, but for null */
    static const enum redis_kind kind_of[] = {REDIS_TEXT, REDIS_ERROR, REDIS_INTEGER, REDIS_BULK,
                                              REDIS_ARRAY};
    const uint8_t *end = data.len > 0 ? memchr(data.data, '\n', data.len) : NULL;
    const char *at = data.len > 0 ? memchr(kinds, data.data[0], sizeof(kinds) - 1) : NULL;
    struct redis_reply reply = {0};
    struct slice line;
    int rc = BLOCKDB_OK;

    *out_len = 0;
    if (data.len > 0 && (at == NULL || (end == NULL && data.len > LINE_LEN_MAX))) {
        return not_redis(err);
    }
    if (end == NULL) {
        return BLOCKDB_OK;
    }
    if (end < data.data + 2 || end[-1] != '\r') {
        return not_redis(err);
    }
    line = slice_of(data.data + 1, (size_t)(end - data.data) - 2);
    reply.kind = kind_of[at - kinds];
    reply.text = line;
    *out_len = line.len + 3;
    if (reply.kind != REDIS_TEXT && reply.kind != REDIS_ERROR) {
        rc = parse_number(line, &reply.number, err);
    }
    if (rc == BLOCKDB_OK && reply.kind == REDIS_BULK) {
        rc = parse_bulk(data, line.len + 3, &reply, out_len, err);
    }
    if (rc == BLOCKDB_OK && reply.kind == REDIS_ARRAY && reply.number < 0) {
        reply.kind = REDIS_NULL;
    }
    if (rc == BLOCKDB_OK) {
        *out = reply;
    }
    return rc;
}

/* Makes room behind what is there. */
static int make_room(struct redis_link *r, struct error *err)
{
    size_t cap = r->in_cap > 0 ? r->in_cap : IN_BYTES;
    uint8_t *in;

    if (r->in_at > 0) {
        memmove(r->in, r->in + r->in_at, r->in_len - r->in_at);
    }
    r->in_len -= r->in_at;
    r->in_at = 0;
    if (r->in_cap > 0 && r->in_len < r->in_cap) {
        return BLOCKDB_OK;
    }
    cap = r->in_cap > 0 ? 2 * cap : cap;
    in = mem_realloc(r->in, cap);
    if (in == NULL) {
        return error_set_no_memory(err);
    }
    r->in = in;
    r->in_cap = cap;
    return BLOCKDB_OK;
}

static int receive(struct redis_link *r, struct error *err)
{
    size_t len = 0;
    int rc = r->in_len < r->in_cap ? BLOCKDB_OK : make_room(r, err);

    if (rc == BLOCKDB_OK) {
        rc = link_receive(&r->link, r->in + r->in_len, r->in_cap - r->in_len, &len, deadline(r),
                          err);
    }
    if (rc == BLOCKDB_OK && len == 0) {
        rc = error_set(err, BLOCKDB_EIO, "the server closed the connection");
    }
    r->in_len += len;
    return rc;
}

static struct slice pending(const struct redis_link *r)
{
    return r->in_len > r->in_at ? slice_of(r->in + r->in_at, r->in_len - r->in_at)
                                : (struct slice){0};
}

int redis_link_reply(struct redis_link *r, struct redis_reply *out, struct error *err)
{
    if (r->in_at == r->in_len) {
        r->in_at = 0;
        r->in_len = 0;
    }
    for (;;) {
        size_t len = 0;
        int rc = redis_reply_parse(pending(r), out, &len, err);

        if (rc < 0) {
            return rc;
        }
        if (len > 0) {
            r->in_at += len;
            return BLOCKDB_OK;
        }
        rc = receive(r, err);
        if (rc < 0) {
            return rc;
        }
    }
}
