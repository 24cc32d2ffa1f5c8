/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "os/os_crash_priv.h"
#include "os/os_thread.h"

#include <stdio.h>
#include <unistd.h>

#define TICK_NS 1000
#define SLEEP_NS_MAX 50000

int crash_answer(struct error *err, int code, const char *what, const char *path)
{
    switch (code) {
    case BLOCKDB_OK:
        return code;
    case BLOCKDB_ENOMEM:
        return error_set_no_memory(err);
    case BLOCKDB_EIO:
        return error_set(err, code, "cannot %s '%s': the power is off", what, path);
    default:
        return error_set(err, code, "cannot %s '%s': %s", what, path, blockdb_status_name(code));
    }
}

bool crash_begin_change(struct os_crash *c)
{
    if (c->off) {
        return false;
    }
    c->operations++;
    return true;
}

bool crash_power_goes(struct os_crash *c)
{
    if (c->operations == c->cut_at) {
        c->off = true;
    }
    return c->off;
}

int crash_end_change(struct os_crash *c, int rc)
{
    crash_disk_sweep(c->disk);
    return crash_power_goes(c) ? BLOCKDB_EIO : rc;
}

/* Finds, creates and truncates as the flags say. *out_changed tells whether it counts. */
static int open_node(struct os_crash *c, const char *path, unsigned flags, uint32_t *out_node,
                     bool *out_changed) REQUIRES(c->mu)
{
    int rc = crash_disk_find(c->disk, path, out_node);
    struct crash_node *node;

    if (rc == BLOCKDB_ENOTFOUND && (flags & OS_CREATE) != 0) {
        *out_changed = crash_begin_change(c);
        return crash_create_node(c, path, false, out_node);
    }
    if (rc < 0) {
        return rc;
    }
    node = c->disk->nodes[*out_node];
    if ((flags & OS_EXCLUSIVE) != 0) {
        return BLOCKDB_EEXIST;
    }
    if (node->is_dir) {
        return BLOCKDB_EINVAL;
    }
    if ((flags & OS_TRUNCATE) != 0) {
        *out_changed = crash_begin_change(c);
        node->reserved_bytes = 0;
        return crash_file_truncate(c->disk, node, 0);
    }
    return BLOCKDB_OK;
}

static struct crash_handle *handle_new(struct os *os, const char *path, unsigned flags)
{
    struct crash_handle *h = mem_calloc(1, sizeof(*h));
    char *path_copy = mem_strdup(path);

    if (h == NULL || path_copy == NULL) {
        mem_free(h);
        mem_free(path_copy);
        return NULL;
    }
    h->base = (struct os_file){.ops = &os_crash_file_ops, .os = os, .path = path_copy};
    h->flags = flags;
    return h;
}

static void handle_drop(struct crash_handle *h)
{
    mem_free(h->base.path);
    mem_free(h);
}

static int open_locked(struct os_crash *c, struct crash_handle *h, unsigned flags) REQUIRES(c->mu)
{
    bool changed = false;
    int rc = BLOCKDB_EIO;

    if (c->off) {
        return rc;
    }
    rc = open_node(c, h->base.path, flags, &h->node, &changed);
    if (changed && crash_power_goes(c)) {
        rc = BLOCKDB_EIO;
    }
    if (rc == BLOCKDB_OK) {
        c->disk->nodes[h->node]->refs++;
        c->disk->nodes[h->node]->opens++;
        h->power_on = c->power_ons;
    }
    crash_disk_sweep(c->disk);
    return rc;
}

static int crash_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                      struct error *err)
{
    struct os_crash *c = crash_of(os);
    struct crash_handle *h = handle_new(os, path, flags);
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    mutex_lock(&c->mu);
    rc = open_locked(c, h, flags);
    mutex_unlock(&c->mu);
    if (rc < 0) {
        handle_drop(h);
        return crash_answer(err, rc, "open", path);
    }
    *out = &h->base;
    return BLOCKDB_OK;
}

static int crash_lock(struct os *os, const char *path, struct os_file **out, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *f = NULL;
    struct os_crash *c = crash_of(os);
    struct crash_node *node;
    char text[24];
    int rc;

    rc = crash_open(os, path, OS_READ | OS_WRITE | OS_CREATE, &f, err);
    if (rc < 0) {
        return rc;
    }
    mutex_lock(&c->mu);
    node = crash_is_alive(c, handle_of(f)) ? c->disk->nodes[handle_of(f)->node] : NULL;
    if (node != NULL && !node->locked) {
        node->locked = true;
        handle_of(f)->has_lock = true;
    }
    mutex_unlock(&c->mu);
    if (node == NULL) {
        return crash_answer(err, BLOCKDB_EIO, "lock", path);
    }
    if (!handle_of(f)->has_lock) {
        return error_set(err, BLOCKDB_EBUSY, "'%s' is locked by process %ld; stop it first", path,
                         (long)getpid());
    }
    (void)snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    rc = file_pwrite(f, text, strlen(text), 0, err);
    if (rc < 0 && rc != BLOCKDB_ENOSPC) {
        return rc;
    }
    *out = TAKE(f);
    return BLOCKDB_OK;
}

static uint64_t crash_now_ms(struct os *os)
{
    return atomic_load_explicit(&crash_of(os)->time_ms, memory_order_relaxed);
}

static uint64_t crash_monotonic_ns(struct os *os)
{
    return atomic_fetch_add_explicit(&crash_of(os)->monotonic_ns, TICK_NS, memory_order_relaxed);
}

static void crash_sleep_ns(struct os *os, uint64_t ns)
{
    (void)atomic_fetch_add_explicit(&crash_of(os)->monotonic_ns, ns, memory_order_relaxed);
    os_sleep_ns(os_real(), ns < SLEEP_NS_MAX ? ns : SLEEP_NS_MAX);
}

static uint64_t next_random(struct os_crash *c)
{
    uint64_t draw = atomic_fetch_add_explicit(&c->draws, 1, memory_order_relaxed);
    uint64_t x = c->seed + (draw + 1) * 0x9e3779b97f4a7c15ULL;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static int crash_random(struct os *os, void *out, size_t len, struct error *err)
{
    uint8_t *at = out;

    (void)err;
    while (len > 0) {
        uint64_t number = next_random(crash_of(os));
        size_t n = len < sizeof(number) ? len : sizeof(number);

        memcpy(at, &number, n);
        at += n;
        len -= n;
    }
    return BLOCKDB_OK;
}

const struct os_ops os_crash_ops = {
    .open = crash_open,
    .mkdir = crash_mkdir,
    .rename = crash_rename,
    .link = crash_link,
    .unlink = crash_unlink,
    .rmdir = crash_rmdir,
    .list = crash_list,
    .sync_dir = crash_sync_dir,
    .stat = crash_stat,
    .free_space = crash_free_space,
    .lock = crash_lock,
    .now_ms = crash_now_ms,
    .monotonic_ns = crash_monotonic_ns,
    .random = crash_random,
    .thread_start = os_thread_start_real,
    .thread_join = os_thread_join_real,
    .sleep_ns = crash_sleep_ns,
};
