/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes/cursor.h"

#include "base/base64.h"
#include "base/checksum.h"

#define CURSOR_VERSION 1
#define CURSOR_HEAD_MAX (1 + 8 + VARINT_BYTES_MAX)

/* What tells one scan from another. */
static uint64_t fingerprint(const struct cursor_scan *scan)
{
    uint64_t sum = checksum(scan->prefix.data, scan->prefix.len, scan->reverse);

    sum = checksum(scan->start.data, scan->start.len, sum);
    return checksum(scan->end.data, scan->end.len, sum);
}

/* Base64 as URLs have it: two other characters, and no padding. */
static void to_url(char *text, size_t *len)
{
    size_t i;

    while (*len > 0 && text[*len - 1] == '=') {
        (*len)--;
    }
    for (i = 0; i < *len; i++) {
        if (text[i] == '+') {
            text[i] = '-';
        } else if (text[i] == '/') {
            text[i] = '_';
        }
    }
}

static void from_url(struct slice url, char *out, size_t padded_len)
{
    size_t i;

    for (i = 0; i < padded_len; i++) {
        char c = i < url.len ? (char)url.data[i] : '=';

        if (c == '-') {
            c = '+';
        } else if (c == '_') {
            c = '/';
        }
        out[i] = c;
    }
}

int cursor_encode(const struct cursor *cursor, const struct cursor_scan *scan, struct arena *arena,
                  struct slice *out_text)
{
    uint8_t *bytes = arena_alloc(arena, CURSOR_HEAD_MAX + cursor->last_key.len);
    size_t len = 0;
    size_t text_len;
    char *text;

    if (bytes == NULL) {
        return BLOCKDB_ENOMEM;
    }
    bytes[len++] = CURSOR_VERSION;
    put_le64(bytes + len, fingerprint(scan));
    len += 8;
    len += put_varint(bytes + len, cursor->at_seq);
    memcpy(bytes + len, cursor->last_key.data, cursor->last_key.len);
    len += cursor->last_key.len;

    text_len = base64_len(len);
    text = arena_alloc(arena, text_len);
    if (text == NULL) {
        return BLOCKDB_ENOMEM;
    }
    base64_format(text, slice_of(bytes, len));
    to_url(text, &text_len);
    *out_text = slice_of(text, text_len);
    return BLOCKDB_OK;
}

static int refuse(struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "parameter 'cursor' is none of this scan: send next_cursor of the page before "
                     "with the same prefix, start, end and reverse");
}

int cursor_decode(struct slice text, const struct cursor_scan *scan, struct arena *arena,
                  struct cursor *out, struct error *err)
{
    size_t padded_len = (text.len + 3) / 4 * 4;
    char *padded = arena_alloc(arena, padded_len);
    struct cursor cursor;
    struct reader r;
    uint8_t *bytes;
    size_t len;

    if (padded == NULL) {
        return error_set_no_memory(err);
    }
    from_url(text, padded, padded_len);
    if (base64_check(slice_of(padded, padded_len), &len) < 0) {
        return refuse(err);
    }
    bytes = arena_alloc(arena, len);
    if (bytes == NULL) {
        return error_set_no_memory(err);
    }
    if (base64_decode(slice_of(padded, padded_len), bytes, len) < 0) {
        return refuse(err);
    }
    r = reader_of(slice_of(bytes, len));
    if (reader_u8(&r) != CURSOR_VERSION || reader_le64(&r) != fingerprint(scan)) {
        return refuse(err);
    }
    cursor.at_seq = reader_varint(&r);
    cursor.last_key = reader_bytes(&r, reader_left(&r));
    if (!reader_done(&r) || cursor.last_key.len == 0) {
        return refuse(err);
    }
    *out = cursor;
    return BLOCKDB_OK;
}
