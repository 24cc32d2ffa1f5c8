/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/redact_body.h"

#include <blockdb/blockdb.h>
#include <stddef.h>

#define REASON_CODE_MAX 5

static const struct json_field redact_fields[] = {
    {.name = "key",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct redact_body, key),
     .is_required = true},
    {.name = "encoding", .type = JSON_FIELD_TEXT, .offset = offsetof(struct redact_body, encoding)},
    {.name = "seq",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct redact_body, seq),
     .max = BLOCKDB_SEQ_NONE - 1,
     .is_required = true},
    {.name = "reason", .type = JSON_FIELD_TEXT, .offset = offsetof(struct redact_body, reason)},
    {.name = "reason_code",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct redact_body, reason_code),
     .max = REASON_CODE_MAX},
    {.name = "authority",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct redact_body, authority)},
};

/* text with a zero at its end, in the arena; NULL for an empty one. */
static int terminate(const struct json_request *q, struct slice text, const char *name,
                     const char **out)
{
    char *copy;

    *out = NULL;
    if (text.len == 0) {
        return BLOCKDB_OK;
    }
    if (memchr(text.data, '\0', text.len) != NULL) {
        return json_request_refuse(q, "member '%s' must not contain a zero", name);
    }
    copy = arena_alloc(q->arena, text.len + 1);
    if (copy == NULL) {
        return error_set_no_memory(q->err);
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *out = copy;
    return BLOCKDB_OK;
}

int redact_body_read(struct json_request *q, struct redact_body *out)
{
    bool is_base64;
    int rc = json_request_read(q, redact_fields, sizeof(redact_fields) / sizeof(redact_fields[0]),
                               out, NULL);

    if (rc == BLOCKDB_OK) {
        rc = json_request_encoding(q, out->encoding, &is_base64);
    }
    if (rc == BLOCKDB_OK && is_base64) {
        rc = json_request_base64(q, "key", &out->key);
    }
    if (rc == BLOCKDB_OK) {
        rc = terminate(q, out->reason, "reason", &out->reason_text);
    }
    return rc < 0 ? rc : terminate(q, out->authority, "authority", &out->authority_text);
}
