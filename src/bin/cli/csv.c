/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/csv.h"

#include "base/assert.h"

/* Where a scan is in its text. */
struct csv_scan {
    struct csv_row *row;
    const uint8_t *at;
    const uint8_t *end;
    bool is_last;
    bool starved; /* the text ended where more may come */
};

void csv_deinit(struct csv_row *row)
{
    buf_deinit(&row->bytes);
    *row = (struct csv_row){0};
}

static int csv_fail(struct csv_scan *s, const char *fault)
{
    s->row->fault = fault;
    return BLOCKDB_EINVAL;
}

/* Whether the record ends here: at LF, CR LF, or the end of the last text. */
static bool at_record_end(struct csv_scan *s)
{
    if (s->at == s->end) {
        s->starved = !s->is_last;
        return true;
    }
    if (*s->at == '\r' && s->at + 1 == s->end && !s->is_last) {
        s->starved = true; /* a LF may follow */
        return true;
    }
    return *s->at == '\n' || (*s->at == '\r' && s->at + 1 < s->end && s->at[1] == '\n');
}

static int scan_quoted(struct csv_scan *s)
{
    struct csv_row *row = s->row;

    s->at++;
    while (s->at < s->end) {
        const uint8_t *first = s->at;

        while (s->at < s->end && *s->at != '"') {
            row->lines += *s->at == '\n';
            s->at++;
        }
        if (buf_append(&row->bytes, first, (size_t)(s->at - first)) < 0) {
            return BLOCKDB_ENOMEM;
        }
        if (s->at == s->end) {
            break;
        }
        s->at++;
        if (s->at == s->end || *s->at != '"') {
            s->starved = s->at == s->end && !s->is_last; /* a second quote may follow */
            return BLOCKDB_OK;
        }
        if (buf_append_u8(&row->bytes, '"') < 0) {
            return BLOCKDB_ENOMEM;
        }
        s->at++;
    }
    s->starved = !s->is_last;
    return s->is_last ? csv_fail(s, "a quoted field has no closing quote") : BLOCKDB_OK;
}

static int scan_plain(struct csv_scan *s)
{
    const uint8_t *first = s->at;

    while (!at_record_end(s) && *s->at != ',') {
        if (*s->at == '"') {
            return csv_fail(s, "a quote stands inside a field that does not begin with one");
        }
        s->at++;
    }
    return buf_append(&s->row->bytes, first, (size_t)(s->at - first));
}

static int scan_field(struct csv_scan *s)
{
    struct csv_row *row = s->row;
    size_t start = row->bytes.len;
    bool quoted = s->at < s->end && *s->at == '"';
    int rc;

    if (row->count == CSV_FIELDS_MAX) {
        return csv_fail(s, "the record has too many fields");
    }
    rc = quoted ? scan_quoted(s) : scan_plain(s);
    if (rc < 0 || s->starved) {
        return rc;
    }
    if (quoted && !at_record_end(s) && *s->at != ',') {
        return csv_fail(s, "a comma is missing behind a quoted field");
    }
    row->fields[row->count].at = start;
    row->fields[row->count].len = row->bytes.len - start;
    row->count++;
    row->blank = row->count == 1 && !quoted && row->bytes.len == 0;
    return BLOCKDB_OK;
}

/* Moves behind the end of the record. */
static void skip_end(struct csv_scan *s)
{
    if (s->at < s->end && *s->at == '\r') {
        s->at++;
    }
    if (s->at < s->end) {
        s->at++;
        s->row->lines++;
    }
}

int csv_parse(struct csv_row *row, struct slice text, bool is_last, size_t *out_used)
{
    struct csv_scan s = {.row = row,
                         .at = text.data,
                         .end = text.len > 0 ? text.data + text.len : text.data,
                         .is_last = is_last};

    buf_reset(&row->bytes);
    row->count = 0;
    row->lines = 0;
    row->fault = NULL;
    while (true) {
        int rc = scan_field(&s);

        if (rc < 0) {
            return rc;
        }
        if (s.starved || at_record_end(&s)) {
            break;
        }
        s.at++; /* the comma */
    }
    if (s.starved) {
        *out_used = 0;
        return BLOCKDB_OK;
    }
    skip_end(&s);
    *out_used = (size_t)(s.at - text.data);
    return BLOCKDB_OK;
}

struct slice csv_field(const struct csv_row *row, size_t index)
{
    ASSERT(index < row->count);
    if (row->bytes.len == 0) {
        return (struct slice){0}; /* a row of empty fields has no memory to point into */
    }
    return slice_of(row->bytes.data + row->fields[index].at, row->fields[index].len);
}

static bool needs_quotes(struct slice field)
{
    size_t i;

    for (i = 0; i < field.len; i++) {
        uint8_t c = field.data[i];

        if (c == '"' || c == ',' || c == '\n' || c == '\r') {
            return true;
        }
    }
    return field.len == 0; /* an empty line would be no record */
}

int csv_append_field(struct buf *out, struct slice field)
{
    size_t i;

    if (!needs_quotes(field)) {
        return buf_append_slice(out, field);
    }
    if (buf_append_u8(out, '"') < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < field.len; i++) {
        if (field.data[i] == '"' && buf_append_u8(out, '"') < 0) {
            return BLOCKDB_ENOMEM;
        }
        if (buf_append_u8(out, field.data[i]) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return buf_append_u8(out, '"');
}
