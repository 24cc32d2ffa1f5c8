/* SPDX-License-Identifier: Apache-2.0 */
/* stats, compact, flush, backup and restore. */
#include "bin/cli/cli.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <string.h>

/* Every counter of struct blockdb_stats: what it is called, and how it is shown to people. */
struct stat_row {
    const char *name;
    enum field_type type;
    size_t offset;
    const char *heading;
};

#define STAT(field, kind)                                                                          \
    {                                                                                              \
        .name = #field, .type = kind, .offset = offsetof(struct blockdb_stats, field)              \
    }
#define STAT_GROUP(field, kind, title)                                                             \
    {                                                                                              \
        .name = #field, .type = kind, .offset = offsetof(struct blockdb_stats, field),             \
        .heading = title                                                                           \
    }

static const struct stat_row stat_rows[] = {
    STAT_GROUP(acked_seq, FIELD_NUMBER, "Positions (entries)"),
    STAT(durable_seq, FIELD_NUMBER),
    STAT(sealed_seq, FIELD_NUMBER),
    STAT(flushed_seq, FIELD_NUMBER),
    STAT(block_count, FIELD_NUMBER),
    STAT(oldest_unsealed_age_ms, FIELD_NUMBER),
    STAT_GROUP(table_count, FIELD_NUMBER, "Disk"),
    STAT(table_bytes, FIELD_BYTES),
    STAT(ledger_bytes, FIELD_BYTES),
    STAT(tile_bytes, FIELD_BYTES),
    STAT(wal_bytes, FIELD_BYTES),
    STAT(wal_old_bytes, FIELD_BYTES),
    STAT_GROUP(memtable_bytes, FIELD_BYTES, "Memory"),
    STAT(memtable_count, FIELD_NUMBER),
    STAT(block_cache_bytes, FIELD_BYTES),
    STAT(index_cache_bytes, FIELD_BYTES),
    STAT(memory_bytes, FIELD_BYTES),
    STAT_GROUP(puts, FIELD_NUMBER, "Since open: requests"),
    STAT(deletes, FIELD_NUMBER),
    STAT(batches, FIELD_NUMBER),
    STAT(gets, FIELD_NUMBER),
    STAT(gets_found, FIELD_NUMBER),
    STAT(scans, FIELD_NUMBER),
    STAT_GROUP(commit_groups, FIELD_NUMBER, "Since open: writing"),
    STAT(wal_syncs, FIELD_NUMBER),
    STAT(wal_bytes_written, FIELD_BYTES),
    STAT(ledger_bytes_written, FIELD_BYTES),
    STAT(table_bytes_written, FIELD_BYTES),
    STAT(user_bytes_written, FIELD_BYTES),
    STAT(flushes, FIELD_NUMBER),
    STAT(merges, FIELD_NUMBER),
    STAT(merge_bytes_read, FIELD_BYTES),
    STAT(merge_bytes_written, FIELD_BYTES),
    STAT(stall_ns, FIELD_NS),
    STAT(slow_down_ns, FIELD_NS),
    STAT_GROUP(block_cache_hits, FIELD_NUMBER, "Since open: reading"),
    STAT(block_cache_misses, FIELD_NUMBER),
    STAT(index_cache_hits, FIELD_NUMBER),
    STAT(index_cache_misses, FIELD_NUMBER),
    STAT(filter_checks, FIELD_NUMBER),
    STAT(filter_negatives, FIELD_NUMBER),
    STAT(filter_false_positives, FIELD_NUMBER),
    STAT(memtable_hits, FIELD_NUMBER),
    STAT(table_hits, FIELD_NUMBER),
    STAT(ledger_reads, FIELD_NUMBER),
    STAT_GROUP(heads_signed, FIELD_NUMBER, "Since open: signed heads"),
    STAT(head_failures, FIELD_NUMBER),
    STAT_GROUP(map_size, FIELD_NUMBER, "Map of newest versions"),
    STAT(map_lag, FIELD_NUMBER),
    STAT(map_keys, FIELD_NUMBER),
    STAT(map_bytes, FIELD_BYTES),
    STAT_GROUP(gets_memtable, FIELD_NUMBER, "Since open: gets by source"),
    STAT(gets_cache, FIELD_NUMBER),
    STAT(gets_page_cache, FIELD_NUMBER),
    STAT(gets_disk, FIELD_NUMBER),
    STAT(gets_would_block, FIELD_NUMBER),
    STAT_GROUP(memtable_active_bytes, FIELD_BYTES, "Memory by use"),
    STAT(memtable_frozen_bytes, FIELD_BYTES),
    STAT(seal_queue_bytes, FIELD_BYTES),
    STAT(commit_queue_bytes, FIELD_BYTES),
    STAT(map_bytes_in_memory, FIELD_BYTES),
    STAT(work_bytes, FIELD_BYTES),
    STAT(memory_limit, FIELD_BYTES),
    STAT(memory_peak_bytes, FIELD_BYTES),
    STAT_GROUP(stall_memtables_ns, FIELD_NS, "Since open: stalls by cause"),
    STAT(stall_tables_ns, FIELD_NS),
    STAT(stall_seal_queue_ns, FIELD_NS),
    STAT(stall_memory_ns, FIELD_NS),
    STAT_GROUP(flush_bytes_written, FIELD_BYTES, "Since open: other work"),
    STAT(block_cache_evictions, FIELD_NUMBER),
    STAT(index_cache_evictions, FIELD_NUMBER),
    STAT(blocks_sealed, FIELD_NUMBER),
    STAT(entries_sealed, FIELD_NUMBER),
    STAT_GROUP(oldest_unsynced_age_ms, FIELD_NUMBER, "Now"),
    STAT(live_keys_estimate, FIELD_NUMBER),
};

#define STAT_COUNT (sizeof(stat_rows) / sizeof(stat_rows[0]))
#define IDENTITY_COUNT 5

_Static_assert(STAT_COUNT * sizeof(uint64_t) + offsetof(struct blockdb_stats, acked_seq) ==
                   offsetof(struct blockdb_stats, level_count),
               "stats shows every field of struct blockdb_stats but those of levels");

static uint64_t stat_value(const struct blockdb_stats *stats, size_t offset)
{
    uint64_t value;

    memcpy(&value, (const char *)stats + offset, sizeof(value));
    return value;
}

int cmd_stats(struct cli *cli, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    struct field fields[STAT_COUNT + IDENTITY_COUNT] = {
        {.name = "version", .type = FIELD_TEXT, .text = blockdb_version(), .heading = "Database"},
        {.name = "data_dir", .type = FIELD_TEXT, .text = cli->open_name},
        {.name = "ledger_id", .type = FIELD_TEXT, .text = blockdb_ledger_id(cli->db)},
        {.name = "epoch", .type = FIELD_NUMBER, .number = blockdb_epoch(cli->db)},
        {.name = "origin", .type = FIELD_TEXT, .text = blockdb_origin(cli->db)},
    };
    size_t i;
    int rc = blockdb_stats_get(cli->db, &stats, err);

    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < STAT_COUNT; i++) {
        const struct stat_row *row = &stat_rows[i];

        fields[IDENTITY_COUNT + i] = (struct field){.name = row->name,
                                                    .type = row->type,
                                                    .number = stat_value(&stats, row->offset),
                                                    .heading = row->heading};
    }
    fields_print(&cli->out, cli->format, fields, STAT_COUNT + IDENTITY_COUNT);
    return BLOCKDB_OK;
}

/* What compact and flush changed. */
static int print_tables(struct cli *cli, const struct blockdb_stats *before, struct error *err)
{
    struct blockdb_stats after = BLOCKDB_STATS_INIT;
    int rc = blockdb_stats_get(cli->db, &after, err);

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
    int rc = blockdb_stats_get(cli->db, &before, err);

    if (rc < 0) {
        return rc;
    }
    cli_progress_init(cli, &progress);
    rc = blockdb_compact(cli->db, waits, progress_cb, &progress, err);
    progress_finish(&progress);
    return rc < 0 ? rc : print_tables(cli, &before, err);
}

int cmd_flush(struct cli *cli, struct error *err)
{
    struct blockdb_stats before = BLOCKDB_STATS_INIT;
    int rc = blockdb_stats_get(cli->db, &before, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_flush(cli->db, err);
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
    rc = blockdb_backup(cli->db, dir, progress_cb, &progress, err);
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
