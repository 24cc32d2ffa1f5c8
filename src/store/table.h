/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table: an immutable sorted file (000123.sst): one item per key, see store/item.h.
 *
 * A lookup asks one line of a Bloom filter chosen by the key's hash, then the top index (resident),
 * an index partition and a data page, each through a cache. The older seqs of a key are few and
 * stand beside the item, or are many and stand in version pages, found by binary search.
 *
 * TABLE-1  Every byte read from the file is covered by a checksum that also binds it to this file
 *          and offset. Damage is ECORRUPT with path and offset, never another answer.
 * TABLE-2  Keys are strictly ascending over the whole file; older seqs are below the item's seq.
 * TABLE-3  The filter has no false negatives: a damaged filter is ECORRUPT, not "not found".
 * TABLE-4  A page in a cache has passed its checksum and the check of its frame, so reading it
 *          needs only bounds checks of entries.
 *
 * Threads:   any thread. Cursors and version cursors: one thread at a time.
 * Ownership: counted by references. Borrows os, epoch and caches until the last reference is gone.
 *            A list of tables that readers walk inside the epoch must give its references back
 *            through the epoch.
 * Format:    docs/format/table.md
 */
#pragma once

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/epoch.h"
#include "os/os.h"
#include "store/cache.h"
#include "store/codec.h"
#include "store/cursor.h"
#include "store/item.h"
#include "store/table_meta.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TABLE_LEDGER_ID_LEN 16

struct table;

/* What a table holds; found when building and stored in the file. Seqs and times are inclusive. */
struct table_facts {
    uint64_t file_number;
    uint64_t file_bytes;
    uint64_t key_count;     /* items */
    uint64_t version_count; /* seqs: items and all their older ones */
    uint64_t delete_count;  /* items whose newest version is a delete */
    uint64_t inline_count;  /* items with an inline value */
    uint64_t seq_min;       /* over all seqs */
    uint64_t seq_max;
    uint64_t time_min_ms; /* over newest versions only */
    uint64_t time_max_ms;
    uint64_t raw_bytes; /* of data pages before compression */
    struct buf key_min; /* owned */
    struct buf key_max;
};
void table_facts_deinit(struct table_facts *facts);

/* The same in the manifest's words; keys are borrowed from facts. */
static inline struct table_meta table_facts_meta(const struct table_facts *facts, uint32_t level)
{
    return (struct table_meta){
        .number = facts->file_number,
        .level = level,
        .bytes = facts->file_bytes,
        .key_count = facts->key_count,
        .version_count = facts->version_count,
        .first_seq = facts->seq_min,
        .last_seq = facts->seq_max,
        .first_key = buf_slice(&facts->key_min),
        .last_key = buf_slice(&facts->key_max),
    };
}

/* Counters of all tables that share it, since it was made; striped, any thread. */
struct table_counters;
struct table_counters_values {
    uint64_t filter_checks;
    uint64_t filter_negatives;
    uint64_t filter_false_positives;
};
struct table_counters *table_counters_new(void); /* NULL when out of memory */
void table_counters_free(struct table_counters *counters);
void table_counters_get(const struct table_counters *counters, struct table_counters_values *out);

struct table_options {
    struct os *os;
    struct epoch *epoch;
    struct cache *block_cache;       /* data and version pages */
    struct cache *index_cache;       /* index partitions and filter units */
    struct table_counters *counters; /* NULL: none */
    uint8_t ledger_id[TABLE_LEDGER_ID_LEN];
    bool direct_io;
};

/* The file name of a table, "000123.sst"; out has at least TABLE_NAME_MAX bytes. */
#define TABLE_NAME_MAX 32
void table_name(uint64_t file_number, char *out);

/* Opens the table at path and checks header, footer, properties and top index. Borrows options and
 * path for the call. ENOTFOUND; ECORRUPT; EFOREIGN: another ledger's or another table's file;
 * EVERSION: a newer format. One reference. */
RESULT_MUST_BE_USED int table_open(const struct table_options *options, const char *path,
                                   uint64_t file_number, struct table **out, struct error *err);
struct table *table_ref(struct table *table);
/* With the last reference the file is closed. Its pages stay in the caches until they age out or
 * cache_erase_file() drops them: a file number must never name two different files. NULL does
 * nothing. */
void table_unref(struct table *table);
/* For AUTO(). */
void table_unref_ptr(struct table **table);

/* Borrowed as long as the table. */
const struct table_facts *table_facts(const struct table *table);
const char *table_path(const struct table *table);

/* The hash that table_get() takes: computed once a lookup, used for all tables. */
static inline uint64_t table_key_hash(struct slice key)
{
    return checksum(key.data, key.len, 0);
}

/* What a lookup found. */
struct table_hit {
    bool found;
    bool newest; /* this is the item's newest version: all fields count; else only seq */
    bool value_inline;
    uint8_t kind;
    uint32_t value_len;
    uint64_t seq;
    uint64_t time_ms;
    struct slice value; /* with value_inline: borrowed until the caller leaves the epoch */
};

/* Finds the newest version of key (at_seq BLOCKDB_SEQ_NONE), or the newest with seq <= at_seq. The
 * caller is inside the epoch. hash is table_key_hash(key). Absence is found == false, not an error.
 * No lock and no allocation where all pages are cached. ECORRUPT, EIO, ENOMEM leave out untouched.
 */
RESULT_MUST_BE_USED int table_get(struct table *table, struct slice key, uint64_t hash,
                                  uint64_t at_seq, struct table_hit *out, struct error *err);

/* Starts to walk all seqs of key below before_seq (VERSIONS_ALL: all), the newest version's
 * included. A key not in the table gives an empty walk. The cursor holds the table and what pages
 * it needs until version_cursor_deinit(). Enters the epoch by itself. */
RESULT_MUST_BE_USED int table_versions(struct table *table, struct slice key, uint64_t before_seq,
                                       struct version_cursor *out, struct error *err);

struct table_cursor_options {
    bool bypass_cache;      /* use pages in the caches, but add none: for merges and verify */
    size_t readahead_bytes; /* read ahead in pieces of this size; 0: one page at a time */
};

/* A cursor over all items, unpositioned. Holds the table until freed. options may be NULL. Inline
 * values and older lists of its items are borrowed until it moves. Enters the epoch by itself. */
RESULT_MUST_BE_USED int table_cursor_new(struct table *table,
                                         const struct table_cursor_options *options,
                                         struct cursor **out, struct error *err);

/* About how many bytes of the file hold keys in [start, end); end empty: to the last. From the
 * index alone. */
RESULT_MUST_BE_USED int table_range_bytes(struct table *table, struct slice start, struct slice end,
                                          uint64_t *out_bytes, struct error *err);

/* Called for each item in key order; item is borrowed for the call, its versions may be walked.
 * A return other than 0 stops and is handed on. */
typedef int (*table_visit_fn)(void *arg, const struct item *item, struct error *err);
/* Reads the whole file past the caches and checks everything against everything: checksums, order
 * of keys and seqs, counts and ranges against the properties, index against data, each key against
 * the filter, no byte outside known structures. visit may be NULL. */
RESULT_MUST_BE_USED int table_verify(struct table *table, table_visit_fn visit, void *arg,
                                     struct error *err);

/* Reads the filter past the caches and checks its checksums: ECORRUPT names the first page that is
 * damaged. Whether it is the filter of the keys is what table_verify() sees. */
RESULT_MUST_BE_USED int table_check_filter(struct table *table, struct error *err);

/* table_verify() in parts, which any threads may verify in any order and beside each other; visits
 * come in key order within a part. Borrows the table until it is freed. ENOMEM, ECORRUPT. */
struct table_verification;
RESULT_MUST_BE_USED int table_verification_new(struct table *table, struct table_verification **out,
                                               struct error *err);
void table_verification_free(struct table_verification *v);
/* How many parts a table has, at least one. */
uint32_t table_verification_parts(const struct table *table);
/* Verifies part number `part`, once. */
RESULT_MUST_BE_USED int table_verification_part(struct table_verification *v, uint32_t part,
                                                table_visit_fn visit, void *arg, struct error *err);
/* Verifies what is behind all parts and what they make together: when every part was good. */
RESULT_MUST_BE_USED int table_verification_end(struct table_verification *v, struct error *err);

/* Facts for people; nothing in the engine depends on them. */
struct table_info {
    uint32_t format_version;
    enum codec codec;    /* that was asked for; single pages may be stored raw */
    uint32_t page_bytes; /* target sizes */
    uint32_t index_bytes;
    uint32_t filter_bits_per_key; /* 0: no filter */
    uint64_t data_pages;
    uint64_t version_pages;
    uint64_t index_partitions;
    uint64_t filter_units;
    uint64_t data_bytes; /* as stored, with trailers */
    uint64_t version_bytes;
    uint64_t index_bytes_total;
    uint64_t filter_bytes;
    size_t resident_bytes; /* memory that the open table keeps */
};
void table_inspect(const struct table *table, struct table_info *out);
