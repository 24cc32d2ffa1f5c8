/* SPDX-License-Identifier: Apache-2.0 */
#include "breaking_proxy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGE_MAX ((size_t)4 << 20)
#define STEP_MS 5
#define DRIP_BYTES 7

/* One connection of a client. */
struct relay {
    struct proxy *proxy;
    int client;
    int server;
    char *message; /* MESSAGE_MAX bytes and a zero */
    size_t len;
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Waits for bytes; false when the proxy stops. */
static bool is_ready(const struct proxy *p, int fd)
{
    while (!atomic_load(&p->is_stopping)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

        if (poll(&poll_fd, 1, STEP_MS) > 0) {
            return true;
        }
    }
    return false;
}

/* How long the message is as far as its head tells; SIZE_MAX before that. */
static size_t whole_len(const struct relay *r)
{
    const char *end = strstr(r->message, "\r\n\r\n");
    const char *length = end != NULL ? strcasestr(r->message, "\r\ncontent-length:") : NULL;

    if (end == NULL) {
        return SIZE_MAX;
    }
    return (size_t)(end + 4 - r->message) +
           (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static bool receive_message(struct relay *r, int fd)
{
    r->len = 0;
    r->message[0] = '\0';
    while (r->len < whole_len(r)) {
        ssize_t n;

        if (r->len == MESSAGE_MAX || !is_ready(r->proxy, fd)) {
            return false;
        }
        n = recv(fd, r->message + r->len, MESSAGE_MAX - r->len, 0);
        if (n <= 0) {
            return false;
        }
        r->len += (size_t)n;
        r->message[r->len] = '\0';
    }
    return true;
}

static bool send_bytes(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_drops(int fd, const char *bytes, size_t len)
{
    static const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    while (len > 0) {
        size_t n = len < DRIP_BYTES ? len : DRIP_BYTES;

        if (!send_bytes(fd, bytes, n)) {
            return false;
        }
        bytes += n;
        len -= n;
    }
    return true;
}

/* Has the server carry the request out; the answer is in message then. */
static bool ask_server(struct relay *r)
{
    if (r->server < 0) {
        struct sockaddr_in address = loopback(r->proxy->server_port);

        r->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(r->server, (struct sockaddr *)&address, sizeof(address)) < 0) {
            return false;
        }
    }
    return send_bytes(r->server, r->message, r->len) && receive_message(r, r->server);
}

static bool say(const struct relay *r, const char *status, const char *header)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n", status,
                       header);

    return send_bytes(r->client, text, (size_t)len);
}

static bool say_moved(const struct relay *r, bool as_leader)
{
    char header[400];
    char target[256] = "";

    (void)sscanf(r->message, "%*s %255s", target);
    (void)snprintf(header, sizeof(header), "%s: http://127.0.0.1:%u%s\r\n",
                   as_leader ? "Blockdb-Leader" : "Location", r->proxy->server_port,
                   as_leader ? "" : target);
    return say(r, as_leader ? "421 Misdirected" : "307 Moved", header);
}

static void reset_client(const struct relay *r)
{
    static const struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(r->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* What becomes of the request in message; false ends the connection. */
static bool act_on(struct relay *r, enum proxy_act act)
{
    char byte;

    switch (act) {
    case PROXY_CUT_BEFORE:
        return false;
    case PROXY_SAY_503:
        return say(r, "503 Busy", "Retry-After: 0\r\n");
    case PROXY_SAY_LEADER:
    case PROXY_SAY_MOVED:
        return say_moved(r, act == PROXY_SAY_LEADER);
    case PROXY_PASS:
    case PROXY_CUT_AFTER:
    case PROXY_CUT_HALF:
    case PROXY_RESET_AFTER:
    case PROXY_STALL:
    case PROXY_SAY_502:
    case PROXY_DRIP:
        break;
    }
    if (!ask_server(r)) {
        return false;
    }
    if (act == PROXY_SAY_502) {
        return say(r, "502 Bad Gateway", "");
    }
    if (act == PROXY_CUT_HALF) {
        (void)send_bytes(r->client, r->message, r->len / 2);
    } else if (act == PROXY_RESET_AFTER) {
        reset_client(r);
    } else if (act == PROXY_STALL) {
        /* Until the client has had enough. */
        while (is_ready(r->proxy, r->client) && recv(r->client, &byte, 1, 0) > 0) {
        }
    } else if (act == PROXY_DRIP) {
        return send_drops(r->client, r->message, r->len);
    } else if (act == PROXY_PASS) {
        return send_bytes(r->client, r->message, r->len);
    }
    return false;
}

/* What the test wants done with the next request. */
static enum proxy_act next_act(struct proxy *p)
{
    int left = atomic_load(&p->left);

    atomic_fetch_add(&p->requests, 1);
    while (left > 0 && !atomic_compare_exchange_weak(&p->left, &left, left - 1)) {
    }
    return left != 0 ? (enum proxy_act)atomic_load(&p->act) : PROXY_PASS;
}

static void *relay_run(void *arg)
{
    struct relay *r = arg;

    while (receive_message(r, r->client) && act_on(r, next_act(r->proxy))) {
    }
    (void)close(r->client);
    if (r->server >= 0) {
        (void)close(r->server);
    }
    atomic_fetch_sub(&r->proxy->open, 1);
    free(r->message);
    free(r);
    return NULL;
}

static void relay_start(struct proxy *p, int client)
{
    struct relay *r = calloc(1, sizeof(*r));
    pthread_t thread;

    assert_non_null(r);
    *r = (struct relay){.proxy = p, .client = client, .server = -1};
    r->message = malloc(MESSAGE_MAX + 1);
    assert_non_null(r->message);
    atomic_fetch_add(&p->connected, 1);
    atomic_fetch_add(&p->open, 1);
    assert_int_equal(pthread_create(&thread, NULL, relay_run, r), 0);
    (void)pthread_detach(thread);
}

static void *proxy_run(void *arg)
{
    struct proxy *p = arg;

    while (is_ready(p, p->fd)) {
        int client = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);

        if (client >= 0) {
            relay_start(p, client);
        }
    }
    return NULL;
}

void proxy_start(struct proxy *p, unsigned server_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);

    memset(p, 0, sizeof(*p));
    p->server_port = server_port;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(p->fd, 64), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&address, &len), 0);
    p->port = ntohs(address.sin_port);
    (void)snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u", p->port);
    assert_int_equal(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

void proxy_stop(struct proxy *p)
{
    atomic_store(&p->is_stopping, true);
    (void)pthread_join(p->thread, NULL);
    while (atomic_load(&p->open) > 0) {
        (void)poll(NULL, 0, STEP_MS);
    }
    (void)close(p->fd);
}

void proxy_break(struct proxy *p, enum proxy_act act, int count)
{
    atomic_store(&p->left, 0);
    atomic_store(&p->act, act);
    atomic_store(&p->left, count);
}
