/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define BUF_CAP_MIN 64

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "le accessors copy native integers");

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

int buf_reserve(struct buf *b, size_t extra)
{
    size_t need;
    size_t cap;
    uint8_t *data;

    if (extra <= b->cap - b->len) {
        return BLOCKDB_OK;
    }
    if (__builtin_add_overflow(b->len, extra, &need)) {
        return BLOCKDB_ENOMEM;
    }
    cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    data = mem_realloc(b->data, cap);
    if (data == NULL) {
        return BLOCKDB_ENOMEM;
    }
    b->data = data;
    b->cap = cap;
    return BLOCKDB_OK;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
    if (buf_reserve(b, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
    return BLOCKDB_OK;
}

int buf_append_slice(struct buf *b, struct slice s)
{
    return buf_append(b, s.data, s.len);
}

int buf_append_zeros(struct buf *b, size_t len)
{
    if (buf_reserve(b, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (len > 0) {
        memset(b->data + b->len, 0, len);
        b->len += len;
    }
    return BLOCKDB_OK;
}

int buf_append_u8(struct buf *b, uint8_t value)
{
    return buf_append(b, &value, 1);
}

int buf_append_le16(struct buf *b, uint16_t value)
{
    uint8_t bytes[2];

    put_le16(bytes, value);
    return buf_append(b, bytes, sizeof(bytes));
}

int buf_append_le32(struct buf *b, uint32_t value)
{
    uint8_t bytes[4];

    put_le32(bytes, value);
    return buf_append(b, bytes, sizeof(bytes));
}

int buf_append_le64(struct buf *b, uint64_t value)
{
    uint8_t bytes[8];

    put_le64(bytes, value);
    return buf_append(b, bytes, sizeof(bytes));
}

int buf_append_be16(struct buf *b, uint16_t value)
{
    return buf_append_le16(b, __builtin_bswap16(value));
}

int buf_append_be32(struct buf *b, uint32_t value)
{
    return buf_append_le32(b, __builtin_bswap32(value));
}

int buf_append_be64(struct buf *b, uint64_t value)
{
    return buf_append_le64(b, __builtin_bswap64(value));
}

int buf_append_varint(struct buf *b, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES_MAX];

    return buf_append(b, bytes, put_varint(bytes, value));
}

int buf_appendf(struct buf *b, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || buf_reserve(b, (size_t)len + 1) < 0) {
        return BLOCKDB_ENOMEM;
    }
    va_start(args, format);
    (void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
    return BLOCKDB_OK;
}

/* Takes len bytes, or fails the reader and returns NULL. */
static const uint8_t *reader_take(struct reader *r, uint64_t len)
{
    const uint8_t *at = r->at;

    if (r->failed || len > reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    r->at += len;
    return at;
}

uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);

    return p != NULL ? *p : 0;
}

uint16_t reader_le16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);

    return p != NULL ? get_le16(p) : 0;
}

uint32_t reader_le32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);

    return p != NULL ? get_le32(p) : 0;
}

uint64_t reader_le64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);

    return p != NULL ? get_le64(p) : 0;
}

uint16_t reader_be16(struct reader *r)
{
    return __builtin_bswap16(reader_le16(r));
}

uint32_t reader_be32(struct reader *r)
{
    return __builtin_bswap32(reader_le32(r));
}

uint64_t reader_be64(struct reader *r)
{
    return __builtin_bswap64(reader_le64(r));
}

uint64_t reader_varint(struct reader *r)
{
    uint64_t value = 0;
    unsigned shift;

    for (shift = 0; shift < 70; shift += 7) {
        uint8_t byte = reader_u8(r);

        if (r->failed || (shift == 63 && byte > 1) || (shift > 0 && byte == 0)) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    r->failed = true;
    return 0;
}

struct slice reader_bytes(struct reader *r, uint64_t len)
{
    const uint8_t *p = reader_take(r, len);

    return p != NULL ? slice_of(p, (size_t)len) : (struct slice){0};
}

void reader_copy(struct reader *r, void *out, size_t len)
{
    const uint8_t *p = reader_take(r, len);

    if (p != NULL) {
        memcpy(out, p, len);
    } else {
        memset(out, 0, len);
    }
}
