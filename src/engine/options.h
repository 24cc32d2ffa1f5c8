/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: the tables [database] and [ledger] of the configuration, as typed values and as text.
 *
 * One table (section, name, type, default, range, choices, help, and where the value lives in
 * `struct settings`) feeds everything: the public functions over `struct blockdb_options`, the
 * configuration file, `--print-default-config` and docs/operate/configuration.md.
 *
 * OPT-1  `struct settings` and the texts of one `struct blockdb_options` always say the same.
 * OPT-2  A failed set changes nothing.
 * OPT-3  Every field is read by the engine or a program; a test walks the table.
 *
 * Threads:   one thread at a time; immutable once nobody sets any more (the engine keeps a copy).
 * Ownership: texts belong to the options; settings borrow them.
 */
#pragma once

#include "base/error.h"
#include "engine/event.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys that one rule of settings_check() is about, at most. */
#define SETTINGS_RULE_KEYS_MAX 5

enum wal_sync_mode {
    WAL_SYNC_NONE,
    WAL_SYNC_INTERVAL,
    WAL_SYNC_GROUP,
    WAL_SYNC_ALWAYS,
};

enum compaction_strategy {
    COMPACTION_SIZE_TIERED,
    COMPACTION_LEVELED,
};

enum compression_type {
    COMPRESSION_NONE,
    COMPRESSION_SNAPPY,
    COMPRESSION_LZ4,
    COMPRESSION_ZSTD,
};

/* One field a key, named like it. Sizes are bytes, times milliseconds. */
struct settings {
    const char *data_dir; /* never empty */
    const char *wal_dir;  /* "" means <data_dir>/wal */
    bool create_missing_wal_dir;
    bool write_once;

    /* WAL */
    enum wal_sync_mode wal_sync_mode;
    uint64_t wal_sync_interval; /* ms */
    uint64_t wal_file_size;
    uint64_t wal_keep_size;

    /* Memtables, flush and merge */
    uint64_t memtable_size_limit;
    uint64_t compaction_threshold; /* tables of one size before they are merged */
    enum compaction_strategy compaction_strategy;
    uint64_t max_compaction_threads; /* 0: see settings_compaction_threads() */
    uint64_t io_budget;              /* bytes a second of flush and merge, 0: unlimited */
    uint64_t write_buffer_size;
    bool enable_direct_io;

    /* Tables and ledger segments */
    uint64_t sstable_block_size;
    uint64_t index_block_size;
    bool enable_bloom_filters;
    uint64_t bloom_filter_bits_per_key;
    enum compression_type compression_type;
    uint64_t compression_level; /* zstd only */
    uint64_t inline_value_limit;
    uint64_t ledger_segment_size;

    /* Caches and memory */
    uint64_t block_cache_size;
    uint64_t index_cache_size;
    uint64_t memory_limit; /* 0: see settings_memory_limit() */

    /* Ledger */
    uint64_t blockchain_batch_size; /* entries of a block */
    uint64_t block_interval;        /* ms */
    bool enable_blockchain_verification;

    /* [ledger]; texts that are "" say nothing */
    const char *origin;
    const char *signing_key_file;
    uint64_t head_interval; /* ms */
    const char *signer_command;
    const char *signer_key;
    bool proof_map;
    const char *witness_policy_file;
};

/* The bounds of row index of blockdb_option_table(): of a number, or of the length of a string. */
void options_range(size_t index, uint64_t *out_min, uint64_t *out_max);

/* Whether somebody has set that option; false for an unknown name. */
bool options_is_set(const struct blockdb_options *options, const char *name);

/* The settings in force; borrowed until the options are changed or freed. */
const struct settings *options_settings(const struct blockdb_options *options);

/* A copy of options (NULL: all defaults) that the caller frees with blockdb_options_free(); NULL
 * when out of memory. */
struct blockdb_options *options_copy(const struct blockdb_options *options);

/* Who hears of events; see blockdb_options_set_event_cb(). */
struct event_listener options_listener(const struct blockdb_options *options);

/* What no single range can tell: caches and memtables fit memory_limit, a command that signs has
 * its key, origin can name a log. EINVAL names the keys and the values that would do; *out_keys
 * (may be NULL) is then the list of the keys concerned, "table.key" each, NULL behind the last. */
RESULT_MUST_BE_USED int settings_check(const struct settings *settings,
                                       const char *const **out_keys, struct error *err);

/* memory_limit, or when it is 0: 1 GiB, or what caches and four memtables need if that is more. */
uint64_t settings_memory_limit(const struct settings *settings);

/* max_compaction_threads, or when it is 0: half of the processors this process may use, 1 to 8. */
unsigned settings_compaction_threads(const struct settings *settings, unsigned processors);
