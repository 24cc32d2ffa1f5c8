/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the table builder that stores older seqs: beside the item, in a version page with
 * those of other items, or over pages of their own under a directory. */
#include "base/mem.h"
#include "store/table_builder_priv.h"

#include <inttypes.h>

/* Writes a version page or directory and counts it. */
static int write_counted(struct table_builder *b, struct slice raw, enum table_page_kind kind,
                         struct table_handle *out, struct error *err)
{
    int rc = table_builder_write_page(b, raw, kind, out, err);

    if (rc < 0) {
        return rc;
    }
    b->properties.version_pages++;
    b->properties.version_bytes += out->len + TABLE_TRAILER_BYTES;
    return BLOCKDB_OK;
}

/* Writes a page that the data page on its way will name. */
static int write_linked(struct table_builder *b, struct slice raw, enum table_page_kind kind,
                        struct error *err)
{
    struct table_handle handle;
    int rc = write_counted(b, raw, kind, &handle, err);

    if (rc < 0) {
        return rc;
    }
    if (keyed_page_builder_link(&b->data, handle) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

static uint32_t link_count(const struct table_builder *b)
{
    return (uint32_t)(b->data.links.len / TABLE_HANDLE_BYTES);
}

int table_builder_close_shared_runs(struct table_builder *b, struct error *err)
{
    int rc;

    if (b->shared_runs.len == 0) {
        return BLOCKDB_OK;
    }
    rc = write_linked(b, buf_slice(&b->shared_runs), TABLE_PAGE_VERSIONS, err);
    buf_reset(&b->shared_runs);
    return rc;
}

/* The run has filled a page: writes it as one of the item's own, and a row in the directory. */
static int spill_run(struct table_builder *b, struct error *err)
{
    uint8_t row[TABLE_DIRECTORY_ROW_BYTES];
    struct table_handle handle;
    int rc;

    /* What shares a page comes first, so that links stay in the order of the file. */
    rc = table_builder_close_shared_runs(b, err);
    if (rc == BLOCKDB_OK) {
        rc = write_counted(b, buf_slice(&b->run), TABLE_PAGE_VERSIONS, &handle, err);
    }
    if (rc < 0) {
        return rc;
    }
    put_le64(row, b->run_first);
    put_le64(row + 8, handle.offset);
    put_le32(row + 16, handle.len);
    put_le32(row + 20, b->run_count);
    if (buf_append(&b->directory, row, sizeof(row)) < 0) {
        return error_set_no_memory(err);
    }
    buf_reset(&b->run);
    b->run_count = 0;
    return BLOCKDB_OK;
}

static int take_seq(struct table_builder *b, uint64_t seq, struct error *err)
{
    if (seq >= b->run_last) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "table '%s': older versions to be written do not descend at seq %" PRIu64,
                         b->path, seq);
    }
    if (b->run_count == 0) {
        b->run_first = seq;
    } else if (buf_append_varint(&b->run, b->run_last - seq - 1) < 0) {
        return error_set_no_memory(err);
    }
    b->run_last = seq;
    b->run_count++;
    /* The page must also take the first seq, should it be shared. */
    return b->run.len > TABLE_VERSION_PAGE_BYTES - 2 * VARINT_BYTES_MAX ? spill_run(b, err)
                                                                        : BLOCKDB_OK;
}

/* Walks the list to its end, spilling what fills pages. */
static int take_all(struct table_builder *b, const struct item *item, uint64_t *out_count,
                    struct error *err)
{
    AUTO(version_cursor_deinit) struct version_cursor c = {0};
    uint64_t count = 0;
    int rc = version_cursor_init(&c, &item->older, VERSIONS_ALL, err);

    while (rc == BLOCKDB_OK) {
        uint64_t seq;

        rc = version_cursor_next(&c, &seq, err);
        if (rc == BLOCKDB_ENOTFOUND) {
            *out_count = count;
            return BLOCKDB_OK;
        }
        if (rc == BLOCKDB_OK) {
            rc = take_seq(b, seq, err);
            count++;
        }
    }
    return rc;
}

static int write_directory(struct table_builder *b, struct table_item *out, struct error *err)
{
    int rc = b->run_count > 0 ? spill_run(b, err) : BLOCKDB_OK;

    if (rc == BLOCKDB_OK && b->directory.len > TABLE_PAGE_RAW_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "table '%s': a key has too many versions", b->path);
    }
    out->older = TABLE_OLDER_DIRECTORY;
    out->link = link_count(b);
    return rc == BLOCKDB_OK ? write_linked(b, buf_slice(&b->directory), TABLE_PAGE_DIRECTORY, err)
                            : rc;
}

/* Puts the first seq, as the distance from the item's, in front of the run. */
static int complete_run(struct table_builder *b, uint64_t item_seq)
{
    uint8_t first[VARINT_BYTES_MAX];
    size_t len = put_varint(first, item_seq - b->run_first - 1);

    if (buf_append_zeros(&b->run, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    memmove(b->run.data + len, b->run.data, b->run.len - len);
    memcpy(b->run.data, first, len);
    return BLOCKDB_OK;
}

static int share_run(struct table_builder *b, struct table_item *out, struct error *err)
{
    if (b->shared_runs.len + b->run.len > TABLE_VERSION_PAGE_BYTES) {
        int rc = table_builder_close_shared_runs(b, err);

        if (rc < 0) {
            return rc;
        }
    }
    out->older = TABLE_OLDER_PAGE;
    out->link = link_count(b);
    out->position = (uint32_t)b->shared_runs.len;
    if (buf_append_slice(&b->shared_runs, buf_slice(&b->run)) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

int table_builder_write_older(struct table_builder *b, const struct item *item,
                              struct table_item *out, struct error *err)
{
    struct table_facts *f = &b->properties.facts;
    uint64_t count = 0;
    int rc;

    if (item->older.count == 0) {
        return BLOCKDB_OK;
    }
    buf_reset(&b->run);
    buf_reset(&b->directory);
    b->run_count = 0;
    b->run_last = item->seq;
    rc = take_all(b, item, &count, err);
    if (rc < 0 || count == 0) {
        return rc;
    }
    f->version_count += count;
    f->seq_min = b->run_last < f->seq_min ? b->run_last : f->seq_min;
    out->older_count = count;
    if (b->directory.len > 0) {
        return write_directory(b, out, err);
    }
    if (complete_run(b, item->seq) < 0) {
        return error_set_no_memory(err);
    }
    if (count > TABLE_VERSIONS_BESIDE_MAX) {
        return share_run(b, out, err);
    }
    out->older = TABLE_OLDER_BESIDE;
    out->run = buf_slice(&b->run);
    return BLOCKDB_OK;
}
