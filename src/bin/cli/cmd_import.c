/* SPDX-License-Identifier: Apache-2.0 */
/* import: a file of any length, one change after the other, packed into large batches. */
#include "base/json_writer.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bin/cli/change.h"
#include "bin/cli/cli.h"
#include "bin/cli/csv.h"
#include "bin/cli/input.h"
#include "bin/cli/loader.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <inttypes.h>
#include <string.h>

#define PROGRESS_EVERY 256
#define NO_COLUMN SIZE_MAX

/* In the order of the choices of --format. */
enum import_format { IMPORT_JSONL, IMPORT_CSV, IMPORT_LINES };

/* How the columns of a CSV file become keys and values. */
struct columns {
    struct csv_row header;
    size_t key;
    size_t value;    /* NO_COLUMN: an object of all columns but the key */
    size_t encoding; /* NO_COLUMN: there is none */
};

struct import {
    struct cli *cli;
    struct input in;
    struct loader loader;
    struct change_parser *parser;
    uint64_t redacted; /* entries without a value, passed over */
    struct progress progress;
    const char *key_field; /* NULL: not given */
    struct csv_row *row;
    struct columns *columns;
    struct buf object; /* the value made of a CSV record */
    uint64_t changes;
};

static void import_breathe(struct import *im)
{
    im->changes++;
    if (im->changes % PROGRESS_EVERY == 0) {
        if (im->in.bytes_total > 0) {
            progress_update(&im->progress, "bytes", im->in.bytes_done, im->in.bytes_total);
        } else {
            progress_update(&im->progress, "entries", im->changes, 0);
        }
    }
}

static int import_change(struct import *im, const struct change *change, struct error *err)
{
    int rc;

    if (change->if_absent) {
        return error_set(err, BLOCKDB_EINVAL,
                         "\"if_absent\" is for batch: import has many batches and could not undo "
                         "the earlier ones");
    }
    if (change->type == CHANGE_REDACTED) {
        im->redacted++;
        rc = BLOCKDB_OK;
    } else if (change->type == CHANGE_DELETE) {
        rc = loader_delete(&im->loader, change->key, err);
    } else {
        rc = loader_put(&im->loader, change->key, change->value, err);
    }
    import_breathe(im);
    return rc;
}

static int import_json_line(struct import *im, struct slice line, struct error *err)
{
    struct change change;
    int rc = im->key_field != NULL
                 ? change_parse_object(im->parser, line, im->key_field, &change, err)
                 : change_parse(im->parser, line, &change, err);

    return rc < 0 ? rc : import_change(im, &change, err);
}

static int import_plain_line(struct import *im, struct slice line, struct error *err)
{
    struct change change = {.type = CHANGE_PUT};
    const uint8_t *tab = memchr(line.data, '\t', line.len);

    if (tab == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "there is no tab between key and value");
    }
    change.key = slice_of(line.data, (size_t)(tab - line.data));
    change.value = slice_of(tab + 1, line.len - change.key.len - 1);
    return import_change(im, &change, err);
}

static int import_lines(struct import *im, enum import_format format, struct error *err)
{
    struct slice line;
    int rc;

    while ((rc = input_line(&im->in, &line, err)) == BLOCKDB_OK) {
        if (signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED, "interrupted");
        }
        if (line.len == 0) {
            continue;
        }
        rc = format == IMPORT_JSONL ? import_json_line(im, line, err)
                                    : import_plain_line(im, line, err);
        if (rc < 0) {
            return error_wrap(err, rc, "%s, line %" PRIu64, im->in.name, im->in.line);
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : cli_failed_here(im->cli, rc);
}

/* ---- CSV ----------------------------------------------------------------------------------- */

/* Reads the next record that is not blank; ENOTFOUND at the end. in.line is its first line, then
 * grows by the lines it took when the next is read. */
static int csv_next(struct import *im, struct csv_row *row, struct error *err)
{
    while (true) {
        struct slice window = input_window(&im->in);
        size_t used = 0;
        int rc;

        if (im->in.ended && window.len == 0) {
            return BLOCKDB_ENOTFOUND;
        }
        rc = window.len > 0 ? csv_parse(row, window, im->in.ended, &used) : BLOCKDB_OK;
        if (rc == BLOCKDB_EINVAL) {
            return error_set(err, rc, "%s, line %" PRIu64 ": %s", im->in.name,
                             im->in.line + row->lines + 1, row->fault);
        }
        if (rc < 0) {
            return error_set_no_memory(err);
        }
        if (used > 0) {
            input_take(&im->in, used);
            im->in.line += row->lines;
            if (!row->blank) {
                return BLOCKDB_OK;
            }
            continue;
        }
        rc = input_grow(&im->in, err);
        if (rc < 0) {
            return cli_failed_here(im->cli, rc);
        }
    }
}

static size_t column_find(const struct csv_row *header, const char *name)
{
    size_t i;

    for (i = 0; i < header->count; i++) {
        if (slice_equal(csv_field(header, i), slice_of_text(name))) {
            return i;
        }
    }
    return NO_COLUMN;
}

/* Whether the header is that of export: key and value, perhaps encoding, seq and time. */
static bool is_exported(const struct csv_row *header)
{
    static const char *const names[] = {"key", "value", "encoding", "seq", "time"};
    size_t known = 0;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        known += column_find(header, names[i]) != NO_COLUMN;
    }
    return known == header->count && column_find(header, "key") != NO_COLUMN &&
           column_find(header, "value") != NO_COLUMN;
}

static int header_check(const struct csv_row *header, struct error *err)
{
    size_t i;
    size_t j;

    for (i = 0; i < header->count; i++) {
        if (!utf8_valid(csv_field(header, i))) {
            return error_set(err, BLOCKDB_EINVAL, "the header is not UTF-8");
        }
        for (j = 0; j < i; j++) {
            if (slice_equal(csv_field(header, i), csv_field(header, j))) {
                return error_set(err, BLOCKDB_EINVAL, "columns %zu and %zu have the same name",
                                 j + 1, i + 1);
            }
        }
    }
    return BLOCKDB_OK;
}

/* Drops the byte order mark that some programs put before a header. */
static int skip_byte_order_mark(struct import *im, struct error *err)
{
    struct slice window;

    while (!im->in.ended && input_window(&im->in).len < 3) {
        int rc = input_grow(&im->in, err);

        if (rc < 0) {
            return cli_failed_here(im->cli, rc);
        }
    }
    window = input_window(&im->in);
    if (window.len >= 3 && memcmp(window.data, "\xef\xbb\xbf", 3) == 0) {
        input_take(&im->in, 3);
    }
    return BLOCKDB_OK;
}

static int columns_read(struct import *im, struct error *err)
{
    struct columns *c = im->columns;
    int rc = skip_byte_order_mark(im, err);

    if (rc == BLOCKDB_OK) {
        rc = csv_next(im, &c->header, err);
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_EINVAL, "%s has no header line", im->in.name);
    }
    if (rc == BLOCKDB_OK) {
        rc = header_check(&c->header, err);
    }
    if (rc < 0) {
        return rc;
    }
    c->key = 0;
    c->value = c->header.count == 2 ? 1 : NO_COLUMN;
    c->encoding = NO_COLUMN;
    if (im->key_field != NULL) {
        c->key = column_find(&c->header, im->key_field);
        c->value = c->header.count == 2 ? 1 - c->key : NO_COLUMN;
    } else if (is_exported(&c->header)) {
        c->key = column_find(&c->header, "key");
        c->value = column_find(&c->header, "value");
        c->encoding = column_find(&c->header, "encoding");
    }
    if (c->key == NO_COLUMN) {
        return error_set(err, BLOCKDB_EINVAL, "%s has no column '%.64s'", im->in.name,
                         im->key_field);
    }
    return BLOCKDB_OK;
}

/* Makes the JSON object of all columns but the key. */
static int object_make(struct import *im, struct slice *out, struct error *err)
{
    struct json_writer w;
    size_t i;

    buf_reset(&im->object);
    json_writer_init(&w, &im->object);
    json_writer_begin_object(&w);
    for (i = 0; i < im->row->count; i++) {
        AUTO(buf_deinit) struct buf name = {0};

        if (i == im->columns->key) {
            continue;
        }
        if (!utf8_valid(csv_field(im->row, i))) {
            return error_set(err, BLOCKDB_EINVAL, "column %zu is not UTF-8", i + 1);
        }
        if (buf_append_slice(&name, csv_field(&im->columns->header, i)) < 0 ||
            buf_append_u8(&name, 0) < 0) {
            return error_set_no_memory(err);
        }
        json_writer_key(&w, (const char *)name.data);
        json_writer_string(&w, csv_field(im->row, i));
    }
    json_writer_end_object(&w);
    if (json_writer_finish(&w) < 0) {
        return error_set_no_memory(err);
    }
    *out = buf_slice(&im->object);
    return BLOCKDB_OK;
}

static int import_csv_row(struct import *im, struct error *err)
{
    const struct columns *c = im->columns;
    struct change change = {.type = CHANGE_PUT};
    int rc = BLOCKDB_OK;

    if (im->row->count != c->header.count) {
        return error_set(err, BLOCKDB_EINVAL, "the record has %zu fields, the header %zu",
                         im->row->count, c->header.count);
    }
    change.key = csv_field(im->row, c->key);
    if (c->value == NO_COLUMN) {
        rc = object_make(im, &change.value, err);
    } else {
        change.value = csv_field(im->row, c->value);
    }
    if (c->encoding != NO_COLUMN &&
        slice_equal(csv_field(im->row, c->encoding), slice_of_text("redacted"))) {
        change.type = CHANGE_REDACTED;
    }
    if (rc == BLOCKDB_OK && c->encoding != NO_COLUMN &&
        slice_equal(csv_field(im->row, c->encoding), slice_of_text("base64"))) {
        rc = change_decode(im->parser, &change, err);
    }
    return rc < 0 ? rc : import_change(im, &change, err);
}

static int import_csv_rows(struct import *im, struct error *err)
{
    int rc = columns_read(im, err);

    while (rc == BLOCKDB_OK) {
        uint64_t line;

        if (signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED, "interrupted");
        }
        rc = csv_next(im, im->row, err);
        if (rc < 0) {
            break;
        }
        line = im->in.line - im->row->lines + 1;
        rc = import_csv_row(im, err);
        if (rc < 0) {
            return error_wrap(err, rc, "%s, line %" PRIu64, im->in.name, line);
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int import_csv(struct import *im, struct error *err)
{
    int rc;

    im->row = mem_calloc(1, sizeof(*im->row));
    im->columns = mem_calloc(1, sizeof(*im->columns));
    rc = im->row != NULL && im->columns != NULL ? import_csv_rows(im, err)
                                                : error_set_no_memory(err);
    if (im->row != NULL) {
        csv_deinit(im->row);
    }
    if (im->columns != NULL) {
        csv_deinit(&im->columns->header);
    }
    mem_free(im->row);
    mem_free(im->columns);
    return rc;
}

/* ---- The command --------------------------------------------------------------------------- */

static bool has_suffix(const char *path, const char *suffix)
{
    size_t path_len = strlen(path);
    size_t len = strlen(suffix);

    return path_len > len && strcmp(path + path_len - len, suffix) == 0;
}

static enum import_format format_of_path(const char *path)
{
    if (has_suffix(path, ".csv")) {
        return IMPORT_CSV;
    }
    return has_suffix(path, ".tsv") || has_suffix(path, ".txt") ? IMPORT_LINES : IMPORT_JSONL;
}

static int import_all(struct import *im, enum import_format format, struct error *err)
{
    struct error finish_err = {0};
    int finished;
    int rc = format == IMPORT_CSV ? import_csv(im, err) : import_lines(im, format, err);

    /* What stands before a bad line is imported. */
    finished = loader_finish(&im->loader, &finish_err);
    progress_finish(&im->progress);
    if (rc == BLOCKDB_OK && finished < 0) {
        *err = finish_err;
        rc = finished;
    }
    if (rc < 0 && im->loader.entries > 0) {
        struct error cause = *err;

        return error_set(err, rc, "%.900s (%" PRIu64 " entries before it are imported)",
                         cause.message, im->loader.entries);
    }
    return rc;
}

static void import_print(struct import *im)
{
    uint64_t elapsed = os_monotonic_ns(im->cli->os) - im->progress.start_ns;
    uint64_t seconds_1000 = elapsed / 1000000 > 0 ? elapsed / 1000000 : 1;
    const struct field fields[] = {
        {.name = "entries", .type = FIELD_NUMBER, .number = im->loader.entries},
        {.name = "redacted", .type = FIELD_NUMBER, .number = im->redacted},
        {.name = "bytes_read", .type = FIELD_BYTES, .number = im->in.bytes_done},
        {.name = "elapsed_ns", .type = FIELD_NS, .number = elapsed},
        {.name = "entries_per_second",
         .type = FIELD_NUMBER,
         .number = im->loader.entries * 1000 / seconds_1000},
    };

    fields_print(&im->cli->out, im->cli->format, fields, sizeof(fields) / sizeof(fields[0]));
}

static int import_run(struct import *im, enum import_format format, struct error *err)
{
    int rc;

    im->parser = change_parser_new();
    if (im->parser == NULL) {
        return error_set_no_memory(err);
    }
    cli_progress_init(im->cli, &im->progress);
    loader_init(&im->loader, im->cli->source, args_durability(&im->cli->args));
    rc = import_all(im, format, err);
    if (rc == BLOCKDB_OK) {
        import_print(im);
    }
    loader_deinit(&im->loader);
    change_parser_free(im->parser);
    return rc;
}

int cmd_import(struct cli *cli, struct error *err)
{
    struct import im = {.cli = cli, .key_field = args_value(&cli->args, "key-field")};
    const char *path = cli->args.positional[0];
    enum import_format format = (enum import_format)args_choice(&cli->args, "format",
                                                                format_of_path(path));
    int rc;

    if (format == IMPORT_LINES && im.key_field != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "option --key-field: lines have no fields");
    }
    rc = input_open(&im.in, cli->os, path, err);
    if (rc < 0) {
        return cli_failed_here(cli, rc);
    }
    rc = import_run(&im, format, err);
    input_close(&im.in);
    buf_deinit(&im.object);
    return rc;
}
