/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed structures of a table file: header, footer, page trailer, handles, properties.
 *
 * Threads:   immutable.
 * Format:    docs/format/table.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "store/table.h"

#include <stddef.h>
#include <stdint.h>

#define TABLE_FORMAT_VERSION 1
#define TABLE_HEADER_BYTES 128
#define TABLE_FOOTER_BYTES 128
#define TABLE_TRAILER_BYTES 16
#define TABLE_HANDLE_BYTES 16
#define TABLE_PROPERTIES_BYTES 192 /* before the keys */
#define TABLE_PAGE_RAW_MAX (64U * 1024 * 1024)
#define TABLE_PAGE_STORED_MAX (2 * TABLE_PAGE_RAW_MAX) /* a stored page never is as large */

#define TABLE_RESTART_INTERVAL 8
#define TABLE_FILTER_UNIT_LINES 512
#define TABLE_VERSIONS_BESIDE_MAX 8   /* so many older seqs stand in the item */
#define TABLE_VERSION_PAGE_BYTES 4096 /* raw bytes of a version page */
#define TABLE_DIRECTORY_ROW_BYTES 24

enum table_page_kind {
    TABLE_PAGE_DATA = 1,
    TABLE_PAGE_VERSIONS = 2,
    TABLE_PAGE_DIRECTORY = 3,
    TABLE_PAGE_PARTITION = 4,
    TABLE_PAGE_TOP_INDEX = 5,
    TABLE_PAGE_FILTER = 6,
    TABLE_PAGE_PROPERTIES = 7,
};

enum table_older {
    TABLE_OLDER_NONE = 0,
    TABLE_OLDER_BESIDE = 1,
    TABLE_OLDER_PAGE = 2,
    TABLE_OLDER_DIRECTORY = 3,
};

#define TABLE_TAG_KIND_MASK 0x03U
#define TABLE_TAG_INLINE 0x04U
#define TABLE_TAG_OLDER_SHIFT 3
#define TABLE_TAG_MAX 0x1fU

/* Names a page: len is its stored length without the trailer. */
struct table_handle {
    uint64_t offset;
    uint32_t len;
};

struct table_properties {
    struct table_facts facts;
    uint8_t ledger_id[TABLE_LEDGER_ID_LEN];
    uint64_t data_pages;
    uint64_t version_pages;
    uint64_t index_partitions;
    uint64_t data_bytes;
    uint64_t version_bytes;
    uint64_t index_bytes;
    uint64_t filter_offset;
    uint64_t filter_lines;
    uint32_t filter_unit_lines;
    uint32_t filter_probes;
    uint32_t filter_bits_per_key;
    uint32_t codec;
    uint32_t page_target;
    uint32_t index_target;
};

/* Where a reader is, for messages. */
struct table_place {
    const char *path;
    uint64_t offset;
};

/* Binds the checksums of a file to it. */
uint64_t table_file_seed(const uint8_t ledger_id[TABLE_LEDGER_ID_LEN], uint64_t file_number);

/* zigzag of a wrapping difference, and back. */
static inline uint64_t table_zigzag(uint64_t difference)
{
    return (difference << 1) ^ (uint64_t)((int64_t)difference >> 63);
}
static inline uint64_t table_unzigzag(uint64_t value)
{
    return (value >> 1) ^ (0 - (value & 1));
}

void table_header_encode(uint8_t out[TABLE_HEADER_BYTES],
                         const uint8_t ledger_id[TABLE_LEDGER_ID_LEN], uint64_t file_number);
/* ECORRUPT, EFOREIGN (of another ledger or number), EVERSION; the message names path. */
RESULT_MUST_BE_USED int table_header_decode(const uint8_t bytes[TABLE_HEADER_BYTES],
                                            const uint8_t ledger_id[TABLE_LEDGER_ID_LEN],
                                            uint64_t file_number, const char *path,
                                            struct error *err);

struct table_footer {
    struct table_handle properties;
    struct table_handle top_index;
    uint64_t file_bytes;
};
void table_footer_encode(uint8_t out[TABLE_FOOTER_BYTES], const struct table_footer *footer,
                         uint64_t file_seed);
/* file_bytes is the true length of the file. */
RESULT_MUST_BE_USED int table_footer_decode(const uint8_t bytes[TABLE_FOOTER_BYTES],
                                            uint64_t file_bytes, uint64_t file_seed,
                                            const char *path, struct table_footer *out,
                                            struct error *err);

struct table_trailer {
    uint8_t codec;
    uint8_t kind;
    uint32_t raw_len;
};
/* Appends the trailer of the page whose stored bytes are all of out; seed is the file's seed XOR
 * the page's offset. ENOMEM. */
RESULT_MUST_BE_USED int table_trailer_append(struct buf *out, const struct table_trailer *trailer,
                                             uint64_t seed);
/* Checks a page: stored bytes and trailer, as named by a handle, of the kind expected. */
RESULT_MUST_BE_USED int table_trailer_decode(struct slice page, enum table_page_kind kind,
                                             uint64_t file_seed, const struct table_place *place,
                                             struct table_trailer *out, struct error *err);

RESULT_MUST_BE_USED int table_properties_encode(struct buf *out,
                                                const struct table_properties *properties);
/* Checks what can be checked without the rest of the file. On failure out is untouched. */
RESULT_MUST_BE_USED int table_properties_decode(struct slice raw, const struct table_place *place,
                                                struct table_properties *out, struct error *err);

void table_handle_encode(uint8_t out[TABLE_HANDLE_BYTES], struct table_handle handle);
struct table_handle table_handle_read(struct reader *r);
