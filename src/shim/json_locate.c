/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/json_locate.h"

#include "base/utf8.h"

#include <stdlib.h>

#define DEPTH_MAX 1024

/* What may come next. */
enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_KEY, EXPECT_KEY_OR_END, EXPECT_AFTER };

struct scan {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *what; /* set by the step that fails */
    enum expect expect;
    unsigned depth;
    unsigned depth_max;
    uint8_t is_object[DEPTH_MAX / 8]; /* one bit a level */
};

static bool fail(struct scan *s, const char *what)
{
    s->what = what;
    return false;
}

/* The byte at the position, 0 at the end (a zero byte is never part of JSON). */
static uint8_t peek(const struct scan *s)
{
    return s->at < s->end ? *s->at : 0;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool skip_digits(struct scan *s)
{
    const uint8_t *first = s->at;

    while (peek(s) >= '0' && peek(s) <= '9') {
        s->at++;
    }
    return s->at > first || fail(s, "a digit is missing in a number");
}

/* Whether the number's value can be held: integers in 64 bits, others as a finite double. */
static bool number_fits(const char *text, bool is_integer)
{
    bool negative = text[0] == '-';
    uint64_t magnitude = 0;
    double value;

    if (!is_integer) {
        value = strtod(text, NULL);
        return value - value == 0;
    }
    for (text += negative; *text != '\0'; text++) {
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*text - '0'), &magnitude)) {
            return false;
        }
    }
    return !negative || magnitude <= (uint64_t)INT64_MAX + 1;
}

static bool number_in_range(struct scan *s, const uint8_t *first, bool is_integer)
{
    char text[512];
    size_t len = (size_t)(s->at - first);

    if (len >= sizeof(text)) {
        return !is_integer || fail(s, "a number does not fit in 64 bits");
    }
    memcpy(text, first, len);
    text[len] = '\0';
    if (number_fits(text, is_integer)) {
        return true;
    }
    s->at = first;
    return fail(s, "a number is out of range");
}

static bool scan_number(struct scan *s)
{
    const uint8_t *first = s->at;
    bool is_integer = true;

    if (peek(s) == '-') {
        s->at++;
    }
    if (peek(s) == '0') {
        s->at++;
    } else if (!skip_digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        is_integer = false;
        s->at++;
        if (!skip_digits(s)) {
            return false;
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        is_integer = false;
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') {
            s->at++;
        }
        if (!skip_digits(s)) {
            return false;
        }
    }
    return number_in_range(s, first, is_integer);
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) {
        return fail(s, "a value must be an object, array, string, number, true, false or null");
    }
    s->at += len;
    return true;
}

/* The code unit of the \u escape at the position, moving behind it; -1 when it is none. */
static int scan_code_unit(struct scan *s)
{
    int unit = 0;
    int i;

    if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u') {
        return -1;
    }
    for (i = 2; i < 6; i++) {
        uint8_t c = s->at[i];

        if (c >= '0' && c <= '9') {
            unit = unit * 16 + (c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            unit = unit * 16 + ((c | 0x20) - 'a' + 10);
        } else {
            return -1;
        }
    }
    s->at += 6;
    return unit;
}

static bool scan_unicode_escape(struct scan *s)
{
    const uint8_t *first = s->at;
    int unit = scan_code_unit(s);
    int low;

    if (unit < 0) {
        return fail(s, "\\u must be followed by four hexadecimal digits");
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        return true;
    }
    low = unit < 0xdc00 ? scan_code_unit(s) : -1;
    if (low >= 0xdc00 && low <= 0xdfff) {
        return true;
    }
    s->at = first;
    return fail(s, "half of a surrogate pair stands alone");
}

static bool scan_escape(struct scan *s)
{
    if (s->end - s->at < 2) {
        return fail(s, "a string has no closing quote");
    }
    if (s->at[1] == 'u') {
        return scan_unicode_escape(s);
    }
    if (s->at[1] == 0 || strchr("\"\\/bfnrt", s->at[1]) == NULL) {
        return fail(s, "an unknown escape in a string");
    }
    s->at += 2;
    return true;
}

static bool scan_string(struct scan *s)
{
    s->at++;
    while (s->at < s->end && *s->at != '"') {
        size_t len;

        if (*s->at == '\\') {
            if (!scan_escape(s)) {
                return false;
            }
            continue;
        }
        if (*s->at < 0x20) {
            return fail(s, "a control character must be escaped in a string");
        }
        len = utf8_character_len(slice_of(s->at, (size_t)(s->end - s->at)));
        if (len == 0) {
            return fail(s, "bytes that are not UTF-8");
        }
        s->at += len;
    }
    if (s->at == s->end) {
        return fail(s, "a string has no closing quote");
    }
    s->at++;
    return true;
}

static bool in_object(const struct scan *s)
{
    unsigned level = s->depth - 1;

    return (s->is_object[level / 8] >> (level % 8) & 1) != 0;
}

/* An empty object or array needs no level of its own. */
static bool scan_empty(struct scan *s)
{
    const uint8_t *opened = s->at;
    uint8_t close = *opened == '{' ? '}' : ']';

    s->at++;
    skip_space(s);
    if (peek(s) != close) {
        s->at = opened;
        return fail(s, "objects and arrays are nested too deeply");
    }
    s->at++;
    s->expect = EXPECT_AFTER;
    return true;
}

static bool scan_open(struct scan *s)
{
    bool is_object = *s->at == '{';
    unsigned level = s->depth;

    if (s->depth == s->depth_max) {
        return scan_empty(s);
    }
    s->is_object[level / 8] &= (uint8_t) ~(1u << (level % 8));
    s->is_object[level / 8] |= (uint8_t)((unsigned)is_object << (level % 8));
    s->depth++;
    s->at++;
    s->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return true;
}

static void scan_close(struct scan *s)
{
    s->at++;
    s->depth--;
    s->expect = EXPECT_AFTER;
}

static bool scan_value(struct scan *s)
{
    uint8_t c = peek(s);

    if (c == ']' && s->expect == EXPECT_VALUE_OR_END) {
        scan_close(s);
        return true;
    }
    if (c == '{' || c == '[') {
        return scan_open(s);
    }
    s->expect = EXPECT_AFTER;
    switch (c) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (c == '-' || (c >= '0' && c <= '9')) {
            return scan_number(s);
        }
        return fail(s, s->at == s->end ? "the text ends where a value is expected"
                                       : "a value must be an object, array, string, number, true, "
                                         "false or null");
    }
}

static bool scan_key(struct scan *s)
{
    if (peek(s) == '}' && s->expect == EXPECT_KEY_OR_END) {
        scan_close(s);
        return true;
    }
    if (peek(s) != '"') {
        return fail(s, "a key in double quotes is expected");
    }
    if (!scan_string(s)) {
        return false;
    }
    skip_space(s);
    if (peek(s) != ':') {
        return fail(s, "a colon is expected after a key");
    }
    s->at++;
    s->expect = EXPECT_VALUE;
    return true;
}

/* Behind a value inside an object or array. */
static bool scan_after(struct scan *s)
{
    bool is_object = in_object(s);

    if (peek(s) == ',') {
        s->at++;
        s->expect = is_object ? EXPECT_KEY : EXPECT_VALUE;
        return true;
    }
    if (peek(s) == (is_object ? '}' : ']')) {
        scan_close(s);
        return true;
    }
    return fail(s, is_object ? "a comma or } is expected" : "a comma or ] is expected");
}

static bool scan_step(struct scan *s)
{
    switch (s->expect) {
    case EXPECT_VALUE:
    case EXPECT_VALUE_OR_END:
        return scan_value(s);
    case EXPECT_KEY:
    case EXPECT_KEY_OR_END:
        return scan_key(s);
    case EXPECT_AFTER:
        break;
    }
    return scan_after(s);
}

bool json_locate_fault(struct slice text, unsigned depth_max, struct json_fault *out_fault)
{
    struct scan s = {.start = text.data,
                     .at = text.data,
                     .end = text.len > 0 ? text.data + text.len : text.data,
                     .depth_max = depth_max < DEPTH_MAX ? depth_max : DEPTH_MAX};
    bool fine = true;

    skip_space(&s);
    while (fine && (s.expect != EXPECT_AFTER || s.depth > 0)) {
        fine = scan_step(&s);
        if (fine) {
            skip_space(&s);
        }
    }
    if (fine && s.at != s.end) {
        fine = fail(&s, "there are more bytes after the end of the document");
    }
    if (!fine) {
        *out_fault = (struct json_fault){.offset = (size_t)(s.at - s.start), .what = s.what};
    }
    return fine;
}
