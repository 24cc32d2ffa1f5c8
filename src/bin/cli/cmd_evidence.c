/* SPDX-License-Identifier: Apache-2.0 */
/* verify, blocks and block. */
#include "bin/cli/cli.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_LIMIT 20
#define NS_PER_S 1000000000.0

/* ---- verify -------------------------------------------------------------------------------- */

static int sample_parse(const struct args *args, double *out, struct error *err)
{
    const char *text = args_value(args, "sample");
    char *end;

    if (text == NULL) {
        *out = 100;
        return BLOCKDB_OK;
    }
    *out = strtod(text, &end);
    if (end == text || (*end != '\0' && strcmp(end, "%") != 0) || !(*out > 0 && *out <= 100)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --sample: '%.32s' is not a percentage above 0, up to 100", text);
    }
    return BLOCKDB_OK;
}

static int verify_options(const struct args *args, struct blockdb_verify_options *out,
                          struct error *err)
{
    uint64_t threads = args_u64(args, "threads", 0);
    int rc = sample_parse(args, &out->sample_percent, err);

    out->from_seq = args_u64(args, "from", 0);
    out->to_seq = args_u64(args, "to", BLOCKDB_SEQ_NONE);
    if (rc == BLOCKDB_OK && out->from_seq > out->to_seq) {
        rc = error_set(err, BLOCKDB_EINVAL, "option --from: %" PRIu64 " lies behind --to",
                       out->from_seq);
    }
    if (rc == BLOCKDB_OK && threads > 1024) {
        rc = error_set(err, BLOCKDB_EINVAL, "option --threads: at most 1024");
    }
    out->threads = (unsigned)threads;
    return rc;
}

static const char *verify_result(int status)
{
    if (status == BLOCKDB_OK) {
        return "ok";
    }
    return status == BLOCKDB_ETAMPERED || status == BLOCKDB_ECORRUPT ? "FAILED" : "incomplete";
}

static void verify_print(struct cli *cli, const struct blockdb_verify_report *report, int status,
                         uint64_t elapsed_ns)
{
    double seconds = elapsed_ns > 0 ? (double)elapsed_ns / NS_PER_S : 1;
    const struct field fields[] = {
        {.name = "result", .type = FIELD_TEXT, .text = verify_result(status)},
        {.name = "entries", .type = FIELD_NUMBER, .number = report->entries},
        {.name = "blocks", .type = FIELD_NUMBER, .number = report->blocks},
        {.name = "files", .type = FIELD_NUMBER, .number = report->files},
        {.name = "redactions", .type = FIELD_NUMBER, .number = report->redactions},
        {.name = "bytes_hashed", .type = FIELD_BYTES, .number = report->bytes_hashed},
        {.name = "bytes_read", .type = FIELD_BYTES, .number = report->bytes_read},
        {.name = "elapsed_ns", .type = FIELD_NS, .number = elapsed_ns},
        {.name = "entries_per_second",
         .type = FIELD_NUMBER,
         .number = (uint64_t)((double)report->entries / seconds)},
        {.name = "bytes_per_second",
         .type = FIELD_BYTES,
         .number = (uint64_t)((double)report->bytes_hashed / seconds)},
        /* The last two exist only when the whole log was verified. */
        {.name = "size", .type = FIELD_NUMBER, .number = report->size},
        {.name = "root", .type = FIELD_HASH, .data = report->root},
    };
    size_t count = sizeof(fields) / sizeof(fields[0]);

    fields_print(&cli->out, cli->format, fields,
                 status == BLOCKDB_OK && report->size > 0 ? count : count - 2);
}

int cmd_verify(struct cli *cli, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb_verify_report report = {0};
    struct progress progress;
    int rc = verify_options(&cli->args, &options, err);

    if (rc < 0) {
        return rc;
    }
    cli_progress_init(cli, &progress);
    options.progress = progress_cb;
    options.progress_arg = &progress;
    rc = cli->source->ops->verify(cli->source, &options, &report, err);
    progress_finish(&progress);
    verify_print(cli, &report, rc, os_monotonic_ns(cli->os) - progress.start_ns);
    return rc;
}

/* ---- blocks -------------------------------------------------------------------------------- */

#define BLOCK_FIELDS 10

static void block_fields(const struct blockdb_block *block, struct field fields[BLOCK_FIELDS])
{
    const struct field all[BLOCK_FIELDS] = {
        {.name = "height", .type = FIELD_NUMBER, .number = block->height},
        {.name = "first_seq", .type = FIELD_NUMBER, .number = block->first_seq},
        {.name = "count", .type = FIELD_NUMBER, .number = block->count},
        {.name = "header_seq", .type = FIELD_NUMBER, .number = block->header_seq},
        {.name = "time", .type = FIELD_TIME, .number = block->time_ms},
        {.name = "hash", .type = FIELD_HASH, .data = block->hash},
        {.name = "previous_hash", .type = FIELD_HASH, .data = block->previous_hash},
        {.name = "block_root", .type = FIELD_HASH, .data = block->block_root},
        {.name = "tree_root", .type = FIELD_HASH, .data = block->tree_root},
        {.name = "term", .type = FIELD_NUMBER, .number = block->term},
    };

    memcpy(fields, all, sizeof(all));
}

static int blocks_print(struct cli *cli, uint64_t from, uint64_t limit, struct error *err)
{
    struct row_printer printer = {.out = &cli->out, .format = cli->format};
    uint64_t height;
    int rc = BLOCKDB_OK;

    row_printer_begin(&printer);
    for (height = from; printer.count < limit && !cli_should_stop(cli); height++) {
        struct field fields[BLOCK_FIELDS];
        struct blockdb_block block;

        rc = cli->source->ops->block_get(cli->source, height, &block, err);
        if (rc < 0) {
            break;
        }
        block_fields(&block, fields);
        /* People get what fits on a line; block prints the rest. */
        row_print(&printer, fields, cli->format == OUTPUT_TABLE ? 6 : BLOCK_FIELDS);
    }
    row_printer_end(&printer);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    return cli_stop_status(cli, err);
}

int cmd_blocks(struct cli *cli, struct error *err)
{
    struct blockdb_head head;
    uint64_t limit = args_u64(&cli->args, "limit", BLOCKS_LIMIT);
    uint64_t newest;
    int rc = cli->source->ops->head_get(cli->source, &head, err);

    if (rc < 0) {
        return rc;
    }
    newest = head.block_count > limit ? head.block_count - limit : 0;
    return blocks_print(cli, args_u64(&cli->args, "from", newest), limit, err);
}

int cmd_block(struct cli *cli, struct error *err)
{
    struct field fields[BLOCK_FIELDS];
    struct blockdb_block block;
    uint64_t height;
    int rc = argument_number(cli->args.positional[0], "HEIGHT", &height, err);

    if (rc == BLOCKDB_OK) {
        rc = cli->source->ops->block_get(cli->source, height, &block, err);
    }
    if (rc == BLOCKDB_OK) {
        block_fields(&block, fields);
        fields_print(&cli->out, cli->format, fields, BLOCK_FIELDS);
    }
    return rc;
}
