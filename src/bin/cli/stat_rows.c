/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/stat_rows.h"

#include <stddef.h>
#include <string.h>

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
    STAT(clock_behind_ms, FIELD_NUMBER),
    STAT(live_keys_estimate, FIELD_NUMBER),
    STAT(level_count, FIELD_NUMBER),
};

#define STAT_COUNT (sizeof(stat_rows) / sizeof(stat_rows[0]))

_Static_assert(STAT_COUNT * sizeof(uint64_t) + offsetof(struct blockdb_stats, acked_seq) ==
                   offsetof(struct blockdb_stats, level_tables),
               "stats shows every field of struct blockdb_stats but those of levels");

_Static_assert(STAT_COUNT <= STAT_ROWS_MAX, "there is room for all of them");

const struct stat_row *stat_rows_all(size_t *out_count)
{
    *out_count = STAT_COUNT;
    return stat_rows;
}

uint64_t stat_row_get(const struct stat_row *row, const struct blockdb_stats *stats)
{
    uint64_t value;

    memcpy(&value, (const char *)stats + row->offset, sizeof(value));
    return value;
}

void stat_row_set(const struct stat_row *row, struct blockdb_stats *stats, uint64_t value)
{
    memcpy((char *)stats + row->offset, &value, sizeof(value));
}

const struct stat_row *stat_row_find(struct slice name)
{
    size_t i;

    for (i = 0; i < STAT_COUNT; i++) {
        if (slice_equal(name, slice_of_text(stat_rows[i].name))) {
            return &stat_rows[i];
        }
    }
    return NULL;
}
