/* SPDX-License-Identifier: Apache-2.0 */
/* prove and export-log. */
#include "base/mem.h"
#include "base/units.h"
#include "bin/cli/cli.h"
#include "bin/cli/export_log.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000.0

/* ---- prove ----------------------------------------------------------------------------------- */

/* "OFFSET:LEN" */
static int range_parse(const char *text, struct blockdb_prove_options *out, struct error *err)
{
    char offset[24];
    const char *colon = strchr(text, ':');
    int rc = BLOCKDB_EINVAL;

    if (colon != NULL && (size_t)(colon - text) < sizeof(offset)) {
        memcpy(offset, text, (size_t)(colon - text));
        offset[colon - text] = '\0';
        rc = number_parse(offset, &out->range_offset, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = number_parse(colon + 1, &out->range_len, err);
    }
    if (rc < 0 || out->range_len == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --range: '%.64s' must be OFFSET:LEN, in bytes, LEN above 0", text);
    }
    return BLOCKDB_OK;
}

/* The options, checked before anything is read. */
static int prove_options(const struct args *args, struct blockdb_prove_options *out,
                         struct error *err)
{
    const char *range = args_value(args, "range");
    bool has_seq = args_has(args, "seq");

    if (has_seq == (args->positional_count > 0)) {
        return error_set(err, BLOCKDB_EINVAL, "name a KEY, or an entry by --seq");
    }
    if (has_seq && args_has(args, "history")) {
        return error_set(err, BLOCKDB_EINVAL, "option --history needs a KEY, not --seq");
    }
    if (!has_seq && args_has(args, "block")) {
        return error_set(err, BLOCKDB_EINVAL, "option --block needs --seq");
    }
    if (range != NULL && args_has(args, "no-value")) {
        return error_set(err, BLOCKDB_EINVAL, "options --range and --no-value exclude each other");
    }
    out->without_value = args_has(args, "no-value");
    out->with_history = args_has(args, "history");
    out->with_block = args_has(args, "block");
    return range != NULL ? range_parse(range, out, err) : BLOCKDB_OK;
}

static int prove_print(struct cli *cli, const struct blockdb_value *proof, struct error *err)
{
    const char *path = args_value(&cli->args, "file");
    struct slice bytes = slice_of(proof->data, proof->len);
    int rc;

    if (path == NULL) {
        out_slice(&cli->out, bytes);
        return BLOCKDB_OK;
    }
    rc = cli_failed_here(cli, os_replace_file(cli->os, path, bytes, err));
    return rc < 0 ? error_wrap(err, rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc, "option -o") : rc;
}

int cmd_prove(struct cli *cli, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value proof = {0};
    struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;
    const char *key = cli->args.positional_count > 0 ? cli->args.positional[0] : NULL;
    int rc = prove_options(&cli->args, &options, err);

    if (rc < 0) {
        return rc;
    }
    if (key != NULL) {
        rc = cli->source->ops->prove_key(cli->source, slice_of_text(key), &options, &proof, err);
    } else {
        rc = cli->source->ops->prove_entry(cli->source, args_u64(&cli->args, "seq", 0), &options,
                                           &proof, err);
    }
    return rc < 0 ? rc : prove_print(cli, &proof, err);
}

/* ---- export-log ------------------------------------------------------------------------------ */

/* A head that covers everything now, or the newest there is where none can be signed. */
static int signed_head(struct cli *cli, struct blockdb_value *out, struct error *err)
{
    struct error no_older;
    int rc = blockdb_checkpoint_sign(cli->db, out, err);

    if (rc == BLOCKDB_EUNSUPPORTED && blockdb_checkpoint_get(cli->db, out, &no_older) == 0) {
        return BLOCKDB_OK;
    }
    return rc < 0 ? error_wrap(err, rc, "a log is exported up to a signed head") : rc;
}

static void export_print(struct cli *cli, const char *dir, const struct export_log_report *report,
                         uint64_t elapsed_ns)
{
    uint64_t entries = report->size - report->old_size;
    double seconds = elapsed_ns > 0 ? (double)elapsed_ns / NS_PER_S : 1;
    const struct field fields[] = {
        {.name = "directory", .type = FIELD_TEXT, .text = dir},
        {.name = "origin", .type = FIELD_TEXT, .text = blockdb_origin(cli->db)},
        {.name = "size", .type = FIELD_NUMBER, .number = report->size},
        {.name = "root", .type = FIELD_HASH, .data = report->root},
        {.name = "old_size", .type = FIELD_NUMBER, .number = report->old_size},
        {.name = "files", .type = FIELD_NUMBER, .number = report->files_written},
        {.name = "bytes", .type = FIELD_BYTES, .number = report->bytes_written},
        {.name = "elapsed_ns", .type = FIELD_NS, .number = elapsed_ns},
        {.name = "entries_per_second",
         .type = FIELD_NUMBER,
         .number = (uint64_t)((double)entries / seconds)},
    };

    fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
}

int cmd_export_log(struct cli *cli, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    uint64_t threads = args_u64(&cli->args, "threads", 0);
    struct export_log_options options = {
        .os = cli->os, .db = cli->db, .dir = cli->args.positional[0]};
    struct export_log_report report;
    struct progress progress;
    int rc;

    if (threads > EXPORT_LOG_THREADS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "option --threads: at most %d",
                         EXPORT_LOG_THREADS_MAX);
    }
    rc = signed_head(cli, &note, err);
    if (rc < 0) {
        return rc;
    }
    cli_progress_init(cli, &progress);
    options.note = slice_of(note.data, note.len);
    options.threads = (unsigned)threads;
    options.progress = progress_cb;
    options.progress_arg = &progress;
    rc = export_log(&options, &report, err);
    progress_finish(&progress);
    if (rc == BLOCKDB_OK) {
        export_print(cli, options.dir, &report, os_monotonic_ns(cli->os) - progress.start_ns);
    }
    return rc;
}
