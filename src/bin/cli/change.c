/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/change.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "bin/cli/input.h"
#include "shim/json.h"

#include <inttypes.h>

#define DEPTH_MAX 64

struct change_parser {
    struct json *json;
    struct buf key;   /* decoded, or the text of a number */
    struct buf value; /* decoded */
};

/* The members of a change while they are collected. */
struct members {
    struct json_value key, value, type, encoding, if_absent, redacted;
    bool has_key, has_value, has_type, has_encoding, has_if_absent, has_redacted;
};

struct change_parser *change_parser_new(void)
{
    struct change_parser *parser = mem_calloc(1, sizeof(*parser));

    if (parser == NULL) {
        return NULL;
    }
    parser->json = json_new(DEPTH_MAX, INPUT_WINDOW_MAX);
    if (parser->json == NULL) {
        mem_free(parser);
        return NULL;
    }
    return parser;
}

void change_parser_free(struct change_parser *parser)
{
    if (parser != NULL) {
        json_free(parser->json);
        buf_deinit(&parser->key);
        buf_deinit(&parser->value);
        mem_free(parser);
    }
}

void change_parser_free_ptr(struct change_parser **parser)
{
    change_parser_free(*parser);
}

static int member_unknown(struct slice name, struct error *err)
{
    static const char *const names[] = {"type", "key",  "value",     "encoding",
                                        "seq",  "time", "if_absent", "redacted"};
    char text[64] = "";
    size_t len = name.len < sizeof(text) ? name.len : sizeof(text) - 1;
    const char *nearest;

    memcpy(text, name.data, len);
    nearest = text_nearest(text, names, sizeof(names) / sizeof(names[0]));
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown member \"%s\": did you mean \"%s\"?", text,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown member \"%s\": to store objects as values, use import --key-field",
                     text);
}

static bool is_named(struct slice name, const char *text)
{
    return slice_equal(name, slice_of_text(text));
}

static int members_collect(struct json_value root, struct members *m, struct error *err)
{
    struct json_cursor cursor = json_walk(root);
    struct json_value value;
    struct slice name;

    while (json_next(&cursor, &name, &value)) {
        if (is_named(name, "key")) {
            m->key = value;
            m->has_key = true;
        } else if (is_named(name, "value")) {
            m->value = value;
            m->has_value = true;
        } else if (is_named(name, "type")) {
            m->type = value;
            m->has_type = true;
        } else if (is_named(name, "encoding")) {
            m->encoding = value;
            m->has_encoding = true;
        } else if (is_named(name, "if_absent")) {
            m->if_absent = value;
            m->has_if_absent = true;
        } else if (is_named(name, "redacted")) {
            m->redacted = value;
            m->has_redacted = true;
        } else if (!is_named(name, "seq") && !is_named(name, "time")) {
            return member_unknown(name, err);
        }
    }
    return BLOCKDB_OK;
}

static int text_of(struct json_value value, const char *name, struct slice *out, struct error *err)
{
    if (!json_text(value, out)) {
        return error_set(err, BLOCKDB_EINVAL, "\"%s\" must be a string, not %s", name,
                         json_type_name(json_type_of(value)));
    }
    return BLOCKDB_OK;
}

static int type_parse(const struct members *m, struct change *out, struct error *err)
{
    struct slice type = slice_of_text("put");
    bool redacted = false;

    if (m->has_type && text_of(m->type, "type", &type, err) < 0) {
        return BLOCKDB_EINVAL;
    }
    if (!is_named(type, "put") && !is_named(type, "delete")) {
        return error_set(err, BLOCKDB_EINVAL, "\"type\" must be \"put\" or \"delete\"");
    }
    out->type = is_named(type, "put") ? CHANGE_PUT : CHANGE_DELETE;
    if (m->has_redacted && !json_boolean(m->redacted, &redacted)) {
        return error_set(err, BLOCKDB_EINVAL, "\"redacted\" must be true or false");
    }
    if (redacted && (out->type == CHANGE_DELETE || m->has_value || m->has_if_absent)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "what is \"redacted\" is a put without \"value\" and \"if_absent\"");
    }
    if (redacted) {
        out->type = CHANGE_REDACTED;
        return BLOCKDB_OK;
    }
    if (out->type == CHANGE_PUT && !m->has_value) {
        return error_set(err, BLOCKDB_EINVAL, "a put needs a \"value\"");
    }
    if (out->type == CHANGE_DELETE && (m->has_value || m->has_if_absent)) {
        return error_set(err, BLOCKDB_EINVAL, "a delete has no \"value\" and no \"if_absent\"");
    }
    if (m->has_if_absent && !json_boolean(m->if_absent, &out->if_absent)) {
        return error_set(err, BLOCKDB_EINVAL, "\"if_absent\" must be true or false");
    }
    return BLOCKDB_OK;
}

static int encoding_parse(const struct members *m, bool *out_base64, struct error *err)
{
    struct slice encoding = slice_of_text("utf8");

    if (m->has_encoding && text_of(m->encoding, "encoding", &encoding, err) < 0) {
        return BLOCKDB_EINVAL;
    }
    *out_base64 = is_named(encoding, "base64");
    if (!*out_base64 && !is_named(encoding, "utf8")) {
        return error_set(err, BLOCKDB_EINVAL, "\"encoding\" must be \"utf8\" or \"base64\"");
    }
    return BLOCKDB_OK;
}

static int decode(struct buf *to, struct slice *text, const char *name, struct error *err)
{
    int rc;

    buf_reset(to);
    rc = base64_parse(to, *text);
    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    if (rc < 0) {
        return error_set(err, BLOCKDB_EINVAL, "\"%s\" is not base64", name);
    }
    *text = buf_slice(to);
    return BLOCKDB_OK;
}

int change_decode(struct change_parser *parser, struct change *change, struct error *err)
{
    int rc = decode(&parser->key, &change->key, "key", err);

    if (rc == BLOCKDB_OK && change->type == CHANGE_PUT) {
        rc = decode(&parser->value, &change->value, "value", err);
    }
    return rc;
}

static int object_parse(struct change_parser *parser, struct slice line,
                        struct json_value *out_root, struct error *err)
{
    int rc = json_parse(parser->json, line, out_root, err);

    if (rc < 0) {
        return rc;
    }
    if (json_type_of(*out_root) != JSON_OBJECT) {
        return error_set(err, BLOCKDB_EINVAL, "a line must hold an object, not %s",
                         json_type_name(json_type_of(*out_root)));
    }
    return BLOCKDB_OK;
}

int change_parse(struct change_parser *parser, struct slice line, struct change *out,
                 struct error *err)
{
    struct members m = {0};
    struct change change = {0};
    struct json_value root;
    bool is_base64 = false;
    int rc = object_parse(parser, line, &root, err);

    if (rc == BLOCKDB_OK) {
        rc = members_collect(root, &m, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = m.has_key ? text_of(m.key, "key", &change.key, err)
                       : error_set(err, BLOCKDB_EINVAL, "the \"key\" is missing");
    }
    if (rc == BLOCKDB_OK) {
        rc = type_parse(&m, &change, err);
    }
    if (rc == BLOCKDB_OK && m.has_value) {
        rc = text_of(m.value, "value", &change.value, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = encoding_parse(&m, &is_base64, err);
    }
    if (rc == BLOCKDB_OK && is_base64) {
        rc = change_decode(parser, &change, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = change;
    }
    return rc;
}

int change_parse_object(struct change_parser *parser, struct slice line, const char *key_field,
                        struct change *out, struct error *err)
{
    struct json_value root;
    struct json_value key;
    struct slice text;
    uint64_t number;
    int rc = object_parse(parser, line, &root, err);

    if (rc < 0) {
        return rc;
    }
    if (!json_member(root, key_field, &key)) {
        return error_set(err, BLOCKDB_EINVAL, "the object has no member \"%.64s\"", key_field);
    }
    if (json_u64(key, &number)) {
        buf_reset(&parser->key);
        if (buf_appendf(&parser->key, "%" PRIu64, number) < 0) {
            return error_set_no_memory(err);
        }
        text = buf_slice(&parser->key);
    } else if (!json_text(key, &text)) {
        return error_set(err, BLOCKDB_EINVAL, "\"%.64s\" must be a string or whole number, not %s",
                         key_field, json_type_name(json_type_of(key)));
    }
    *out = (struct change){.type = CHANGE_PUT, .key = text, .value = line};
    return BLOCKDB_OK;
}
