/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a redaction.
 *
 * Threads:   caller locks.
 * Ownership: borrows the body and the arena of its request.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "server/routes/json_request.h"

struct redact_body {
    struct slice key;
    struct slice encoding;
    struct slice reason;
    struct slice authority;
    uint64_t seq;
    uint64_t reason_code;
    /* Ending in zero; NULL when they were not given. */
    const char *reason_text;
    const char *authority_text;
};

/* EINVAL, ENOMEM. */
RESULT_MUST_BE_USED int redact_body_read(struct json_request *q, struct redact_body *out);
