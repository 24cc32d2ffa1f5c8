/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "os/os_crash_priv.h"

int crash_create_node(struct os_crash *c, const char *path, bool is_dir, uint32_t *out_node)
    REQUIRES(c->mu)
{
    char name[CRASH_NAME_BYTES];
    uint32_t node;
    uint32_t dir;
    int rc;

    rc = crash_disk_find_parent(c->disk, path, &dir, name);
    if (rc < 0) {
        return rc;
    }
    if (crash_dir_find(&c->disk->nodes[dir]->visible, name) != NULL) {
        return BLOCKDB_EEXIST;
    }
    rc = crash_disk_add(c->disk, is_dir, &node);
    if (rc < 0) {
        return rc;
    }
    c->disk->garbage = true; /* nobody refers to it unless the next step works */
    c->disk->nodes[node]->mtime_ms = atomic_load_explicit(&c->time_ms, memory_order_relaxed);
    rc = crash_dir_add(c->disk, dir, name, node);
    if (rc == BLOCKDB_OK) {
        *out_node = node;
    }
    return rc;
}

int crash_mkdir(struct os *os, const char *path, struct error *err)
{
    struct os_crash *c = crash_of(os);
    uint32_t node;
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_begin_change(c)) {
        rc = crash_end_change(c, crash_create_node(c, path, true, &node));
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "create directory", path);
}

/* A name that exists: its directory, itself, and what it means. */
struct place {
    uint32_t dir;
    uint32_t node;
    char name[CRASH_NAME_BYTES];
};

static int find_place(const struct crash_disk *d, const char *path, struct place *out)
{
    const struct crash_name *found;
    int rc = crash_disk_find_parent(d, path, &out->dir, out->name);

    if (rc < 0) {
        return rc;
    }
    found = crash_dir_find(&d->nodes[out->dir]->visible, out->name);
    if (found == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    out->node = found->node;
    return BLOCKDB_OK;
}

/* Whether `to`, if it exists, may be replaced by a rename of `from`. */
static int check_target(const struct crash_disk *d, const struct place *from, struct place *to,
                        bool exists)
{
    const struct crash_node *moved = d->nodes[from->node];
    const struct crash_node *replaced = exists ? d->nodes[to->node] : NULL;

    if (moved->is_dir && from->dir != to->dir) {
        return BLOCKDB_EUNSUPPORTED;
    }
    if (replaced != NULL && replaced->is_dir != moved->is_dir) {
        return BLOCKDB_EINVAL;
    }
    if (replaced != NULL && replaced->is_dir && crash_dir_count(&replaced->visible) > 0) {
        return BLOCKDB_EEXIST;
    }
    return BLOCKDB_OK;
}

static int rename_locked(struct os_crash *c, const char *from_path, const char *to_path)
    REQUIRES(c->mu)
{
    struct place from;
    struct place to;
    bool exists;
    int rc;

    rc = find_place(c->disk, from_path, &from);
    if (rc < 0) {
        return rc;
    }
    rc = find_place(c->disk, to_path, &to);
    exists = rc == BLOCKDB_OK;
    if (rc == BLOCKDB_ENOTFOUND) {
        rc = crash_disk_find_parent(c->disk, to_path, &to.dir, to.name);
    }
    if (rc < 0) {
        return rc;
    }
    if (exists && from.node == to.node) {
        return BLOCKDB_OK; /* two names of one file: POSIX does nothing */
    }
    rc = check_target(c->disk, &from, &to, exists);
    return rc < 0 ? rc : crash_dir_rename(c->disk, from.dir, from.name, to.dir, to.name);
}

int crash_rename(struct os *os, const char *from, const char *to, struct error *err)
{
    struct os_crash *c = crash_of(os);
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_begin_change(c)) {
        rc = crash_end_change(c, rename_locked(c, from, to));
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "rename", from);
}

static int link_locked(struct os_crash *c, const char *from, const char *to) REQUIRES(c->mu)
{
    char name[CRASH_NAME_BYTES];
    uint32_t node;
    uint32_t dir;
    int rc;

    rc = crash_disk_find(c->disk, from, &node);
    if (rc < 0) {
        return rc;
    }
    if (c->disk->nodes[node]->is_dir) {
        return BLOCKDB_EINVAL;
    }
    rc = crash_disk_find_parent(c->disk, to, &dir, name);
    if (rc < 0) {
        return rc;
    }
    if (crash_dir_find(&c->disk->nodes[dir]->visible, name) != NULL) {
        return BLOCKDB_EEXIST;
    }
    return crash_dir_add(c->disk, dir, name, node);
}

int crash_link(struct os *os, const char *from, const char *to, struct error *err)
{
    struct os_crash *c = crash_of(os);
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_begin_change(c)) {
        rc = crash_end_change(c, link_locked(c, from, to));
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "link", from);
}

static int remove_locked(struct os_crash *c, const char *path, bool is_dir) REQUIRES(c->mu)
{
    struct place place;
    const struct crash_node *node;
    int rc;

    rc = find_place(c->disk, path, &place);
    if (rc < 0) {
        return rc;
    }
    node = c->disk->nodes[place.node];
    if (node->is_dir != is_dir) {
        return BLOCKDB_EINVAL;
    }
    if (is_dir && crash_dir_count(&node->visible) > 0) {
        return BLOCKDB_EEXIST;
    }
    return crash_dir_remove(c->disk, place.dir, place.name);
}

static int remove_path(struct os *os, const char *path, bool is_dir, struct error *err)
{
    const char *what = is_dir ? "remove directory" : "remove";
    struct os_crash *c = crash_of(os);
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_begin_change(c)) {
        rc = crash_end_change(c, remove_locked(c, path, is_dir));
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, what, path);
}

int crash_unlink(struct os *os, const char *path, struct error *err)
{
    return remove_path(os, path, false, err);
}

int crash_rmdir(struct os *os, const char *path, struct error *err)
{
    return remove_path(os, path, true, err);
}

/* Finds a directory, in a disk that has power. */
static int find_dir(struct os_crash *c, const char *path, uint32_t *out_dir) REQUIRES(c->mu)
{
    int rc = c->off ? BLOCKDB_EIO : crash_disk_find(c->disk, path, out_dir);

    if (rc == BLOCKDB_OK && !c->disk->nodes[*out_dir]->is_dir) {
        return BLOCKDB_EINVAL;
    }
    return rc;
}

/* Appends each name of a directory with a leading byte for "is a directory". */
static int gather_names(struct os_crash *c, const char *path, struct buf *out) REQUIRES(c->mu)
{
    const struct buf *names;
    uint32_t dir;
    size_t i;
    int rc;

    rc = find_dir(c, path, &dir);
    if (rc < 0) {
        return rc;
    }
    names = &c->disk->nodes[dir]->visible;
    for (i = 0; i < crash_dir_count(names); i++) {
        const struct crash_name *name = crash_dir_at(names, i);

        if (buf_append_u8(out, c->disk->nodes[name->node]->is_dir) < 0 ||
            buf_append(out, name->text, strlen(name->text) + 1) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}

int crash_list(struct os *os, const char *path, os_list_fn visit, void *context, struct error *err)
{
    AUTO(buf_deinit) struct buf names = {0};
    struct os_crash *c = crash_of(os);
    size_t at;
    int rc;

    mutex_lock(&c->mu);
    rc = gather_names(c, path, &names);
    mutex_unlock(&c->mu);
    if (rc < 0) {
        return crash_answer(err, rc, "list directory", path);
    }
    for (at = 0; at < names.len; at += strlen((const char *)names.data + at + 1) + 2) {
        rc = visit(context, (const char *)names.data + at + 1, names.data[at] != 0);
        if (rc != 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

int crash_sync_dir(struct os *os, const char *path, struct error *err)
{
    struct os_crash *c = crash_of(os);
    uint32_t dir;
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (crash_begin_change(c) && !crash_power_goes(c)) {
        rc = find_dir(c, path, &dir);
        rc = rc < 0 ? rc : crash_dir_sync(c->disk, dir);
        crash_disk_sweep(c->disk);
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "sync directory", path);
}

int crash_stat(struct os *os, const char *path, struct os_stat *out, struct error *err)
{
    struct os_crash *c = crash_of(os);
    uint32_t node;
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (!c->off) {
        rc = crash_disk_find(c->disk, path, &node);
    }
    if (rc == BLOCKDB_OK) {
        *out = crash_stat_of(c->disk, node);
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "stat", path);
}

int crash_free_space(struct os *os, const char *path, uint64_t *out_bytes, struct error *err)
{
    struct os_crash *c = crash_of(os);
    uint32_t node;
    uint64_t used;
    int rc = BLOCKDB_EIO;

    mutex_lock(&c->mu);
    if (!c->off) {
        rc = crash_disk_find(c->disk, path, &node);
    }
    if (rc == BLOCKDB_OK) {
        used = crash_disk_used_bytes(c->disk);
        *out_bytes = used < c->capacity_bytes ? c->capacity_bytes - used : 0;
    }
    mutex_unlock(&c->mu);
    return crash_answer(err, rc, "get the free space of", path);
}
