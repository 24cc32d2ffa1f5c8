/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for connections: a context from files, and one session for each connection.
 *
 * A context is made anew when the certificates are loaded again; sessions keep the one they began
 * with.
 *
 * TLS-1  TLS 1.2 is the oldest version; only suites with forward secrecy and authentication of the
 *        data are offered. No renegotiation, no compression, no early data.
 * TLS-2  Nothing blocks: sessions work on non-blocking sockets and say what they wait for.
 *
 * Threads:   contexts any thread; a session the thread of its loop.
 * Ownership: a context is counted; a session holds a reference to its context.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct tls;
struct tls_session;

enum tls_client_auth {
    TLS_CLIENT_NONE,     /* no certificate is asked for */
    TLS_CLIENT_OPTIONAL, /* asked for; one that is sent must be valid */
    TLS_CLIENT_REQUIRED,
};

struct tls_options {
    const char *cert_path; /* PEM: the certificate, then those between it and the root */
    const char *key_path;  /* PEM, not encrypted; must not be readable by others */
    const char *ca_path;   /* PEM: who signs clients' certificates; "" with TLS_CLIENT_NONE */
    enum tls_client_auth client_auth;
};

/* Loads certificates. Messages name the file: ENOTFOUND, EDENIED, EINVAL (no certificate, key does
 * not match, expired, ca missing), EIO, ENOMEM. */
RESULT_MUST_BE_USED int tls_new(const struct tls_options *options, struct tls **out,
                                struct error *err);
struct tls *tls_ref(struct tls *tls);
/* NULL is fine. */
void tls_unref(struct tls *tls);
/* When the certificate ends, in seconds since 1970. */
int64_t tls_expires(const struct tls *tls);

/* What came of an operation on a session. */
enum tls_result {
    TLS_OK,
    TLS_WANT_READ,  /* again, when the socket is readable */
    TLS_WANT_WRITE, /* again, when the socket is writable */
    TLS_END,        /* the peer closed its side properly */
    TLS_FAILED,     /* the session is over */
};

/* A session as server on a connected, non-blocking socket, which it borrows. ENOMEM. */
RESULT_MUST_BE_USED int tls_session_new(struct tls *tls, int fd, struct tls_session **out);
/* NULL is fine. Does not send anything. */
void tls_session_free(struct tls_session *s);
enum tls_result tls_handshake(struct tls_session *s);
enum tls_result tls_read(struct tls_session *s, void *out, size_t cap, size_t *out_len);
/* Writes a part of data; repeat with the rest, or the same, until all is written. */
enum tls_result tls_write(struct tls_session *s, struct slice data, size_t *out_len);
/* Says goodbye to the peer, as far as that goes without waiting. */
void tls_close(struct tls_session *s);
/* Whether bytes wait in the session that the socket will not announce. */
bool tls_has_pending(const struct tls_session *s);
/* After the handshake: the subject, names and common name of the client's verified certificate;
 * NULL where there is none. Freed by the caller with mem_free(). ENOMEM. */
RESULT_MUST_BE_USED int tls_peer(const struct tls_session *s, char **out_subject, char **out_san,
                                 char **out_name);
/* Why the last operation failed, for logs: static or valid until the next call on this thread. */
const char *tls_last_error(void);
