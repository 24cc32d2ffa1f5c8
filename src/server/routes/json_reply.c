/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/json_reply.h"

#include "base/base64.h"
#include "base/text.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Answers ------------------------------------------------------------------------------- */

void reply_begin(struct exchange *x, struct json_writer *w)
{
    json_writer_init(w, exchange_out(x));
    json_writer_begin_object(w);
    json_writer_member_bool(w, "success", true);
}

int reply_finish(struct json_writer *w, struct error *err)
{
    struct buf *out = w->out;

    json_writer_end_object(w);
    if (json_writer_finish(w) < 0 || buf_append_u8(out, '\n') < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

void reply_end(struct exchange *x, struct json_writer *w, int status)
{
    struct error err;
    int rc = reply_finish(w, &err);

    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_reply_out(x, status, HTTP_TYPE_JSON);
}

void reply_success(struct exchange *x)
{
    exchange_reply(x, 200, HTTP_TYPE_JSON, slice_of_text("{\"success\":true}\n"));
}

void reply_outcome_format(char out[REPLY_OUTCOME_BYTES], const struct blockdb_write_result *written)
{
    char text[REPLY_OUTCOME_BYTES + 1];
    char time[TEXT_TIME_BYTES];
    int len;

    text_format_time(time, written->time_ms);
    len = snprintf(text, sizeof(text),
                   "{\"success\":true,\"seq\":%" PRIu64 ",\"count\":%" PRIu64
                   ",\"time\":\"%s\",\"repeated\":%s}",
                   written->first_seq, written->count, time, written->repeated ? "true" : "false");
    memset(out, ' ', REPLY_OUTCOME_BYTES);
    memcpy(out, text, (size_t)len);
    out[REPLY_OUTCOME_BYTES - 1] = '\n';
}

void reply_outcome(struct exchange *x, const struct blockdb_write_result *written)
{
    char body[REPLY_OUTCOME_BYTES];

    reply_outcome_format(body, written);
    exchange_reply(x, 200, HTTP_TYPE_JSON, slice_of(body, sizeof(body)));
}

/* ---- Entries ------------------------------------------------------------------------------- */

const char *reply_kind_name(enum blockdb_kind kind)
{
    switch (kind) {
    case BLOCKDB_KIND_PUT:
        return "put";
    case BLOCKDB_KIND_DELETE:
        return "delete";
    case BLOCKDB_KIND_BLOCK_HEADER:
        return "block";
    case BLOCKDB_KIND_REDACT:
        return "redact";
    case BLOCKDB_KIND_EPOCH:
        return "epoch";
    case BLOCKDB_KIND_CONFIG:
        return "config";
    }
    return "unknown";
}

static void write_bytes(struct json_writer *w, const char *name, struct slice bytes, bool is_text)
{
    json_writer_key(w, name);
    if (is_text) {
        json_writer_string(w, bytes);
    } else {
        json_writer_base64(w, bytes);
    }
}

static const char *encoding_name(bool is_text)
{
    return is_text ? "utf8" : "base64";
}

void reply_key_members(struct json_writer *w, struct slice key)
{
    bool is_text = utf8_valid(key);

    write_bytes(w, "key", key, is_text);
    json_writer_member_text(w, "encoding", encoding_name(is_text));
}

void reply_version_members(struct json_writer *w, const struct blockdb_version_info *version)
{
    json_writer_member_text(w, "type", reply_kind_name(version->kind));
    json_writer_member_u64(w, "seq", version->seq);
    json_writer_key(w, "time");
    json_writer_time(w, version->time_ms);
}

bool reply_entry_members(struct json_writer *w, const struct reply_entry *entry,
                         enum shown_as encoding)
{
    const struct blockdb_version_info *version = &entry->version;
    bool has_value = !entry->without_value && !version->redacted &&
                     version->kind != BLOCKDB_KIND_DELETE;
    bool is_text = encoding != SHOWN_BASE64 && utf8_valid(entry->key) &&
                   (!has_value || utf8_valid(entry->value));

    if (encoding == SHOWN_UTF8 && !is_text) {
        return false;
    }
    write_bytes(w, "key", entry->key, is_text);
    if (has_value) {
        write_bytes(w, "value", entry->value, is_text);
    }
    json_writer_member_text(w, "encoding", encoding_name(is_text));
    reply_version_members(w, version);
    if (version->redacted) {
        json_writer_member_bool(w, "redacted", true);
    }
    return true;
}

void reply_hash_member(struct json_writer *w, const char *name,
                       const uint8_t hash[BLOCKDB_HASH_LEN])
{
    json_writer_key(w, name);
    json_writer_hex(w, slice_of(hash, BLOCKDB_HASH_LEN));
}

void reply_no_value(struct exchange *x, int code, const struct error *err,
                    const struct blockdb_version_info *version)
{
    struct json_writer w;

    if ((code != BLOCKDB_ENOTFOUND && code != BLOCKDB_EREDACTED) || version->kind == 0) {
        exchange_error(x, code, err);
        return;
    }
    buf_reset(exchange_out(x));
    json_writer_init(&w, exchange_out(x));
    json_writer_begin_object(&w);
    json_writer_member_bool(&w, "success", false);
    json_writer_member_text(&w, "error", http_code_of(code));
    json_writer_key(&w, "message");
    json_writer_string(&w, slice_of_text(err->message));
    reply_version_members(&w, version);
    reply_end(x, &w, http_status_of(code));
}

static const char not_text[] =
    "a key or value is not UTF-8; ask without encoding=utf8, or with encoding=base64";

void reply_not_text(struct exchange *x)
{
    exchange_fail(x, 422, "NotText", not_text);
}

int reply_not_text_prepared(struct exchange *x, struct error *err)
{
    struct json_writer w;

    buf_reset(exchange_out(x));
    json_writer_init(&w, exchange_out(x));
    json_writer_begin_object(&w);
    json_writer_member_bool(&w, "success", false);
    json_writer_member_text(&w, "error", "NotText");
    json_writer_member_text(&w, "message", not_text);
    exchange_prepare(x, 422, HTTP_TYPE_JSON);
    return reply_finish(&w, err);
}

/* ---- What was asked ------------------------------------------------------------------------- */

int query_encoding(const struct exchange *x, enum shown_as *out, struct error *err)
{
    struct slice word;

    if (!exchange_query(x, "encoding", &word)) {
        return BLOCKDB_OK;
    }
    if (slice_equal(word, slice_of_text("base64"))) {
        *out = SHOWN_BASE64;
    } else if (slice_equal(word, slice_of_text("utf8"))) {
        *out = SHOWN_UTF8;
    } else {
        return error_set(err, BLOCKDB_EINVAL, "parameter 'encoding' must be utf8 or base64");
    }
    return BLOCKDB_OK;
}

int query_time(const struct exchange *x, const char *name, uint64_t *out_ms, bool *out_given,
               struct error *err)
{
    struct slice text;

    if (!exchange_query(x, name, &text)) {
        return BLOCKDB_OK;
    }
    if (text_parse_decimal(text, out_ms) < 0 && text_parse_time(text, out_ms) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "parameter '%s' must be a time as 2026-01-31T12:00:00.000Z (write '+' of "
                         "an offset as %%2B), or milliseconds since 1970",
                         name);
    }
    *out_given = true;
    return BLOCKDB_OK;
}

int query_bounded(const struct exchange *x, const char *name, uint64_t min, uint64_t max,
                  uint64_t *out, struct error *err)
{
    uint64_t value = *out;
    int rc = exchange_query_u64(x, name, &value, err);

    if (rc < 0) {
        return rc;
    }
    if (value != *out && (value < min || value > max)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "parameter '%s' must be a number from %" PRIu64 " to %" PRIu64, name, min,
                         max);
    }
    *out = value;
    return BLOCKDB_OK;
}

int durability_parse(struct slice word, enum blockdb_durability *out, struct error *err)
{
    static const struct {
        const char *name;
        enum blockdb_durability durability;
    } words[] = {
        {"none", BLOCKDB_DURABILITY_NONE},
        {"interval", BLOCKDB_DURABILITY_INTERVAL},
        {"group", BLOCKDB_DURABILITY_GROUP},
        {"always", BLOCKDB_DURABILITY_ALWAYS},
    };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(word, slice_of_text(words[i].name))) {
            *out = words[i].durability;
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "'durability' must be \"none\", \"interval\", \"group\" or \"always\"");
}

int query_durability(const struct exchange *x, enum blockdb_durability *out, struct error *err)
{
    struct slice word;

    return exchange_query(x, "durability", &word) ? durability_parse(word, out, err) : BLOCKDB_OK;
}

int param_u64(const struct exchange *x, const char *name, uint64_t *out, struct error *err)
{
    struct slice text = exchange_param(x, name);
    char shown[TEXT_SHOWN_BYTES];

    if (text_parse_decimal(text, out) == BLOCKDB_OK) {
        return BLOCKDB_OK;
    }
    text_show(shown, text);
    return error_set(err, BLOCKDB_EINVAL, "'%s' in the path must be a number, not '%s'", name,
                     shown);
}

bool wants_text(const struct exchange *x)
{
    struct slice accept = exchange_header(x, "accept");

    return http_list_has(accept, "text/plain") && !http_list_has(accept, "application/json");
}

int header_identity(const struct exchange *x, struct write_identity *out, struct error *err)
{
    struct slice client = exchange_header(x, "blockdb-client");
    struct slice request = exchange_header(x, "blockdb-request");

    out->given = client.len > 0 || request.len > 0;
    if (!out->given) {
        return BLOCKDB_OK;
    }
    if (client.len != 2 * BLOCKDB_CLIENT_ID_LEN ||
        text_parse_hex(client, out->client_id, BLOCKDB_CLIENT_ID_LEN) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "header 'Blockdb-Client' must be %d hexadecimal digits",
                         2 * BLOCKDB_CLIENT_ID_LEN);
    }
    if (text_parse_decimal(request, &out->request) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "header 'Blockdb-Request' must be a number that grows with each write");
    }
    return BLOCKDB_OK;
}
