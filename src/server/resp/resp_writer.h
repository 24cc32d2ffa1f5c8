/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes replies of the Redis protocol, in the version a connection speaks.
 *
 * What RESP2 has no form for is written as Redis writes it there: a map as an array twice as long,
 * null as a null bulk string, a boolean as a number, verbatim text as a bulk string.
 *
 * WRITER-1  A failure is sticky: once memory was short nothing more is appended; the caller looks
 *           once at the end and drops the connection, for half a reply is worse than none.
 * WRITER-2  Texts of simple strings and errors are one printable line, whatever went in (RESP-3).
 *
 * Threads:   caller locks.
 * Ownership: borrows the buf.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct resp_writer {
    struct buf *out;
    unsigned version; /* 2 or 3 */
    bool failed;
    bool has_error; /* an error was written */
};

static inline struct resp_writer resp_writer_of(struct buf *out, unsigned version)
{
    return (struct resp_writer){.out = out, .version = version};
}

void resp_write_ok(struct resp_writer *w);
void resp_write_simple(struct resp_writer *w, const char *text);
void resp_write_integer(struct resp_writer *w, int64_t value);
void resp_write_bulk(struct resp_writer *w, struct slice bytes);
void resp_write_text(struct resp_writer *w, const char *text);
void resp_write_null(struct resp_writer *w);
/* What EXEC answers when nothing was done. */
void resp_write_null_array(struct resp_writer *w);
void resp_write_bool(struct resp_writer *w, bool value);
/* Text for people, "txt". */
void resp_write_verbatim(struct resp_writer *w, struct slice text);
/* Heads: count elements, or pairs, follow. */
void resp_write_array(struct resp_writer *w, size_t count);
void resp_write_map(struct resp_writer *w, size_t count);
void resp_write_set(struct resp_writer *w, size_t count);
/* Elements that were written before, as they are. */
void resp_write_raw(struct resp_writer *w, struct slice replies);

/* An error: a code in capital letters, then what failed and what to do. */
void resp_write_error(struct resp_writer *w, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The error of a status, with the code that fits it: READONLY, NOPERM, REDACTED, BUSY, OOM or ERR.
 * err may be NULL or without message. */
void resp_write_status(struct resp_writer *w, int status, const struct error *err);
