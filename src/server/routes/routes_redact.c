/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction: erases the values of one version or of many. */
#include "server/routes/json_reply.h"
#include "server/routes/redact_body.h"
#include "server/routes/routes_priv.h"

#include <blockdb/evidence.h>

static struct blockdb_redact_options redact_options(const struct redact_body *body)
{
    struct blockdb_redact_options options = BLOCKDB_REDACT_OPTIONS_INIT;

    options.reason_code = (unsigned)body->reason_code;
    options.reason = body->reason_text;
    options.authority = body->authority_text;
    return options;
}

static int redact_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    const struct redact_body *body = exchange_state(x);
    struct blockdb_redact_options options = redact_options(body);
    struct blockdb_write_result written;
    char text[REPLY_OUTCOME_BYTES];
    int rc;

    rc = blockdb_redact_many(db, body->targets, body->target_count, &options, &written, err);
    if (rc < 0) {
        return rc;
    }
    reply_outcome_format(text, &written);
    return buf_append(exchange_out(x), text, sizeof(text)) < 0 ? error_set_no_memory(err)
                                                               : BLOCKDB_OK;
}

/* ROUTES-1, of all keys: one that is refused refuses the request. */
static int check_rights(const struct principal *who, const struct redact_body *body,
                        struct error *err)
{
    size_t i;

    for (i = 0; i < body->target_count; i++) {
        struct slice key = slice_of(body->targets[i].key, body->targets[i].key_len);

        if (!principal_may_key(who, RIGHT_ADMIN, key)) {
            return principal_deny(who, RIGHT_ADMIN, key, err);
        }
    }
    return BLOCKDB_OK;
}

static void redact_as_job(struct exchange *x, const struct redact_body *body)
{
    struct job_order order = {
        .kind = JOB_REDACT,
        .redact = redact_options(body),
        .targets = body->targets,
        .target_count = body->target_count,
    };

    routes_start_job(x, &order);
}

void route_redact(struct exchange *x)
{
    struct redact_body *body = exchange_state_new(x, sizeof(*body));
    struct json_request q;
    struct error err;
    bool as_job = false;
    int rc;

    if (body == NULL) {
        exchange_error(x, error_set_no_memory(&err), &err);
        return;
    }
    json_request_init(&q, exchange_body(x), exchange_arena(x), &err);
    rc = redact_body_read(&q, body);
    if (rc == BLOCKDB_OK) {
        rc = check_rights(exchange_principal(x), body, &err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "job", &as_job, &err);
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
    } else if (as_job) {
        redact_as_job(x, body);
    } else {
        exchange_run(x, POOL_LONG, redact_run);
    }
}
