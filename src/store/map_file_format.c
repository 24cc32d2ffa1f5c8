/* SPDX-License-Identifier: Apache-2.0 */
#include "store/map_file_format.h"

#include "base/checksum.h"

#include <inttypes.h>

#define MAGIC "BDBMAP\r\n"
#define END_MAGIC "BDBMAPE\n"
#define MAGIC_LEN 8
#define VERSION 1
#define HEADER_CHECKSUM_OFFSET (MAP_FILE_HEADER_LEN - MAP_FILE_CHECKSUM_LEN)
#define FOOTER_CHECKSUM_OFFSET (MAP_FILE_FOOTER_LEN - MAP_FILE_CHECKSUM_LEN)

void map_file_header_encode(const struct map_file_header *h, uint8_t *out)
{
    memset(out, 0, MAP_FILE_HEADER_LEN);
    memcpy(out, MAGIC, MAGIC_LEN);
    put_le32(out + 8, VERSION);
    put_le32(out + 20, h->bits);
    memcpy(out + 24, h->ledger_id, MAP_FILE_LEDGER_ID_LEN);
    put_le64(out + 40, h->seed);
    put_le64(out + HEADER_CHECKSUM_OFFSET, checksum(out, HEADER_CHECKSUM_OFFSET, 0));
}

int map_file_header_decode(const uint8_t *bytes, const char *path, struct map_file_header *h,
                           struct error *err)
{
    if (memcmp(bytes, MAGIC, MAGIC_LEN) != 0 ||
        get_le64(bytes + HEADER_CHECKSUM_OFFSET) != checksum(bytes, HEADER_CHECKSUM_OFFSET, 0)) {
        return error_set(err, BLOCKDB_ECORRUPT, "map file '%s': at offset 0: the header is damaged",
                         path);
    }
    if (get_le32(bytes + 8) != VERSION || get_le32(bytes + 16) != 0 || get_le64(bytes + 48) != 0 ||
        get_le32(bytes + 20) > MAP_FILE_BITS_MAX) {
        return error_set(err, BLOCKDB_EVERSION,
                         "map file '%s': version %" PRIu32 ", features %#" PRIx32
                         ": written by another release",
                         path, get_le32(bytes + 8), get_le32(bytes + 16));
    }
    if (memcmp(bytes + 24, h->ledger_id, MAP_FILE_LEDGER_ID_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN, "map file '%s' belongs to another ledger", path);
    }
    h->bits = get_le32(bytes + 20);
    h->seed = get_le64(bytes + 40);
    return BLOCKDB_OK;
}

void map_file_footer_encode(const struct map_file_info *info, uint64_t seed, uint8_t *out)
{
    put_le64(out, info->map_size);
    put_le64(out + 8, info->leaf_count);
    memcpy(out + 16, info->root, MAP_FILE_HASH_LEN);
    memcpy(out + 48, info->anchor, MAP_FILE_HASH_LEN);
    memcpy(out + 80, END_MAGIC, MAGIC_LEN);
    put_le64(out + FOOTER_CHECKSUM_OFFSET, checksum(out, FOOTER_CHECKSUM_OFFSET, seed));
}

int map_file_footer_decode(const uint8_t *bytes, uint64_t seed, struct map_file_info *info)
{
    if (memcmp(bytes + 80, END_MAGIC, MAGIC_LEN) != 0 ||
        get_le64(bytes + FOOTER_CHECKSUM_OFFSET) != checksum(bytes, FOOTER_CHECKSUM_OFFSET, seed)) {
        return BLOCKDB_ECORRUPT;
    }
    info->map_size = get_le64(bytes);
    info->leaf_count = get_le64(bytes + 8);
    memcpy(info->root, bytes + 16, MAP_FILE_HASH_LEN);
    memcpy(info->anchor, bytes + 48, MAP_FILE_HASH_LEN);
    return BLOCKDB_OK;
}
