/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for connections: a context from files, and a transport whose sessions use it.
 *
 * A context is made anew when the certificates are loaded again; sessions keep the one they began
 * with.
 *
 * TLS-1  TLS 1.2 is the oldest version; only suites with forward secrecy and authentication of the
 *        data are offered. No renegotiation, no compression, no early data.
 * TLS-2  Nothing blocks: sessions work on non-blocking sockets and say what they wait for.
 *
 * Threads:   contexts any thread; a session the thread of its loop.
 * Ownership: a context is counted; a session holds a reference to its own.
 */
#pragma once

#include "base/error.h"
#include "server/transport.h"

#include <stdint.h>

struct os;
struct tls;

enum tls_client_auth {
    TLS_CLIENT_NONE,     /* no certificate is asked for */
    TLS_CLIENT_OPTIONAL, /* asked for; one that is sent must be valid */
    TLS_CLIENT_REQUIRED,
};

struct tls_options {
    struct os *os;
    const char *cert_path; /* PEM: the certificate, then those between it and the root */
    const char *key_path;  /* PEM, not encrypted; must not be readable by others */
    const char *ca_path;   /* PEM: who signs clients' certificates; "" with TLS_CLIENT_NONE */
    enum tls_client_auth client_auth;
};

/* Loads certificates. Messages name the files: ENOTFOUND, EDENIED (others can read the key), EINVAL
 * (no certificate, not its key, ca missing), EIO, ENOMEM. One that has expired is loaded: most
 * clients refuse it, and whoever loads it warns. */
RESULT_MUST_BE_USED int tls_new(const struct tls_options *options, struct tls **out,
                                struct error *err);
struct tls *tls_ref(struct tls *tls);
/* NULL is fine. */
void tls_unref(struct tls *tls);
/* When the certificate ends, in seconds since 1970. */
int64_t tls_expires(const struct tls *tls);

/* Sessions of TLS, for connections; the context of start() is a struct tls. */
extern const struct transport tls_transport;

/* Why the last operation on this thread failed, for logs; valid until the next one. */
const char *tls_last_error(void);
