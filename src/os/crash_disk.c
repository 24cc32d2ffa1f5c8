/* SPDX-License-Identifier: Apache-2.0 */
#include "os/crash_disk.h"

#include "base/mem.h"

#include <stdio.h>

#define NODES_CAP_MIN 16

static void node_free(struct crash_node *node)
{
    if (node == NULL) {
        return;
    }
    buf_deinit(&node->durable);
    buf_deinit(&node->visible);
    buf_deinit(&node->changes);
    buf_deinit(&node->change_bytes);
    mem_free(node);
}

void crash_disk_free(struct crash_disk *d)
{
    uint32_t i;

    if (d == NULL) {
        return;
    }
    for (i = 0; i < d->count; i++) {
        node_free(d->nodes[i]);
    }
    mem_free(d->nodes);
    mem_free(d);
}

static void crash_disk_free_ptr(struct crash_disk **d)
{
    crash_disk_free(*d);
}

int crash_disk_add(struct crash_disk *d, bool is_dir, uint32_t *out_node)
{
    struct crash_node *node;

    if (d->count == d->cap) {
        uint32_t cap = d->cap > 0 ? d->cap * 2 : NODES_CAP_MIN;
        struct crash_node **nodes = mem_realloc(d->nodes, cap * sizeof(struct crash_node *));

        if (nodes == NULL) {
            return BLOCKDB_ENOMEM;
        }
        d->nodes = nodes;
        d->cap = cap;
    }
    node = mem_calloc(1, sizeof(*node));
    if (node == NULL) {
        return BLOCKDB_ENOMEM;
    }
    node->is_dir = is_dir;
    *out_node = d->count;
    d->nodes[d->count++] = node;
    return BLOCKDB_OK;
}

struct crash_disk *crash_disk_new(void)
{
    struct crash_disk *d = mem_calloc(1, sizeof(*d));
    uint32_t root;

    if (d == NULL) {
        return NULL;
    }
    if (crash_disk_add(d, true, &root) < 0) {
        crash_disk_free(d);
        return NULL;
    }
    d->nodes[root]->refs = 1; /* the root refers to itself */
    d->nodes[root]->names = 1;
    return d;
}

static void unref(struct crash_disk *d, uint32_t node)
{
    d->nodes[node]->refs--;
}

static void unref_names(struct crash_disk *d, const struct buf *names)
{
    size_t i;

    for (i = 0; i < crash_dir_count(names); i++) {
        unref(d, crash_dir_at(names, i)->node);
    }
}

static void unref_all_of(struct crash_disk *d, const struct crash_node *dir)
{
    const struct crash_name_change *changes = (const void *)dir->changes.data;
    size_t i;

    unref_names(d, &dir->durable);
    unref_names(d, &dir->visible);
    for (i = 0; i < dir->changes.len / sizeof(*changes); i++) {
        unref(d, changes[i].node);
    }
}

void crash_disk_sweep(struct crash_disk *d)
{
    while (d->garbage) {
        uint32_t i;

        d->garbage = false;
        for (i = 0; i < d->count; i++) {
            struct crash_node *node = d->nodes[i];

            if (node == NULL || node->refs > 0) {
                continue;
            }
            if (node->is_dir) {
                unref_all_of(d, node);
                d->garbage = true; /* what it named may be next */
            }
            node_free(node);
            d->nodes[i] = NULL;
        }
    }
}

uint64_t crash_disk_used_bytes(const struct crash_disk *d)
{
    uint64_t sum = 0;
    uint32_t i;

    for (i = 0; i < d->count; i++) {
        const struct crash_node *node = d->nodes[i];

        if (node != NULL && !node->is_dir && (node->names > 0 || node->opens > 0)) {
            sum += node->reserved_bytes > node->visible.len ? node->reserved_bytes
                                                            : node->visible.len;
        }
    }
    return sum;
}

/* Cuts the next part off path; false at the end. EINVAL in *out_rc for a part that cannot be. */
static bool next_part(const char **path, char name[CRASH_NAME_BYTES], int *out_rc)
{
    const char *at = *path;
    size_t len;

    *out_rc = BLOCKDB_OK;
    for (;;) {
        at += strspn(at, "/");
        len = strcspn(at, "/");
        if (len != 1 || at[0] != '.') {
            break;
        }
        at += len;
    }
    *path = at + len;
    if (len == 0) {
        return false;
    }
    if (len >= CRASH_NAME_BYTES || (len == 2 && memcmp(at, "..", 2) == 0)) {
        *out_rc = BLOCKDB_EINVAL;
        return false;
    }
    memcpy(name, at, len);
    name[len] = '\0';
    return true;
}

/* Steps from a node to the one it calls name. */
static int step(const struct crash_disk *d, const char *name, uint32_t *node)
{
    const struct crash_name *found;

    if (!d->nodes[*node]->is_dir) {
        return BLOCKDB_EINVAL;
    }
    found = crash_dir_find(&d->nodes[*node]->visible, name);
    if (found == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    *node = found->node;
    return BLOCKDB_OK;
}

int crash_disk_find(const struct crash_disk *d, const char *path, uint32_t *out_node)
{
    char name[CRASH_NAME_BYTES];
    uint32_t node = CRASH_ROOT;
    int rc;

    while (next_part(&path, name, &rc)) {
        rc = step(d, name, &node);
        if (rc < 0) {
            return rc;
        }
    }
    if (rc == BLOCKDB_OK) {
        *out_node = node;
    }
    return rc;
}

int crash_disk_find_parent(const struct crash_disk *d, const char *path, uint32_t *out_dir,
                           char name[CRASH_NAME_BYTES])
{
    char next[CRASH_NAME_BYTES];
    uint32_t dir = CRASH_ROOT;
    int rc;

    if (!next_part(&path, name, &rc)) {
        return BLOCKDB_EINVAL;
    }
    while (next_part(&path, next, &rc)) {
        rc = step(d, name, &dir);
        if (rc < 0) {
            return rc;
        }
        memcpy(name, next, sizeof(next));
    }
    if (rc < 0) {
        return rc;
    }
    if (!d->nodes[dir]->is_dir) {
        return BLOCKDB_EINVAL;
    }
    *out_dir = dir;
    return BLOCKDB_OK;
}

static int node_copy(const struct crash_node *from, struct crash_node *to)
{
    to->mtime_ms = from->mtime_ms;
    to->reserved_bytes = from->reserved_bytes;
    if (buf_append_slice(&to->durable, buf_slice(&from->durable)) < 0 ||
        buf_append_slice(&to->visible, buf_slice(&from->visible)) < 0 ||
        buf_append_slice(&to->changes, buf_slice(&from->changes)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append_slice(&to->change_bytes, buf_slice(&from->change_bytes));
}

static void count_names(struct crash_disk *d, const struct buf *names, bool visible)
{
    size_t i;

    for (i = 0; i < crash_dir_count(names); i++) {
        struct crash_node *node = d->nodes[crash_dir_at(names, i)->node];

        node->refs++;
        node->names += visible;
    }
}

/* Counts all references anew, when no file is open, and frees what has none. */
static void count_refs(struct crash_disk *d)
{
    uint32_t i;

    for (i = 0; i < d->count; i++) {
        const struct crash_node *dir = d->nodes[i];
        const struct crash_name_change *changes;
        size_t k;

        if (dir == NULL || !dir->is_dir) {
            continue;
        }
        count_names(d, &dir->durable, false);
        count_names(d, &dir->visible, true);
        changes = (const void *)dir->changes.data;
        for (k = 0; k < dir->changes.len / sizeof(*changes); k++) {
            d->nodes[changes[k].node]->refs++;
        }
    }
    d->garbage = true;
    crash_disk_sweep(d);
}

/* A disk with empty nodes of the same kinds. */
static struct crash_disk *disk_like(const struct crash_disk *d)
{
    AUTO(crash_disk_free_ptr) struct crash_disk *copy = crash_disk_new();
    uint32_t i;

    if (copy == NULL) {
        return NULL;
    }
    for (i = 1; i < d->count; i++) {
        uint32_t node;

        if (crash_disk_add(copy, d->nodes[i] != NULL && d->nodes[i]->is_dir, &node) < 0) {
            return NULL;
        }
    }
    copy->last_serial = d->last_serial;
    return TAKE(copy);
}

struct crash_disk *crash_disk_copy(const struct crash_disk *d)
{
    AUTO(crash_disk_free_ptr) struct crash_disk *copy = disk_like(d);
    uint32_t i;

    if (copy == NULL) {
        return NULL;
    }
    for (i = 0; i < d->count; i++) {
        if (d->nodes[i] != NULL && node_copy(d->nodes[i], copy->nodes[i]) < 0) {
            return NULL;
        }
    }
    count_refs(copy);
    return TAKE(copy);
}

struct crash_disk *crash_disk_settle(const struct crash_disk *d, uint64_t seed)
{
    AUTO(crash_disk_free_ptr) struct crash_disk *left = disk_like(d);
    struct crash_fate fate = crash_fate_of(d, seed);
    uint32_t i;

    if (left == NULL) {
        return NULL;
    }
    for (i = 0; i < d->count; i++) {
        const struct crash_node *from = d->nodes[i];
        int rc = BLOCKDB_OK;

        if (from != NULL) {
            left->nodes[i]->mtime_ms = from->mtime_ms;
            rc = from->is_dir ? crash_dir_settle(d, &fate, from, left->nodes[i])
                              : crash_file_settle(&fate, from, left->nodes[i]);
        }
        if (rc < 0) {
            return NULL;
        }
    }
    count_refs(left);
    return TAKE(left);
}
