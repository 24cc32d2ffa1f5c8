/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "os/crash_disk.h"

#include <stdio.h>

static struct crash_node *node_at(const struct crash_disk *d, uint32_t node)
{
    return d->nodes[node];
}

/* Where text is, or where it belongs. */
static size_t position_of(const struct buf *names, const char *text, bool *out_found)
{
    size_t low = 0;
    size_t high = crash_dir_count(names);

    *out_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(crash_dir_at(names, middle)->text, text);

        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct crash_name *crash_dir_find(const struct buf *names, const char *text)
{
    bool found;
    size_t position = position_of(names, text, &found);

    return found ? crash_dir_at(names, position) : NULL;
}

/* Counts a reference; a NULL disk does not count. */
static void ref(struct crash_disk *d, uint32_t node)
{
    if (d != NULL) {
        node_at(d, node)->refs++;
    }
}

static void unref(struct crash_disk *d, uint32_t node)
{
    if (d == NULL) {
        return;
    }
    ASSERT(node_at(d, node)->refs > 0);
    if (--node_at(d, node)->refs == 0) {
        d->garbage = true;
    }
}

/* Makes text mean node. Room must have been reserved. */
static void set_name(struct crash_disk *d, struct buf *names, const char *text, uint32_t node)
{
    bool found;
    size_t position = position_of(names, text, &found);
    struct crash_name *at = (struct crash_name *)(void *)names->data + position;

    ref(d, node);
    if (found) {
        unref(d, at->node);
    } else {
        memmove(at + 1, at, names->len - position * sizeof(*at));
        names->len += sizeof(*at);
        memset(at, 0, sizeof(*at));
        (void)snprintf(at->text, sizeof(at->text), "%s", text);
    }
    at->node = node;
}

/* Takes text away if it means node. */
static void clear_name(struct crash_disk *d, struct buf *names, const char *text, uint32_t node)
{
    bool found;
    size_t position = position_of(names, text, &found);
    struct crash_name *at = (struct crash_name *)(void *)names->data + position;

    if (found && at->node == node) {
        unref(d, node);
        names->len -= sizeof(*at);
        memmove(at, at + 1, names->len - position * sizeof(*at));
    }
}

static size_t change_count(const struct crash_node *dir)
{
    return dir->changes.len / sizeof(struct crash_name_change);
}

static const struct crash_name_change *change_at(const struct crash_node *dir, size_t i)
{
    return (const struct crash_name_change *)(const void *)dir->changes.data + i;
}

/* Changes names; references are counted in d unless it is NULL. */
static void apply_change(struct crash_disk *d, struct buf *names,
                         const struct crash_name_change *change)
{
    if (change->kind == CRASH_REMOVE) {
        clear_name(d, names, change->name, change->node);
        return;
    }
    set_name(d, names, change->name, change->node);
    if (change->kind == CRASH_RENAME) {
        clear_name(d, names, change->from, change->node);
    }
}

/* Records a change for which reserve_change() made room, and makes it visible. */
static void add_change(struct crash_disk *d, uint32_t dir, struct crash_name_change *change)
{
    struct crash_node *node = node_at(d, dir);
    const struct crash_name *replaced = crash_dir_find(&node->visible, change->name);

    if (replaced != NULL) {
        node_at(d, replaced->node)->names--;
    }
    if (change->kind == CRASH_ADD) {
        node_at(d, change->node)->names++;
    }
    change->serial = ++d->last_serial;
    memcpy(node->changes.data + node->changes.len, change, sizeof(*change));
    node->changes.len += sizeof(*change);
    node_at(d, change->node)->refs++;
    apply_change(d, &node->visible, change);
}

static int reserve_change(struct crash_disk *d, uint32_t dir)
{
    struct crash_node *node = node_at(d, dir);

    if (buf_reserve(&node->changes, sizeof(struct crash_name_change)) < 0 ||
        buf_reserve(&node->visible, sizeof(struct crash_name)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return BLOCKDB_OK;
}

static struct crash_name_change change_of(enum crash_change_kind kind, const char *name,
                                          uint32_t node)
{
    struct crash_name_change change = {.kind = kind, .node = node};

    (void)snprintf(change.name, sizeof(change.name), "%s", name);
    return change;
}

int crash_dir_add(struct crash_disk *d, uint32_t dir, const char *name, uint32_t node)
{
    struct crash_name_change change = change_of(CRASH_ADD, name, node);

    if (reserve_change(d, dir) < 0) {
        return BLOCKDB_ENOMEM;
    }
    add_change(d, dir, &change);
    return BLOCKDB_OK;
}

int crash_dir_remove(struct crash_disk *d, uint32_t dir, const char *name)
{
    const struct crash_name *present = crash_dir_find(&node_at(d, dir)->visible, name);
    struct crash_name_change change;

    ASSERT(present != NULL);
    if (reserve_change(d, dir) < 0) {
        return BLOCKDB_ENOMEM;
    }
    present = crash_dir_find(&node_at(d, dir)->visible, name);
    change = change_of(CRASH_REMOVE, name, present->node);
    add_change(d, dir, &change);
    return BLOCKDB_OK;
}

int crash_dir_rename(struct crash_disk *d, uint32_t from_dir, const char *from, uint32_t to_dir,
                     const char *to)
{
    const struct crash_name *present = crash_dir_find(&node_at(d, from_dir)->visible, from);
    struct crash_name_change change;
    uint32_t node;

    ASSERT(present != NULL);
    node = present->node;
    if (reserve_change(d, from_dir) < 0 || reserve_change(d, to_dir) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (from_dir == to_dir) {
        change = change_of(CRASH_RENAME, to, node);
        (void)snprintf(change.from, sizeof(change.from), "%s", from);
        add_change(d, to_dir, &change);
        return BLOCKDB_OK;
    }
    change = change_of(CRASH_ADD, to, node);
    add_change(d, to_dir, &change);
    change = change_of(CRASH_REMOVE, from, node);
    change.partner_dir = to_dir;
    change.partner_serial = d->last_serial;
    add_change(d, from_dir, &change);
    return BLOCKDB_OK;
}

/* Raises commit_to of other directories where a removal to be committed needs its addition;
 * returns whether any was raised. */
static bool raise_partners(struct crash_disk *d, const struct crash_node *dir)
{
    bool raised = false;
    size_t i;

    for (i = 0; i < change_count(dir); i++) {
        const struct crash_name_change *change = change_at(dir, i);
        struct crash_node *partner = node_at(d, change->partner_dir);

        if (change->serial <= dir->commit_to && change->partner_serial != 0 && partner != NULL &&
            partner->is_dir && partner->commit_to < change->partner_serial) {
            partner->commit_to = change->partner_serial;
            raised = true;
        }
    }
    return raised;
}

/* Makes the changes up to commit_to durable and keeps the others. Room must have been reserved. */
static void commit(struct crash_disk *d, struct crash_node *dir)
{
    size_t count = change_count(dir);
    size_t done = 0;

    while (done < count && change_at(dir, done)->serial <= dir->commit_to) {
        const struct crash_name_change *change = change_at(dir, done);

        apply_change(d, &dir->durable, change);
        unref(d, change->node);
        done++;
    }
    dir->changes.len -= done * sizeof(struct crash_name_change);
    memmove(dir->changes.data, dir->changes.data + done * sizeof(struct crash_name_change),
            dir->changes.len);
}

int crash_dir_sync(struct crash_disk *d, uint32_t dir)
{
    bool raised = true;
    uint32_t i;

    for (i = 0; i < d->count; i++) {
        if (d->nodes[i] != NULL) {
            d->nodes[i]->commit_to = i == dir ? UINT64_MAX : 0;
        }
    }
    while (raised) {
        raised = false;
        for (i = 0; i < d->count; i++) {
            raised |= d->nodes[i] != NULL && d->nodes[i]->is_dir && raise_partners(d, d->nodes[i]);
        }
    }
    for (i = 0; i < d->count; i++) {
        struct crash_node *node = d->nodes[i];

        if (node != NULL && node->is_dir &&
            buf_reserve(&node->durable, change_count(node) * sizeof(struct crash_name)) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    for (i = 0; i < d->count; i++) {
        if (d->nodes[i] != NULL && d->nodes[i]->is_dir && d->nodes[i]->changes.len > 0) {
            commit(d, d->nodes[i]);
        }
    }
    return BLOCKDB_OK;
}

/* Whether a change with that serial still waits in dir. */
static bool is_pending(const struct crash_node *dir, uint64_t serial)
{
    size_t i;

    for (i = 0; i < change_count(dir); i++) {
        if (change_at(dir, i)->serial == serial) {
            return true;
        }
    }
    return false;
}

static bool name_change_holds(const struct crash_disk *d, const struct crash_fate *fate,
                              const struct crash_name_change *change)
{
    const struct crash_node *partner = d->nodes[change->partner_dir];

    if (!crash_fate_holds(fate, change->serial)) {
        return false;
    }
    return change->partner_serial == 0 || partner == NULL ||
           !is_pending(partner, change->partner_serial) ||
           crash_fate_holds(fate, change->partner_serial);
}

/* `to` belongs to another disk, whose references are counted when all names are there. */
int crash_dir_settle(const struct crash_disk *d, const struct crash_fate *fate,
                     const struct crash_node *from, struct crash_node *to)
{
    size_t room = from->durable.len + change_count(from) * sizeof(struct crash_name);
    size_t i;

    if (buf_reserve(&to->durable, room) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (buf_append_slice(&to->durable, buf_slice(&from->durable)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < change_count(from); i++) {
        const struct crash_name_change *change = change_at(from, i);

        if (name_change_holds(d, fate, change)) {
            apply_change(NULL, &to->durable, change);
        }
    }
    return buf_append_slice(&to->visible, buf_slice(&to->durable));
}
