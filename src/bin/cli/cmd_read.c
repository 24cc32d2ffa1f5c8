/* SPDX-License-Identifier: Apache-2.0 */
/* get, history, scan and export. */
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "bin/cli/cli.h"
#include "bin/cli/csv.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define SEAL_WAIT_STEP_NS (20 * NS_PER_MS)
#define SEAL_WAIT_STEPS 500 /* ten seconds, beyond any sensible block_interval */

/* ---- get ----------------------------------------------------------------------------------- */

static void get_print(struct cli *cli, struct slice key, const struct blockdb_value *value)
{
    struct entry entry = {
        .key = key, .value = slice_of(value->data, value->len), .version = value->version};

    if (args_has(&cli->args, "base64")) {
        out_note(&cli->out, base64_append(&cli->out.pending, entry.value));
        out_text(&cli->out, "\n");
    } else if (cli->format == OUTPUT_JSON || cli->format == OUTPUT_JSONL) {
        entry_print_json(&cli->out, &entry);
        out_text(&cli->out, "\n");
    } else if (cli->format == OUTPUT_TABLE) {
        struct entry_printer printer = {
            .out = &cli->out, .format = OUTPUT_TABLE, .columns = cli->columns};

        entry_print(&printer, &entry);
    } else {
        out_slice(&cli->out, entry.value);
        if (cli->stdout_terminal || cli->in_shell) {
            out_text(&cli->out, "\n");
        }
    }
}

static int get_not_found(const char *key, const struct blockdb_value *value, struct error *err)
{
    char time[TEXT_TIME_BYTES];

    if (value->version.kind != BLOCKDB_KIND_DELETE) {
        return error_set(err, BLOCKDB_ENOTFOUND, "key '%.256s' not found", key);
    }
    text_format_time(time, value->version.time_ms);
    return error_set(err, BLOCKDB_ENOTFOUND,
                     "key '%.256s' was deleted by entry %" PRIu64 " at %s; history shows earlier "
                     "values",
                     key, value->version.seq, time);
}

int cmd_get(struct cli *cli, struct error *err)
{
    const char *key = cli->args.positional[0];
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    const struct source_ops *ops = cli->source->ops;
    bool verifies = args_has(&cli->args, "verify");
    uint64_t at_seq = BLOCKDB_SEQ_NONE;
    int rc = cli_at_seq(cli, &at_seq, err);

    if (rc < 0) {
        return rc;
    }
    rc = (verifies ? ops->get_verified : ops->get)(cli->source, slice_of_text(key), at_seq, &value,
                                                   err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return get_not_found(key, &value, err);
    }
    if (rc == BLOCKDB_OK) {
        get_print(cli, slice_of_text(key), &value);
    }
    return rc;
}

/* ---- history ------------------------------------------------------------------------------- */

/* A cursor, and the operations of its source. */
struct walk {
    const struct source_ops *ops;
    struct source_cursor *cursor;
};

static void walk_deinit(struct walk *walk)
{
    walk->ops->cursor_free(walk->cursor);
}

static int history_print(struct cli *cli, struct walk *walk, uint64_t limit, struct error *err)
{
    struct entry_printer printer = {
        .out = &cli->out, .format = cli->format, .columns = cli->columns};
    int rc = BLOCKDB_OK;

    entry_printer_begin(&printer);
    while (printer.count < limit && !cli_should_stop(cli)) {
        struct entry entry;

        rc = walk->ops->cursor_next(walk->cursor, &entry, err);
        if (rc < 0) {
            break;
        }
        entry.key = slice_of_text(cli->args.positional[0]);
        entry_print(&printer, &entry);
    }
    entry_printer_end(&printer);
    if (rc == BLOCKDB_ENOTFOUND) {
        rc = printer.count > 0
                 ? BLOCKDB_OK
                 : error_set(err, rc, "key '%.256s' never existed", cli->args.positional[0]);
    }
    return rc < 0 ? rc : cli_stop_status(cli, err);
}

int cmd_history(struct cli *cli, struct error *err)
{
    AUTO(walk_deinit) struct walk walk = {.ops = cli->source->ops};
    uint64_t limit = args_u64(&cli->args, "limit", UINT64_MAX);
    int rc = walk.ops->history_new(cli->source, slice_of_text(cli->args.positional[0]), false,
                                   &walk.cursor, err);

    return rc < 0 ? rc : history_print(cli, &walk, limit, err);
}

/* ---- scan and export ----------------------------------------------------------------------- */

/* Fills what scan and export share: the prefix, and the time they look at. */
static int scan_prepare(struct cli *cli, struct blockdb_scan_options *out, struct error *err)
{
    *out = (struct blockdb_scan_options)BLOCKDB_SCAN_OPTIONS_INIT;
    if (cli->args.positional_count > 0) {
        out->prefix = cli->args.positional[0];
        out->prefix_len = strlen(cli->args.positional[0]);
    }
    return cli_at_seq(cli, &out->at_seq, err);
}

static int scan_print(struct cli *cli, const struct blockdb_scan_options *options, uint64_t limit,
                      struct error *err)
{
    struct entry_printer printer = {.out = &cli->out,
                                    .format = cli->format,
                                    .columns = cli->columns,
                                    .show_key_alone = options->keys_only};
    AUTO(walk_deinit) struct walk walk = {.ops = cli->source->ops};
    int rc = walk.ops->scan_new(cli->source, options, &walk.cursor, err);

    if (rc < 0) {
        return rc;
    }
    entry_printer_begin(&printer);
    while (printer.count < limit && !cli_should_stop(cli)) {
        struct entry entry;

        rc = walk.ops->cursor_next(walk.cursor, &entry, err);
        if (rc < 0) {
            break;
        }
        entry.keys_only = options->keys_only;
        entry_print(&printer, &entry);
    }
    entry_printer_end(&printer);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    return cli_stop_status(cli, err);
}

int cmd_scan(struct cli *cli, struct error *err)
{
    struct blockdb_scan_options options;
    const char *start = args_value(&cli->args, "start");
    const char *end = args_value(&cli->args, "end");
    int rc = scan_prepare(cli, &options, err);

    if (rc < 0) {
        return rc;
    }
    options.start = start;
    options.start_len = start != NULL ? strlen(start) : 0;
    options.end = end;
    options.end_len = end != NULL ? strlen(end) : 0;
    options.reverse = args_has(&cli->args, "reverse");
    options.keys_only = args_has(&cli->args, "keys-only");
    return scan_print(cli, &options, args_u64(&cli->args, "limit", UINT64_MAX), err);
}

static void csv_print_field(struct cli *cli, struct slice field)
{
    out_note(&cli->out, csv_append_field(&cli->out.pending, field));
    out_text(&cli->out, ",");
}

/* One record of the columns key, value, encoding, seq, time. A redacted value is empty, with the
 * encoding "redacted"; nothing needs its key, which is base64 then when it is no text. */
static void csv_print_entry(struct cli *cli, const struct entry *entry, struct buf *scratch)
{
    bool is_text = utf8_valid(entry->key) && utf8_valid(entry->value);
    char time[TEXT_TIME_BYTES];
    size_t key_len;

    buf_reset(scratch);
    if (is_text) {
        csv_print_field(cli, entry->key);
        csv_print_field(cli, entry->value);
    } else {
        out_note(&cli->out, base64_append(scratch, entry->key));
        key_len = scratch->len;
        out_note(&cli->out, base64_append(scratch, entry->value));
        csv_print_field(cli, slice_of(scratch->data, key_len));
        csv_print_field(cli, slice_of(scratch->data + key_len, scratch->len - key_len));
    }
    text_format_time(time, entry->version.time_ms);
    out_format(&cli->out, "%s,%" PRIu64 ",%s\r\n",
               entry->version.redacted ? "redacted"
               : is_text               ? "utf8"
                                       : "base64",
               entry->version.seq, time);
}

static int export_print(struct cli *cli, struct walk *walk, bool is_csv, struct error *err)
{
    AUTO(buf_deinit) struct buf scratch = {0};
    struct progress progress;
    struct entry entry;
    uint64_t count = 0;
    int rc = BLOCKDB_OK;

    cli_progress_init(cli, &progress);
    out_text(&cli->out, is_csv ? "key,value,encoding,seq,time\r\n" : "");
    while (!cli_should_stop(cli) &&
           (rc = walk->ops->cursor_next(walk->cursor, &entry, err)) == BLOCKDB_OK) {
        if (is_csv) {
            csv_print_entry(cli, &entry, &scratch);
        } else {
            entry_print_json(&cli->out, &entry);
            out_text(&cli->out, "\n");
        }
        out_breathe(&cli->out);
        count++;
        if (count % 1024 == 0 && !cli->stdout_terminal) {
            progress_update(&progress, "entries", count, 0);
        }
    }
    progress_finish(&progress);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    return cli_stop_status(cli, err);
}

int cmd_export(struct cli *cli, struct error *err)
{
    AUTO(walk_deinit) struct walk walk = {.ops = cli->source->ops};
    struct blockdb_scan_options options;
    bool is_csv = args_choice(&cli->args, "format", 0) == 1;
    int rc = scan_prepare(cli, &options, err);

    if (rc == BLOCKDB_OK) {
        rc = walk.ops->scan_new(cli->source, &options, &walk.cursor, err);
    }
    return rc < 0 ? rc : export_print(cli, &walk, is_csv, err);
}
