/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a redaction: one version, or a list of versions, with one reason.
 *
 * Threads:   caller locks.
 * Ownership: borrows the body and the arena of its request.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "server/routes/json_request.h"

#include <blockdb/evidence.h>

struct redact_body {
    /* The members, as they were read. */
    struct slice key;
    struct slice encoding;
    struct slice reason;
    struct slice authority;
    uint64_t seq;
    uint64_t reason_code;
    /* What they mean. Texts end in zero; NULL when they were not given. */
    const char *reason_text;
    const char *authority_text;
    struct blockdb_redact_target *targets; /* in the arena; at least one */
    size_t target_count;
    size_t target_cap;
};

/* Reads the body of a request. EINVAL, ELIMIT (more than BLOCKDB_REDACT_MAX versions), ENOMEM. */
RESULT_MUST_BE_USED int redact_body_read(struct json_request *q, struct redact_body *out);
