/* SPDX-License-Identifier: Apache-2.0 */
#include "canned_server.h"

#include "server/listener.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STEP_MS 5

static bool wait_for(const struct canned_server *s, int fd)
{
    while (!atomic_load(&s->is_stopping)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, STEP_MS) > 0) {
            return true;
        }
    }
    return false;
}

/* Whether the headers and the body that they tell of are complete. */
static bool is_complete(const char *request, size_t len)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strcasestr(request, "content-length:");
    size_t body = length != NULL ? strtoul(length + 15, NULL, 10) : 0;

    return end != NULL && len >= (size_t)(end + 4 - request) + body;
}

static bool read_request(struct canned_server *s, int fd)
{
    char *request = s->requests[s->request_count % CANNED_REQUESTS_MAX];
    size_t len = 0;

    while (len < CANNED_REQUEST_LEN_MAX) {
        ssize_t got;

        if (!wait_for(s, fd)) {
            return false;
        }
        got = recv(fd, request + len, CANNED_REQUEST_LEN_MAX - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        request[len] = '\0';
        if (is_complete(request, len)) {
            s->request_count++;
            return true;
        }
    }
    return false;
}

static bool send_answer(const struct canned_server *s, int fd, const struct canned_answer *answer)
{
    size_t len = answer->len;
    size_t at = 0;

    if (answer->pause_ms > 0) {
        os_sleep_ns(os_real(), answer->pause_ms * 1000000ULL);
    }
    if (answer->reset) {
        static const struct linger at_once = {.l_onoff = 1};

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    if (answer->bytes == NULL) {
        return false;
    }
    len = len > 0 ? len : strlen(answer->bytes);
    while (at < len && !atomic_load(&s->is_stopping)) {
        ssize_t sent = send(fd, answer->bytes + at, len - at, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        at += (size_t)sent;
    }
    return !answer->close && !answer->reset;
}

static void serve(struct canned_server *s, int fd)
{
    while (read_request(s, fd)) {
        size_t i = s->request_count - 1;

        if (i < s->answer_count && !send_answer(s, fd, &s->answers[i])) {
            return;
        }
    }
}

static void run(void *arg)
{
    struct canned_server *s = arg;

    while (wait_for(s, s->fd)) {
        int fd = accept(s->fd, NULL, NULL);

        if (fd >= 0) {
            s->connection_count++;
            serve(s, fd);
            (void)close(fd);
        }
    }
}

struct canned_server *canned_server_start(const struct canned_answer *answers, size_t count)
{
    struct canned_server *s = calloc(1, sizeof(*s));
    char address[LISTENER_ADDRESS_BYTES];
    struct error err;

    assert_non_null(s);
    s->answers = answers;
    s->answer_count = count;
    if (listener_open("127.0.0.1:0", &s->fd, address, &err) < 0) {
        fail_msg("%s", err.message);
    }
    (void)snprintf(s->url, sizeof(s->url), "http://%s", address);
    assert_int_equal(os_thread_start(os_real(), "canned", run, s, &s->thread, &err), 0);
    return s;
}

void canned_server_stop(struct canned_server *s)
{
    if (s->thread != NULL) {
        atomic_store(&s->is_stopping, true);
        os_thread_join(os_real(), s->thread);
        s->thread = NULL;
        listener_close(s->fd);
    }
}

void canned_server_free(struct canned_server *s)
{
    canned_server_stop(s);
    free(s);
}
