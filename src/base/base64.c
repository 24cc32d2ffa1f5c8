/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <stdbool.h>

#define PAD '='

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_format(char *out, struct slice bytes)
{
    size_t i;

    for (i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;

        group |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[i + 2] : 0;
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = left > 1 ? alphabet[group >> 6 & 63] : PAD;
        *out++ = left > 2 ? alphabet[group & 63] : PAD;
    }
}

int base64_append(struct buf *out, struct slice bytes)
{
    if (bytes.len == 0) {
        return BLOCKDB_OK;
    }
    if (buf_reserve(out, base64_len(bytes.len)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    base64_format((char *)out->data + out->len, bytes);
    out->len += base64_len(bytes.len);
    return BLOCKDB_OK;
}

/* The six bits of a character, or -1. */
static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

/* Decodes four characters to 3 - pads bytes; false when they are no group. */
static bool group_parse(const uint8_t *text, size_t pads, uint8_t *out)
{
    uint32_t group = 0;
    size_t i;

    for (i = 0; i < 4; i++) {
        int bits = i < 4 - pads ? sextet(text[i]) : 0;

        if (bits < 0) {
            return false;
        }
        group = group << 6 | (uint32_t)bits;
    }
    if ((group & ((1u << (8 * pads)) - 1)) != 0) {
        return false;
    }
    for (i = 0; i < 3 - pads; i++) {
        out[i] = (uint8_t)(group >> (16 - 8 * i));
    }
    return true;
}

static size_t pads_of(struct slice text)
{
    if (text.len == 0 || text.data[text.len - 1] != PAD) {
        return 0;
    }
    return text.data[text.len - 2] == PAD ? 2 : 1;
}

/* Decodes text to out; NULL: only looks whether it can be decoded. */
static bool groups_parse(struct slice text, uint8_t *out)
{
    size_t pads = pads_of(text);
    uint8_t group[3];
    size_t i;

    for (i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;

        if (!group_parse(text.data + i, last ? pads : 0, out != NULL ? out : group)) {
            return false;
        }
        if (out != NULL) {
            out += 3;
        }
    }
    return true;
}

int base64_check(struct slice text, size_t *out_len)
{
    if (text.len % 4 != 0 || !groups_parse(text, NULL)) {
        return BLOCKDB_EINVAL;
    }
    *out_len = text.len / 4 * 3 - pads_of(text);
    return BLOCKDB_OK;
}

int base64_decode(struct slice text, void *out, size_t len)
{
    size_t decoded_len;

    if (base64_check(text, &decoded_len) < 0 || decoded_len != len) {
        return BLOCKDB_EINVAL;
    }
    (void)groups_parse(text, out); /* was just found to be well-formed */
    return BLOCKDB_OK;
}

int base64_parse(struct buf *out, struct slice text)
{
    if (text.len % 4 != 0) {
        return BLOCKDB_EINVAL;
    }
    if (text.len == 0) {
        return BLOCKDB_OK;
    }
    if (buf_reserve(out, text.len / 4 * 3) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (!groups_parse(text, out->data + out->len)) {
        return BLOCKDB_EINVAL;
    }
    out->len += text.len / 4 * 3 - pads_of(text);
    return BLOCKDB_OK;
}
