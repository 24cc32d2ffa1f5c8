/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table builder: writes one table from items in key order, streaming.
 *
 * Memory: a data page, an index partition per level, the filter (bits per key for keys_max keys)
 * and the write buffer; a key with millions of older seqs needs no more than any other.
 *
 * BUILD-1  A file is a table only once finish() has returned 0; before, its footer is missing and
 *          table_open() refuses it.
 *
 * Threads:   caller locks.
 * Ownership: owns the file until finish() or abandon(). Borrows os.
 * Format:    docs/format/table.md
 */
#pragma once

#include "os/os.h"
#include "store/codec.h"
#include "store/file_writer.h"
#include "store/item.h"
#include "store/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_builder;

struct table_builder_options {
    struct os *os;
    const char *path; /* borrowed for the call; created, EEXIST when there */
    uint64_t file_number;
    uint8_t ledger_id[TABLE_LEDGER_ID_LEN];
    size_t page_bytes;            /* sstable_block_size: data page target; 0: 4096 */
    size_t index_bytes;           /* index_block_size: partition target; 0: 4096 */
    unsigned filter_bits_per_key; /* 0: no filter; at most 32 */
    uint64_t keys_max;            /* at most so many keys will come; sizes the filter. More keys
                                     than that only make it less selective */
    enum codec codec;
    int level;
    struct file_writer_options writer; /* buffer, direct I/O, throttle */
};

/* ENOMEM, EEXIST, EIO, ENOSPC. */
RESULT_MUST_BE_USED int table_builder_new(const struct table_builder_options *options,
                                          struct table_builder **out, struct error *err);
/* Adds an item; its key must be above all added before, of 1 to BLOCKDB_KEY_MAX bytes, and an
 * inline value of at most BLOCKDB_VALUE_MAX. Copies; walks item->older to its end. After a failure
 * every further call fails with the same code. A failure of the source of item->older is handed on
 * as it is. */
RESULT_MUST_BE_USED int table_builder_add(struct table_builder *b, const struct item *item,
                                          struct error *err);
/* The number of items added, and about how large the file would be if finished now. */
uint64_t table_builder_key_count(const struct table_builder *b);
uint64_t table_builder_bytes(const struct table_builder *b);
/* Completes and syncs the file (not its directory), fills out_facts (the caller deinits it), frees
 * b in any case. At least one item must have been added, else EINVAL. On failure the file is left
 * for the caller to unlink. */
RESULT_MUST_BE_USED int table_builder_finish(struct table_builder *b, struct table_facts *out_facts,
                                             struct error *err);
/* Closes the unfinished file, unlinks it and frees b. NULL does nothing. */
void table_builder_abandon(struct table_builder *b);
