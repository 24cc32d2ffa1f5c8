/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_reader.h"

#include "base/text.h"
#include "base/utf8.h"

#define HIGH_SURROGATE 0xD800u
#define LOW_SURROGATE 0xDC00u
#define SURROGATE_END 0xE000u
#define SURROGATE_BASE 0x10000u

struct json_reader json_reader_of(struct slice text)
{
    return (struct json_reader){.at = text.data,
                                .end = text.len > 0 ? text.data + text.len : text.data};
}

static bool fail(struct json_reader *r)
{
    r->failed = true;
    r->at = r->end;
    return false;
}

static void skip_space(struct json_reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

/* The next character that is no space; 0 at the end. */
static uint8_t peek(struct json_reader *r)
{
    skip_space(r);
    return r->at < r->end ? *r->at : 0;
}

static bool take(struct json_reader *r, uint8_t c)
{
    if (r->failed || peek(r) != c) {
        return fail(r);
    }
    r->at++;
    return true;
}

bool json_reader_done(struct json_reader *r)
{
    skip_space(r);
    return !r->failed && r->depth == 0 && r->at == r->end;
}

int json_reader_status(const struct json_reader *r)
{
    return r->short_memory ? BLOCKDB_ENOMEM : BLOCKDB_ECORRUPT;
}

enum json_reader_type json_reader_type(struct json_reader *r)
{
    switch (peek(r)) {
    case '{':
        return JSON_READER_OBJECT;
    case '[':
        return JSON_READER_ARRAY;
    case '"':
        return JSON_READER_STRING;
    case 't':
    case 'f':
        return JSON_READER_BOOLEAN;
    case 'n':
        return JSON_READER_NULL;
    case '-':
    case '0' ... '9':
        return JSON_READER_NUMBER;
    default:
        return JSON_READER_NOTHING;
    }
}

/* ---- Containers ---------------------------------------------------------------------------- */

static void begin(struct json_reader *r, uint8_t bracket, bool is_object)
{
    uint32_t bit;

    if (!take(r, bracket)) {
        return;
    }
    if (r->depth == JSON_READER_DEPTH_MAX) {
        (void)fail(r); /* sticky */
        return;
    }
    bit = (uint32_t)1 << r->depth;
    r->filled_bits &= ~bit;
    r->object_bits = is_object ? r->object_bits | bit : r->object_bits & ~bit;
    r->depth++;
}

/* Moves to the next member or item of the innermost container, which `bracket` ends. */
static bool advance(struct json_reader *r, uint8_t bracket)
{
    uint32_t bit;

    if (r->failed || r->depth == 0) {
        return fail(r);
    }
    bit = (uint32_t)1 << (r->depth - 1);
    if (((r->object_bits & bit) != 0) != (bracket == '}')) {
        return fail(r);
    }
    if (peek(r) == bracket) {
        r->at++;
        r->depth--;
        return false;
    }
    if ((r->filled_bits & bit) != 0 && !take(r, ',')) {
        return false;
    }
    r->filled_bits |= bit;
    return true;
}

void json_reader_begin_object(struct json_reader *r)
{
    begin(r, '{', true);
}

void json_reader_begin_array(struct json_reader *r)
{
    begin(r, '[', false);
}

bool json_reader_item(struct json_reader *r)
{
    return advance(r, ']') && (json_reader_type(r) != JSON_READER_NOTHING || fail(r));
}

/* The text between the quotes of the next string, escapes not decoded. */
static bool take_raw(struct json_reader *r, struct slice *out)
{
    const uint8_t *start;

    if (!take(r, '"')) {
        return false;
    }
    for (start = r->at; r->at < r->end && *r->at != '"'; r->at++) {
        if (*r->at < 0x20) {
            return fail(r);
        }
        r->at += *r->at == '\\' && r->end - r->at > 1;
    }
    if (r->at == r->end) {
        return fail(r);
    }
    *out = slice_of(start, (size_t)(r->at - start));
    r->at++;
    return true;
}

bool json_reader_key(struct json_reader *r, struct slice *out_key)
{
    struct slice key;

    if (!advance(r, '}') || !take_raw(r, &key) || !take(r, ':')) {
        return false;
    }
    if (json_reader_type(r) == JSON_READER_NOTHING) {
        return fail(r);
    }
    *out_key = key;
    return true;
}

bool json_key_is(struct slice key, const char *name)
{
    return slice_equal(key, slice_of_text(name));
}

/* ---- Strings ------------------------------------------------------------------------------- */

static bool parse_unit(const uint8_t *at, const uint8_t *end, uint32_t *out)
{
    uint8_t bytes[2];

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u' ||
        text_parse_hex(slice_of(at + 2, 4), bytes, sizeof(bytes)) < 0) {
        return false;
    }
    *out = get_be16(bytes);
    return true;
}

static size_t encode_utf8(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < SURROGATE_BASE) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

/* Decodes \uXXXX, or two of them, at the start of text; 0 when it is none. */
static size_t decode_unicode(struct slice text, uint8_t out[4], size_t *out_len)
{
    const uint8_t *end = text.data + text.len;
    uint32_t c;
    uint32_t low;

    if (!parse_unit(text.data, end, &c) || (c >= LOW_SURROGATE && c < SURROGATE_END)) {
        return 0;
    }
    if (c < HIGH_SURROGATE || c >= SURROGATE_END) {
        *out_len = encode_utf8(c, out);
        return 6;
    }
    if (!parse_unit(text.data + 6, end, &low) || low < LOW_SURROGATE || low >= SURROGATE_END) {
        return 0;
    }
    c = SURROGATE_BASE + ((c - HIGH_SURROGATE) << 10) + (low - LOW_SURROGATE);
    *out_len = encode_utf8(c, out);
    return 12;
}

/* Decodes the escape at the start of text; returns how many bytes of text it took, 0 when it is
 * none. */
static size_t decode_escape(struct slice text, uint8_t out[4], size_t *out_len)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (text.len < 2) {
        return 0;
    }
    if (text.data[1] == 'u') {
        return decode_unicode(text, out, out_len);
    }
    letter = text.data[1] != '\0' ? strchr(letters, text.data[1]) : NULL;
    if (letter == NULL) {
        return 0;
    }
    out[0] = (uint8_t)meanings[letter - letters];
    *out_len = 1;
    return 2;
}

/* Appends what the raw text of a string stands for. */
static int decode(struct slice raw, struct buf *out)
{
    while (raw.len > 0) {
        const uint8_t *escape = memchr(raw.data, '\\', raw.len);
        size_t plain = escape != NULL ? (size_t)(escape - raw.data) : raw.len;
        uint8_t bytes[4];
        size_t len = 0;
        size_t used;

        if (buf_append(out, raw.data, plain) < 0) {
            return BLOCKDB_ENOMEM;
        }
        raw = slice_of(raw.data + plain, raw.len - plain);
        if (raw.len == 0) {
            break;
        }
        used = decode_escape(raw, bytes, &len);
        if (used == 0) {
            return BLOCKDB_EINVAL;
        }
        if (buf_append(out, bytes, len) < 0) {
            return BLOCKDB_ENOMEM;
        }
        raw = slice_of(raw.data + used, raw.len - used);
    }
    return BLOCKDB_OK;
}

bool json_reader_text(struct json_reader *r, struct buf *out)
{
    struct slice raw;
    int rc;

    if (!take_raw(r, &raw)) {
        return false;
    }
    if (!utf8_valid(raw)) {
        return fail(r);
    }
    rc = decode(raw, out);
    r->short_memory = r->short_memory || rc == BLOCKDB_ENOMEM;
    return rc == BLOCKDB_OK || fail(r);
}

/* ---- Numbers, words, anything ---------------------------------------------------------------- */

static size_t digits(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;

    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return (size_t)(at - start);
}

/* The length of the number at the reader; 0 when there is none. */
static size_t number_len(const struct json_reader *r)
{
    const uint8_t *at = r->at;
    size_t count;

    at += at < r->end && *at == '-';
    count = digits(at, r->end);
    if (count == 0 || (count > 1 && *at == '0')) {
        return 0;
    }
    at += count;
    if (at < r->end && *at == '.') {
        count = digits(at + 1, r->end);
        if (count == 0) {
            return 0;
        }
        at += 1 + count;
    }
    if (at < r->end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < r->end && (*at == '+' || *at == '-');
        count = digits(at, r->end);
        if (count == 0) {
            return 0;
        }
        at += count;
    }
    return (size_t)(at - r->at);
}

bool json_reader_u64(struct json_reader *r, uint64_t *out)
{
    size_t len;

    skip_space(r);
    len = number_len(r);
    if (r->failed || len == 0 || text_parse_decimal(slice_of(r->at, len), out) < 0) {
        return fail(r);
    }
    r->at += len;
    return true;
}

static bool take_word(struct json_reader *r, const char *word)
{
    size_t len = strlen(word);

    skip_space(r);
    if (r->failed || (size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
        return fail(r);
    }
    r->at += len;
    return true;
}

bool json_reader_bool(struct json_reader *r, bool *out)
{
    bool value = peek(r) == 't';

    if (!take_word(r, value ? "true" : "false")) {
        return false;
    }
    *out = value;
    return true;
}

/* Skips a value that is no container, or goes into one. */
static void skip_one(struct json_reader *r)
{
    enum json_reader_type type = json_reader_type(r);
    struct slice ignored;
    bool value;
    size_t len;

    if (type == JSON_READER_OBJECT || type == JSON_READER_ARRAY) {
        begin(r, *r->at, type == JSON_READER_OBJECT);
    } else if (type == JSON_READER_STRING) {
        (void)take_raw(r, &ignored); /* sticky, as all here */
    } else if (type == JSON_READER_NUMBER) {
        len = number_len(r);
        r->at += len;
        r->failed = r->failed || len == 0;
    } else if (type == JSON_READER_BOOLEAN) {
        (void)json_reader_bool(r, &value);
    } else if (type == JSON_READER_NULL) {
        (void)take_word(r, "null");
    } else {
        (void)fail(r);
    }
}

bool json_reader_skip_value(struct json_reader *r, struct slice *out)
{
    unsigned depth = r->depth;
    const uint8_t *start;

    skip_space(r);
    start = r->at;
    skip_one(r);
    while (r->depth > depth && !r->failed) {
        bool is_object = (r->object_bits & (uint32_t)1 << (r->depth - 1)) != 0;
        struct slice key;

        if (is_object ? json_reader_key(r, &key) : json_reader_item(r)) {
            skip_one(r);
        }
    }
    if (r->failed) {
        return fail(r);
    }
    if (out != NULL) {
        *out = slice_of(start, (size_t)(r->at - start));
    }
    return true;
}
