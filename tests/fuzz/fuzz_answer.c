/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of HTTP servers, in pieces, and what is read from their bodies: entries, outcomes,
 * refusals, events. The first byte gives the length of the pieces and what is read.
 *
 * Each input is also all that a server says to two requests over the whole transport, on sockets
 * that hand it out in the same pieces and then end: bodies are decompressed on the way.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "client/answer.h"
#include "client/event_stream.h"
#include "client/http.h"
#include "client/refusal.h"
#include "client/shape.h"
#include "client/sockets.h"
#include "client/url.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 4096

static void feed(struct answer *a, const uint8_t *data, size_t size, size_t step)
{
    struct error err;
    size_t at = 0;

    while (at < size && !answer_is_done(a)) {
        size_t room = 0;
        void *to = answer_room(a, &room);
        size_t n = size - at < step ? size - at : step;

        if (to == NULL) {
            return;
        }
        n = n < room ? n : room;
        memcpy(to, data + at, n);
        if (answer_received(a, n, &err) < 0) {
            ASSERT(err.message[0] != '\0');
            return;
        }
        at += n;
    }
    ASSERT(a->body.len <= BODY_MAX);
    IGNORE_RESULT(answer_ended(a, &err)); /* either outcome is fine */
}

static void read_events(struct slice body)
{
    AUTO(buf_deinit) struct buf scratch = {0};
    struct stream_event event;
    int status = 0;
    size_t len;

    while ((len = stream_event_next(body, &scratch, &event, &status)) > 0) {
        ASSERT(len <= body.len);
        body = slice_of(body.data + len, body.len - len);
    }
}

static void read_body(const struct answer *a)
{
    AUTO(shape_entry_deinit) struct shape_entry entry = {0};
    struct blockdb_write_result written;
    struct slice body = answer_body(a);
    struct json_reader r = json_reader_of(body);
    struct url url;
    struct error err;

    IGNORE_RESULT(shape_entry_parse(body, &entry, &err)); /* all of these may fail */
    IGNORE_RESULT(shape_written_parse(body, &written, &err));
    ASSERT(refusal_of(a, "http://h", &err) < 0);
    IGNORE_RESULT(url_parse(slice_of_text(a->leader), &url, &err));
    json_reader_skip(&r);
    (void)json_reader_done(&r);
    read_events(body);
}

/* ---- The whole transport --------------------------------------------------------------------- */

/* Sockets that say what the input holds. */
struct played {
    struct sockets base; /* first */
    struct slice left;
    size_t step;
    bool is_blocked; /* every other call has nothing yet */
};

static int played_open(struct sockets *s, int family)
{
    (void)s;
    (void)family;
    return 0;
}

static int played_connect(struct sockets *s, int fd, const struct sockaddr *address, socklen_t len)
{
    (void)s;
    (void)fd;
    (void)address;
    (void)len;
    return 0;
}

static ssize_t played_send(struct sockets *s, int fd, const struct msghdr *message)
{
    (void)s;
    (void)fd;
    return (ssize_t)(message->msg_iov[0].iov_len + message->msg_iov[1].iov_len);
}

static ssize_t played_receive(struct sockets *s, int fd, void *out, size_t len)
{
    struct played *p = (struct played *)s;
    size_t n = p->left.len < p->step ? p->left.len : p->step;

    (void)fd;
    p->is_blocked = !p->is_blocked;
    if (p->is_blocked) {
        errno = EAGAIN;
        return -1;
    }
    n = n < len ? n : len;
    if (n > 0) {
        memcpy(out, p->left.data, n);
    }
    p->left = slice_of(p->left.data + n, p->left.len - n);
    return (ssize_t)n;
}

static int played_wait(struct sockets *s, struct pollfd *fd, int timeout_ms)
{
    (void)s;
    (void)fd;
    (void)timeout_ms;
    return 1;
}

static bool played_is_quiet(struct sockets *s, int fd)
{
    (void)s;
    (void)fd;
    return true;
}

static void played_close(struct sockets *s, int fd)
{
    (void)s;
    (void)fd;
}

static void talk(struct slice input, size_t step)
{
    struct played p = {.base = {.open = played_open,
                                .connect = played_connect,
                                .send = played_send,
                                .receive = played_receive,
                                .wait = played_wait,
                                .is_quiet = played_is_quiet,
                                .close = played_close},
                       .left = input,
                       .step = step};
    const struct http_options options = {.body_max = BODY_MAX, .sockets = &p.base};
    AUTO(http_response_deinit) struct http_response response = {0};
    AUTO(http_close_ptr) struct http *h = NULL;
    struct error err;
    int request;

    if (http_open(&options, &h, &err) < 0) {
        return;
    }
    for (request = 0; request < 2; request++) {
        int rc = http_get(h, "http://127.0.0.1/x", &response, &err);

        ASSERT(response.body.len <= BODY_MAX);
        ASSERT(rc == BLOCKDB_OK ? response.status >= 200 && response.status <= 599
                                : response.status == 0 && response.body.len == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(answer_deinit) struct answer a = {0};

    if (size == 0) {
        return 0;
    }
    answer_reset(&a, BODY_MAX, (data[0] & 0x80) != 0);
    feed(&a, data + 1, size - 1, (data[0] & 0x7F) + 1u);
    if (answer_is_done(&a)) {
        read_body(&a);
    }
    talk(slice_of(data + 1, size - 1), (data[0] & 0x7F) + 1u);
    return 0;
}
