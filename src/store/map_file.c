/* SPDX-License-Identifier: Apache-2.0 */
#include "store/map_file.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "store/map_file_format.h"

#include <inttypes.h>

struct map_file {
    struct os_file *file;
    uint64_t seed;
    struct map_file_info info;
    uint64_t *offsets; /* of each bucket, and of the index behind the last */
};

/* Bytes of an index with its checksum. */
static size_t index_len(unsigned bits)
{
    return ((size_t)1 << bits) * MAP_FILE_INDEX_ITEM_LEN + MAP_FILE_CHECKSUM_LEN;
}

void map_file_close(struct map_file *file)
{
    if (file == NULL) {
        return;
    }
    file_close(file->file);
    mem_free(file->offsets);
    mem_free(file);
}

static void map_file_close_ptr(struct map_file **file)
{
    map_file_close(*file);
}

static int damaged(const struct map_file *file, uint64_t offset, const char *what,
                   struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT, "map file '%s': at offset %" PRIu64 ": %s is damaged",
                     file->file->path, offset, what);
}

static int read_header(struct map_file *file, const uint8_t *ledger_id, struct error *err)
{
    uint8_t bytes[MAP_FILE_HEADER_LEN];
    struct map_file_header header;
    int rc = file_pread_full(file->file, bytes, sizeof(bytes), 0, err);

    if (rc < 0) {
        return rc;
    }
    memcpy(header.ledger_id, ledger_id, MAP_FILE_LEDGER_ID_LEN);
    rc = map_file_header_decode(bytes, file->file->path, &header, err);
    if (rc < 0) {
        return rc;
    }
    file->seed = header.seed;
    file->info.bits = header.bits;
    return BLOCKDB_OK;
}

static int read_footer(struct map_file *file, struct error *err)
{
    uint8_t bytes[MAP_FILE_FOOTER_LEN];
    uint64_t least = MAP_FILE_HEADER_LEN + index_len(file->info.bits) + MAP_FILE_FOOTER_LEN;
    struct os_stat stat;
    uint64_t at;
    int rc = file_stat(file->file, &stat, err);

    if (rc < 0) {
        return rc;
    }
    file->info.len_bytes = stat.len_bytes;
    if (stat.len_bytes < least) {
        return damaged(file, stat.len_bytes, "its end", err);
    }
    at = stat.len_bytes - MAP_FILE_FOOTER_LEN;
    rc = file_pread_full(file->file, bytes, sizeof(bytes), at, err);
    if (rc < 0) {
        return rc;
    }
    if (map_file_footer_decode(bytes, file->seed, &file->info) < 0) {
        return damaged(file, at, "the footer", err);
    }
    return BLOCKDB_OK;
}

/* Splits the index into the places of buckets and their roots. */
static int parse_index(struct map_file *file, const uint8_t *index, uint64_t at, uint8_t *roots,
                       struct error *err)
{
    uint32_t count = UINT32_C(1) << file->info.bits;
    uint64_t offset = MAP_FILE_HEADER_LEN;
    uint64_t leaves = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        const uint8_t *item = index + (size_t)i * MAP_FILE_INDEX_ITEM_LEN;

        uint64_t n = get_le32(item + MAP_FILE_HASH_LEN);

        file->offsets[i] = offset;
        leaves += n;
        offset += n > 0 ? n * MAP_FILE_LEAF_LEN + MAP_FILE_CHECKSUM_LEN : 0;
        memcpy(roots + (size_t)i * MAP_FILE_HASH_LEN, item, MAP_FILE_HASH_LEN);
    }
    file->offsets[count] = offset;
    if (leaves != file->info.leaf_count || offset != at) {
        return damaged(file, at, "the index", err);
    }
    return BLOCKDB_OK;
}

static int read_index(struct map_file *file, uint8_t **out_roots, struct error *err)
{
    uint32_t count = UINT32_C(1) << file->info.bits;
    size_t len = index_len(file->info.bits);
    uint64_t at = file->info.len_bytes - MAP_FILE_FOOTER_LEN - len;
    AUTO(mem_free_ptr) uint8_t *index = mem_alloc(len);
    AUTO(mem_free_ptr) uint8_t *roots = mem_alloc((size_t)count * MAP_FILE_HASH_LEN);
    int rc;

    file->offsets = mem_alloc(((size_t)count + 1) * sizeof(*file->offsets));
    if (index == NULL || roots == NULL || file->offsets == NULL) {
        return error_set_no_memory(err);
    }
    rc = file_pread_full(file->file, index, len, at, err);
    if (rc < 0) {
        return rc;
    }
    len -= MAP_FILE_CHECKSUM_LEN;
    if (get_le64(index + len) != checksum(index, len, file->seed)) {
        return damaged(file, at, "the index", err);
    }
    rc = parse_index(file, index, at, roots, err);
    if (rc == BLOCKDB_OK) {
        *out_roots = TAKE(roots);
    }
    return rc;
}

int map_file_open(struct os *os, const char *dir, const uint8_t *ledger_id, struct map_file **out,
                  uint8_t **out_roots, struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, MAP_FILE_NAME);
    AUTO(map_file_close_ptr) struct map_file *file = mem_calloc(1, sizeof(*file));
    int rc;

    if (path == NULL || file == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_open(os, path, OS_READ, &file->file, err);
    if (rc == BLOCKDB_OK) {
        rc = read_header(file, ledger_id, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = read_footer(file, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = read_index(file, out_roots, err);
    }
    if (rc < 0) {
        return rc;
    }
    file_advise(file->file, 0, file->info.len_bytes, OS_ADVICE_RANDOM);
    *out = TAKE(file);
    return BLOCKDB_OK;
}

const struct map_file_info *map_file_info(const struct map_file *file)
{
    return &file->info;
}

uint32_t map_file_count(const struct map_file *file, uint32_t bucket)
{
    /* What is left over is the checksum of a bucket that is not empty. */
    return (uint32_t)((file->offsets[bucket + 1] - file->offsets[bucket]) / MAP_FILE_LEAF_LEN);
}

int map_file_read(const struct map_file *file, uint32_t bucket, struct buf *out, struct error *err)
{
    size_t len = (size_t)map_file_count(file, bucket) * MAP_FILE_LEAF_LEN;
    uint64_t at = file->offsets[bucket];
    const uint8_t *bytes;
    int rc;

    ASSERT(bucket >> file->info.bits == 0);
    if (len == 0) {
        return BLOCKDB_OK;
    }
    if (buf_reserve(out, len + MAP_FILE_CHECKSUM_LEN) < 0) {
        return error_set_no_memory(err);
    }
    bytes = out->data + out->len;
    rc = file_pread_full(file->file, out->data + out->len, len + MAP_FILE_CHECKSUM_LEN, at, err);
    if (rc < 0) {
        return rc;
    }
    if (get_le64(bytes + len) != checksum(bytes, len, file->seed + bucket)) {
        return damaged(file, at, "a bucket", err);
    }
    out->len += len;
    return BLOCKDB_OK;
}

static int remove_name(struct os *os, const char *dir, const char *name, struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, name);
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_unlink(os, path, err);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

int map_file_remove(struct os *os, const char *dir, struct error *err)
{
    int rc = remove_name(os, dir, MAP_FILE_NAME, err);

    return rc < 0 ? rc : remove_name(os, dir, MAP_FILE_TEMPORARY_NAME, err);
}
