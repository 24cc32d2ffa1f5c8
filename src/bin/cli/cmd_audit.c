/* SPDX-License-Identifier: Apache-2.0 */
/* audit. */
#include "audit/audit.h"
#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/connect.h"
#include "bin/cli/signals.h"
#include "client/http.h"
#include "ledger/policy.h"
#include "os/os.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_S 1000000000.0
#define CONFIGS_SHOWN 20

static int open_source(struct cli *cli, struct log_access *access, struct audit_source **out,
                       struct error *err)
{
    static const char *const others[] = {"data-dir", "url"};
    const char *log = args_value(&cli->args, "log");
    size_t i;
    int rc;

    if (log == NULL) {
        return audit_source_of_database(cli->db, cli->open_name, out, err);
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (args_has(&cli->args, others[i])) {
            return error_set(err, BLOCKDB_EINVAL, "options --log and --%s exclude each other",
                             others[i]);
        }
    }
    if (http_url_valid(log)) {
        rc = connect_log(cli, log, access, err);
        return rc < 0 ? rc : audit_source_of_url(log, &access->http, out, err);
    }
    return audit_source_of_dir(cli->os, log, out, err);
}

static int read_policy(struct cli *cli, struct buf *text, struct slice *out, struct error *err)
{
    const char *path = args_value(&cli->args, "policy");
    int rc;

    if (path == NULL) {
        return BLOCKDB_OK;
    }
    rc = os_read_file(cli->os, path, POLICY_TEXT_MAX, text, err);
    if (rc < 0) {
        /* Not "not found", which scripts take for a missing key. */
        return error_wrap(err, rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc, "option --policy");
    }
    *out = buf_slice(text);
    return BLOCKDB_OK;
}

/* ---- The report ---------------------------------------------------------------------------- */

static const char *result_text(int status)
{
    if (status == BLOCKDB_OK) {
        return "ok";
    }
    return status == BLOCKDB_ETAMPERED || status == BLOCKDB_ECORRUPT ? "FAILED" : "incomplete";
}

static const char *trust_text(enum audit_trust trust)
{
    switch (trust) {
    case AUDIT_UNSIGNED:
        return "none: the head is not signed";
    case AUDIT_UNCHECKED:
        return "not checked: no key was given";
    case AUDIT_SIGNED:
        return "good";
    case AUDIT_QUORUM:
        return "good, with the quorum of the policy";
    }
    return "";
}

static const char *map_text(enum audit_map_status map)
{
    switch (map) {
    case AUDIT_MAP_CHECKED:
        return "checked";
    case AUDIT_MAP_NONE:
        return "none in the headers";
    case AUDIT_MAP_LATE:
        return "not checked: the audit did not begin at entry 0, see --full";
    case AUDIT_MAP_UNWANTED:
        return "not checked: --no-map";
    case AUDIT_MAP_UNREACHED:
        return "not checked to its end";
    }
    return "";
}

/* Lists config entries for people: "12 (key/1), 40 (member/2 and 3 more)". */
static void list_configs(const struct audit_report *report, struct buf *out)
{
    int rc = BLOCKDB_OK;

    for (size_t i = 0; rc == BLOCKDB_OK && i < report->config_count; i++) {
        const struct audit_config *config = &report->configs[i];

        if (i == CONFIGS_SHOWN) {
            rc = buf_appendf(out, ", ...");
            break;
        }
        rc = buf_appendf(out, "%s%" PRIu64 " (%s", i > 0 ? ", " : "", config->seq, config->name);
        if (rc == BLOCKDB_OK && config->item_count > 1) {
            rc = buf_appendf(out, " and %" PRIu64 " more", config->item_count - 1);
        }
        if (rc == BLOCKDB_OK) {
            rc = buf_appendf(out, ")");
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = buf_append_u8(out, '\0');
    }
    if (rc < 0) {
        buf_reset(out); /* then they are only counted */
    }
}

static void print_report(struct cli *cli, const struct audit_report *report, int status,
                         uint64_t elapsed_ns)
{
    AUTO(buf_deinit) struct buf configs = {0};
    double seconds = elapsed_ns > 0 ? (double)elapsed_ns / NS_PER_S : 1;
    const struct audit_counts *counts = &report->counts;

    list_configs(report, &configs);
    const struct field fields[] = {
        {.name = "result", .type = FIELD_TEXT, .text = result_text(status)},
        {.name = "origin", .type = FIELD_TEXT, .text = report->origin},
        {.name = "size", .type = FIELD_NUMBER, .number = report->size},
        {.name = "root", .type = FIELD_HASH, .data = report->root.bytes},
        {.name = "signature", .type = FIELD_TEXT, .text = trust_text(report->trust)},
        {.name = "remembered_size", .type = FIELD_NUMBER, .number = report->remembered_size},
        {.name = "from", .type = FIELD_NUMBER, .number = report->from},
        {.name = "entries", .type = FIELD_NUMBER, .number = report->entries},
        {.name = "map", .type = FIELD_TEXT, .text = map_text(report->map)},
        {.name = "values",
         .type = FIELD_TEXT,
         .text = report->values_checked ? "checked" : "not checked"},
        {.name = "redacted_values", .type = FIELD_NUMBER, .number = report->redacted_values},
        {.name = "total_blocks",
         .type = FIELD_NUMBER,
         .number = counts->blocks,
         .heading = "Since entry 0"},
        {.name = "total_puts", .type = FIELD_NUMBER, .number = counts->puts},
        {.name = "total_deletes", .type = FIELD_NUMBER, .number = counts->deletes},
        {.name = "total_redactions", .type = FIELD_NUMBER, .number = counts->redactions},
        {.name = "total_epochs", .type = FIELD_NUMBER, .number = counts->epochs},
        {.name = "total_configs", .type = FIELD_NUMBER, .number = counts->configs},
        {.name = "epoch", .type = FIELD_NUMBER, .number = report->epoch},
        {.name = "configs",
         .type = FIELD_TEXT,
         .text = configs.len > 0 ? (const char *)configs.data : ""},
        {.name = "bytes_hashed",
         .type = FIELD_BYTES,
         .number = report->bytes_hashed + report->values_bytes,
         .heading = "Work"},
        {.name = "bytes_read", .type = FIELD_BYTES, .number = report->bytes_read},
        {.name = "elapsed_ns", .type = FIELD_NS, .number = elapsed_ns},
        {.name = "entries_per_second",
         .type = FIELD_NUMBER,
         .number = (uint64_t)((double)report->entries / seconds)},
        {.name = "bytes_per_second",
         .type = FIELD_BYTES,
         .number = (uint64_t)((double)(report->bytes_hashed + report->values_bytes) / seconds)},
        {.name = "fork_evidence", .type = FIELD_TEXT, .text = report->fork_path},
    };
    size_t count = sizeof(fields) / sizeof(fields[0]);

    fields_print(&cli->out, cli->format, fields, report->fork_path[0] != '\0' ? count : count - 1);
}

/* ---- The command --------------------------------------------------------------------------- */

int cmd_audit(struct cli *cli, struct error *err)
{
    AUTO(log_access_deinit) struct log_access access = {0};
    AUTO(audit_source_free_ptr) struct audit_source *source = NULL; /* borrows access */
    AUTO(buf_deinit) struct buf policy_text = {0};
    struct slice policy = {0};
    struct audit_report report = {0};
    struct progress progress;
    uint64_t threads = args_u64(&cli->args, "threads", 0);
    struct audit_options options = {
        .os = cli->os,
        .state_path = args_value(&cli->args, "state"),
        .key = args_value(&cli->args, "key"),
        .policy = args_has(&cli->args, "policy") ? &policy : NULL,
        .is_full = args_has(&cli->args, "full"),
        .without_map = args_has(&cli->args, "no-map"),
        .without_values = args_has(&cli->args, "no-values"),
        .threads = (unsigned)threads,
        .progress = progress_cb,
        .progress_arg = &progress,
    };
    int rc;

    if (options.state_path == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --state is missing: the file that remembers this log");
    }
    if (threads > AUDIT_THREADS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "option --threads: at most %d", AUDIT_THREADS_MAX);
    }
    rc = read_policy(cli, &policy_text, &policy, err);
    if (rc == BLOCKDB_OK) {
        rc = open_source(cli, &access, &source, err);
    }
    if (rc < 0) {
        return rc;
    }
    options.source = source;
    source->stop_asked = signals_stop_asked;
    cli_progress_init(cli, &progress);
    rc = audit_run(&options, &report, err);
    progress_finish(&progress);
    if (rc == BLOCKDB_OK || report.size > 0) {
        print_report(cli, &report, rc, os_monotonic_ns(cli->os) - progress.start_ns);
    }
    audit_report_deinit(&report);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_wrap(err, BLOCKDB_EIO, "option --state"); /* it is no missing key */
    }
    if (rc == BLOCKDB_EIO && atomic_load(&source->lost_connection)) {
        cli_connection_lost(cli, "is a server running there?", err);
    }
    return rc;
}
