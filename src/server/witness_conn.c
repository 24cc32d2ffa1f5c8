/* SPDX-License-Identifier: Apache-2.0 */
#include "server/witness_conn.h"

#include "base/mem.h"
#include "server/http/request.h"
#include "server/http/response.h"
#include "wire/add_checkpoint.h"

#include <stdio.h>

#define MS_PER_S 1000
#define AREA "witness"
#define TYPE_TEXT "text/plain; charset=utf-8"

void witness_conn_deinit(struct witness_conn *c)
{
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    buf_deinit(&c->body);
}

struct slice witness_conn_output(const struct witness_conn *c)
{
    return slice_of(c->out.data + c->out_sent, c->out.len - c->out_sent);
}

void witness_conn_sent(struct witness_conn *c, size_t len)
{
    c->out_sent += len;
    if (c->out_sent == c->out.len) {
        buf_reset(&c->out);
        c->out_sent = 0;
    }
}

bool witness_conn_is_busy(const struct witness_conn *c)
{
    return !c->is_last && (c->in_body || c->in.len > 0);
}

/* ---- Answering ------------------------------------------------------------------------------- */

static int write_answer(struct witness_conn *c, const struct witness_answer *answer)
{
    struct response_common common = {0};
    struct response r = {.status = (int)answer->status,
                         .content_type = answer->content_type,
                         .content_length = answer->body.len,
                         .has_length = true,
                         .end = RESPONSE_KEEP};
    int rc;

    if (c->is_last) {
        r.end = RESPONSE_CLOSE;
    } else if (c->minor_version == 0) {
        r.end = RESPONSE_KEEP_10;
    }
    response_common_refresh(&common, 0, os_now_ms(c->os));
    rc = response_head(&c->out, &r, &common);
    if (rc < 0 || strcmp(c->method, "HEAD") == 0) {
        return rc;
    }
    return buf_append_slice(&c->out, answer->body);
}

/* A request that cannot be read any further. */
static int refuse(struct witness_conn *c, int status, const char *message)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct witness_answer answer = {.status = (unsigned)status, .content_type = TYPE_TEXT};
    int rc = buf_appendf(&text, "%s\n", message);

    if (rc < 0) {
        return rc;
    }
    c->is_last = true;
    c->in_body = false;
    answer.body = buf_slice(&text);
    logger_write(c->logger, LOGGER_DEBUG, AREA, "refused with %d: %s", status, message);
    return write_answer(c, &answer);
}

/* What the operator should see of an answer: forks and failures, and on request everything. */
static void log_answer(const struct witness_conn *c, const struct witness_answer *answer,
                       const struct error *err)
{
    enum logger_level level = LOGGER_DEBUG;

    if (answer->status == 422) {
        level = LOGGER_WARNING;
    } else if (answer->status >= 500) {
        level = LOGGER_ERROR;
    } else if (strcmp(c->method, "POST") == 0 && answer->status == 200) {
        level = LOGGER_INFO;
    }
    logger_write(c->logger, level, AREA, "%s %s %u%s%s", c->method, c->path, answer->status,
                 err->message[0] != '\0' ? ": " : "", err->message);
}

static int answer_request(struct witness_conn *c)
{
    struct witness_request request = {.method = c->method,
                                      .path = c->path,
                                      .body = buf_slice(&c->body),
                                      .time_s = os_now_ms(c->os) / MS_PER_S};
    AUTO(witness_answer_deinit) struct witness_answer answer = {0};
    struct error err = {0};
    int rc;

    IGNORE_RESULT(witness_answer(c->witness, &request, &answer, &err)); /* the answer says it */
    log_answer(c, &answer, &err);
    c->in_body = false;
    c->is_last = !c->keeps;
    rc = write_answer(c, &answer);
    buf_reset(&c->body);
    return rc;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void consume(struct witness_conn *c, size_t len)
{
    if (len > 0) {
        c->in.len -= len;
        memmove(c->in.data, c->in.data + len, c->in.len);
    }
    c->searched = 0;
}

/* Copies text as far as it fits; what does not fit is no method or path of a witness. */
static void copy_text(char *out, size_t size, struct slice text)
{
    size_t len = text.len < size ? text.len : size - 1;

    memcpy(out, text.data, len);
    out[len] = '\0';
}

/* The head is whole. */
static int begin_request(struct witness_conn *c, const struct http_request *r, bool closes)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    copy_text(c->method, sizeof(c->method), r->method_name);
    copy_text(c->path, sizeof(c->path), r->path);
    c->in_body = true;
    c->is_chunked = r->is_chunked;
    c->left = r->content_length;
    c->keeps = r->keep_alive && !closes;
    c->minor_version = r->minor_version;
    c->chunked = (struct chunked){0};
    if (c->left > ADD_CHECKPOINT_LEN_MAX) {
        return refuse(c, 413, "the request is longer than a witness takes");
    }
    return r->expects_continue ? buf_append(&c->out, text, sizeof(text) - 1) : BLOCKDB_OK;
}

static int take_head(struct witness_conn *c, bool closes, bool *out_goes_on)
{
    struct slice in = buf_slice(&c->in);
    struct http_refusal refusal;
    struct http_request request;
    size_t len = http_head_len(in, &c->searched);
    int rc;

    *out_goes_on = len > 0;
    if (len > WITNESS_HEAD_MAX || (len == 0 && in.len > WITNESS_HEAD_MAX)) {
        return refuse(c, 431, "the head of the request is too long");
    }
    if (len == 0) {
        return BLOCKDB_OK;
    }
    if (!http_request_parse(slice_of(in.data, len), &request, &refusal)) {
        return refuse(c, refusal.status, refusal.message);
    }
    rc = begin_request(c, &request, closes);
    consume(c, len);
    return rc;
}

/* Moves what has come of the body. */
static int move_body(struct witness_conn *c, bool *out_is_whole)
{
    size_t taken = c->in.len < c->left ? c->in.len : (size_t)c->left;
    int rc;

    if (c->is_chunked) {
        rc = chunked_decode(&c->chunked, buf_slice(&c->in), ADD_CHECKPOINT_LEN_MAX, &c->body,
                            &taken);
        *out_is_whole = chunked_is_done(&c->chunked);
    } else {
        rc = buf_append(&c->body, c->in.data, taken);
        c->left -= taken;
        *out_is_whole = c->left == 0;
    }
    consume(c, taken);
    return rc;
}

static int take_body(struct witness_conn *c, bool *out_goes_on)
{
    bool is_whole = false;
    int rc = move_body(c, &is_whole);

    *out_goes_on = is_whole;
    if (rc == BLOCKDB_EINVAL) {
        return refuse(c, 400, "the chunks of the body are malformed");
    }
    if (rc == BLOCKDB_ELIMIT) {
        return refuse(c, 413, "the request is longer than a witness takes");
    }
    return rc == BLOCKDB_OK && is_whole ? answer_request(c) : rc;
}

int witness_conn_feed(struct witness_conn *c, struct slice bytes, bool closes)
{
    bool goes_on = true;
    int rc = c->is_last ? BLOCKDB_OK : buf_append_slice(&c->in, bytes);

    while (rc == BLOCKDB_OK && goes_on && !c->is_last) {
        size_t empty = c->in_body ? 0 : http_empty_lines(buf_slice(&c->in));

        if (empty > 0) {
            consume(c, empty);
        }
        if (!c->in_body && c->in.len == 0) {
            break;
        }
        rc = c->in_body ? take_body(c, &goes_on) : take_head(c, closes, &goes_on);
    }
    return rc;
}
