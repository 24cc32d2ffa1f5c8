/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the system that a link makes on its socket, as a table: sockets_real() is the
 * system, and tests put one in its place that fails, interrupts or shortens the n-th call.
 *
 * Each works as the call of its name does: -1 and errno, or what it did. Sockets do not block, so
 * EAGAIN is an answer; so is EINTR.
 *
 * Threads:   any thread.
 * Ownership: a table outlives all links that use it.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct sockets {
    /* A stream socket that does not block, is closed by exec, and sends without delay. */
    int (*open)(struct sockets *s, int family);
    int (*connect)(struct sockets *s, int fd, const struct sockaddr *address, socklen_t len);
    /* How a connect() that was under way ended: 0, or an errno value. */
    int (*connect_result)(struct sockets *s, int fd);
    /* Raises no signal when the other side is gone. */
    ssize_t (*send)(struct sockets *s, int fd, const struct msghdr *message);
    ssize_t (*receive)(struct sockets *s, int fd, void *out, size_t len);
    int (*wait)(struct sockets *s, struct pollfd *fd, int timeout_ms);
    /* Whether nothing was received and the other side did not close. */
    bool (*is_quiet)(struct sockets *s, int fd);
    void (*close)(struct sockets *s, int fd);
};

struct sockets *sockets_real(void);
