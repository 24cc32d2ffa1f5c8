/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the database and the server as JSON, for people and scripts. */
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"
#include "server/server.h"

#include <blockdb/evidence.h>
#include <stddef.h>

struct stats_row {
    const char *name;
    size_t offset;
};

/* The fields of struct blockdb_stats, by their names; a test compares the two. */
#define ROW(field)                                                                                 \
    {                                                                                              \
#field, offsetof(struct blockdb_stats, field)                                              \
    }
static const struct stats_row rows[] = {
    ROW(acked_seq),
    ROW(durable_seq),
    ROW(sealed_seq),
    ROW(flushed_seq),
    ROW(block_count),
    ROW(oldest_unsealed_age_ms),
    ROW(table_count),
    ROW(table_bytes),
    ROW(ledger_bytes),
    ROW(tile_bytes),
    ROW(wal_bytes),
    ROW(wal_old_bytes),
    ROW(memtable_bytes),
    ROW(memtable_count),
    ROW(block_cache_bytes),
    ROW(index_cache_bytes),
    ROW(memory_bytes),
    ROW(puts),
    ROW(deletes),
    ROW(batches),
    ROW(gets),
    ROW(gets_found),
    ROW(scans),
    ROW(commit_groups),
    ROW(wal_syncs),
    ROW(wal_bytes_written),
    ROW(ledger_bytes_written),
    ROW(table_bytes_written),
    ROW(user_bytes_written),
    ROW(flushes),
    ROW(merges),
    ROW(merge_bytes_read),
    ROW(merge_bytes_written),
    ROW(stall_ns),
    ROW(slow_down_ns),
    ROW(block_cache_hits),
    ROW(block_cache_misses),
    ROW(index_cache_hits),
    ROW(index_cache_misses),
    ROW(filter_checks),
    ROW(filter_negatives),
    ROW(filter_false_positives),
    ROW(memtable_hits),
    ROW(table_hits),
    ROW(ledger_reads),
    ROW(heads_signed),
    ROW(head_failures),
    ROW(map_size),
    ROW(map_lag),
    ROW(map_keys),
    ROW(map_bytes),
    ROW(gets_memtable),
    ROW(gets_cache),
    ROW(gets_page_cache),
    ROW(gets_disk),
    ROW(gets_would_block),
    ROW(memtable_active_bytes),
    ROW(memtable_frozen_bytes),
    ROW(seal_queue_bytes),
    ROW(commit_queue_bytes),
    ROW(map_bytes_in_memory),
    ROW(work_bytes),
    ROW(memory_limit),
    ROW(memory_peak_bytes),
    ROW(stall_memtables_ns),
    ROW(stall_tables_ns),
    ROW(stall_seal_queue_ns),
    ROW(stall_memory_ns),
    ROW(flush_bytes_written),
    ROW(block_cache_evictions),
    ROW(index_cache_evictions),
    ROW(blocks_sealed),
    ROW(entries_sealed),
    ROW(oldest_unsynced_age_ms),
    ROW(clock_behind_ms),
    ROW(live_keys_estimate),
};

static void write_levels(struct json_writer *w, const char *name, const uint64_t *figures,
                         uint64_t count)
{
    uint64_t i;

    json_writer_key(w, name);
    json_writer_begin_array(w);
    for (i = 0; i < count && i < BLOCKDB_LEVELS_MAX; i++) {
        json_writer_u64(w, figures[i]);
    }
    json_writer_end_array(w);
}

static void write_database(struct json_writer *w, const struct blockdb_stats *stats)
{
    size_t i;

    json_writer_key(w, "database");
    json_writer_begin_object(w);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t figure;

        memcpy(&figure, (const char *)stats + rows[i].offset, sizeof(figure));
        json_writer_member_u64(w, rows[i].name, figure);
    }
    json_writer_member_u64(w, "level_count", stats->level_count);
    write_levels(w, "level_tables", stats->level_tables, stats->level_count);
    write_levels(w, "level_bytes", stats->level_bytes, stats->level_count);
    json_writer_end_object(w);
}

static void write_server(struct exchange *x, struct json_writer *w)
{
    const struct routes_stats own = routes_stats(routes_of(x));
    struct server_stats stats;

    json_writer_key(w, "server");
    json_writer_begin_object(w);
    if (exchange_server(x) != NULL) {
        stats = server_stats(exchange_server(x));
        json_writer_key(w, "started");
        json_writer_time(w, stats.started_ms);
        json_writer_member_u64(w, "connections", stats.connections);
        json_writer_member_u64(w, "connections_accepted", stats.connections_accepted);
        json_writer_member_u64(w, "connections_refused", stats.connections_refused);
        json_writer_member_u64(w, "connections_cut", stats.connections_cut);
        json_writer_member_u64(w, "received_bytes", stats.received_bytes);
        json_writer_member_u64(w, "sent_bytes", stats.sent_bytes);
    }
    json_writer_member_u64(w, "watchers", own.watchers);
    json_writer_member_u64(w, "jobs_running", own.jobs_running);
    json_writer_end_object(w);
}

static int stats_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    const char *data_dir = blockdb_option_in_force(db, "data_dir");
    struct json_writer w;
    int rc = blockdb_stats_get(db, &stats, err);

    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    json_writer_member_text(&w, "version", blockdb_version());
    json_writer_member_text(&w, "ledger_id", blockdb_ledger_id(db));
    json_writer_member_u64(&w, "epoch", blockdb_epoch(db));
    json_writer_member_text(&w, "origin", blockdb_origin(db));
    json_writer_member_text(&w, "data_dir", data_dir != NULL ? data_dir : "");
    write_server(x, &w);
    write_database(&w, &stats);
    return reply_finish(&w, err);
}

void route_stats(struct exchange *x)
{
    exchange_run(x, POOL_READ, stats_run);
}
