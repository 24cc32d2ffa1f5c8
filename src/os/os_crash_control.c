/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "os/os_crash_priv.h"

#define START_NS 1000000000ULL

/* A running system on that disk, which it takes; frees the disk without memory. */
static struct os_crash *crash_new_on(struct crash_disk *disk, uint64_t seed)
{
    struct os_crash *c = disk != NULL ? mem_calloc(1, sizeof(*c)) : NULL;

    if (c == NULL) {
        crash_disk_free(disk);
        return NULL;
    }
    c->base.ops = &os_crash_ops;
    c->seed = seed;
    c->disk = disk;
    c->capacity_bytes = UINT64_MAX;
    atomic_init(&c->time_ms, OS_CRASH_START_MS);
    atomic_init(&c->monotonic_ns, START_NS);
    atomic_init(&c->draws, 0);
    mutex_init(&c->mu, LOCK_RANK_OS);
    return c;
}

struct os_crash *os_crash_new(uint64_t seed)
{
    return crash_new_on(crash_disk_new(), seed);
}

void os_crash_free(struct os_crash *c)
{
    if (c == NULL) {
        return;
    }
    mutex_deinit(&c->mu);
    crash_disk_free(c->disk);
    mem_free(c);
}

struct os *os_crash_os(struct os_crash *c)
{
    return &c->base;
}

void os_crash_arm(struct os_crash *c, uint64_t nth)
{
    mutex_lock(&c->mu);
    c->cut_at = nth > 0 ? c->operations + nth : 0;
    mutex_unlock(&c->mu);
}

uint64_t os_crash_operations(struct os_crash *c)
{
    uint64_t operations;

    mutex_lock(&c->mu);
    operations = c->operations;
    mutex_unlock(&c->mu);
    return operations;
}

void os_crash_power_off(struct os_crash *c)
{
    mutex_lock(&c->mu);
    c->off = true;
    mutex_unlock(&c->mu);
}

bool os_crash_is_off(struct os_crash *c)
{
    bool off;

    mutex_lock(&c->mu);
    off = c->off;
    mutex_unlock(&c->mu);
    return off;
}

int os_crash_restart(struct os_crash *c, uint64_t seed)
{
    struct crash_disk *left;

    mutex_lock(&c->mu);
    left = crash_disk_settle(c->disk, seed);
    if (left != NULL) {
        crash_disk_free(c->disk);
        c->disk = left;
        c->off = false;
        c->cut_at = 0;
        c->operations = 0;
        c->power_ons++;
    }
    mutex_unlock(&c->mu);
    return left != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

/* A new system on a disk derived from c's, with c's clock and capacity. */
static int derive(struct os_crash *c, struct crash_disk *disk, uint64_t seed, struct os_crash **out)
{
    struct os_crash *copy = crash_new_on(disk, seed);

    if (copy == NULL) {
        return BLOCKDB_ENOMEM;
    }
    copy->capacity_bytes = c->capacity_bytes;
    atomic_store_explicit(&copy->time_ms, os_now_ms(&c->base), memory_order_relaxed);
    *out = copy;
    return BLOCKDB_OK;
}

int os_crash_cut(struct os_crash *c, uint64_t seed, struct os_crash **out)
{
    int rc;

    mutex_lock(&c->mu);
    rc = derive(c, crash_disk_settle(c->disk, seed), c->seed ^ (seed + 1), out);
    mutex_unlock(&c->mu);
    return rc;
}

int os_crash_copy(struct os_crash *c, struct os_crash **out)
{
    int rc;

    mutex_lock(&c->mu);
    rc = derive(c, crash_disk_copy(c->disk), c->seed, out);
    if (rc == BLOCKDB_OK) {
        atomic_store_explicit(&(*out)->draws, atomic_load_explicit(&c->draws, memory_order_relaxed),
                              memory_order_relaxed);
    }
    mutex_unlock(&c->mu);
    return rc;
}

void os_crash_set_time(struct os_crash *c, uint64_t time_ms)
{
    atomic_store_explicit(&c->time_ms, time_ms, memory_order_relaxed);
}

void os_crash_advance(struct os_crash *c, uint64_t ms)
{
    (void)atomic_fetch_add_explicit(&c->time_ms, ms, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&c->monotonic_ns, ms * 1000000, memory_order_relaxed);
}

void os_crash_set_capacity(struct os_crash *c, uint64_t max_bytes)
{
    mutex_lock(&c->mu);
    c->capacity_bytes = max_bytes;
    mutex_unlock(&c->mu);
}

uint64_t os_crash_used_bytes(struct os_crash *c)
{
    uint64_t used;

    mutex_lock(&c->mu);
    used = crash_disk_used_bytes(c->disk);
    mutex_unlock(&c->mu);
    return used;
}

/* The position in the file's pending bytes that a write puts at offset, or SIZE_MAX. */
static size_t pending_byte(const struct crash_file_change *change, uint64_t offset)
{
    if (change->kind != CRASH_WRITE || offset < change->offset ||
        offset - change->offset >= change->len) {
        return SIZE_MAX;
    }
    return change->start + (size_t)(offset - change->offset);
}

static int flip_locked(struct os_crash *c, const char *path, uint64_t offset, uint8_t mask)
    REQUIRES(c->mu)
{
    const struct crash_file_change *changes;
    struct crash_node *node;
    uint32_t number;
    size_t i;
    int rc = crash_disk_find(c->disk, path, &number);

    if (rc < 0) {
        return rc;
    }
    node = c->disk->nodes[number];
    if (node->is_dir || offset >= node->visible.len) {
        return BLOCKDB_EINVAL;
    }
    node->visible.data[offset] ^= mask;
    if (offset < node->durable.len) {
        node->durable.data[offset] ^= mask;
    }
    changes = (const void *)node->changes.data;
    for (i = 0; i < node->changes.len / sizeof(*changes); i++) {
        size_t at = pending_byte(&changes[i], offset);

        if (at != SIZE_MAX) {
            node->change_bytes.data[at] ^= mask;
        }
    }
    return BLOCKDB_OK;
}

int os_crash_flip(struct os_crash *c, const char *path, uint64_t offset, uint8_t mask,
                  struct error *err)
{
    int rc;

    mutex_lock(&c->mu);
    rc = flip_locked(c, path, offset, mask);
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "flip a byte of", path);
}

/* What a visit gathers: files as 8 bytes of length and the path, and directories still to enter. */
struct gathering {
    struct buf files;
    struct buf dirs; /* paths, each with a zero; entered from the front */
    size_t entered;
};

static void gathering_deinit(struct gathering *g)
{
    buf_deinit(&g->files);
    buf_deinit(&g->dirs);
}

/* Adds the files and directories of one directory; both paths end in a zero. */
static int gather_dir(struct os_crash *c, struct gathering *g, const char *dir_path) REQUIRES(c->mu)
{
    const char *slash = dir_path[strlen(dir_path) - 1] == '/' ? "" : "/";
    const struct buf *names;
    uint32_t dir;
    size_t i;
    int rc = crash_disk_find(c->disk, dir_path, &dir);

    if (rc < 0) {
        return rc;
    }
    if (!c->disk->nodes[dir]->is_dir) {
        return BLOCKDB_EINVAL;
    }
    names = &c->disk->nodes[dir]->visible;
    for (i = 0; i < crash_dir_count(names); i++) {
        const struct crash_name *name = crash_dir_at(names, i);
        const struct crash_node *node = c->disk->nodes[name->node];
        struct buf *to = node->is_dir ? &g->dirs : &g->files;

        if (!node->is_dir && buf_append_le64(to, node->visible.len) < 0) {
            return BLOCKDB_ENOMEM;
        }
        if (buf_appendf(to, "%s%s%s%c", dir_path, slash, name->text, '\0') < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}

static int gather_all(struct os_crash *c, struct gathering *g, const char *path) REQUIRES(c->mu)
{
    int rc = buf_append(&g->dirs, path, strlen(path) + 1);

    while (rc == BLOCKDB_OK && g->entered < g->dirs.len) {
        AUTO(mem_free_ptr) char *dir_path = mem_strdup((const char *)g->dirs.data + g->entered);

        if (dir_path == NULL) {
            return BLOCKDB_ENOMEM;
        }
        g->entered += strlen(dir_path) + 1;
        rc = gather_dir(c, g, dir_path);
    }
    return rc;
}

int os_crash_visit(struct os_crash *c, const char *path, os_crash_visit_fn visit, void *context,
                   struct error *err)
{
    AUTO(gathering_deinit) struct gathering g = {0};
    size_t at = 0;
    int rc;

    mutex_lock(&c->mu);
    rc = gather_all(c, &g, path[0] != '\0' ? path : "/");
    mutex_unlock(&c->mu);
    if (rc < 0) {
        return crash_answer(err, rc, "visit", path);
    }
    while (at < g.files.len) {
        const char *file_path = (const char *)g.files.data + at + sizeof(uint64_t);

        rc = visit(context, file_path, get_le64(g.files.data + at));
        if (rc != 0) {
            return rc;
        }
        at += sizeof(uint64_t) + strlen(file_path) + 1;
    }
    return BLOCKDB_OK;
}
