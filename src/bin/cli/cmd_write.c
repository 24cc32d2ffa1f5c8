/* SPDX-License-Identifier: Apache-2.0 */
/* put, delete and batch: commands that append entries and print where they landed. */
#include "base/base64.h"
#include "base/mem.h"
#include "bin/cli/change.h"
#include "bin/cli/cli.h"
#include "bin/cli/input.h"
#include "bin/cli/write_id.h"

#include <inttypes.h>
#include <string.h>

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

/* How a put or a delete is to be written; borrows id, which has to live as long. */
static int write_options(const struct cli *cli, struct write_id *id,
                         struct blockdb_write_options *out, struct error *err)
{
    const char *request = args_value(&cli->args, "request");
    int rc = request != NULL ? write_id_parse(request, id, err) : BLOCKDB_OK;

    if (rc < 0) {
        return rc;
    }
    *out = (struct blockdb_write_options)BLOCKDB_WRITE_OPTIONS_INIT;
    out->durability = args_durability(&cli->args);
    if (request != NULL) {
        out->client_id = id->client_id;
        out->request = id->request;
    }
    return BLOCKDB_OK;
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
        return cli_failed_here(cli, rc);
    }
    rc = input_all(&in, (size_t)BLOCKDB_VALUE_MAX * 2, "the value", out, err);
    input_close(&in);
    return cli_failed_here(cli, rc);
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

int cmd_put(struct cli *cli, struct error *err)
{
    struct source_put put = {.key = slice_of_text(cli->args.positional[0]),
                             .if_absent = args_has(&cli->args, "if-absent")};
    struct blockdb_write_result result;
    struct write_id id;
    AUTO(buf_deinit) struct buf value = {0};
    int rc = write_options(cli, &id, &put.options, err);

    if (rc == BLOCKDB_OK) {
        rc = value_read(cli, cli->args.positional[1], &value, err);
    }
    if (rc == BLOCKDB_OK && args_has(&cli->args, "base64")) {
        rc = value_decode(&value, err);
    }
    if (rc == BLOCKDB_OK) {
        put.value = buf_slice(&value);
        rc = cli->source->ops->put(cli->source, &put, &result, err);
    }
    if (rc == BLOCKDB_OK) {
        print_one(cli, &result);
    }
    return rc;
}

int cmd_delete(struct cli *cli, struct error *err)
{
    struct blockdb_write_options options;
    struct blockdb_write_result result;
    struct write_id id;
    int rc = write_options(cli, &id, &options, err);

    if (rc == BLOCKDB_OK) {
        rc = cli->source->ops->remove(cli->source, slice_of_text(cli->args.positional[0]), &options,
                                      &result, err);
    }
    if (rc == BLOCKDB_OK) {
        print_one(cli, &result);
    }
    return rc;
}

/* ---- batch --------------------------------------------------------------------------------- */

/* A batch, and the operations of its source. */
struct filling {
    const struct source_ops *ops;
    struct source_batch *batch;
};

static void filling_deinit(struct filling *f)
{
    f->ops->batch_free(f->batch);
}

static int batch_add(struct filling *f, const struct change *change, struct error *err)
{
    struct source_put put = {
        .key = change->key, .value = change->value, .if_absent = change->if_absent};

    if (change->type == CHANGE_REDACTED) {
        return BLOCKDB_OK;
    }
    return change->type == CHANGE_DELETE ? f->ops->batch_delete(f->batch, change->key, err)
                                         : f->ops->batch_put(f->batch, &put, err);
}

static int batch_fill(struct input *in, struct filling *f, struct error *err)
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
            rc = batch_add(f, &change, err);
        }
        if (rc < 0) {
            return error_wrap(err, rc, "%s, line %" PRIu64, in->name, in->line);
        }
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int batch_read(struct cli *cli, struct filling *f, struct error *err)
{
    struct input in;
    int rc = input_open(&in, cli->os, cli->args.positional[0], err);

    if (rc < 0) {
        return cli_failed_here(cli, rc);
    }
    rc = cli_failed_here(cli, batch_fill(&in, f, err));
    if (rc == BLOCKDB_OK && f->ops->batch_count(f->batch) == 0) {
        rc = error_set(err, BLOCKDB_EINVAL, "%s holds no changes", in.name);
    }
    input_close(&in);
    return rc;
}

static void print_batch(struct cli *cli, const struct blockdb_write_result *result)
{
    const struct field fields[] = {
        {.name = "first_seq", .type = FIELD_NUMBER, .number = result->first_seq},
        {.name = "count", .type = FIELD_NUMBER, .number = result->count},
        {.name = "time", .type = FIELD_TIME, .number = result->time_ms},
    };

    if (cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "seq %" PRIu64 " to %" PRIu64 "\n", result->first_seq,
                   result->first_seq + result->count - 1);
    } else {
        fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
    }
}

int cmd_batch(struct cli *cli, struct error *err)
{
    AUTO(filling_deinit) struct filling filling = {.ops = cli->source->ops};
    struct blockdb_write_result result;
    int rc = filling.ops->batch_new(cli->source, &filling.batch, err);

    if (rc == BLOCKDB_OK) {
        rc = batch_read(cli, &filling, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = filling.ops->batch_write(filling.batch, args_durability(&cli->args), &result, err);
    }
    if (rc == BLOCKDB_OK) {
        print_batch(cli, &result);
    }
    return rc;
}
