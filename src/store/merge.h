/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge: writes tables from other tables, or from a memtable (flush).
 *
 * Every version of every key stays: the newest keeps its inline value, older ones keep their seq.
 *
 * MERGE-1  On success all outputs are synced, and so is the directory; they count once an edit of
 *          the manifest names them.
 * MERGE-2  On failure, and when cancelled, no output is left behind, as far as the system lets
 *          files be removed; inputs are never touched.
 *
 * Threads:   one job a thread, many at the same time.
 * Ownership: borrows options, tables and memtable for the call.
 */
#pragma once

#include "base/error.h"
#include "os/os.h"
#include "store/codec.h"
#include "store/io_budget.h"
#include "store/memtable.h"
#include "store/merge_policy.h"
#include "store/table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Gives the number of the next output file; manifest_take_file_number() fits. */
typedef uint64_t (*merge_number_fn)(void *arg);

/* Whether the value of entry seq must not be written any more. */
typedef bool (*merge_forget_fn)(void *arg, uint64_t seq);

struct merge_options {
    struct os *os;
    const char *dir;
    uint8_t ledger_id[TABLE_LEDGER_ID_LEN];
    merge_number_fn take_number;
    void *take_number_arg;
    uint32_t level;           /* where the outputs will go; for messages */
    uint64_t table_bytes_max; /* begin another table above this size; 0: never */
    size_t inline_value_limit;
    size_t page_bytes;
    size_t index_bytes;
    unsigned filter_bits_per_key;
    enum codec codec;
    int codec_level; /* zstd only */
    size_t write_buffer_bytes;
    bool direct_io;
    merge_forget_fn forget; /* NULL: none; asked for each item with an inline value */
    void *forget_arg;
    struct io_budget *budget;     /* NULL: unlimited */
    const atomic_bool *cancelled; /* NULL: cannot be; ECANCELED soon after it turns true */
    atomic_ullong *progress_keys; /* NULL, or counts keys written so far */
};

/* The tables written, in key order. */
struct merge_result {
    struct table_facts *tables;
    size_t table_count;
    uint64_t bytes;
};
void merge_result_deinit(struct merge_result *result);

/* One run to read: tables that do not overlap, in key order. */
struct merge_input {
    struct table *const *tables;
    size_t count;
};

/* About how much memory such work takes: buffers of inputs and output, index and filter of the
 * table being written; byte_count as of all inputs. */
uint64_t merge_memory_bytes(const struct merge_options *options, size_t input_count,
                            uint64_t byte_count);

/* Merges runs, newest first. ECANCELED; ECORRUPT or EIO from an input, with its path; EIO, ENOSPC,
 * ENOMEM. out_result stays untouched on failure. */
RESULT_MUST_BE_USED int merge_tables(const struct merge_options *options,
                                     const struct merge_input *inputs, size_t input_count,
                                     struct merge_result *out_result, struct error *err);
/* Writes all versions of a memtable that gets no more inserts; an empty one gives no table. */
RESULT_MUST_BE_USED int merge_flush(const struct merge_options *options, const struct memtable *mt,
                                    struct merge_result *out_result, struct error *err);
/* Runs any cursor that has complete `older` lists, about key_count keys and byte_count bytes, into
 * tables. Borrows source. */
RESULT_MUST_BE_USED int merge_cursor(const struct merge_options *options, struct cursor *source,
                                     uint64_t key_count, uint64_t byte_count,
                                     struct merge_result *out_result, struct error *err);
