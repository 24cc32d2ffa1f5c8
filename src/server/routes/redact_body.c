/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/redact_body.h"

#include <blockdb/blockdb.h>
#include <stddef.h>

#define REASON_CODE_MAX 5
#define TARGETS_FIRST 4 /* room for so many at first */
#define BIT(n) (1u << (n))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Versions ------------------------------------------------------------------------------ */

static int add_target(struct json_request *q, struct redact_body *body, struct slice key,
                      uint64_t seq)
{
    if (body->target_count == BLOCKDB_REDACT_MAX) {
        return error_set(q->err, BLOCKDB_ELIMIT,
                         "member 'versions' has more than %d: send the others in a request of "
                         "their own",
                         BLOCKDB_REDACT_MAX);
    }
    if (body->target_count == body->target_cap) {
        size_t cap = body->target_cap == 0 ? TARGETS_FIRST : 2 * body->target_cap;
        struct blockdb_redact_target *grown = arena_alloc(q->arena, cap * sizeof(*grown));

        if (grown == NULL) {
            return error_set_no_memory(q->err);
        }
        if (body->target_count > 0) {
            memcpy(grown, body->targets, body->target_count * sizeof(*grown));
        }
        body->targets = grown;
        body->target_cap = cap;
    }
    body->targets[body->target_count++] = (struct blockdb_redact_target){
        .key = key.data, .key_len = key.len, .seq = seq};
    return BLOCKDB_OK;
}

/* Adds the version that key, encoding and seq name. */
static int take_target(struct json_request *q, struct redact_body *body, struct slice key,
                       struct slice encoding, uint64_t seq)
{
    bool is_base64;
    int rc = json_request_encoding(q, encoding, &is_base64);

    if (rc == BLOCKDB_OK && is_base64) {
        rc = json_request_base64(q, "key", &key);
    }
    return rc < 0 ? rc : add_target(q, body, key, seq);
}

struct version_members {
    struct slice key;
    struct slice encoding;
    uint64_t seq;
};

static const struct json_field version_fields[] = {
    {.name = "key",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct version_members, key),
     .is_required = true},
    {.name = "encoding",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct version_members, encoding)},
    {.name = "seq",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct version_members, seq),
     .max = BLOCKDB_SEQ_NONE - 1,
     .is_required = true},
};

static int read_version(struct json_request *q, void *out)
{
    struct version_members m = {.seq = 0};
    int rc = json_request_object(q, version_fields, COUNT(version_fields), &m, NULL);

    return rc < 0 ? rc : take_target(q, out, m.key, m.encoding, m.seq);
}

/* ---- The body ------------------------------------------------------------------------------ */

enum { KEY, ENCODING, SEQ, VERSIONS, REASON, REASON_CODE, AUTHORITY };
static const struct json_field redact_fields[] = {
    [KEY] = {.name = "key", .type = JSON_FIELD_TEXT, .offset = offsetof(struct redact_body, key)},
    [ENCODING] = {.name = "encoding",
                  .type = JSON_FIELD_TEXT,
                  .offset = offsetof(struct redact_body, encoding)},
    [SEQ] = {.name = "seq",
             .type = JSON_FIELD_U64,
             .offset = offsetof(struct redact_body, seq),
             .max = BLOCKDB_SEQ_NONE - 1},
    [VERSIONS] = {.name = "versions",
                  .type = JSON_FIELD_LIST,
                  .item = read_version,
                  .item_name = "version"},
    [REASON] = {.name = "reason",
                .type = JSON_FIELD_TEXT,
                .offset = offsetof(struct redact_body, reason)},
    [REASON_CODE] = {.name = "reason_code",
                     .type = JSON_FIELD_U64,
                     .offset = offsetof(struct redact_body, reason_code),
                     .max = REASON_CODE_MAX},
    [AUTHORITY] = {.name = "authority",
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

/* One version by key and seq, or many by versions. */
static int check_versions(struct json_request *q, struct redact_body *body, uint32_t seen)
{
    if ((seen & BIT(VERSIONS)) == 0) {
        if ((seen & BIT(KEY)) == 0 || (seen & BIT(SEQ)) == 0) {
            return json_request_refuse(q, "member '%s' is missing",
                                       (seen & BIT(KEY)) == 0 ? "key" : "seq");
        }
        return take_target(q, body, body->key, body->encoding, body->seq);
    }
    if ((seen & (BIT(KEY) | BIT(ENCODING) | BIT(SEQ))) != 0) {
        return json_request_refuse(q, "members 'key', 'encoding' and 'seq' belong into the items "
                                      "of 'versions' when that is given");
    }
    return body->target_count > 0 ? BLOCKDB_OK
                                  : json_request_refuse(q, "member 'versions' is empty");
}

int redact_body_read(struct json_request *q, struct redact_body *out)
{
    uint32_t seen;
    int rc = json_request_read(q, redact_fields, COUNT(redact_fields), out, &seen);

    if (rc == BLOCKDB_OK) {
        rc = check_versions(q, out, seen);
    }
    if (rc == BLOCKDB_OK) {
        rc = terminate(q, out->reason, "reason", &out->reason_text);
    }
    return rc < 0 ? rc : terminate(q, out->authority, "authority", &out->authority_text);
}
