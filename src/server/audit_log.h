/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit log: who administered what, who was refused, and what failed to authenticate.
 *
 * One event is one line, through a logger: of a file of its own, or the main log with the area
 * "audit". Text: `action=user.add outcome=ok who=ann from=127.0.0.1 target=user/bob request=...`;
 * values with anything but letters, digits and ._@:/- are quoted. Failed logins are many when
 * somebody attacks: beyond AUDIT_REFUSALS_PER_SECOND they are counted, and the count is
 * written, so that the log cannot be made to fill the disk.
 *
 * AUDIT-1  No event carries a secret: callers name users, tokens' ids, keys' names and codes.
 * AUDIT-2  A line that cannot be written is told to the main log once, and counted.
 *
 * Threads:   any thread.
 * Ownership: copies the path; borrows os and logger.
 */
#pragma once

#include "base/error.h"
#include "base/logger.h"

#include <stdbool.h>
#include <stdint.h>

struct audit_log;
struct os;

#define AUDIT_REFUSALS_PER_SECOND 100

enum audit_outcome {
    AUDIT_OK,
    AUDIT_REFUSED, /* by rights, limits or credentials */
    AUDIT_FAILED,  /* tried, and it went wrong */
};

/* All texts are borrowed; NULL: left out. */
struct audit_event {
    const char *action; /* "login", "user.add", "token.revoke", "config.reload", "request" ... */
    enum audit_outcome outcome;
    const char *who;     /* name of the principal, or the name that was tried */
    const char *address; /* of the client */
    const char *target;  /* what it was about: "user/bob", "GET /api/v1/users" */
    const char *reason;  /* why it was refused or failed; what was changed */
    const char *request; /* id of the request */
};

/* path "": the events go to main, with the area "audit"; else to that file, which is made with mode
 * 0600 when it is missing and only ever appended to. Errors of opening it, ENOMEM. */
RESULT_MUST_BE_USED int audit_log_new(struct os *os, const char *path, struct logger *main,
                                      struct audit_log **out, struct error *err);
/* NULL does nothing. */
void audit_log_free(struct audit_log *log);
void audit_log_free_ptr(struct audit_log **log);

/* Writes an event; a NULL log drops it. */
void audit_write(struct audit_log *log, const struct audit_event *event);
/* Opens the file anew, after it was renamed. On failure the old one is written on. */
RESULT_MUST_BE_USED int audit_log_reopen(struct audit_log *log, struct error *err);
/* Lines that could not be written. */
uint64_t audit_log_lost(const struct audit_log *log);
