/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction: erases the value of one version. */
#include "server/routes/json_reply.h"
#include "server/routes/json_request.h"
#include "server/routes/routes_priv.h"

#include <blockdb/evidence.h>
#include <stddef.h>

#define REASON_CODE_MAX 5

struct redact_request {
    struct slice key;
    struct slice encoding;
    struct slice reason;
    struct slice authority;
    uint64_t seq;
    uint64_t reason_code;
};

static const struct json_field redact_fields[] = {
    {.name = "key",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct redact_request, key),
     .is_required = true},
    {.name = "encoding",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct redact_request, encoding)},
    {.name = "seq",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct redact_request, seq),
     .max = BLOCKDB_SEQ_NONE - 1,
     .is_required = true},
    {.name = "reason", .type = JSON_FIELD_TEXT, .offset = offsetof(struct redact_request, reason)},
    {.name = "reason_code",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct redact_request, reason_code),
     .max = REASON_CODE_MAX},
    {.name = "authority",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct redact_request, authority)},
};

/* text with a zero at its end, in the arena; NULL for an empty one. */
static int terminate(struct exchange *x, struct slice text, const char *name, const char **out,
                     struct error *err)
{
    char *copy;

    *out = NULL;
    if (text.len == 0) {
        return BLOCKDB_OK;
    }
    if (memchr(text.data, '\0', text.len) != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "member '%s' must not contain a zero", name);
    }
    copy = arena_alloc(exchange_arena(x), text.len + 1);
    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *out = copy;
    return BLOCKDB_OK;
}

static int redact_read(struct exchange *x, struct redact_request *out, struct error *err)
{
    struct json_request q;
    bool is_base64;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), err);
    rc = json_request_read(&q, redact_fields, sizeof(redact_fields) / sizeof(redact_fields[0]), out,
                           NULL);
    if (rc == BLOCKDB_OK) {
        rc = json_request_encoding(&q, out->encoding, &is_base64);
    }
    if (rc == BLOCKDB_OK && is_base64) {
        rc = json_request_base64(&q, "key", &out->key);
    }
    if (rc == BLOCKDB_OK && !principal_may_key(exchange_principal(x), RIGHT_ADMIN, out->key)) {
        rc = principal_deny(exchange_principal(x), RIGHT_ADMIN, out->key, err);
    }
    return rc;
}

static int redact_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    const struct redact_request *request = exchange_state(x);
    struct blockdb_redact_options options = BLOCKDB_REDACT_OPTIONS_INIT;
    char body[REPLY_OUTCOME_BYTES];
    struct blockdb_write_result written;
    int rc = terminate(x, request->reason, "reason", &options.reason, err);

    if (rc == BLOCKDB_OK) {
        rc = terminate(x, request->authority, "authority", &options.authority, err);
    }
    options.reason_code = (unsigned)request->reason_code;
    if (rc == BLOCKDB_OK) {
        rc = blockdb_redact(db, request->key.data, request->key.len, request->seq, &options,
                            &written, err);
    }
    if (rc < 0) {
        return rc;
    }
    reply_outcome_format(body, &written);
    rc = buf_append(exchange_out(x), body, sizeof(body));
    return rc < 0 ? error_set_no_memory(err) : rc;
}

void route_redact(struct exchange *x)
{
    struct redact_request *request = exchange_state_new(x, sizeof(*request));
    struct error err;
    int rc;

    if (request == NULL) {
        exchange_error(x, error_set_no_memory(&err), &err);
        return;
    }
    rc = redact_read(x, request, &err);
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_LONG, redact_run);
}
