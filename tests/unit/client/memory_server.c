/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum memory_fault next_fault(struct memory_server *s)
{
    s->call_count++;
    if (s->fault_at == 0 || s->call_count < s->fault_at ||
        (s->call_count > s->fault_at && !s->is_lasting)) {
        return MEMORY_GOOD;
    }
    return s->fault;
}

static struct memory_server *lock(struct sockets *sockets)
{
    struct memory_server *s = (struct memory_server *)sockets;

    (void)pthread_mutex_lock(&s->mu);
    return s;
}

/* Unlocks; the result of a call, and its errno. */
static ssize_t done(struct memory_server *s, ssize_t result, int error_number)
{
    (void)pthread_mutex_unlock(&s->mu);
    errno = error_number;
    return result;
}

static int memory_open(struct sockets *sockets, int family)
{
    struct memory_server *s = lock(sockets);
    int fd = 0;

    (void)family;
    if (next_fault(s) == MEMORY_FAIL) {
        return (int)done(s, -1, EMFILE);
    }
    while (s->links[fd].is_open) {
        fd++;
        assert_true(fd < MEMORY_LINKS);
    }
    s->links[fd].is_open = 1;
    s->links[fd].in_len = s->links[fd].out_at = s->links[fd].out_len = 0;
    return (int)done(s, fd, 0);
}

static int memory_connect(struct sockets *sockets, int fd, const struct sockaddr *address,
                          socklen_t len)
{
    struct memory_server *s = lock(sockets);

    (void)fd;
    (void)address;
    (void)len;
    switch (next_fault(s)) {
    case MEMORY_FAIL:
        return (int)done(s, -1, ECONNREFUSED);
    case MEMORY_INTERRUPT:
        return (int)done(s, -1, EINTR);
    case MEMORY_BLOCK:
    case MEMORY_SHORT:
        return (int)done(s, -1, EINPROGRESS);
    case MEMORY_GOOD:
    case MEMORY_END:
        break;
    }
    return (int)done(s, 0, 0);
}

static int memory_connect_result(struct sockets *sockets, int fd)
{
    struct memory_server *s = lock(sockets);

    (void)fd;
    return (int)done(s, next_fault(s) == MEMORY_FAIL ? EHOSTUNREACH : 0, 0);
}

/* Notes under which identity a write comes. */
static void note_write(struct memory_server *s, const char *request)
{
    const char *id = strstr(request, "Blockdb-Client: ");
    char text[128];
    unsigned i;

    if (id == NULL) {
        return;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)(strstr(id, "\r\n\r\n") - id), id);
    for (i = 0; i < s->write_count; i++) {
        if (strcmp(s->writes[i], text) == 0) {
            return;
        }
    }
    assert_true(s->write_count < MEMORY_WRITES);
    memcpy(s->writes[s->write_count++], text, sizeof(text));
}

/* Answers the request that is complete, if it is. */
static void answer(struct memory_server *s, struct memory_link *link)
{
    const char *end = strstr(link->in, "\r\n\r\n");
    const char *length = strstr(link->in, "\r\nContent-Length: ");
    const struct memory_answer *row = s->answers;

    if (end == NULL ||
        link->in_len < (size_t)(end + 4 - link->in) +
                           (length != NULL && length < end ? strtoul(length + 18, NULL, 10) : 0)) {
        return;
    }
    s->request_count++;
    note_write(s, link->in);
    while (row->request != NULL && strncmp(link->in, row->request, strlen(row->request)) != 0) {
        row++;
    }
    link->out_at = 0;
    link->out_len = (size_t)snprintf(
        link->out, sizeof(link->out), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
        row->request != NULL ? row->status : "404 None",
        row->request != NULL ? strlen(row->body) : 0, row->request != NULL ? row->body : "");
    assert_true(link->out_len < sizeof(link->out));
    link->in_len = 0;
}

static ssize_t memory_send(struct sockets *sockets, int fd, const struct msghdr *message)
{
    struct memory_server *s = lock(sockets);
    struct memory_link *link = &s->links[fd];
    size_t taken = 0;
    size_t max = MEMORY_BYTES;
    size_t i;

    switch (next_fault(s)) {
    case MEMORY_FAIL:
    case MEMORY_END:
        return done(s, -1, EPIPE);
    case MEMORY_INTERRUPT:
        return done(s, -1, EINTR);
    case MEMORY_BLOCK:
        return done(s, -1, EAGAIN);
    case MEMORY_SHORT:
        max = 1;
        break;
    case MEMORY_GOOD:
        break;
    }
    for (i = 0; i < message->msg_iovlen; i++) {
        size_t len = message->msg_iov[i].iov_len;

        len = len < max - taken ? len : max - taken;
        assert_true(link->in_len + len < MEMORY_BYTES);
        if (len > 0) {
            memcpy(link->in + link->in_len, message->msg_iov[i].iov_base, len);
        }
        link->in_len += len;
        taken += len;
    }
    link->in[link->in_len] = '\0';
    answer(s, link);
    return done(s, (ssize_t)taken, 0);
}

static ssize_t memory_receive(struct sockets *sockets, int fd, void *out, size_t len)
{
    struct memory_server *s = lock(sockets);
    struct memory_link *link = &s->links[fd];
    size_t left = link->out_len - link->out_at;

    switch (next_fault(s)) {
    case MEMORY_FAIL:
        return done(s, -1, ECONNRESET);
    case MEMORY_END:
        return done(s, 0, 0);
    case MEMORY_INTERRUPT:
        return done(s, -1, EINTR);
    case MEMORY_BLOCK:
        return done(s, -1, EAGAIN);
    case MEMORY_SHORT:
        len = 1;
        break;
    case MEMORY_GOOD:
        break;
    }
    len = len < left ? len : left;
    memcpy(out, link->out + link->out_at, len);
    link->out_at += len;
    return done(s, (ssize_t)len, 0);
}

static int memory_wait(struct sockets *sockets, struct pollfd *fd, int timeout_ms)
{
    struct memory_server *s = lock(sockets);
    enum memory_fault fault = next_fault(s);

    (void)fd;
    (void)timeout_ms;
    if (fault == MEMORY_FAIL || fault == MEMORY_INTERRUPT) {
        return (int)done(s, -1, fault == MEMORY_FAIL ? ENOMEM : EINTR);
    }
    return (int)done(s, 1, 0);
}

static bool memory_is_quiet(struct sockets *sockets, int fd)
{
    (void)sockets;
    (void)fd;
    return true;
}

static void memory_close(struct sockets *sockets, int fd)
{
    struct memory_server *s = lock(sockets);

    assert_true(s->links[fd].is_open);
    s->links[fd].is_open = 0;
    (void)done(s, 0, 0);
}

struct memory_server *memory_server_new(const struct memory_answer *answers)
{
    struct memory_server *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->base = (struct sockets){.open = memory_open,
                               .connect = memory_connect,
                               .connect_result = memory_connect_result,
                               .send = memory_send,
                               .receive = memory_receive,
                               .wait = memory_wait,
                               .is_quiet = memory_is_quiet,
                               .close = memory_close};
    (void)pthread_mutex_init(&s->mu, NULL);
    s->answers = answers;
    return s;
}

void memory_server_free(struct memory_server *s)
{
    (void)pthread_mutex_destroy(&s->mu);
    free(s);
}

void memory_server_plan(struct memory_server *s, enum memory_fault fault, unsigned at,
                        int is_lasting)
{
    (void)pthread_mutex_lock(&s->mu);
    s->fault = fault;
    s->fault_at = at;
    s->is_lasting = is_lasting;
    s->call_count = s->write_count = s->request_count = 0;
    (void)pthread_mutex_unlock(&s->mu);
}

unsigned memory_server_open_links(const struct memory_server *s)
{
    unsigned count = 0;
    size_t i;

    for (i = 0; i < MEMORY_LINKS; i++) {
        count += s->links[i].is_open != 0;
    }
    return count;
}
