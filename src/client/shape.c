/* SPDX-License-Identifier: Apache-2.0 */
#include "client/shape.h"

#include "base/base64.h"
#include "base/json_writer.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"

#define ESCAPE_MORE 5   /* bytes that \u001f takes more than the byte itself */
#define ESCAPES_FREE 64 /* text that people read stays text */

#define WORD_BYTES 64

void shape_entry_deinit(struct shape_entry *entry)
{
    buf_deinit(&entry->key);
    buf_deinit(&entry->value);
    *entry = (struct shape_entry){0};
}

static bool fail(struct json_reader *r)
{
    r->failed = true;
    return false;
}

/* A short text, without its zero. */
static bool read_word(struct json_reader *r, char out[WORD_BYTES], size_t *out_len)
{
    struct slice raw;

    if (json_reader_type(r) != JSON_READER_STRING || !json_reader_skip_value(r, &raw) ||
        raw.len - 2 > WORD_BYTES || memchr(raw.data, '\\', raw.len) != NULL) {
        return fail(r);
    }
    *out_len = raw.len - 2; /* the quotes */
    memcpy(out, raw.data + 1, *out_len);
    return true;
}

bool shape_time(struct json_reader *r, uint64_t *out_ms)
{
    char word[WORD_BYTES];
    size_t len;

    if (json_reader_type(r) == JSON_READER_NUMBER) {
        return json_reader_u64(r, out_ms);
    }
    return read_word(r, word, &len) &&
           (text_parse_time(slice_of(word, len), out_ms) == BLOCKDB_OK || fail(r));
}

bool shape_hash(struct json_reader *r, uint8_t out[BLOCKDB_HASH_LEN])
{
    char word[WORD_BYTES];
    size_t len;

    return read_word(r, word, &len) &&
           (text_parse_hex(slice_of(word, len), out, BLOCKDB_HASH_LEN) == BLOCKDB_OK || fail(r));
}

int shape_failure(const struct json_reader *r, const char *what, struct error *err)
{
    if (json_reader_status(r) == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    return error_set(err, BLOCKDB_EIO,
                     "the server's answer is not %s as docs/operate/http.md describes it", what);
}

/* ---- Entries ------------------------------------------------------------------------------- */

static bool read_kind(struct json_reader *r, enum blockdb_kind *out)
{
    static const struct {
        const char *name;
        enum blockdb_kind kind;
    } kinds[] = {
        {"put", BLOCKDB_KIND_PUT},
        {"delete", BLOCKDB_KIND_DELETE},
        {"block", BLOCKDB_KIND_BLOCK_HEADER},
        {"block_header", BLOCKDB_KIND_BLOCK_HEADER},
        {"redact", BLOCKDB_KIND_REDACT},
        {"epoch", BLOCKDB_KIND_EPOCH},
        {"config", BLOCKDB_KIND_CONFIG},
    };
    char word[WORD_BYTES];
    size_t len;
    size_t i;

    if (!read_word(r, word, &len)) {
        return false;
    }
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (slice_equal(slice_of(word, len), slice_of_text(kinds[i].name))) {
            *out = kinds[i].kind;
            return true;
        }
    }
    return true; /* of a newer server */
}

/* The text of a member, or nothing for null. */
static bool read_text(struct json_reader *r, struct buf *out)
{
    buf_reset(out);
    if (json_reader_type(r) == JSON_READER_NULL) {
        json_reader_skip(r);
        return !r->failed;
    }
    return json_reader_text(r, out);
}

static bool read_encoding(struct json_reader *r, bool *out_base64)
{
    char word[WORD_BYTES];
    size_t len;

    if (!read_word(r, word, &len)) {
        return false;
    }
    *out_base64 = slice_equal(slice_of(word, len), slice_of_text("base64"));
    return *out_base64 || slice_equal(slice_of(word, len), slice_of_text("utf8")) || fail(r);
}

static bool decode(struct json_reader *r, struct buf *b)
{
    struct buf bytes = {0};
    int rc = base64_parse(&bytes, buf_slice(b));

    if (rc < 0) {
        buf_deinit(&bytes);
        r->short_memory = r->short_memory || rc == BLOCKDB_ENOMEM;
        return fail(r);
    }
    buf_deinit(b);
    *b = bytes;
    return true;
}

bool shape_entry_read(struct json_reader *r, struct shape_entry *out)
{
    bool is_base64 = false;
    struct slice key;

    buf_reset(&out->key);
    buf_reset(&out->value);
    out->version = (struct blockdb_version_info){.kind = BLOCKDB_KIND_PUT};
    out->has_seq = false;
    json_reader_begin_object(r);
    while (json_reader_key(r, &key)) {
        if (json_key_is(key, "key")) {
            (void)read_text(r, &out->key); /* failures are sticky */
        } else if (json_key_is(key, "value")) {
            (void)read_text(r, &out->value);
        } else if (json_key_is(key, "encoding")) {
            (void)read_encoding(r, &is_base64);
        } else if (json_key_is(key, "seq")) {
            out->has_seq = json_reader_u64(r, &out->version.seq);
        } else if (json_key_is(key, "time")) {
            (void)shape_time(r, &out->version.time_ms);
        } else if (json_key_is(key, "type")) {
            (void)read_kind(r, &out->version.kind);
        } else if (json_key_is(key, "redacted")) {
            (void)json_reader_bool(r, &out->version.redacted);
        } else {
            json_reader_skip(r);
        }
    }
    if (is_base64 && !r->failed) {
        return decode(r, &out->key) && decode(r, &out->value);
    }
    return !r->failed;
}

int shape_entry_parse(struct slice json, struct shape_entry *out, struct error *err)
{
    struct json_reader r = json_reader_of(json);

    if (!shape_entry_read(&r, out) || !json_reader_done(&r) || !out->has_seq) {
        return shape_failure(&r, "an entry", err);
    }
    return BLOCKDB_OK;
}

void shape_give(struct buf *b, struct blockdb_value *value)
{
    mem_free(value->data);
    value->data = b->data;
    value->len = b->len;
    value->cap = b->cap;
    *b = (struct buf){0};
}

/* ---- Writes -------------------------------------------------------------------------------- */

int shape_written_parse(struct slice json, struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_write_result result = {.count = 1};
    struct json_reader r = json_reader_of(json);
    bool has_seq = false;
    struct slice key;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "seq") || json_key_is(key, "first_seq")) {
            has_seq = json_reader_u64(&r, &result.first_seq);
        } else if (json_key_is(key, "count")) {
            (void)json_reader_u64(&r, &result.count); /* failures are sticky */
        } else if (json_key_is(key, "time")) {
            (void)shape_time(&r, &result.time_ms);
        } else if (json_key_is(key, "repeated")) {
            (void)json_reader_bool(&r, &result.repeated);
        } else {
            json_reader_skip(&r);
        }
    }
    if (!json_reader_done(&r) || !has_seq) {
        return shape_failure(&r, "the outcome of a write", err);
    }
    *out = result;
    return BLOCKDB_OK;
}

/* Bytes by which a byte grows in a JSON string. */
static size_t escape_more(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
    case '\n':
    case '\r':
    case '\t':
        return 1;
    default:
        return byte < ' ' ? ESCAPE_MORE : 0;
    }
}

/* Whether s is text that takes no more room as a JSON string than in base64. */
static bool is_cheap_text(struct slice s)
{
    size_t escapes = 0;

    for (size_t i = 0; i < s.len; i++) {
        escapes += escape_more(s.data[i]);
    }
    return escapes <= s.len / 3 + ESCAPES_FREE && utf8_valid(s);
}

void shape_write_pair(struct json_writer *w, struct slice key, const struct slice *value)
{
    bool is_text = utf8_valid(key) && (value == NULL || is_cheap_text(*value));

    json_writer_key(w, "key");
    if (is_text) {
        json_writer_string(w, key);
    } else {
        json_writer_base64(w, key);
    }
    if (value != NULL) {
        json_writer_key(w, "value");
        if (is_text) {
            json_writer_string(w, *value);
        } else {
            json_writer_base64(w, *value);
        }
    }
    if (!is_text) {
        json_writer_member_text(w, "encoding", "base64");
    }
}
