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

/* Waits until entry seq is part of a sealed block; get --verify has nothing to check before. */
static int wait_until_sealed(struct cli *cli, uint64_t seq, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    int step;

    for (step = 0; step < SEAL_WAIT_STEPS && !signals_stop_asked(); step++) {
        int rc = blockdb_stats_get(cli->db, &stats, err);

        if (rc < 0 || stats.sealed_seq > seq) {
            return rc;
        }
        os_sleep_ns(cli->os, SEAL_WAIT_STEP_NS);
    }
    if (signals_stop_asked()) {
        return error_set(err, BLOCKDB_ECANCELED, "interrupted");
    }
    return error_set(err, BLOCKDB_ETIMEDOUT,
                     "entry %" PRIu64
                     " is not in a sealed block yet, so there is nothing to verify "
                     "it against: try again later",
                     seq);
}

static int verify_entry(struct cli *cli, uint64_t seq, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    int rc = wait_until_sealed(cli, seq, err);

    if (rc < 0) {
        return rc;
    }
    options.from_seq = seq;
    options.to_seq = seq;
    rc = blockdb_verify(cli->db, &options, NULL, err);
    return rc < 0 ? error_wrap(err, rc, "entry %" PRIu64 " does not verify", seq) : rc;
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
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    int rc = cli_at_seq(cli, &options.at_seq, err);

    if (rc < 0) {
        return rc;
    }
    rc = blockdb_get(cli->db, key, strlen(key), &options, &value, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return get_not_found(key, &value, err);
    }
    if (rc == BLOCKDB_OK && args_has(&cli->args, "verify")) {
        rc = verify_entry(cli, value.version.seq, err);
    }
    if (rc == BLOCKDB_OK) {
        get_print(cli, slice_of_text(key), &value);
    }
    return rc;
}

/* ---- history ------------------------------------------------------------------------------- */

static void history_free_ptr(struct blockdb_history **history)
{
    blockdb_history_free(*history);
}

static int history_print(struct cli *cli, struct blockdb_history *history, uint64_t limit,
                         struct error *err)
{
    struct entry_printer printer = {
        .out = &cli->out, .format = cli->format, .columns = cli->columns};
    struct entry entry = {.key = slice_of_text(cli->args.positional[0])};
    int rc = BLOCKDB_OK;

    entry_printer_begin(&printer);
    while (printer.count < limit && !cli_should_stop(cli)) {
        rc = blockdb_history_next(history, err);
        if (rc < 0) {
            break;
        }
        entry.version = blockdb_history_version(history);
        entry.value.data = blockdb_history_value(history, &entry.value.len);
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
    const char *key = cli->args.positional[0];
    AUTO(history_free_ptr) struct blockdb_history *history = NULL;
    uint64_t limit = args_u64(&cli->args, "limit", UINT64_MAX);
    int rc = blockdb_history_new(cli->db, key, strlen(key), NULL, &history, err);

    return rc < 0 ? rc : history_print(cli, history, limit, err);
}

/* ---- scan and export ----------------------------------------------------------------------- */

static void iter_free_ptr(struct blockdb_iter **iter)
{
    blockdb_iter_free(*iter);
}

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

static struct entry iter_entry(const struct blockdb_iter *iter)
{
    struct entry entry = {.version = blockdb_iter_version(iter)};

    entry.key.data = blockdb_iter_key(iter, &entry.key.len);
    entry.value.data = blockdb_iter_value(iter, &entry.value.len);
    return entry;
}

static int scan_print(struct cli *cli, const struct blockdb_scan_options *options, uint64_t limit,
                      struct error *err)
{
    struct entry_printer printer = {.out = &cli->out,
                                    .format = cli->format,
                                    .columns = cli->columns,
                                    .show_key_alone = options->keys_only};
    AUTO(iter_free_ptr) struct blockdb_iter *iter = NULL;
    int rc = blockdb_iter_new(cli->db, options, &iter, err);

    if (rc < 0) {
        return rc;
    }
    entry_printer_begin(&printer);
    while (printer.count < limit && !cli_should_stop(cli)) {
        struct entry entry;

        rc = blockdb_iter_next(iter, err);
        if (rc < 0) {
            break;
        }
        entry = iter_entry(iter);
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

static int export_print(struct cli *cli, struct blockdb_iter *iter, bool is_csv, struct error *err)
{
    AUTO(buf_deinit) struct buf scratch = {0};
    struct progress progress;
    uint64_t count = 0;
    int rc = BLOCKDB_OK;

    cli_progress_init(cli, &progress);
    out_text(&cli->out, is_csv ? "key,value,encoding,seq,time\r\n" : "");
    while (!cli_should_stop(cli) && (rc = blockdb_iter_next(iter, err)) == BLOCKDB_OK) {
        struct entry entry = iter_entry(iter);

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
    AUTO(iter_free_ptr) struct blockdb_iter *iter = NULL;
    struct blockdb_scan_options options;
    bool is_csv = args_choice(&cli->args, "format", 0) == 1;
    int rc = scan_prepare(cli, &options, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_iter_new(cli->db, &options, &iter, err);
    }
    return rc < 0 ? rc : export_print(cli, iter, is_csv, err);
}
