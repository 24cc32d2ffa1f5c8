/* SPDX-License-Identifier: Apache-2.0 */
#include "os/crash_disk.h"

/* Puts data into content, with zeros between, and at most max_len bytes of content. Room must have
 * been reserved. */
static void put_bytes(struct buf *content, struct slice data, uint64_t offset)
{
    size_t end = (size_t)offset + data.len;

    if (end > content->len) {
        memset(content->data + content->len, 0, end - content->len);
        content->len = end;
    }
    if (data.len > 0) {
        memcpy(content->data + offset, data.data, data.len);
    }
}

/* Sets the length of content, with zeros for what is new. Room must have been reserved. */
static void set_len(struct buf *content, size_t len)
{
    if (len > content->len) {
        memset(content->data + content->len, 0, len - content->len);
    }
    content->len = len;
}

static int reserve_len(struct buf *content, uint64_t len)
{
    return len > content->len ? buf_reserve(content, (size_t)len - content->len) : BLOCKDB_OK;
}

int crash_file_write(struct crash_disk *d, struct crash_node *node, struct slice data,
                     uint64_t offset)
{
    struct crash_file_change change = {.kind = CRASH_WRITE,
                                       .serial = d->last_serial + 1,
                                       .offset = offset,
                                       .len = data.len,
                                       .start = node->change_bytes.len};

    if (offset > CRASH_FILE_BYTES_MAX || data.len > CRASH_FILE_BYTES_MAX - offset) {
        return BLOCKDB_ENOSPC;
    }
    if (data.len == 0) {
        return BLOCKDB_OK;
    }
    if (reserve_len(&node->visible, offset + data.len) < 0 ||
        buf_reserve(&node->change_bytes, data.len) < 0 ||
        buf_append(&node->changes, &change, sizeof(change)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    put_bytes(&node->change_bytes, data, node->change_bytes.len);
    put_bytes(&node->visible, data, offset);
    d->last_serial++;
    return BLOCKDB_OK;
}

int crash_file_truncate(struct crash_disk *d, struct crash_node *node, uint64_t len)
{
    struct crash_file_change change = {
        .kind = CRASH_TRUNCATE, .serial = d->last_serial + 1, .offset = len};

    if (len > CRASH_FILE_BYTES_MAX) {
        return BLOCKDB_ENOSPC;
    }
    if (len == node->visible.len) {
        return BLOCKDB_OK;
    }
    if (reserve_len(&node->visible, len) < 0 ||
        buf_append(&node->changes, &change, sizeof(change)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    set_len(&node->visible, (size_t)len);
    d->last_serial++;
    return BLOCKDB_OK;
}

static size_t change_count(const struct crash_node *node)
{
    return node->changes.len / sizeof(struct crash_file_change);
}

static const struct crash_file_change *change_at(const struct crash_node *node, size_t i)
{
    return (const struct crash_file_change *)(const void *)node->changes.data + i;
}

static struct slice change_data(const struct crash_node *node,
                                const struct crash_file_change *change)
{
    return slice_of(node->change_bytes.data + change->start, change->len);
}

/* The longest the content can become by any of the pending changes. */
static uint64_t len_max(const struct crash_node *node)
{
    uint64_t max = node->durable.len;
    size_t i;

    for (i = 0; i < change_count(node); i++) {
        const struct crash_file_change *change = change_at(node, i);
        uint64_t end = change->offset + (change->kind == CRASH_WRITE ? change->len : 0);

        max = end > max ? end : max;
    }
    return max;
}

int crash_file_sync(struct crash_node *node)
{
    size_t i;

    if (reserve_len(&node->durable, len_max(node)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < change_count(node); i++) {
        const struct crash_file_change *change = change_at(node, i);

        if (change->kind == CRASH_WRITE) {
            put_bytes(&node->durable, change_data(node, change), change->offset);
        } else {
            set_len(&node->durable, (size_t)change->offset);
        }
    }
    buf_reset(&node->changes);
    buf_reset(&node->change_bytes);
    return BLOCKDB_OK;
}

/* Applies the sectors of one write that hold. */
static void settle_write(const struct crash_fate *fate, const struct crash_file_change *change,
                         struct slice data, struct buf *content)
{
    uint64_t first = change->offset / CRASH_SECTOR_BYTES;
    uint64_t last = (change->offset + change->len - 1) / CRASH_SECTOR_BYTES;
    size_t done = 0;
    uint64_t sector;

    for (sector = first; sector <= last; sector++) {
        uint64_t at = change->offset + done;
        size_t room = CRASH_SECTOR_BYTES - (size_t)(at % CRASH_SECTOR_BYTES);
        size_t len = data.len - done < room ? data.len - done : room;

        if (crash_fate_sector_holds(fate, change->serial, (size_t)(sector - first),
                                    (size_t)(last - first + 1))) {
            put_bytes(content, slice_of(data.data + done, len), at);
        }
        done += len;
    }
}

int crash_file_settle(const struct crash_fate *fate, const struct crash_node *from,
                      struct crash_node *to)
{
    struct buf *content = &to->durable;
    uint64_t len = from->durable.len;
    size_t i;

    if (buf_reserve(content, (size_t)len_max(from)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    put_bytes(content, buf_slice(&from->durable), 0);
    for (i = 0; i < change_count(from); i++) {
        const struct crash_file_change *change = change_at(from, i);
        uint64_t end = change->offset + change->len;

        if (change->kind == CRASH_WRITE) {
            settle_write(fate, change, change_data(from, change), content);
            len = end > len && crash_fate_holds(fate, change->serial) ? end : len;
        } else if (crash_fate_holds(fate, change->serial)) {
            len = change->offset;
            set_len(content, content->len < len ? content->len : (size_t)len);
        }
    }
    set_len(content, (size_t)len);
    return buf_append_slice(&to->visible, buf_slice(content));
}
