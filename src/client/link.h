/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link: one connection to a server, plain or TLS, on a socket that never blocks beyond a
 * deadline.
 *
 * Deadlines are of the monotonic clock of os.h. Addresses and "localhost" are known without asking
 * anybody; other names are looked up by the system, which alone may take longer than the deadline.
 *
 * LINK-1  Each call ends at its deadline with ETIMEDOUT.
 * LINK-2  After a failure the link is only good for link_close().
 * LINK-3  No signal is raised when the other side is gone.
 * LINK-4  Of several addresses of a name each gets its share of the time, so one that never answers
 *         does not keep the others from being tried.
 *
 * Threads:   one thread at a time.
 * Ownership: a link owns its socket and session; borrows what its net has as long as it is open.
 */
#pragma once

#include "client/secure.h"
#include "client/sockets.h"
#include "client/url.h"
#include "os/os.h"

/* What links are made of. */
struct link_net {
    struct os *os;           /* its clock */
    struct sockets *sockets; /* sockets_real() but in tests */
    struct secure *secure;   /* NULL: http only */
};

struct link {
    struct link_net net;
    int fd;                         /* -1: closed */
    struct secure_session *session; /* NULL: plain */
};

#define LINK_CLOSED                                                                                \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Connects a closed link. EIO: nobody there, no TLS with it, or a name that does not exist;
 * ETIMEDOUT; ENOMEM. Messages name the URL. */
RESULT_MUST_BE_USED int link_open(struct link *link, const struct link_net *net,
                                  const struct url *url, uint64_t deadline_ns, struct error *err);
/* Closed already is fine. */
void link_close(struct link *link);
static inline bool link_is_open(const struct link *link)
{
    return link->fd >= 0;
}
/* Whether an unused link can still be used: the server has not closed it and said nothing. */
bool link_is_fresh(const struct link *link);

/* Sends head and body. EIO: the server is gone. */
RESULT_MUST_BE_USED int link_send(struct link *link, struct slice head, struct slice body,
                                  uint64_t deadline_ns, struct error *err);
/* Receives at least one byte; *out_len is 0 when the server closed. */
RESULT_MUST_BE_USED int link_receive(struct link *link, void *out, size_t len, size_t *out_len,
                                     uint64_t deadline_ns, struct error *err);
