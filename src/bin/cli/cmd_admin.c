/* SPDX-License-Identifier: Apache-2.0 */
/* stats, compact, flush, backup and restore. */
#include "bin/cli/cli.h"
#include "bin/cli/stat_rows.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <string.h>

#define IDENTITY_COUNT 5

int cmd_stats(struct cli *cli, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    struct source_identity identity = {0};
    struct field fields[STAT_ROWS_MAX + IDENTITY_COUNT];
    size_t count;
    const struct stat_row *rows = stat_rows_all(&count);
    size_t i;
    int rc = cli->source->ops->stats(cli->source, &stats, err);

    if (rc == BLOCKDB_OK) {
        rc = cli->source->ops->identity(cli->source, &identity, err);
    }
    if (rc < 0) {
        return rc;
    }
    fields[0] = (struct field){
        .name = "version", .type = FIELD_TEXT, .text = identity.version, .heading = "Database"};
    fields[1] = (struct field){.name = "data_dir", .type = FIELD_TEXT, .text = identity.data_dir};
    fields[2] = (struct field){.name = "ledger_id", .type = FIELD_TEXT, .text = identity.ledger_id};
    fields[3] = (struct field){.name = "epoch", .type = FIELD_NUMBER, .number = identity.epoch};
    fields[4] = (struct field){.name = "origin", .type = FIELD_TEXT, .text = identity.origin};
    for (i = 0; i < count; i++) {
        fields[IDENTITY_COUNT + i] = (struct field){.name = rows[i].name,
                                                    .type = rows[i].type,
                                                    .number = stat_row_get(&rows[i], &stats),
                                                    .heading = rows[i].heading};
    }
    fields_print(&cli->out, cli->format, fields, count + IDENTITY_COUNT);
    return BLOCKDB_OK;
}

/* What compact and flush changed. */
static int print_tables(struct cli *cli, const struct blockdb_stats *before, struct error *err)
{
    struct blockdb_stats after = BLOCKDB_STATS_INIT;
    int rc = cli->source->ops->stats(cli->source, &after, err);

    if (rc == BLOCKDB_OK) {
        const struct field fields[] = {
            {.name = "tables_before", .type = FIELD_NUMBER, .number = before->table_count},
            {.name = "tables", .type = FIELD_NUMBER, .number = after.table_count},
            {.name = "table_bytes_before", .type = FIELD_BYTES, .number = before->table_bytes},
            {.name = "table_bytes", .type = FIELD_BYTES, .number = after.table_bytes},
        };

        fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
    }
    return rc;
}

int cmd_compact(struct cli *cli, struct error *err)
{
    struct blockdb_stats before = BLOCKDB_STATS_INIT;
    struct progress progress;
    bool waits = !args_has(&cli->args, "no-wait");
    int rc = cli->source->ops->stats(cli->source, &before, err);

    if (rc < 0) {
        return rc;
    }
    cli_progress_init(cli, &progress);
    rc = cli->source->ops->compact(cli->source, waits, progress_cb, &progress, err);
    progress_finish(&progress);
    return rc < 0 ? rc : print_tables(cli, &before, err);
}

int cmd_flush(struct cli *cli, struct error *err)
{
    struct blockdb_stats before = BLOCKDB_STATS_INIT;
    int rc = cli->source->ops->stats(cli->source, &before, err);

    if (rc == BLOCKDB_OK) {
        rc = cli->source->ops->flush(cli->source, err);
    }
    return rc < 0 ? rc : print_tables(cli, &before, err);
}

static void print_copied(struct cli *cli, const char *dir, uint64_t start_ns)
{
    const struct field fields[] = {
        {.name = "directory", .type = FIELD_TEXT, .text = dir},
        {.name = "elapsed_ns", .type = FIELD_NS, .number = os_monotonic_ns(cli->os) - start_ns},
    };

    fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
}

int cmd_backup(struct cli *cli, struct error *err)
{
    const char *dir = cli->args.positional[0];
    struct progress progress;
    int rc;

    cli_progress_init(cli, &progress);
    rc = cli->source->ops->backup(cli->source, dir, progress_cb, &progress, err);
    progress_finish(&progress);
    if (rc == BLOCKDB_OK) {
        print_copied(cli, dir, progress.start_ns);
    }
    return rc;
}

int cmd_restore(struct cli *cli, struct error *err)
{
    const char *dir = cli->args.positional[0];
    const char *to = args_value(&cli->args, "to");
    struct progress progress;
    int rc;

    if (to == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "name the new directory: restore %.256s --to NEWDIR",
                         dir);
    }
    cli_progress_init(cli, &progress);
    rc = blockdb_restore(dir, to, progress_cb, &progress, err);
    progress_finish(&progress);
    if (rc == BLOCKDB_OK) {
        print_copied(cli, to, progress.start_ns);
    }
    return rc;
}
