/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of bytes, times, sizes and durations that need no error message.
 *
 * Parsers accept the whole input or nothing: EINVAL for text that is not of the form, ELIMIT for a
 * value that does not fit; outputs are untouched then. Base64, UTF-8, units as people write them
 * and suggestions are in base64.h, utf8.h, units.h and suggest.h.
 *
 * Threads: any thread; no locale is consulted.
 */
#pragma once

#include "base/bytes.h"

/* Hexadecimal, written in lower case, read in either. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int text_append_hex(struct buf *out, struct slice bytes);
RESULT_MUST_BE_USED int text_decode_hex(struct slice text, struct buf *out);
/* Writes 2 * len characters and a terminating zero to out. */
void text_format_hex(char *out, const void *bytes, size_t len);
/* Reads exactly len bytes from 2 * len characters. */
RESULT_MUST_BE_USED int text_parse_hex(struct slice text, void *out, size_t len);

/* A decimal number, digits only, without leading zeros. EINVAL, ELIMIT beyond 64 bits. */
RESULT_MUST_BE_USED int text_parse_decimal(struct slice text, uint64_t *out);

/* RFC 3339 in UTC with milliseconds: 2026-01-31T12:00:00.000Z. Years beyond 9999 show as the last
 * millisecond of 9999. */
#define TEXT_TIME_BYTES 25 /* with the terminating zero */
void text_format_time(char out[TEXT_TIME_BYTES], uint64_t time_ms);
/* Any RFC 3339 time from 1970 on: 'T' or a space, fraction optional (cut to milliseconds), 'Z' or
 * an offset. A leap second counts as the second after it. ELIMIT before 1970. */
RESULT_MUST_BE_USED int text_parse_time(struct slice text, uint64_t *out_ms);

#define TEXT_SIZE_BYTES 32
#define TEXT_DURATION_BYTES 32
/* Exact, as size_parse() reads it: the largest unit that divides the size: 64MiB, 1000B, 0B. */
void text_format_size(char out[TEXT_SIZE_BYTES], uint64_t len_bytes);
/* For people: at most one decimal: 1.5 GiB, 12 KiB, 17 B. */
void text_format_size_short(char out[TEXT_SIZE_BYTES], uint64_t len_bytes);
/* Exact, as duration_parse() reads it: the largest unit that divides it: 5s, 150ms, 0ms. */
void text_format_duration(char out[TEXT_DURATION_BYTES], uint64_t duration_ms);
/* For people: three digits or more: 950 ns, 1.25 ms, 12.5 s, 3600 s. */
void text_format_latency(char out[TEXT_DURATION_BYTES], uint64_t duration_ns);

#define TEXT_SHOWN_BYTES 136
/* For messages: bytes of outsiders as one line of UTF-8. Control characters, backslashes and what
 * is no UTF-8 appear as \\xNN; beyond 128 bytes it is cut between characters and ends in "...". */
void text_show(char out[TEXT_SHOWN_BYTES], struct slice bytes);

/* The one of count words that is nearest to word (see suggest.h), borrowed; NULL when none is. */
const char *text_nearest(const char *word, const char *const *words, size_t count);
