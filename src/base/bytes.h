/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: a slice borrows, a buf owns, a reader parses.
 *
 * `struct reader` is the only way to parse bytes from outside: each step checks what is left.
 * Files of the store are little-endian (le), hashed evidence is big-endian (be). Varints are
 * LEB128, at most 10 bytes, shortest form only.
 *
 * Threads: caller locks.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_BYTES_MAX 10

/* Borrows len bytes at data; data may be NULL when len is 0. */
struct slice {
    const uint8_t *data;
    size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){.data = (const uint8_t *)data, .len = len};
}

static inline struct slice slice_of_text(const char *text)
{
    return slice_of(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Bytewise order, a prefix before what it is a prefix of: <0, 0, >0. The order of keys. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* Owns its bytes; a zeroed buf is valid and empty. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void buf_deinit(struct buf *b);
/* Keeps the memory, drops the bytes. */
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
}
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}
/* Makes room for extra more bytes; ENOMEM leaves b unchanged. So do all that follow. */
RESULT_MUST_BE_USED int buf_reserve(struct buf *b, size_t extra);
RESULT_MUST_BE_USED int buf_append(struct buf *b, const void *data, size_t len);
RESULT_MUST_BE_USED int buf_append_slice(struct buf *b, struct slice s);
RESULT_MUST_BE_USED int buf_append_zeros(struct buf *b, size_t len);
RESULT_MUST_BE_USED int buf_append_u8(struct buf *b, uint8_t value);
RESULT_MUST_BE_USED int buf_append_le16(struct buf *b, uint16_t value);
RESULT_MUST_BE_USED int buf_append_le32(struct buf *b, uint32_t value);
RESULT_MUST_BE_USED int buf_append_le64(struct buf *b, uint64_t value);
RESULT_MUST_BE_USED int buf_append_be16(struct buf *b, uint16_t value);
RESULT_MUST_BE_USED int buf_append_be32(struct buf *b, uint32_t value);
RESULT_MUST_BE_USED int buf_append_be64(struct buf *b, uint64_t value);
RESULT_MUST_BE_USED int buf_append_varint(struct buf *b, uint64_t value);
/* printf into the buf, without the terminating zero. */
RESULT_MUST_BE_USED int buf_appendf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Raw encoders into memory the caller has checked. */
static inline void put_le16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, 2);
}
static inline void put_le32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static inline void put_le64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, 8);
}
static inline uint16_t get_le16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static inline uint32_t get_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t get_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void put_be16(uint8_t *p, uint16_t v)
{
    put_le16(p, __builtin_bswap16(v));
}
static inline void put_be32(uint8_t *p, uint32_t v)
{
    put_le32(p, __builtin_bswap32(v));
}
static inline void put_be64(uint8_t *p, uint64_t v)
{
    put_le64(p, __builtin_bswap64(v));
}
static inline uint16_t get_be16(const uint8_t *p)
{
    return __builtin_bswap16(get_le16(p));
}
static inline uint32_t get_be32(const uint8_t *p)
{
    return __builtin_bswap32(get_le32(p));
}
static inline uint64_t get_be64(const uint8_t *p)
{
    return __builtin_bswap64(get_le64(p));
}
/* Writes at most VARINT_BYTES_MAX bytes, returns how many. */
static inline size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}
static inline size_t varint_len(uint64_t v)
{
    size_t n = 1;

    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

/* Reads from borrowed bytes, front to back. After a failure `failed` stays true, every further
 * read gives zeros, and the caller may check once at the end. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct slice s)
{
    return (struct reader){
        .at = s.data, .end = s.len > 0 ? s.data + s.len : s.data, .failed = false};
}
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}
/* Whether everything read so far was there. */
static inline bool reader_ok(const struct reader *r)
{
    return !r->failed;
}
/* Whether everything was there and nothing is left over. */
static inline bool reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}
uint8_t reader_u8(struct reader *r);
uint16_t reader_le16(struct reader *r);
uint32_t reader_le32(struct reader *r);
uint64_t reader_le64(struct reader *r);
uint16_t reader_be16(struct reader *r);
uint32_t reader_be32(struct reader *r);
uint64_t reader_be64(struct reader *r);
/* Fails on a number over 64 bits and on a longer form than needed. */
uint64_t reader_varint(struct reader *r);
/* Borrows len bytes of the input; an empty slice on failure. */
struct slice reader_bytes(struct reader *r, uint64_t len);
/* Copies len bytes to out; zeros on failure. */
void reader_copy(struct reader *r, void *out, size_t len);
