/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for connections: OpenSSL's libssl, loaded when the first https URL is used.
 *
 * Sessions work on memory: what they want sent or need received is the link's affair (link.h), so
 * deadlines, and signals that a broken pipe would raise, are dealt with in one place.
 *
 * SECURE-1  TLS 1.2 or newer; the certificate must be valid for the host of the URL, unless the
 *           options say `insecure`.
 *
 * Threads:   a context may be used by any number of threads; a session by one at a time.
 * Ownership: a context copies options; a session keeps its context alive by itself.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

struct secure_options {
    const char *ca_file;   /* NULL: the system's */
    const char *cert_file; /* NULL: none of our own */
    const char *key_file;  /* NULL: in cert_file */
    bool insecure;
};

struct secure;         /* a context */
struct secure_session; /* of one connection */

/* EUNSUPPORTED: libssl is not installed (the message names the package). EINVAL: a file cannot be
 * read or holds no certificate or key; the message names it. ENOMEM. */
RESULT_MUST_BE_USED int secure_new(const struct secure_options *options, struct secure **out,
                                   struct error *err);
void secure_free(struct secure *s);

/* Begins a session with a server of that name or address. */
RESULT_MUST_BE_USED int secure_session_new(struct secure *s, const char *host, bool is_address,
                                           struct secure_session **out, struct error *err);
void secure_session_free(struct secure_session *session);

enum secure_want {
    SECURE_DONE,    /* the step is complete */
    SECURE_RECEIVE, /* bytes from the server are needed; send first what is pending */
    SECURE_ENDED,   /* the server ended the session properly */
};

/* Each returns 0 with what it wants, or EIO: the server speaks no TLS, or its certificate is not
 * valid; the message says why. After each, what is pending must be sent. */
RESULT_MUST_BE_USED int secure_handshake(struct secure_session *session, enum secure_want *out_want,
                                         struct error *err);
RESULT_MUST_BE_USED int secure_read(struct secure_session *session, void *out, size_t len,
                                    size_t *out_len, enum secure_want *out_want, struct error *err);
RESULT_MUST_BE_USED int secure_write(struct secure_session *session, struct slice bytes,
                                     struct error *err);

/* Moves at most cap bytes that must be sent to out; how many. */
size_t secure_pending(struct secure_session *session, void *out, size_t cap);
/* Takes bytes that were received. ENOMEM. */
RESULT_MUST_BE_USED int secure_feed(struct secure_session *session, const void *data, size_t len);
