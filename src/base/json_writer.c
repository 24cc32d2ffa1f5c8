/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/text.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>

#define DECIMALS 6
#define DIGITS_MAX 20                   /* of 2^64 - 1 */
#define EACH_BYTE 0x0101010101010101ULL /* times c: c in each of eight bytes */

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

int json_writer_finish(struct json_writer *w)
{
    ASSERT(w->depth == 0);
    ASSERT(!w->key_written);
    return w->status;
}

/* Remembers the first failure. */
static void note(struct json_writer *w, int rc)
{
    if (rc < 0 && w->status == BLOCKDB_OK) {
        w->status = rc;
    }
}

static void put(struct json_writer *w, const char *text, size_t len)
{
    if (w->status == BLOCKDB_OK) {
        note(w, buf_append(w->out, text, len));
    }
}

static bool in_object(const struct json_writer *w)
{
    return w->depth > 0 && (w->object_bits >> (w->depth - 1) & 1) != 0;
}

/* A comma, if the container has a member already. */
static void separate(struct json_writer *w)
{
    uint32_t bit;

    if (w->depth == 0) {
        return;
    }
    bit = (uint32_t)1 << (w->depth - 1);
    if ((w->filled_bits & bit) != 0) {
        put(w, ",", 1);
    }
    w->filled_bits |= bit;
}

/* What goes before each value. */
static void begin_value(struct json_writer *w)
{
    ASSERT(in_object(w) == w->key_written);
    if (!w->key_written) {
        separate(w);
    }
    w->key_written = false;
}

static void begin(struct json_writer *w, bool is_object)
{
    uint32_t bit;

    begin_value(w);
    ASSERT(w->depth < JSON_WRITER_DEPTH_MAX);
    bit = (uint32_t)1 << w->depth++;
    w->filled_bits &= ~bit;
    w->object_bits = is_object ? w->object_bits | bit : w->object_bits & ~bit;
    put(w, is_object ? "{" : "[", 1);
}

static void end(struct json_writer *w, bool is_object)
{
    ASSERT(w->depth > 0);
    ASSERT(in_object(w) == is_object);
    ASSERT(!w->key_written);
    w->depth--;
    put(w, is_object ? "}" : "]", 1);
}

void json_writer_begin_object(struct json_writer *w)
{
    begin(w, true);
}

void json_writer_end_object(struct json_writer *w)
{
    end(w, true);
}

void json_writer_begin_array(struct json_writer *w)
{
    begin(w, false);
}

void json_writer_end_array(struct json_writer *w)
{
    end(w, false);
}

/* The letter that stands for a character after a backslash, or 0. */
static char short_escape(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

size_t json_escape_one(struct slice text, char out[JSON_ESCAPE_BYTES_MAX], size_t *out_used)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t c = text.data[0];
    char letter = short_escape(c);
    size_t len;

    *out_used = 1;
    if (letter != 0) {
        out[0] = '\\';
        out[1] = letter;
        return 2;
    }
    if (c < 0x20 || c == 0x7f) {
        memcpy(out, "\\u00", 4);
        out[4] = digits[c >> 4];
        out[5] = digits[c & 15];
        return 6;
    }
    len = utf8_character_len(text);
    if (len == 0) {
        memcpy(out, "\xef\xbf\xbd", 3); /* U+FFFD, the replacement character */
        return 3;
    }
    memcpy(out, text.data, len);
    *out_used = len;
    return len;
}

/* Whether one of eight bytes is zero. */
static bool has_zero(uint64_t word)
{
    return ((word - EACH_BYTE) & ~word & (EACH_BYTE * 0x80)) != 0;
}

/* Whether one of eight bytes cannot be copied as it is; is_utf8: those of longer characters can. */
static bool has_special(uint64_t word, bool is_utf8)
{
    bool has_control = ((word - EACH_BYTE * 0x20) & ~word & (EACH_BYTE * 0x80)) != 0;

    return has_control || has_zero(word ^ EACH_BYTE * '"') || has_zero(word ^ EACH_BYTE * '\\') ||
           has_zero(word ^ EACH_BYTE * 0x7f) || (!is_utf8 && (word & EACH_BYTE * 0x80) != 0);
}

/* How many bytes at the start of text can be copied as they are; is_utf8: text is well-formed. */
static size_t plain_len(struct slice text, bool is_utf8)
{
    size_t n = 0;
    uint64_t word;

    for (; text.len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, text.data + n, sizeof(word));
        if (has_special(word, is_utf8)) {
            break;
        }
    }
    while (n < text.len && text.data[n] >= 0x20 && text.data[n] != 0x7f && text.data[n] != '"' &&
           text.data[n] != '\\' && (text.data[n] < 0x80 || is_utf8)) {
        n++;
    }
    return n;
}

static void put_quoted(struct json_writer *w, struct slice text)
{
    bool is_utf8 = utf8_valid(text);

    put(w, "\"", 1);
    while (text.len > 0 && w->status == BLOCKDB_OK) {
        char escaped[JSON_ESCAPE_BYTES_MAX];
        size_t used = plain_len(text, is_utf8);

        if (used > 0) {
            put(w, (const char *)text.data, used);
        } else {
            size_t len = json_escape_one(text, escaped, &used);

            put(w, escaped, len);
        }
        text = slice_of(text.data + used, text.len - used);
    }
    put(w, "\"", 1);
}

void json_writer_key(struct json_writer *w, const char *key)
{
    ASSERT(in_object(w));
    ASSERT(!w->key_written);
    separate(w);
    put_quoted(w, slice_of_text(key));
    put(w, ":", 1);
    w->key_written = true;
}

void json_writer_string(struct json_writer *w, struct slice text)
{
    begin_value(w);
    put_quoted(w, text);
}

void json_writer_text(struct json_writer *w, const char *text)
{
    json_writer_string(w, slice_of_text(text));
}

void json_writer_u64(struct json_writer *w, uint64_t value)
{
    char digits[DIGITS_MAX];
    size_t at = sizeof(digits);

    begin_value(w);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(w, digits + at, sizeof(digits) - at);
}

void json_writer_i64(struct json_writer *w, int64_t value)
{
    begin_value(w);
    note(w, buf_appendf(w->out, "%" PRId64, value));
}

void json_writer_double(struct json_writer *w, double value)
{
    const struct buf *out = w->out;
    size_t start = out->len;
    size_t i;

    if (!isfinite(value)) {
        json_writer_null(w);
        return;
    }
    begin_value(w);
    start = out->len;
    note(w, buf_appendf(w->out, "%.*f", DECIMALS, value));
    if (w->status < 0) {
        return;
    }
    for (i = start; i < out->len; i++) {
        if (out->data[i] == ',') {
            out->data[i] = '.'; /* the locale's decimal sign, should a program have set one */
        }
    }
    while (out->data[w->out->len - 1] == '0') {
        w->out->len--;
    }
    if (out->data[w->out->len - 1] == '.') {
        w->out->len--;
    }
}

void json_writer_bool(struct json_writer *w, bool value)
{
    begin_value(w);
    put(w, value ? "true" : "false", value ? 4 : 5);
}

void json_writer_null(struct json_writer *w)
{
    begin_value(w);
    put(w, "null", 4);
}

void json_writer_base64(struct json_writer *w, struct slice bytes)
{
    begin_value(w);
    put(w, "\"", 1);
    note(w, base64_append(w->out, bytes));
    put(w, "\"", 1);
}

void json_writer_hex(struct json_writer *w, struct slice bytes)
{
    begin_value(w);
    put(w, "\"", 1);
    note(w, text_append_hex(w->out, bytes));
    put(w, "\"", 1);
}

void json_writer_time(struct json_writer *w, uint64_t time_ms)
{
    char text[TEXT_TIME_BYTES];

    text_format_time(text, time_ms);
    json_writer_text(w, text);
}

void json_writer_raw(struct json_writer *w, struct slice json)
{
    begin_value(w);
    put(w, (const char *)json.data, json.len);
}

void json_writer_member_text(struct json_writer *w, const char *key, const char *text)
{
    json_writer_key(w, key);
    json_writer_text(w, text);
}

void json_writer_member_u64(struct json_writer *w, const char *key, uint64_t value)
{
    json_writer_key(w, key);
    json_writer_u64(w, value);
}

void json_writer_member_bool(struct json_writer *w, const char *key, bool value)
{
    json_writer_key(w, key);
    json_writer_bool(w, value);
}
