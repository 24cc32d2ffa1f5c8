/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed parts of a map file, for its reader and its writer.
 *
 * Threads:   pure functions; any thread.
 * Format:    docs/format/map.md, "File"
 */
#pragma once

#include "store/map_file.h"

#define MAP_FILE_HEADER_LEN 64
#define MAP_FILE_FOOTER_LEN 96
#define MAP_FILE_INDEX_ITEM_LEN 36
#define MAP_FILE_CHECKSUM_LEN 8

struct map_file_header {
    uint8_t ledger_id[MAP_FILE_LEDGER_ID_LEN];
    uint64_t seed;
    unsigned bits;
};

/* Writes MAP_FILE_HEADER_LEN bytes. */
void map_file_header_encode(const struct map_file_header *h, uint8_t *out);
/* ECORRUPT, EVERSION, EFOREIGN when it is of another ledger than h->ledger_id says; path is for
 * messages. */
RESULT_MUST_BE_USED int map_file_header_decode(const uint8_t *bytes, const char *path,
                                               struct map_file_header *h, struct error *err);
/* Writes MAP_FILE_FOOTER_LEN bytes. */
void map_file_footer_encode(const struct map_file_info *info, uint64_t seed, uint8_t *out);
/* Reads map_size, leaf_count, root and anchor; ECORRUPT. */
RESULT_MUST_BE_USED int map_file_footer_decode(const uint8_t *bytes, uint64_t seed,
                                               struct map_file_info *info);
