/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals: what a server's answer other than 2xx means as a status of ours.
 *
 * Format:    docs/operate/http.md, "Errors"
 * Threads:   immutable.
 * Ownership: borrows the answer.
 */
#pragma once

#include "client/answer.h"

/* The code for an answer, and its message in *err (may be NULL). url is the server's, for the
 * message. ENOMEM: it could not be read. Never 0. */
RESULT_MUST_BE_USED int refusal_of(const struct answer *answer, const char *url, struct error *err);
/* Whether the server may answer otherwise soon. */
bool refusal_is_for_now(const struct answer *answer);
/* Whether such an answer says that nothing was done: not so when somebody between us gave up
 * waiting, or the server did. */
bool refusal_is_undone(const struct answer *answer);
/* Whether it names another node that should be asked. */
bool refusal_is_elsewhere(const struct answer *answer);
