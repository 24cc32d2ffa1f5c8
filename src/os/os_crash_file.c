/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "os/os_crash_priv.h"

#define BLOCK_BYTES 4096
#define FILE_MODE 0600
#define DIR_MODE 0700

bool crash_is_alive(struct os_crash *c, const struct crash_handle *h)
{
    return !c->off && h->power_on == c->power_ons;
}

/* Whether the capacity allows a file to have that length or reservation. */
static bool has_room(struct os_crash *c, const struct crash_node *node, uint64_t need_bytes)
    REQUIRES(c->mu)
{
    uint64_t has = node->reserved_bytes > node->visible.len ? node->reserved_bytes
                                                            : node->visible.len;
    uint64_t used;

    if (c->capacity_bytes == UINT64_MAX || need_bytes <= has) {
        return true;
    }
    used = crash_disk_used_bytes(c->disk);
    return used <= c->capacity_bytes && need_bytes - has <= c->capacity_bytes - used;
}

/* Direct files keep to the alignment that the contract asks for. */
static bool is_aligned(const struct crash_handle *h, const void *data, size_t len, uint64_t offset)
{
    return (h->flags & OS_DIRECT) == 0 ||
           (((uintptr_t)data | len | offset) & (OS_DIRECT_ALIGN - 1)) == 0;
}

static int crash_pread(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
                       struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    struct crash_handle *h = handle_of(f);
    size_t done = 0;
    int rc = BLOCKDB_OK;

    if ((h->flags & OS_READ) == 0 || !is_aligned(h, out, len, offset)) {
        return crash_answer(err, BLOCKDB_EINVAL, "read", f->path);
    }
    mutex_lock(&c->mu);
    if (crash_is_alive(c, h)) {
        const struct buf *content = &c->disk->nodes[h->node]->visible;

        if (offset < content->len) {
            done = content->len - offset < len ? content->len - (size_t)offset : len;
            memcpy(out, content->data + offset, done);
        }
    } else {
        rc = BLOCKDB_EIO;
    }
    mutex_unlock(&c->mu);
    if (rc < 0) {
        return crash_answer(err, BLOCKDB_EIO, "read", f->path);
    }
    *out_len = done;
    return BLOCKDB_OK;
}

/* There is no device to wait for, but a file opened with OS_DIRECT has no page cache. */
static int crash_pread_cached(struct os_file *f, void *out, size_t len, uint64_t offset,
                              size_t *out_len, struct error *err)
{
    if ((handle_of(f)->flags & OS_DIRECT) != 0) {
        return BLOCKDB_EWOULDBLOCK;
    }
    return crash_pread(f, out, len, offset, out_len, err);
}

static int crash_pwrite(struct os_file *f, const void *data, size_t len, uint64_t offset,
                        struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    struct crash_handle *h = handle_of(f);
    int rc = BLOCKDB_EIO;

    if ((h->flags & OS_WRITE) == 0 || !is_aligned(h, data, len, offset)) {
        return crash_answer(err, BLOCKDB_EINVAL, "write", f->path);
    }
    mutex_lock(&c->mu);
    if (crash_is_alive(c, h) && crash_begin_change(c)) {
        struct crash_node *node = c->disk->nodes[h->node];

        rc = has_room(c, node, offset + len)
                 ? crash_file_write(c->disk, node, slice_of(data, len), offset)
                 : BLOCKDB_ENOSPC;
        node->mtime_ms = atomic_load_explicit(&c->time_ms, memory_order_relaxed);
        rc = crash_end_change(c, rc);
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "write", f->path);
}

static int crash_sync(struct os_file *f, struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    struct crash_handle *h = handle_of(f);
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_is_alive(c, h) && crash_begin_change(c) && !crash_power_goes(c)) {
        rc = crash_file_sync(c->disk->nodes[h->node]);
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "sync", f->path);
}

static int crash_preallocate(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    struct crash_handle *h = handle_of(f);
    uint64_t end = offset + len;
    int rc = BLOCKDB_EIO;

    if (end < offset) {
        return crash_answer(err, BLOCKDB_EINVAL, "reserve space in", f->path);
    }
    mutex_lock(&c->mu);
    if (crash_is_alive(c, h) && crash_begin_change(c) && !crash_power_goes(c)) {
        struct crash_node *node = c->disk->nodes[h->node];

        rc = has_room(c, node, end) ? BLOCKDB_OK : BLOCKDB_ENOSPC;
        if (rc == BLOCKDB_OK && end > node->reserved_bytes) {
            node->reserved_bytes = end;
        }
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "reserve space in", f->path);
}

static int crash_truncate(struct os_file *f, uint64_t len, struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    struct crash_handle *h = handle_of(f);
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_is_alive(c, h) && crash_begin_change(c)) {
        struct crash_node *node = c->disk->nodes[h->node];

        rc = has_room(c, node, len) ? crash_file_truncate(c->disk, node, len) : BLOCKDB_ENOSPC;
        if (rc == BLOCKDB_OK && node->reserved_bytes > len) {
            node->reserved_bytes = len; /* as ftruncate() frees what was reserved beyond */
        }
        rc = crash_end_change(c, rc);
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "truncate", f->path);
}

struct os_stat crash_stat_of(const struct crash_disk *d, uint32_t number)
{
    const struct crash_node *node = d->nodes[number];
    uint64_t len = node->is_dir ? 0 : node->visible.len;
    uint64_t allocated = node->reserved_bytes > len ? node->reserved_bytes : len;

    return (struct os_stat){
        .len_bytes = len,
        .allocated_bytes = (allocated + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES,
        .mtime_ms = node->mtime_ms,
        .device = 1,
        .inode = (uint64_t)number + 1,
        .mode = node->is_dir ? DIR_MODE : FILE_MODE,
        .is_own = true,
        .is_dir = node->is_dir,
    };
}

static int crash_file_stat(struct os_file *f, struct os_stat *out, struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    bool alive;

    mutex_lock(&c->mu);
    alive = crash_is_alive(c, handle_of(f));
    if (alive) {
        *out = crash_stat_of(c->disk, handle_of(f)->node);
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, alive ? BLOCKDB_OK : BLOCKDB_EIO, "stat", f->path);
}

static int crash_write_behind(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    struct os_crash *c = crash_of(f->os);
    bool alive;

    (void)offset;
    (void)len;
    mutex_lock(&c->mu);
    alive = crash_is_alive(c, handle_of(f));
    mutex_unlock(&c->mu);
    return crash_answer(err, alive ? BLOCKDB_OK : BLOCKDB_EIO, "start writing", f->path);
}

static void crash_advise(struct os_file *f, uint64_t offset, uint64_t len, enum os_advice advice)
{
    (void)f;
    (void)offset;
    (void)len;
    (void)advice;
}

static void crash_close(struct os_file *f)
{
    struct os_crash *c = crash_of(f->os);
    struct crash_handle *h = handle_of(f);

    mutex_lock(&c->mu);
    if (h->power_on == c->power_ons) {
        struct crash_node *node = c->disk->nodes[h->node];

        node->locked = node->locked && !h->has_lock;
        node->opens--;
        node->refs--;
        c->disk->garbage |= node->refs == 0;
        crash_disk_sweep(c->disk);
    }
    mutex_unlock(&c->mu);
    mem_free(f->path);
    mem_free(h);
}

const struct os_file_ops os_crash_file_ops = {
    .pread = crash_pread,
    .pread_cached = crash_pread_cached,
    .pwrite = crash_pwrite,
    .sync = crash_sync,
    .preallocate = crash_preallocate,
    .truncate = crash_truncate,
    .stat = crash_file_stat,
    .write_behind = crash_write_behind,
    .advise = crash_advise,
    .close = crash_close,
};
