/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: who a client says that it is, as the header line Authorization.
 *
 * CRED-1  Memory that held a secret is wiped before it is freed; no message has one in it.
 *
 * Threads:   any thread.
 * Ownership: borrows options for the call.
 */
#pragma once

#include "base/bytes.h"

struct blockdb_client_options;
struct os;

/* Replaces an empty *out by the line with its end and a zero behind it, from the token, or the user
 * and password, of options or the files that they name; *out stays empty without any. EINVAL: both,
 * or a text that no header can have; EDENIED: others may read such a file; EIO: it cannot be read.
 * ENOMEM. The caller frees *out with client_secret_deinit(). */
RESULT_MUST_BE_USED int client_credentials_line(const struct blockdb_client_options *options,
                                                struct os *os, struct buf *out, struct error *err);
/* EINVAL unless a text can be the value of a header: not empty, no control characters. */
RESULT_MUST_BE_USED int client_check_line(struct slice text, const char *what, struct error *err);
/* Wipes before it frees. */
void client_secret_deinit(struct buf *b);
