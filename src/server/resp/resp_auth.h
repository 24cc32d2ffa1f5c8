/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a client of the Redis protocol is: AUTH and HELLO ... AUTH, and whether that still holds.
 *
 * A password is verified on a thread of auth.h; the session is busy meanwhile.
 *
 * Threads:   the loop's thread.
 * Ownership: an attempt references its session.
 */
#pragma once

#include "server/resp/resp_run.h"

struct resp_session;

/* What HELLO asks for, once the client is let in. */
struct resp_hello {
    unsigned version;  /* 0: as it is */
    struct slice name; /* of the client; data NULL: as it is */
};

/* A new connection, or one that was reset: gives it the principal of who shows nothing. */
void resp_auth_nothing(struct resp_session *s);
/* Takes over what has become of the session's user since. */
void resp_auth_renew(struct resp_session *s);
/* Tries a name and a password, answers now or later; hello NULL: the answer is OK. */
void resp_auth_try(struct resp_run *r, struct slice name, struct slice password,
                   const struct resp_hello *hello);
/* Does what HELLO asks for and answers with what the server is; ELIMIT, ENOMEM: nothing was done,
 * and the answer is the error. */
void resp_hello_reply(struct resp_session *s, struct resp_writer *out,
                      const struct resp_hello *hello);
