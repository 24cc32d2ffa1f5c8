/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of bytes, times, sizes and durations. Parsers accept the whole input or nothing.
 *
 * Every parser returns EINVAL for text that is not of its form and ELIMIT for a value that does
 * not fit; outputs are untouched then. Appending returns ENOMEM and leaves the buf unchanged.
 *
 * Threads: any thread; no locale is consulted.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

/* Base64, standard alphabet, with padding (RFC 4648 section 4). */
static inline size_t text_base64_len(size_t len_bytes)
{
    return (len_bytes + 2) / 3 * 4;
}
RESULT_MUST_BE_USED int text_append_base64(struct buf *out, struct slice bytes);
/* Strict: no white space, padding required, unused bits zero. Appends the bytes to out. */
RESULT_MUST_BE_USED int text_decode_base64(struct slice text, struct buf *out);

/* Hexadecimal, written in lower case, read in either. */
RESULT_MUST_BE_USED int text_append_hex(struct buf *out, struct slice bytes);
RESULT_MUST_BE_USED int text_decode_hex(struct slice text, struct buf *out);
/* Writes 2 * len characters and a terminating zero to out. */
void text_format_hex(char *out, const void *bytes, size_t len);
/* Reads exactly len bytes from 2 * len characters. */
RESULT_MUST_BE_USED int text_parse_hex(struct slice text, void *out, size_t len);

/* RFC 3339 in UTC with milliseconds: 2026-01-31T12:00:00.000Z. Years beyond 9999 show as the last
 * millisecond of 9999. */
#define TEXT_TIME_BYTES 25 /* with the terminating zero */
void text_format_time(char out[TEXT_TIME_BYTES], uint64_t time_ms);
/* Any RFC 3339 time from 1970 on: 'T' or a space, fraction optional (cut to milliseconds), 'Z' or
 * an offset. A leap second counts as the second after it. */
RESULT_MUST_BE_USED int text_parse_time(struct slice text, uint64_t *out_ms);

/* An unsigned decimal number, nothing around it. */
RESULT_MUST_BE_USED int text_parse_u64(struct slice text, uint64_t *out);

#define TEXT_SIZE_BYTES 32
/* Exact: the largest unit that divides the size: 64MiB, 1000B, 0B. text_parse_size() reads it. */
void text_format_size(char out[TEXT_SIZE_BYTES], uint64_t len_bytes);
/* For people: at most one decimal: 1.5 GiB, 12 KiB, 17 B. */
void text_format_size_short(char out[TEXT_SIZE_BYTES], uint64_t len_bytes);
/* A whole number and a unit, with or without one space: B, KiB, MiB, GiB, TiB (1024), kB, MB, GB,
 * TB (1000); without unit bytes. Case of the unit is ignored. */
RESULT_MUST_BE_USED int text_parse_size(struct slice text, uint64_t *out_bytes);

#define TEXT_DURATION_BYTES 32
/* Exact: the largest unit that divides it: 5s, 150ms, 0s. text_parse_duration() reads it. */
void text_format_duration(char out[TEXT_DURATION_BYTES], uint64_t duration_ns);
/* For people: three digits: 1.25 ms, 12.5 s. */
void text_format_duration_short(char out[TEXT_DURATION_BYTES], uint64_t duration_ns);
/* A whole number and a unit, with or without one space: ns, us, ms, s, m or min, h, d. Only zero
 * may stand without a unit. */
RESULT_MUST_BE_USED int text_parse_duration(struct slice text, uint64_t *out_ns);

/* Well-formed UTF-8: shortest forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct slice text);
/* The length of the well-formed character at the start of text, 0 when there is none. */
size_t text_utf8_len(struct slice text);

/* The one of count words that is nearest to word, for "did you mean ...?"; NULL when none is
 * near (at most a third of its letters wrong; swapped neighbours count as one). Borrows. */
const char *text_nearest(const char *word, const char *const *words, size_t count);
