/* SPDX-License-Identifier: Apache-2.0 */
#include "client/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <unistd.h>

/* A server that is gone without a word, its power for example, is noticed after IDLE_S and COUNT
 * probes: what has no other limit than hours depends on it. */
#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_COUNT 6

static int real_open(struct sockets *s, int family)
{
    static const int on = 1;
    static const int idle_s = KEEPALIVE_IDLE_S;
    static const int interval_s = KEEPALIVE_INTERVAL_S;
    static const int count = KEEPALIVE_COUNT;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)s;
    if (fd >= 0) {
        /* A request is sent at once; without this its second part would wait for the first's
         * answer. None of these can fail for a socket of TCP. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    }
    return fd;
}

static int real_connect(struct sockets *s, int fd, const struct sockaddr *address, socklen_t len)
{
    (void)s;
    return connect(fd, address, len);
}

static int real_connect_result(struct sockets *s, int fd)
{
    int failure = 0;
    socklen_t len = sizeof(failure);

    (void)s;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0 ? errno : failure;
}

static ssize_t real_send(struct sockets *s, int fd, const struct msghdr *message)
{
    (void)s;
    return sendmsg(fd, message, MSG_NOSIGNAL);
}

static ssize_t real_receive(struct sockets *s, int fd, void *out, size_t len)
{
    (void)s;
    return recv(fd, out, len, 0);
}

static int real_wait(struct sockets *s, struct pollfd *fd, int timeout_ms)
{
    (void)s;
    return poll(fd, 1, timeout_ms);
}

static bool real_is_quiet(struct sockets *s, int fd)
{
    char byte;

    (void)s;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static void real_close(struct sockets *s, int fd)
{
    (void)s;
    (void)close(fd); /* nothing is kept in it */
}

struct sockets *sockets_real(void)
{
    static const struct sockets real = {
        .open = real_open,
        .connect = real_connect,
        .connect_result = real_connect_result,
        .send = real_send,
        .receive = real_receive,
        .wait = real_wait,
        .is_quiet = real_is_quiet,
        .close = real_close,
    };

    return (struct sockets *)(uintptr_t)&real; /* it has nothing that could be changed */
}
