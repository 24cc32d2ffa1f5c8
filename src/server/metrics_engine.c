/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine counts. A counter without labels is a row of a table; the rest is written out. */
#include "server/metrics.h"

#include <assert.h>
#include <blockdb/blockdb.h>
#include <stddef.h>
#include <string.h>

#define NS_PER_MS 1000000

struct row {
    size_t offset; /* in struct blockdb_stats */
    enum metrics_type type;
    const char *name;
    const char *help;
};

#define ROW(field, type_, name_, help_)                                                            \
    {                                                                                              \
        .offset = offsetof(struct blockdb_stats, field), .type = (type_), .name = (name_),         \
        .help = (help_)                                                                            \
    }
#define COUNTER(field, name, help) ROW(field, METRICS_COUNTER, name, help)
#define GAUGE(field, name, help) ROW(field, METRICS_GAUGE, name, help)

static const struct row rows[] = {
    GAUGE(acked_seq, "blockdb_acked_seq", "Entries acknowledged."),
    GAUGE(durable_seq, "blockdb_durable_seq", "Entries synced to a disk."),
    GAUGE(sealed_seq, "blockdb_sealed_seq", "Entries in sealed blocks."),
    GAUGE(flushed_seq, "blockdb_flushed_seq", "Entries in tables."),
    GAUGE(block_count, "blockdb_chain_height", "Sealed blocks."),
    GAUGE(ledger_bytes, "blockdb_ledger_bytes", "Bytes of ledger segments."),
    GAUGE(tile_bytes, "blockdb_tile_bytes", "Bytes of hash tiles."),
    GAUGE(wal_bytes, "blockdb_wal_bytes", "Bytes of WAL segments in use."),
    GAUGE(wal_old_bytes, "blockdb_wal_old_bytes", "Bytes of retired WAL segments."),
    GAUGE(memtable_count, "blockdb_memtables", "Memtables, active and frozen."),
    GAUGE(memory_bytes, "blockdb_memory_bytes", "Bytes that the parts of the engine hold."),
    GAUGE(memory_limit, "blockdb_memory_limit_bytes", "What they may hold."),
    GAUGE(memory_peak_bytes, "blockdb_memory_peak_bytes", "The most that they have held."),
    GAUGE(live_keys_estimate, "blockdb_live_keys_estimate", "Keys with a value, nearly."),
    COUNTER(puts, "blockdb_puts_total", "Versions put."),
    COUNTER(deletes, "blockdb_deletes_total", "Deletions."),
    COUNTER(batches, "blockdb_batches_total", "Batches committed."),
    COUNTER(gets, "blockdb_gets_total", "Reads of one key."),
    COUNTER(gets_found, "blockdb_gets_found_total", "Reads of one key that found it."),
    COUNTER(scans, "blockdb_scans_total", "Scans begun."),
    COUNTER(commit_groups, "blockdb_commit_groups_total", "Groups of batches written at once."),
    COUNTER(wal_syncs, "blockdb_wal_fsyncs_total", "Syncs of the WAL."),
    COUNTER(wal_bytes_written, "blockdb_wal_written_bytes_total", "Bytes written to the WAL."),
    COUNTER(ledger_bytes_written, "blockdb_ledger_written_bytes_total",
            "Bytes written to the ledger."),
    COUNTER(table_bytes_written, "blockdb_sst_written_bytes_total",
            "Bytes written to tables, merges included."),
    COUNTER(user_bytes_written, "blockdb_user_written_bytes_total",
            "Bytes of keys and values that users wrote."),
    COUNTER(blocks_sealed, "blockdb_blocks_sealed_total", "Blocks sealed since the start."),
    COUNTER(entries_sealed, "blockdb_block_records_total", "Entries of blocks sealed since then."),
    COUNTER(flush_bytes_written, "blockdb_flush_written_bytes_total", "Bytes written by flushes."),
    COUNTER(flushes, "blockdb_flushes_total", "Memtables written to tables."),
    COUNTER(merges, "blockdb_compactions_total", "Merges of tables."),
    COUNTER(merge_bytes_read, "blockdb_compaction_read_bytes_total", "Bytes read by merges."),
    COUNTER(merge_bytes_written, "blockdb_compaction_written_bytes_total",
            "Bytes written by merges."),
    COUNTER(filter_checks, "blockdb_bloom_checks_total", "Questions to filters of tables."),
    COUNTER(filter_negatives, "blockdb_bloom_useful_total", "Tables that a filter spared."),
    COUNTER(filter_false_positives, "blockdb_bloom_false_positive_total",
            "Tables read in vain after their filter."),
    COUNTER(ledger_reads, "blockdb_ledger_reads_total", "Values read from ledger segments."),
    COUNTER(heads_signed, "blockdb_heads_signed_total", "Tree heads signed."),
    COUNTER(head_failures, "blockdb_head_failures_total", "Tree heads that could not be signed."),
    GAUGE(map_size, "blockdb_map_size", "Entries that the map of newest versions reflects."),
    GAUGE(map_lag, "blockdb_map_lag", "Sealed entries that the map does not reflect yet."),
    GAUGE(map_keys, "blockdb_map_keys", "Keys in the map of newest versions."),
    GAUGE(map_bytes, "blockdb_map_bytes", "Bytes of the map's file."),
};

static uint64_t field_at(const struct blockdb_stats *stats, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)stats + offset);
}

static void write_rows(const struct blockdb_stats *stats, struct metrics_writer *w)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        metrics_family(w, rows[i].type, rows[i].name, rows[i].help);
        metrics_u64(w, NULL, field_at(stats, rows[i].offset));
    }
}

/* A family with one label and some values of it. */
struct labelled {
    const char *value;
    uint64_t count;
};

static void write_labelled(struct metrics_writer *w, const char *label,
                           const struct labelled *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metrics_labels labels = {{{label, samples[i].value}}};

        metrics_u64(w, &labels, samples[i].count);
    }
}

#define WRITE_LABELLED(w, label, samples)                                                          \
    write_labelled(w, label, samples, sizeof(samples) / sizeof((samples)[0]))

static void write_caches(const struct blockdb_stats *s, struct metrics_writer *w)
{
    const struct labelled hits[] = {{"block", s->block_cache_hits}, {"index", s->index_cache_hits}};
    const struct labelled misses[] = {{"block", s->block_cache_misses},
                                      {"index", s->index_cache_misses}};
    const struct labelled evictions[] = {{"block", s->block_cache_evictions},
                                         {"index", s->index_cache_evictions}};
    const struct labelled bytes[] = {{"block", s->block_cache_bytes},
                                     {"index", s->index_cache_bytes}};

    metrics_family(w, METRICS_COUNTER, "blockdb_cache_hits_total", "Pages found in a cache.");
    WRITE_LABELLED(w, "cache", hits);
    metrics_family(w, METRICS_COUNTER, "blockdb_cache_misses_total", "Pages not in a cache.");
    WRITE_LABELLED(w, "cache", misses);
    metrics_family(w, METRICS_COUNTER, "blockdb_cache_evictions_total",
                   "Pages put out of a cache.");
    WRITE_LABELLED(w, "cache", evictions);
    metrics_family(w, METRICS_GAUGE, "blockdb_cache_bytes", "Bytes of a cache in use.");
    WRITE_LABELLED(w, "cache", bytes);
}

static void write_sources(const struct blockdb_stats *s, struct metrics_writer *w)
{
    const struct labelled sources[] = {{"memtable", s->gets_memtable},
                                       {"cache", s->gets_cache},
                                       {"page_cache", s->gets_page_cache},
                                       {"disk", s->gets_disk}};
    const struct labelled memtables[] = {{"active", s->memtable_active_bytes},
                                         {"frozen", s->memtable_frozen_bytes}};

    metrics_family(w, METRICS_COUNTER, "blockdb_get_source_total",
                   "Reads of one key that found it, by the slowest place they needed.");
    WRITE_LABELLED(w, "source", sources);
    metrics_family(w, METRICS_GAUGE, "blockdb_memtable_bytes", "Bytes of memtables.");
    WRITE_LABELLED(w, "state", memtables);
}

static void write_stalls(const struct blockdb_stats *s, struct metrics_writer *w)
{
    const struct labelled stalls[] = {{"memtables", s->stall_memtables_ns},
                                      {"tables", s->stall_tables_ns},
                                      {"seal_queue", s->stall_seal_queue_ns},
                                      {"memory", s->stall_memory_ns}};

    metrics_family(w, METRICS_COUNTER, "blockdb_write_stall_seconds_total",
                   "Time that writers were held up, by cause.");
    for (size_t i = 0; i < sizeof(stalls) / sizeof(stalls[0]); i++) {
        metrics_seconds(w, &(struct metrics_labels){{{"cause", stalls[i].value}}}, stalls[i].count);
    }
}

static void write_ages(const struct blockdb_stats *s, struct metrics_writer *w)
{
    metrics_family(w, METRICS_GAUGE, "blockdb_oldest_unsealed_age_seconds",
                   "Age of the oldest entry that is in no sealed block.");
    metrics_seconds(w, NULL, s->oldest_unsealed_age_ms * NS_PER_MS);
    metrics_family(w, METRICS_GAUGE, "blockdb_oldest_unsynced_age_seconds",
                   "Age of the oldest entry that a power cut could take.");
    metrics_seconds(w, NULL, s->oldest_unsynced_age_ms * NS_PER_MS);
    metrics_family(w, METRICS_GAUGE, "blockdb_clock_behind_seconds",
                   "How far the clock is behind the time of the newest entry.");
    metrics_seconds(w, NULL, s->clock_behind_ms * NS_PER_MS);
    metrics_gauge(w, "blockdb_durable_lag_entries", "Entries acknowledged and not yet synced.",
                  s->acked_seq - s->durable_seq);
}

static void write_levels(const struct blockdb_stats *s, struct metrics_writer *w)
{
    static const char *const names[BLOCKDB_LEVELS_MAX] = {"0", "1", "2", "3", "4", "5", "6", "7"};

    metrics_family(w, METRICS_GAUGE, "blockdb_sst_files", "Tables, by level.");
    for (size_t i = 0; i < s->level_count; i++) {
        metrics_u64(w, &(struct metrics_labels){{{"level", names[i]}}}, s->level_tables[i]);
    }
    metrics_family(w, METRICS_GAUGE, "blockdb_sst_bytes", "Bytes of tables, by level.");
    for (size_t i = 0; i < s->level_count; i++) {
        metrics_u64(w, &(struct metrics_labels){{{"level", names[i]}}}, s->level_bytes[i]);
    }
}

static_assert(BLOCKDB_LATENCY_BUCKETS == LATENCY_BUCKETS, "both are the same buckets");

static void write_latency(struct metrics_writer *w, const char *name, const char *help,
                          const struct blockdb_latency *latency)
{
    struct latency_figures figures = {.count = latency->count, .sum_ns = latency->sum_ns};

    memcpy(figures.cumulative, latency->cumulative, sizeof(figures.cumulative));
    metrics_family(w, METRICS_HISTOGRAM, name, help);
    metrics_latency(w, NULL, &figures);
}

static void write_latencies(struct blockdb *db, struct metrics_writer *w)
{
    struct blockdb_latencies all = BLOCKDB_LATENCIES_INIT;

    if (blockdb_latencies_get(db, &all, NULL) < 0) {
        return;
    }
    write_latency(w, "blockdb_wal_fsync_duration_seconds", "Syncs of the WAL.", &all.wal_sync);
    write_latency(w, "blockdb_commit_group_duration_seconds",
                  "Groups of batches, from being taken to being visible.", &all.commit_group);
    write_latency(w, "blockdb_flush_duration_seconds", "Memtables written to tables.", &all.flush);
    write_latency(w, "blockdb_compaction_duration_seconds", "Merges of tables.", &all.merge);
    write_latency(w, "blockdb_block_seal_duration_seconds", "Blocks hashed, written and synced.",
                  &all.block_seal);
}

static void write_engine(void *arg, struct metrics_writer *w)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    int rc = blockdb_stats_get(arg, &stats, NULL);

    metrics_gauge(w, "blockdb_up", "Whether the database answers for its figures.", rc == 0);
    if (rc < 0) {
        return;
    }
    write_rows(&stats, w);
    write_caches(&stats, w);
    write_sources(&stats, w);
    write_stalls(&stats, w);
    write_ages(&stats, w);
    write_levels(&stats, w);
    write_latencies(arg, w);
}

void metrics_register_engine(struct metrics *m, struct blockdb *db)
{
    metrics_register(m, write_engine, db);
}
