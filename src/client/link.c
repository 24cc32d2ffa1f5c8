/* SPDX-License-Identifier: Apache-2.0 */
#include "client/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NS_PER_MS 1000000ULL
#define POLL_MS_MAX 60000
#define SECURE_BYTES ((size_t)16 << 10)
#define PORT_TEXT_BYTES 8

/* The failure of a call on the socket: always EIO, whatever the system calls it. */
static int broken(int errno_value, const char *what, struct error *err)
{
    char reason[128];

    return error_set(err, BLOCKDB_EIO, "%s: %s", what,
                     strerror_r(errno_value, reason, sizeof(reason)));
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/* Waits until the socket is ready for events. */
static int await(const struct link *link, short events, uint64_t deadline_ns, struct error *err)
{
    struct pollfd p = {.fd = link->fd, .events = events};
    struct sockets *sockets = link->net.sockets;

    while (true) {
        uint64_t now = os_monotonic_ns(link->net.os);
        uint64_t left_ms = deadline_ns > now ? (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
        int n;

        if (left_ms == 0) {
            return error_set(err, BLOCKDB_ETIMEDOUT, "no answer within the time limit");
        }
        n = sockets->wait(sockets, &p, left_ms < POLL_MS_MAX ? (int)left_ms : POLL_MS_MAX);
        if (n > 0) {
            return BLOCKDB_OK;
        }
        if (n < 0 && errno != EINTR) {
            return broken(errno, "waiting for the server failed", err);
        }
    }
}

/* ---- Plain bytes --------------------------------------------------------------------------- */

static int plain_receive(struct link *link, void *out, size_t len, size_t *out_len,
                         uint64_t deadline_ns, struct error *err)
{
    struct sockets *sockets = link->net.sockets;

    while (true) {
        ssize_t n = sockets->receive(sockets, link->fd, out, len);
        int rc;

        if (n >= 0) {
            *out_len = (size_t)n;
            return BLOCKDB_OK;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return broken(errno, "the connection broke", err);
        }
        rc = await(link, POLLIN, deadline_ns, err);
        if (rc < 0) {
            return rc;
        }
    }
}

static void advance_part(struct iovec *part, size_t n)
{
    if (n > 0) { /* what is empty may point nowhere */
        part->iov_base = (char *)part->iov_base + n;
        part->iov_len -= n;
    }
}

/* Cuts n bytes off the front of two parts. */
static void advance(struct iovec parts[2], size_t n)
{
    size_t first = n < parts[0].iov_len ? n : parts[0].iov_len;

    advance_part(&parts[0], first);
    advance_part(&parts[1], n - first);
}

static int plain_send(struct link *link, struct slice head, struct slice body, uint64_t deadline_ns,
                      struct error *err)
{
    struct iovec parts[2] = {
        {.iov_base = (void *)(uintptr_t)head.data, .iov_len = head.len},
        {.iov_base = (void *)(uintptr_t)body.data, .iov_len = body.len},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct sockets *sockets = link->net.sockets;

    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t n = sockets->send(sockets, link->fd, &message);
        int rc;

        if (n >= 0) {
            advance(parts, (size_t)n);
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            return broken(errno, "the request could not be sent", err);
        }
        rc = await(link, POLLOUT, deadline_ns, err);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* ---- TLS ----------------------------------------------------------------------------------- */

static int secure_flush(struct link *link, uint64_t deadline_ns, struct error *err)
{
    uint8_t bytes[SECURE_BYTES];
    size_t len;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && (len = secure_pending(link->session, bytes, sizeof(bytes))) > 0) {
        rc = plain_send(link, slice_of(bytes, len), slice_of(NULL, 0), deadline_ns, err);
    }
    return rc;
}

/* Gives the session what the server sends next; *out_ended when it closed. */
static int secure_fill(struct link *link, bool *out_ended, uint64_t deadline_ns, struct error *err)
{
    uint8_t bytes[SECURE_BYTES];
    size_t len = 0;
    int rc = plain_receive(link, bytes, sizeof(bytes), &len, deadline_ns, err);

    if (rc < 0) {
        return rc;
    }
    *out_ended = len == 0;
    if (len > 0 && secure_feed(link->session, bytes, len) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

static int shake_hands(struct link *link, uint64_t deadline_ns, struct error *err)
{
    enum secure_want want = SECURE_RECEIVE;
    bool ended = false;

    while (true) {
        int rc = secure_handshake(link->session, &want, err);

        if (rc == BLOCKDB_OK || rc == BLOCKDB_EIO) {
            struct error ignored;

            /* An alert tells the server why, when it fails. */
            int sent = secure_flush(link, deadline_ns, rc < 0 ? &ignored : err);

            rc = rc < 0 ? rc : sent;
        }
        if (rc < 0 || want == SECURE_DONE) {
            return rc;
        }
        rc = secure_fill(link, &ended, deadline_ns, err);
        if (rc < 0) {
            return rc;
        }
        if (ended) {
            return error_set(err, BLOCKDB_EIO,
                             "the server closed before TLS was agreed on; is it an http server, or "
                             "does it want a client certificate?");
        }
    }
}

static int tls_receive(struct link *link, void *out, size_t len, size_t *out_len,
                       uint64_t deadline_ns, struct error *err)
{
    enum secure_want want;
    bool ended = false;

    while (true) {
        int rc = secure_read(link->session, out, len, out_len, &want, err);

        if (rc < 0 || want == SECURE_DONE) {
            return rc;
        }
        if (want == SECURE_ENDED) {
            *out_len = 0;
            return BLOCKDB_OK;
        }
        rc = secure_flush(link, deadline_ns, err);
        if (rc == BLOCKDB_OK) {
            rc = secure_fill(link, &ended, deadline_ns, err);
        }
        if (rc < 0) {
            return rc;
        }
        if (ended) {
            /* Not said by the session, so somebody else may have cut it. */
            return error_set(err, BLOCKDB_EIO, "the connection ended without an end of TLS");
        }
    }
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static int connect_address(struct link *link, const struct sockaddr *address, socklen_t len,
                           uint64_t deadline_ns, struct error *err)
{
    struct sockets *sockets = link->net.sockets;
    int failure;
    int rc;

    link->fd = sockets->open(sockets, address->sa_family);
    if (link->fd < 0) {
        return broken(errno, "no socket", err);
    }
    if (sockets->connect(sockets, link->fd, address, len) == 0) {
        return BLOCKDB_OK;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        return broken(errno, "no connection", err);
    }
    rc = await(link, POLLOUT, deadline_ns, err);
    if (rc < 0) {
        return error_wrap(err, rc, "no connection");
    }
    failure = sockets->connect_result(sockets, link->fd);
    return failure == 0 ? BLOCKDB_OK : broken(failure, "no connection", err);
}

static bool is_localhost(const struct url *url)
{
    return strcasecmp(url->host, "localhost") == 0;
}

/* Addresses that need no name server. */
static bool known_address(const struct url *url, struct sockaddr_in *out)
{
    const char *host = is_localhost(url) ? "127.0.0.1" : url->host;

    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(url->port)};
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static uint64_t count_addresses(const struct addrinfo *found)
{
    uint64_t n = 0;

    for (; found != NULL; found = found->ai_next) {
        n++;
    }
    return n;
}

/* LINK-4 */
static int connect_found(struct link *link, const struct addrinfo *found, uint64_t deadline_ns,
                         struct error *err)
{
    int rc = BLOCKDB_EIO;

    for (; found != NULL && rc < 0; found = found->ai_next) {
        uint64_t now = os_monotonic_ns(link->net.os);
        uint64_t left = deadline_ns > now ? deadline_ns - now : 0;

        link_close(link);
        rc = connect_address(link, found->ai_addr, found->ai_addrlen,
                             now + left / count_addresses(found), err);
    }
    return rc;
}

static int connect_name(struct link *link, const struct url *url, uint64_t deadline_ns,
                        struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[PORT_TEXT_BYTES];
    int code;
    int rc;

    (void)snprintf(port, sizeof(port), "%u", (unsigned)url->port);
    code = getaddrinfo(url->host, port, &hints, &found);
    if (code != 0) {
        return error_set(err, code == EAI_MEMORY ? BLOCKDB_ENOMEM : BLOCKDB_EIO,
                         "the host's name is not known: %s", gai_strerror(code));
    }
    rc = connect_found(link, found, deadline_ns, err);
    freeaddrinfo(found);
    return rc;
}

static bool is_address(const struct url *url)
{
    struct in_addr ignored;

    return url->is_ipv6 || inet_pton(AF_INET, url->host, &ignored) == 1;
}

static int open_all(struct link *link, const struct url *url, uint64_t deadline_ns,
                    struct error *err)
{
    struct sockaddr_in known;
    int rc;

    if (!known_address(url, &known)) {
        rc = connect_name(link, url, deadline_ns, err);
    } else {
        rc = connect_address(link, (const struct sockaddr *)&known, sizeof(known), deadline_ns,
                             err);
        if (rc < 0 && is_localhost(url)) {
            link_close(link);
            rc = connect_name(link, url, deadline_ns, err); /* it may be ::1 */
        }
    }
    if (rc == BLOCKDB_OK && url->is_https) {
        rc = secure_session_new(link->net.secure, url->host, is_address(url), &link->session, err);
    }
    if (rc == BLOCKDB_OK && url->is_https) {
        rc = shake_hands(link, deadline_ns, err);
    }
    return rc;
}

int link_open(struct link *link, const struct link_net *net, const struct url *url,
              uint64_t deadline_ns, struct error *err)
{
    struct error own;
    struct error *to = err != NULL ? err : &own;
    int rc;

    *link = (struct link){.net = *net, .fd = -1};
    rc = open_all(link, url, deadline_ns, to);
    if (rc < 0) {
        link_close(link);
        return error_wrap(to, rc, url->is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u",
                          url->is_https ? "https" : "http", url->host, (unsigned)url->port);
    }
    return rc;
}

void link_close(struct link *link)
{
    if (link->session != NULL) {
        secure_session_free(link->session);
        link->session = NULL;
    }
    if (link->fd >= 0) {
        link->net.sockets->close(link->net.sockets, link->fd);
        link->fd = -1;
    }
}

bool link_is_fresh(const struct link *link)
{
    /* Anything to be received now is a goodbye, or was not asked for. With TLS it may be a harmless
     * session ticket; then a new connection costs a little more. */
    return link->fd >= 0 && link->net.sockets->is_quiet(link->net.sockets, link->fd);
}

int link_send(struct link *link, struct slice head, struct slice body, uint64_t deadline_ns,
              struct error *err)
{
    int rc;

    if (link->session == NULL) {
        return plain_send(link, head, body, deadline_ns, err);
    }
    rc = secure_write(link->session, head, err);
    if (rc == BLOCKDB_OK) {
        rc = secure_write(link->session, body, err);
    }
    return rc < 0 ? rc : secure_flush(link, deadline_ns, err);
}

int link_receive(struct link *link, void *out, size_t len, size_t *out_len, uint64_t deadline_ns,
                 struct error *err)
{
    return link->session != NULL ? tls_receive(link, out, len, out_len, deadline_ns, err)
                                 : plain_receive(link, out, len, out_len, deadline_ns, err);
}
