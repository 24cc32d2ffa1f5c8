/* SPDX-License-Identifier: Apache-2.0 */
/* put, delete and batch: commands that append entries and print where they landed. */
#include "base/base64.h"
#include "base/mem.h"
#include "bin/cli/change.h"
#include "bin/cli/cli.h"
#include "bin/cli/input.h"

#include <inttypes.h>
#include <string.h>

static struct blockdb_write_options write_options(const struct cli *cli)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;

    options.durability = args_durability(&cli->args);
    return options;
}

static void print_one(struct cli *cli, const struct blockdb_write_result *result)
{
    const struct field fields[] = {
        {.name = "seq", .type = FIELD_NUMBER, .number = result->first_seq},
        {.name = "time", .type = FIELD_TIME, .number = result->time_ms},
    };

    if (cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "seq %" PRIu64 "\n", result->first_seq);
    } else {
        fields_print(&cli->out, cli->format, fields, cli->format == OUTPUT_RAW ? 1 : 2);
    }
}

/* Reads the value that an argument stands for into out: text, - or @FILE. */
static int value_read(struct cli *cli, const char *text, struct buf *out, struct error *err)
{
    bool is_literal = args_has(&cli->args, "literal");
    bool is_input = !is_literal && (strcmp(text, "-") == 0 || text[0] == '@');
    struct input in;
    int rc;

    if (!is_input) {
        rc = buf_append(out, text, strlen(text));
        return rc < 0 ? error_set_no_memory(err) : rc;
    }
    rc = input_open(&in, cli->os, text[0] == '@' ? text + 1 : text, err);
    if (rc < 0) {
        return rc;
    }
    rc = input_all(&in, (size_t)BLOCKDB_VALUE_MAX * 2, "the value", out, err);
    input_close(&in);
    return rc;
}

/* Replaces the base64 in value by its bytes; white space at the end, as files have it, is cut. */
static int value_decode(struct buf *value, struct error *err)
{
    struct buf bytes = {0};
    int rc;

    while (value->len > 0 && strchr(" \r\n\t", value->data[value->len - 1]) != NULL) {
        value->len--;
    }
    rc = base64_parse(&bytes, buf_slice(value));
    if (rc < 0) {
        buf_deinit(&bytes);
        return rc == BLOCKDB_ENOMEM ? error_set_no_memory(err)
                                    : error_set(err, BLOCKDB_EINVAL, "the value is not base64");
    }
    buf_deinit(value);
    *value = bytes;
    return BLOCKDB_OK;
}

static void batch_free_ptr(struct blockdb_batch **batch)
{
    blockdb_batch_free(*batch);
}

static int put_if_absent(struct cli *cli, struct slice key, struct slice value,
                         struct blockdb_write_result *out, struct error *err)
{
    AUTO(batch_free_ptr) struct blockdb_batch *batch = blockdb_batch_new(cli->db);
    struct blockdb_write_options options = write_options(cli);
    int rc;

    if (batch == NULL) {
        return error_set_no_memory(err);
    }
    rc = blockdb_batch_require_absent(batch, key.data, key.len, err);
    if (rc == BLOCKDB_OK) {
        rc = blockdb_batch_put(batch, key.data, key.len, value.data, value.len, err);
    }
    return rc < 0 ? rc : blockdb_write(cli->db, batch, &options, out, err);
}

static int put_value(struct cli *cli, struct slice key, struct slice value,
                     struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_write_options options = write_options(cli);

    if (args_has(&cli->args, "if-absent")) {
        return put_if_absent(cli, key, value, out, err);
    }
    return blockdb_put(cli->db, key.data, key.len, value.data, value.len, &options, out, err);
}

int cmd_put(struct cli *cli, struct error *err)
{
    struct slice key = slice_of_text(cli->args.positional[0]);
    struct blockdb_write_result result;
    AUTO(buf_deinit) struct buf value = {0};
    int rc = value_read(cli, cli->args.positional[1], &value, err);

    if (rc == BLOCKDB_OK && args_has(&cli->args, "base64")) {
        rc = value_decode(&value, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = put_value(cli, key, buf_slice(&value), &result, err);
    }
    if (rc == BLOCKDB_OK) {
        print_one(cli, &result);
    }
    return rc;
}

int cmd_delete(struct cli *cli, struct error *err)
{
    const char *key = cli->args.positional[0];
    struct blockdb_write_options options = write_options(cli);
    struct blockdb_write_result result;
    int rc = blockdb_delete(cli->db, key, strlen(key), &options, &result, err);

    if (rc == BLOCKDB_OK) {
        print_one(cli, &result);
    }
    return rc;
}

static int batch_add(struct blockdb_batch *batch, const struct change *change, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (change->type == CHANGE_REDACTED) {
        return BLOCKDB_OK;
    }
    if (change->type == CHANGE_DELETE) {
        return blockdb_batch_delete(batch, change->key.data, change->key.len, err);
    }
    if (change->if_absent) {
        rc = blockdb_batch_require_absent(batch, change->key.data, change->key.len, err);
    }
    return rc < 0 ? rc
                  : blockdb_batch_put(batch, change->key.data, change->key.len, change->value.data,
                                      change->value.len, err);
}

static int batch_fill(struct input *in, struct blockdb_batch *batch, struct error *err)
{
    AUTO(change_parser_free_ptr) struct change_parser *parser = change_parser_new();
    struct slice line;
    int rc;

    if (parser == NULL) {
        return error_set_no_memory(err);
    }
    while ((rc = input_line(in, &line, err)) == BLOCKDB_OK) {
        struct change change;

        if (line.len == 0) {
            continue;
        }
        rc = change_parse(parser, line, &change, err);
        if (rc == BLOCKDB_OK) {
            rc = batch_add(batch, &change, err);
        }
        if (rc < 0) {
            return error_wrap(err, rc, "%s, line %" PRIu64, in->name, in->line);
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int batch_read(struct cli *cli, struct blockdb_batch *batch, struct error *err)
{
    struct input in;
    int rc = input_open(&in, cli->os, cli->args.positional[0], err);

    if (rc < 0) {
        return rc;
    }
    rc = batch_fill(&in, batch, err);
    if (rc == BLOCKDB_OK && blockdb_batch_count(batch) == 0) {
        rc = error_set(err, BLOCKDB_EINVAL, "%s holds no changes", in.name);
    }
    input_close(&in);
    return rc;
}

int cmd_batch(struct cli *cli, struct error *err)
{
    AUTO(batch_free_ptr) struct blockdb_batch *batch = blockdb_batch_new(cli->db);
    struct blockdb_write_options options = write_options(cli);
    struct blockdb_write_result result;
    int rc;

    if (batch == NULL) {
        return error_set_no_memory(err);
    }
    rc = batch_read(cli, batch, err);
    if (rc == BLOCKDB_OK) {
        rc = blockdb_write(cli->db, batch, &options, &result, err);
    }
    if (rc == BLOCKDB_OK) {
        const struct field fields[] = {
            {.name = "first_seq", .type = FIELD_NUMBER, .number = result.first_seq},
            {.name = "count", .type = FIELD_NUMBER, .number = result.count},
            {.name = "time", .type = FIELD_TIME, .number = result.time_ms},
        };

        if (cli->format == OUTPUT_TABLE) {
            out_format(&cli->out, "seq %" PRIu64 " to %" PRIu64 "\n", result.first_seq,
                       result.first_seq + result.count - 1);
        } else {
            fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
        }
    }
    return rc;
}
