/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/json_request.h"

#include "base/base64.h"
#include "base/suggest.h"
#include "base/text.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_TEXT_MAX 64 /* characters of a number with a fraction */
#define WHERE_BYTES 48
#define MESSAGE_BYTES 512

/* "operation 3: " or nothing. */
static void where(const struct json_request *q, char out[WHERE_BYTES])
{
    out[0] = '\0';
    if (q->item_name != NULL) {
        (void)snprintf(out, WHERE_BYTES, "%s %" PRIu64 ": ", q->item_name, q->index);
    }
}

int json_request_refuse(const struct json_request *q, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    char place[WHERE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    where(q, place);
    return error_set(q->err, BLOCKDB_EINVAL, "%s%s", place, text);
}

/* What is at the reader is no JSON; at: where it began to be none. */
static int refuse_syntax(const struct json_request *q, const uint8_t *at)
{
    return json_request_refuse(q, "the body is no JSON behind byte %zu",
                               (size_t)(at - q->body.data));
}

static int refuse_type(const struct json_request *q, const struct json_field *f,
                       const char *expected)
{
    return json_request_refuse(q, "member '%s' must be %s", f->name, expected);
}

/* ---- Values -------------------------------------------------------------------------------- */

static int read_escaped(struct json_request *q, const struct json_field *f, struct slice raw,
                        struct slice *out)
{
    struct json_reader r = json_reader_of(raw);
    struct buf text = {.data = arena_alloc(q->arena, raw.len), .cap = raw.len};

    /* A decoded text is never longer than the raw one, so this buf never grows. */
    if (text.data == NULL) {
        return error_set_no_memory(q->err);
    }
    if (!json_reader_text(&r, &text)) {
        return refuse_type(q, f, "well-formed text: an escape in it is wrong, or it is not UTF-8");
    }
    *out = buf_slice(&text);
    return BLOCKDB_OK;
}

static int read_text(struct json_request *q, const struct json_field *f, struct slice *out)
{
    const uint8_t *start = q->reader.at;
    struct slice raw;

    if (json_reader_type(&q->reader) != JSON_READER_STRING) {
        return refuse_type(q, f, "a string");
    }
    if (!json_reader_skip_value(&q->reader, &raw)) {
        return refuse_syntax(q, start);
    }
    if (memchr(raw.data, '\\', raw.len) != NULL) {
        return read_escaped(q, f, raw, out);
    }
    *out = slice_of(raw.data + 1, raw.len - 2);
    return utf8_valid(*out) ? BLOCKDB_OK : refuse_type(q, f, "UTF-8; other bytes go as base64");
}

static int read_u64(struct json_request *q, const struct json_field *f, uint64_t *out)
{
    struct slice raw;
    uint64_t value;

    if (json_reader_type(&q->reader) != JSON_READER_NUMBER ||
        !json_reader_skip_value(&q->reader, &raw) || text_parse_decimal(raw, &value) < 0 ||
        value < f->min || value > f->max) {
        return json_request_refuse(
            q, "member '%s' must be a whole number from %" PRIu64 " to %" PRIu64, f->name, f->min,
            f->max);
    }
    *out = value;
    return BLOCKDB_OK;
}

static int read_double(struct json_request *q, const struct json_field *f, double *out)
{
    char text[NUMBER_TEXT_MAX];
    struct slice raw;
    double value = -1;

    if (json_reader_type(&q->reader) == JSON_READER_NUMBER &&
        json_reader_skip_value(&q->reader, &raw) && raw.len < sizeof(text)) {
        memcpy(text, raw.data, raw.len);
        text[raw.len] = '\0';
        value = strtod(text, NULL);
    }
    if (!(value >= (double)f->min && value <= (double)f->max)) {
        return json_request_refuse(q, "member '%s' must be a number from %" PRIu64 " to %" PRIu64,
                                   f->name, f->min, f->max);
    }
    *out = value;
    return BLOCKDB_OK;
}

static int read_list(struct json_request *q, const struct json_field *f, void *out)
{
    const uint8_t *start = q->reader.at;
    int rc = BLOCKDB_OK;

    if (json_reader_type(&q->reader) != JSON_READER_ARRAY) {
        return refuse_type(q, f, "an array");
    }
    json_reader_begin_array(&q->reader);
    q->item_name = f->item_name;
    for (q->index = 0; rc == BLOCKDB_OK && json_reader_item(&q->reader); q->index++) {
        start = q->reader.at;
        rc = f->item(q, out);
    }
    q->item_name = NULL;
    if (rc == BLOCKDB_OK && q->reader.failed) {
        return refuse_syntax(q, start);
    }
    return rc;
}

static int read_member(struct json_request *q, const struct json_field *f, void *out)
{
    const uint8_t *start = q->reader.at;
    void *place = (char *)out + f->offset;

    switch (f->type) {
    case JSON_FIELD_TEXT:
        return read_text(q, f, place);
    case JSON_FIELD_U64:
        return read_u64(q, f, place);
    case JSON_FIELD_DOUBLE:
        return read_double(q, f, place);
    case JSON_FIELD_BOOL:
        return json_reader_type(&q->reader) == JSON_READER_BOOLEAN &&
                       json_reader_bool(&q->reader, place)
                   ? BLOCKDB_OK
                   : refuse_type(q, f, "true or false");
    case JSON_FIELD_LIST:
        return read_list(q, f, out);
    case JSON_FIELD_ANY:
        return json_reader_skip_value(&q->reader, NULL) ? BLOCKDB_OK : refuse_syntax(q, start);
    }
    return BLOCKDB_EINVAL;
}

/* ---- Objects ------------------------------------------------------------------------------- */

struct field_table {
    const struct json_field *fields;
    size_t count;
};

static const char *field_name(const void *context, size_t index)
{
    const struct field_table *table = context;

    return table->fields[index].name;
}

static int refuse_unknown(const struct json_request *q, const struct field_table *table,
                          struct slice name)
{
    char shown[TEXT_SHOWN_BYTES];
    const char *near;

    text_show(shown, name);
    near = suggest_nearest(shown, table->count, field_name, table);
    return json_request_refuse(q, "unknown member '%s'%s%s%s", shown,
                               near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                               near != NULL ? "'?" : "");
}

static int read_any_member(struct json_request *q, const struct field_table *table,
                           struct slice name, void *out, uint32_t *seen)
{
    size_t i;

    for (i = 0; i < table->count && !json_key_is(name, table->fields[i].name); i++) {
    }
    if (i == table->count) {
        return refuse_unknown(q, table, name);
    }
    if ((*seen & (uint32_t)1 << i) != 0) {
        return json_request_refuse(q, "member '%s' is given twice", table->fields[i].name);
    }
    *seen |= (uint32_t)1 << i;
    return read_member(q, &table->fields[i], out);
}

static int check_required(const struct json_request *q, const struct field_table *table,
                          uint32_t seen)
{
    size_t i;

    for (i = 0; i < table->count; i++) {
        if (table->fields[i].is_required && (seen & (uint32_t)1 << i) == 0) {
            return json_request_refuse(q, "member '%s' is missing", table->fields[i].name);
        }
    }
    return BLOCKDB_OK;
}

int json_request_object(struct json_request *q, const struct json_field *fields, size_t count,
                        void *out, uint32_t *out_seen)
{
    const struct field_table table = {.fields = fields, .count = count};
    const uint8_t *start = q->reader.at;
    uint32_t seen = 0;
    struct slice name;
    int rc = BLOCKDB_OK;

    if (json_reader_type(&q->reader) != JSON_READER_OBJECT) {
        return json_request_refuse(q, "%s must be a JSON object",
                                   q->item_name != NULL ? "it" : "the body");
    }
    json_reader_begin_object(&q->reader);
    while (rc == BLOCKDB_OK && json_reader_key(&q->reader, &name)) {
        rc = read_any_member(q, &table, name, out, &seen);
        start = q->reader.failed ? start : q->reader.at;
    }
    if (rc == BLOCKDB_OK && q->reader.failed) {
        rc = refuse_syntax(q, start);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_required(q, &table, seen);
    }
    if (rc == BLOCKDB_OK && out_seen != NULL) {
        *out_seen = seen;
    }
    return rc;
}

void json_request_init(struct json_request *q, struct slice body, struct arena *arena,
                       struct error *err)
{
    *q = (struct json_request){
        .reader = json_reader_of(body), .body = body, .arena = arena, .err = err};
}

int json_request_read(struct json_request *q, const struct json_field *fields, size_t count,
                      void *out, uint32_t *out_seen)
{
    const uint8_t *end;
    int rc;

    if (q->body.len == 0) {
        return json_request_refuse(q, "there is no body; it must be a JSON object");
    }
    rc = json_request_object(q, fields, count, out, out_seen);
    end = q->reader.at;
    if (rc == BLOCKDB_OK && !json_reader_done(&q->reader)) {
        return json_request_refuse(q, "the body goes on behind its object, at byte %zu",
                                   (size_t)(end - q->body.data));
    }
    return rc;
}

/* ---- Encodings ----------------------------------------------------------------------------- */

int json_request_encoding(const struct json_request *q, struct slice encoding, bool *out_base64)
{
    *out_base64 = slice_equal(encoding, slice_of_text("base64"));
    if (!*out_base64 && encoding.len > 0 && !slice_equal(encoding, slice_of_text("utf8"))) {
        return json_request_refuse(q, "member 'encoding' must be \"utf8\" or \"base64\"");
    }
    return BLOCKDB_OK;
}

int json_request_base64(const struct json_request *q, const char *name, struct slice *text)
{
    size_t len;
    void *bytes;

    if (base64_check(*text, &len) < 0) {
        return json_request_refuse(q, "member '%s' is no base64", name);
    }
    bytes = arena_alloc(q->arena, len);
    if (bytes == NULL) {
        return error_set_no_memory(q->err);
    }
    if (base64_decode(*text, bytes, len) < 0) {
        return json_request_refuse(q, "member '%s' is no base64", name);
    }
    *text = slice_of(bytes, len);
    return BLOCKDB_OK;
}
