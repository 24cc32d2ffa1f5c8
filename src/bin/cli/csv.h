/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as in RFC 4180: fields separated by commas, quoted where needed, records by LF or CR LF.
 *
 * CSV-1  A quote stands only around a whole field, or doubled inside a quoted one.
 * CSV-2  What csv_append_field() writes reads back as the same bytes.
 *
 * Threads:   one thread at a time.
 * Ownership: a row owns its bytes; fields are borrowed until the next csv_parse() or csv_deinit().
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define CSV_FIELDS_MAX 1024

struct csv_row {
    struct buf bytes; /* of all fields, without quotes */
    struct {
        size_t at;
        size_t len;
    } fields[CSV_FIELDS_MAX];
    size_t count;
    bool blank;        /* an empty line */
    size_t lines;      /* line feeds the record took */
    const char *fault; /* why parsing failed; static */
};

void csv_deinit(struct csv_row *row);

/* Parses the record at the front of text into row and tells its length with its end in *out_used;
 * 0 when it may go on behind text, which is_last rules out. EINVAL sets row->fault, and row->lines
 * to the lines before the fault; ENOMEM. */
RESULT_MUST_BE_USED int csv_parse(struct csv_row *row, struct slice text, bool is_last,
                                  size_t *out_used);

struct slice csv_field(const struct csv_row *row, size_t index);

/* Appends a field, in quotes where it needs them. ENOMEM leaves out unchanged or longer. */
RESULT_MUST_BE_USED int csv_append_field(struct buf *out, struct slice field);
