/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/words.h"

#include "base/text.h"

#include <stdbool.h>

/* The place in a line. */
struct word_scan {
    struct buf *text;
    const uint8_t *at;
    const uint8_t *end;
    struct error *err;
};

void words_deinit(struct words *words)
{
    buf_deinit(&words->text);
    words->argc = 0;
}

static int append(struct word_scan *s, uint8_t byte)
{
    if (byte == 0) {
        return error_set(s->err, BLOCKDB_EINVAL, "a word cannot contain a zero byte");
    }
    return buf_append_u8(s->text, byte) < 0 ? error_set_no_memory(s->err) : BLOCKDB_OK;
}

static int unterminated(struct word_scan *s, char quote)
{
    return error_set(s->err, BLOCKDB_EINVAL, "the line ends before the closing %c", quote);
}

static int scan_single(struct word_scan *s)
{
    for (s->at++; s->at < s->end && *s->at != '\''; s->at++) {
        int rc = append(s, *s->at);

        if (rc < 0) {
            return rc;
        }
    }
    if (s->at == s->end) {
        return unterminated(s, '\'');
    }
    s->at++;
    return BLOCKDB_OK;
}

/* The escape behind a backslash; s->at stands on its letter. */
static int scan_escape(struct word_scan *s)
{
    uint8_t byte;

    if (s->at == s->end) {
        return unterminated(s, '"');
    }
    switch (*s->at) {
    case 'n':
        byte = '\n';
        break;
    case 't':
        byte = '\t';
        break;
    case 'x':
        if (s->end - s->at < 3 || text_parse_hex(slice_of(s->at + 1, 2), &byte, 1) < 0) {
            return error_set(s->err, BLOCKDB_EINVAL,
                             "\\x must be followed by two hexadecimal digits");
        }
        s->at += 2;
        break;
    default:
        byte = *s->at;
        break;
    }
    s->at++;
    return append(s, byte);
}

static int scan_double(struct word_scan *s)
{
    s->at++;
    while (s->at < s->end && *s->at != '"') {
        int rc;

        if (*s->at == '\\') {
            s->at++;
            rc = scan_escape(s);
        } else {
            rc = append(s, *s->at++);
        }
        if (rc < 0) {
            return rc;
        }
    }
    if (s->at == s->end) {
        return unterminated(s, '"');
    }
    s->at++;
    return BLOCKDB_OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int scan_word(struct word_scan *s)
{
    while (s->at < s->end && !is_space(*s->at)) {
        int rc;

        if (*s->at == '\'') {
            rc = scan_single(s);
        } else if (*s->at == '"') {
            rc = scan_double(s);
        } else {
            rc = append(s, *s->at++);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return buf_append_u8(s->text, 0) < 0 ? error_set_no_memory(s->err) : BLOCKDB_OK;
}

int words_split(struct words *words, struct slice line, struct error *err)
{
    struct word_scan s = {.text = &words->text,
                          .at = line.data,
                          .end = line.len > 0 ? line.data + line.len : line.data,
                          .err = err};
    size_t starts[WORDS_MAX];
    int i;

    buf_reset(&words->text);
    words->argc = 0;
    while (true) {
        int rc;

        while (s.at < s.end && is_space(*s.at)) {
            s.at++;
        }
        if (s.at == s.end) {
            break;
        }
        if (words->argc == WORDS_MAX) {
            words->argc = 0;
            return error_set(err, BLOCKDB_EINVAL, "the line has more than %d words", WORDS_MAX);
        }
        starts[words->argc++] = words->text.len;
        rc = scan_word(&s);
        if (rc < 0) {
            words->argc = 0;
            return rc;
        }
    }
    for (i = 0; i < words->argc; i++) {
        words->argv[i] = (char *)words->text.data + starts[i];
    }
    return BLOCKDB_OK;
}

static bool is_plain(struct slice text)
{
    size_t i;

    for (i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (c <= ' ' || c == '"' || c == '\'' || c == '\\' || c == 0x7f) {
            return false;
        }
    }
    return text.len > 0 && text.data[0] != '-';
}

int words_quote(struct buf *out, struct slice text)
{
    size_t i;

    if (is_plain(text)) {
        return buf_append_slice(out, text);
    }
    if (buf_append_u8(out, '"') < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        int rc = c == '"' || c == '\\'  ? buf_appendf(out, "\\%c", c)
                 : c < ' ' || c == 0x7f ? buf_appendf(out, "\\x%02x", c)
                                        : buf_append_u8(out, c);

        if (rc < 0) {
            return rc;
        }
    }
    return buf_append_u8(out, '"');
}
