/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/json_write.h"

#include <stdbool.h>
#include <stdio.h>

#define ESCAPE_LEN_MAX 6

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* The letter of a two-character escape, or 0. */
static char escape_letter(uint8_t c)
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

static size_t escape_write(uint8_t c, uint8_t *out)
{
    static const char hex[] = "0123456789abcdef";
    char letter = escape_letter(c);

    out[0] = '\\';
    if (letter != 0) {
        out[1] = (uint8_t)letter;
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = (uint8_t)hex[c >> 4];
    out[5] = (uint8_t)hex[c & 15];
    return ESCAPE_LEN_MAX;
}

int json_append_text(struct buf *out, struct slice text)
{
    size_t i = 0;
    size_t escapes = 0;
    uint8_t *p;

    for (i = 0; i < text.len; i++) {
        escapes += !is_plain(text.data[i]);
    }
    if (buf_reserve(out, text.len + 2 + escapes * (ESCAPE_LEN_MAX - 1)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    p = out->data + out->len;
    *p++ = '"';
    if (escapes == 0 && text.len > 0) {
        memcpy(p, text.data, text.len);
        p += text.len;
    } else {
        for (i = 0; i < text.len; i++) {
            if (is_plain(text.data[i])) {
                *p++ = text.data[i];
            } else {
                p += escape_write(text.data[i], p);
            }
        }
    }
    *p++ = '"';
    out->len = (size_t)(p - out->data);
    return BLOCKDB_OK;
}
