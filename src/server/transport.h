/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between a connection and its socket, when that is more than recv() and send().
 *
 * Connections know transports by this table only, so that programs which serve without TLS need not
 * link it.
 *
 * Threads:   a session the thread of its connection.
 * Ownership: a session borrows its socket.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What came of an operation. */
enum transport_result {
    TRANSPORT_OK,
    TRANSPORT_WANT_READ,  /* again, when the socket is readable */
    TRANSPORT_WANT_WRITE, /* again, when the socket is writable */
    TRANSPORT_END,        /* the peer has closed its side properly */
    TRANSPORT_FAILED,     /* the session is over */
};

/* Who the peer has proved to be; texts are freed by who asked, NULL where there is none. */
struct transport_peer {
    char *subject; /* "CN=ann,O=x" */
    char *san;     /* "DNS:a,email:b,URI:c" */
    char *name;    /* the common name */
};

struct transport {
    /* A session on a connected, non-blocking socket. ENOMEM. */
    int (*start)(void *context, int fd, void **out_session);
    enum transport_result (*handshake)(void *session);
    enum transport_result (*read)(void *session, void *out, size_t cap, size_t *out_len);
    /* Writes a part of data; repeat with the rest, or the same, until all is written. */
    enum transport_result (*write)(void *session, struct slice data, size_t *out_len);
    /* Whether bytes wait in the session that the socket will not announce. */
    bool (*has_pending)(const void *session);
    /* After the handshake. ENOMEM. */
    int (*peer)(const void *session, struct transport_peer *out);
    /* Says goodbye, as far as that goes without waiting. */
    void (*shutdown)(void *session);
    void (*free)(void *session);
};
