/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "store/file_writer.h"
#include "store/map_file_format.h"

struct map_file_writer {
    struct os *os;
    char *dir;
    char *path;            /* of the temporary name */
    char *name;            /* of the final one */
    struct file_writer *w; /* NULL until the file is there */
    uint64_t seed;
    struct map_file_info info;
    uint32_t next_bucket;
    uint8_t *index; /* grows no more */
    bool published;
};

void map_file_writer_free(struct map_file_writer *w)
{
    struct error ignored;

    if (w == NULL) {
        return;
    }
    file_writer_free(w->w);
    if (w->w != NULL && !w->published) {
        IGNORE_RESULT(os_unlink(w->os, w->path, &ignored)); /* it is overwritten next time */
    }
    mem_free(w->index);
    mem_free(w->name);
    mem_free(w->path);
    mem_free(w->dir);
    mem_free(w);
}

static void writer_free_ptr(struct map_file_writer **w)
{
    map_file_writer_free(*w);
}

static size_t index_items_len(const struct map_file_writer *w)
{
    return ((size_t)1 << w->info.bits) * MAP_FILE_INDEX_ITEM_LEN;
}

static int begin_file(struct map_file_writer *w, const uint8_t *ledger_id, struct error *err)
{
    struct file_writer_options options = {.buffer_bytes = 256 * 1024};
    struct map_file_header header = {.bits = w->info.bits, .seed = w->seed};
    uint8_t bytes[MAP_FILE_HEADER_LEN];
    struct os_file *file = NULL;
    int rc = os_open(w->os, w->path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err);

    if (rc < 0) {
        return rc;
    }
    rc = file_writer_new(file, 0, &options, &w->w, err);
    if (rc < 0) {
        file_close(file);
        return rc;
    }
    memcpy(header.ledger_id, ledger_id, MAP_FILE_LEDGER_ID_LEN);
    map_file_header_encode(&header, bytes);
    return file_writer_append(w->w, slice_of(bytes, sizeof(bytes)), err);
}

int map_file_writer_new(struct os *os, const char *dir, const uint8_t *ledger_id, unsigned bits,
                        struct map_file_writer **out, struct error *err)
{
    AUTO(writer_free_ptr) struct map_file_writer *w = mem_calloc(1, sizeof(*w));
    int rc;

    ASSERT(bits <= MAP_FILE_BITS_MAX);
    if (w == NULL) {
        return error_set_no_memory(err);
    }
    w->os = os;
    w->info.bits = bits;
    w->dir = mem_strdup(dir);
    w->path = path_join(dir, MAP_FILE_TEMPORARY_NAME);
    w->name = path_join(dir, MAP_FILE_NAME);
    w->index = mem_alloc(index_items_len(w) + MAP_FILE_CHECKSUM_LEN);
    if (w->dir == NULL || w->path == NULL || w->name == NULL || w->index == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_random(os, &w->seed, sizeof(w->seed), err);
    if (rc == BLOCKDB_OK) {
        rc = begin_file(w, ledger_id, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(w);
    }
    return rc;
}

int map_file_writer_add(struct map_file_writer *w, struct slice leaves, const uint8_t *root,
                        struct error *err)
{
    uint8_t *item = w->index + (size_t)w->next_bucket * MAP_FILE_INDEX_ITEM_LEN;
    uint32_t count = (uint32_t)(leaves.len / MAP_FILE_LEAF_LEN);
    uint8_t sum[MAP_FILE_CHECKSUM_LEN];
    int rc;

    ASSERT(w->next_bucket >> w->info.bits == 0);
    ASSERT(leaves.len % MAP_FILE_LEAF_LEN == 0);
    put_le64(sum, checksum(leaves.data, leaves.len, w->seed + w->next_bucket));
    memcpy(item, root, MAP_FILE_HASH_LEN);
    put_le32(item + MAP_FILE_HASH_LEN, count);
    w->info.leaf_count += count;
    w->next_bucket++;
    if (count == 0) {
        return BLOCKDB_OK;
    }
    rc = file_writer_append(w->w, leaves, err);
    return rc < 0 ? rc : file_writer_append(w->w, slice_of(sum, sizeof(sum)), err);
}

int map_file_writer_finish(struct map_file_writer *w, const struct map_file_info *info,
                           struct error *err)
{
    size_t len = index_items_len(w);
    uint8_t footer[MAP_FILE_FOOTER_LEN];
    int rc;

    ASSERT(w->next_bucket == UINT32_C(1) << w->info.bits);
    w->info.map_size = info->map_size;
    memcpy(w->info.root, info->root, MAP_FILE_HASH_LEN);
    memcpy(w->info.anchor, info->anchor, MAP_FILE_HASH_LEN);
    put_le64(w->index + len, checksum(w->index, len, w->seed));
    map_file_footer_encode(&w->info, w->seed, footer);
    rc = file_writer_append(w->w, slice_of(w->index, len + MAP_FILE_CHECKSUM_LEN), err);
    if (rc == BLOCKDB_OK) {
        rc = file_writer_append(w->w, slice_of(footer, sizeof(footer)), err);
    }
    return rc < 0 ? rc : file_writer_sync(w->w, err);
}

int map_file_writer_publish(struct map_file_writer *w, struct error *err)
{
    int rc = os_rename(w->os, w->path, w->name, err);

    if (rc < 0) {
        return rc;
    }
    w->published = true;
    return os_sync_dir(w->os, w->dir, err);
}
