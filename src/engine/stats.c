/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics: positions, sizes and counters of an open database at about one moment.
 */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/map.h"

#include <assert.h>

#define NS_PER_MS 1000000ULL

static uint64_t position(_Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}

/* Since a monotonic time; 0 of 0. */
static uint64_t age_ms(const struct blockdb *db, uint64_t since_ns)
{
    return since_ns > 0 ? (os_monotonic_ns(db->os) - since_ns) / NS_PER_MS : 0;
}

static void fill_positions(struct blockdb *db, struct blockdb_stats *s)
{
    uint64_t opened = atomic_load_explicit(&db->commit.block_opened_ns, memory_order_relaxed);

    s->acked_seq = position(&db->acked_seq);
    s->durable_seq = position(&db->durable_seq);
    s->sealed_seq = sealer_sealed_seq(&db->sealer);
    s->flushed_seq = position(&db->flushed_seq);
    s->block_count = segments_end_height(db->segments);
    s->oldest_unsealed_age_ms = age_ms(db, opened);
    s->clock_behind_ms = commit_clock_behind_ms(db);
    if (s->durable_seq < s->acked_seq) {
        s->oldest_unsynced_age_ms = age_ms(
            db, atomic_load_explicit(&db->unsynced_since_ns, memory_order_relaxed));
    }
}

/* Of one level; tables of different levels may have the same keys, so the sum is a bit high. */
static void fill_level(const struct table_set *tables, uint32_t level, struct blockdb_stats *s)
{
    struct table_span span = table_set_level(tables, level);
    uint64_t deletes = 0;
    uint64_t keys = 0;
    size_t i;

    s->level_tables[level] = span.count;
    for (i = 0; i < span.count; i++) {
        const struct table_facts *facts = table_facts(span.tables[i]);

        s->level_bytes[level] += facts->file_bytes;
        keys += facts->key_count;
        deletes += facts->delete_count;
    }
    /* A delete stands for itself and for what it hides. */
    s->live_keys_estimate += keys > 2 * deletes ? keys - 2 * deletes : 0;
}

static void fill_tables(struct blockdb *db, struct blockdb_stats *s)
{
    struct read_state *state = db_read_state_ref(db);
    struct table_counters_values values;
    uint32_t level;
    size_t i;

    s->table_count = table_set_count(state->tables);
    s->table_bytes = table_set_bytes(state->tables);
    s->memtable_count = state->memtable_count;
    for (i = 0; i < state->memtable_count; i++) {
        s->memtable_bytes += memtable_bytes(state->memtables[i]);
        s->live_keys_estimate += memtable_key_count(state->memtables[i]);
    }
    s->memtable_active_bytes = memtable_bytes(state->memtables[0]);
    s->memtable_frozen_bytes = s->memtable_bytes - s->memtable_active_bytes;
    s->level_count = TABLE_LEVELS;
    for (level = 0; level < TABLE_LEVELS; level++) {
        fill_level(state->tables, level, s);
    }
    read_state_unref(state);
    table_counters_get(db->table_counters, &values);
    s->filter_checks = values.filter_checks;
    s->filter_negatives = values.filter_negatives;
    s->filter_false_positives = values.filter_false_positives;
}

static void fill_files(struct blockdb *db, struct blockdb_stats *s)
{
    struct segments_stats segments;
    struct wal_stats wal;
    unsigned level;

    segments_get_stats(db->segments, &segments);
    s->ledger_bytes = segments.file_bytes;
    s->ledger_bytes_written = segments.appended_stored_bytes;
    for (level = 0; level < TILE_LEVELS; level++) {
        s->tile_bytes += tile_files_count(db->tiles, level) * TILE_HASH_LEN;
    }
    wal_get_stats(db->wal, &wal);
    s->wal_bytes = wal.live_bytes + wal.prepared_bytes;
    s->wal_old_bytes = wal.old_bytes;
    s->wal_bytes_written = wal.appended_bytes;
    s->wal_syncs = wal.syncs;
}

static void fill_caches(struct blockdb *db, struct blockdb_stats *s)
{
    struct cache_stats cache;

    cache_stats_get(db->block_cache, &cache);
    s->block_cache_bytes = cache.used_bytes;
    s->block_cache_hits = cache.hits;
    s->block_cache_misses = cache.misses;
    s->block_cache_evictions = cache.evictions;
    cache_stats_get(db->index_cache, &cache);
    s->index_cache_bytes = cache.used_bytes;
    s->index_cache_hits = cache.hits;
    s->index_cache_misses = cache.misses;
    s->index_cache_evictions = cache.evictions;
}

static void fill_counters(struct blockdb *db, struct blockdb_stats *s)
{
    const struct counters *c = &db->counters;

    s->puts = counter_sum(c, COUNTER_PUTS);
    s->deletes = counter_sum(c, COUNTER_DELETES);
    s->batches = counter_sum(c, COUNTER_BATCHES);
    s->gets_memtable = counter_sum(c, COUNTER_GETS_MEMTABLE);
    s->gets_cache = counter_sum(c, COUNTER_GETS_CACHE);
    s->gets_page_cache = counter_sum(c, COUNTER_GETS_PAGE_CACHE);
    s->gets_disk = counter_sum(c, COUNTER_GETS_DISK);
    s->gets_would_block = counter_sum(c, COUNTER_GETS_WOULD_BLOCK);
    s->gets_found = s->gets_memtable + s->gets_cache + s->gets_page_cache + s->gets_disk;
    s->gets = s->gets_found + counter_sum(c, COUNTER_GETS_MISSED);
    s->scans = counter_sum(c, COUNTER_SCANS);
    s->commit_groups = counter_sum(c, COUNTER_COMMIT_GROUPS);
    s->user_bytes_written = counter_sum(c, COUNTER_USER_BYTES);
    s->table_bytes_written = counter_sum(c, COUNTER_TABLE_BYTES_WRITTEN);
    s->flushes = counter_sum(c, COUNTER_FLUSHES);
    s->merges = counter_sum(c, COUNTER_MERGES);
    s->merge_bytes_read = counter_sum(c, COUNTER_MERGE_BYTES_READ);
    s->merge_bytes_written = counter_sum(c, COUNTER_MERGE_BYTES_WRITTEN);
    s->flush_bytes_written = counter_sum(c, COUNTER_FLUSH_BYTES);
    s->stall_memtables_ns = counter_sum(c, COUNTER_STALL_MEMTABLES_NS);
    s->stall_seal_queue_ns = counter_sum(c, COUNTER_STALL_SEAL_QUEUE_NS);
    s->stall_memory_ns = counter_sum(c, COUNTER_STALL_MEMORY_NS);
    s->stall_ns = s->stall_memtables_ns + s->stall_seal_queue_ns + s->stall_memory_ns;
    s->slow_down_ns = counter_sum(c, COUNTER_SLOW_DOWN_NS);
    s->stall_tables_ns = s->slow_down_ns;
    s->blocks_sealed = counter_sum(c, COUNTER_BLOCKS_SEALED);
    s->entries_sealed = counter_sum(c, COUNTER_ENTRIES_SEALED);
    s->memtable_hits = counter_sum(c, COUNTER_MEMTABLE_HITS);
    s->table_hits = counter_sum(c, COUNTER_TABLE_HITS);
    s->ledger_reads = counter_sum(c, COUNTER_LEDGER_READS);
    s->heads_signed = counter_sum(c, COUNTER_HEADS_SIGNED);
    s->head_failures = counter_sum(c, COUNTER_HEAD_FAILURES);
}

static void fill_map(struct blockdb *db, struct blockdb_stats *s)
{
    struct map_stats map;

    map_get_stats(db, &map);
    s->map_size = map.size;
    s->map_lag = map.lag_entries;
    s->map_keys = map.key_count;
    s->map_bytes = map.file_bytes;
}

static uint64_t held(const struct blockdb *db, enum account_use use)
{
    return atomic_load_explicit(&db->account.held[use], memory_order_relaxed);
}

static void fill_memory(struct blockdb *db, struct blockdb_stats *s)
{
    account_adapt(db, 0); /* so that the peak is not below what is told */
    s->memory_bytes = account_used(db);
    s->seal_queue_bytes = held(db, ACCOUNT_SEAL_QUEUE);
    s->commit_queue_bytes = held(db, ACCOUNT_COMMIT_QUEUE);
    s->map_bytes_in_memory = held(db, ACCOUNT_MAP);
    s->work_bytes = held(db, ACCOUNT_WORK);
    s->memory_limit = db->account.limit;
    s->memory_peak_bytes = atomic_load_explicit(&db->account.peak, memory_order_relaxed);
}

int blockdb_stats_get(struct blockdb *db, struct blockdb_stats *out_stats,
                      struct blockdb_error *err)
{
    struct blockdb_stats stats = {0};

    if (out_stats->size < sizeof(size_t) || out_stats->size > sizeof(stats)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "struct blockdb_stats has size %zu, this library knows %zu; set it with "
                         "BLOCKDB_STATS_INIT",
                         out_stats->size, sizeof(stats));
    }
    stats.size = out_stats->size;
    fill_positions(db, &stats);
    fill_tables(db, &stats);
    fill_files(db, &stats);
    fill_caches(db, &stats);
    fill_counters(db, &stats);
    fill_map(db, &stats);
    fill_memory(db, &stats);
    memcpy(out_stats, &stats, out_stats->size);
    return BLOCKDB_OK;
}

/* ---- Durations ------------------------------------------------------------------------------ */

static_assert(BLOCKDB_LATENCY_BUCKETS == LATENCY_BUCKETS, "the public buckets are those of base");
static_assert(TABLE_LEVELS <= BLOCKDB_LEVELS_MAX, "all levels have a place");

uint64_t blockdb_latency_bound_ns(size_t index)
{
    return latency_bound_ns(index);
}

static void fill_latency(const struct latency *from, struct blockdb_latency *out)
{
    struct latency_figures figures = {0};
    size_t i;

    latency_add_to(from, &figures);
    out->count = figures.count;
    out->sum_ns = figures.sum_ns;
    for (i = 0; i < LATENCY_BUCKETS; i++) {
        out->cumulative[i] = figures.cumulative[i];
    }
}

int blockdb_latencies_get(struct blockdb *db, struct blockdb_latencies *out_latencies,
                          struct blockdb_error *err)
{
    struct blockdb_latencies latencies = {.size = out_latencies->size};

    if (latencies.size < sizeof(size_t) || latencies.size > sizeof(latencies)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "struct blockdb_latencies has size %zu, this library knows %zu; set it "
                         "with BLOCKDB_LATENCIES_INIT",
                         latencies.size, sizeof(latencies));
    }
    if (db->wal != NULL) {
        fill_latency(wal_sync_latency(db->wal), &latencies.wal_sync);
    }
    fill_latency(&db->commit.group_latency, &latencies.commit_group);
    fill_latency(&db->latencies.flush, &latencies.flush);
    fill_latency(&db->latencies.merge, &latencies.merge);
    fill_latency(&db->latencies.block_seal, &latencies.block_seal);
    memcpy(out_latencies, &latencies, latencies.size);
    return BLOCKDB_OK;
}
