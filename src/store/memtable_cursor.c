/* SPDX-License-Identifier: Apache-2.0 */
/* The memtable as a cursor: level 0 of the skiplist, each node's newest version under the limit. */
#include "base/mem.h"
#include "store/memtable_priv.h"

struct memtable_cursor {
    struct cursor base;
    const struct memtable *mt;
    uint64_t limit_seq;
    const struct memtable_node *node; /* NULL: on none */
    const struct memtable_entry *entry;
    struct item item;
};

/* Stands on node when it has a version under the limit; false when it has none. */
static bool stand_on(struct memtable_cursor *c, const struct memtable_node *node)
{
    const struct memtable_entry *entry = memtable_entry_find(memtable_node_newest(node),
                                                             c->limit_seq);

    if (entry == NULL) {
        return false;
    }
    c->node = node;
    c->entry = entry;
    c->item = (struct item){
        .key = memtable_node_key(node),
        .seq = entry->seq,
        .time_ms = entry->time_ms,
        .value_len = entry->value_len,
        .kind = entry->kind,
        .value_inline = entry->kind == BLOCKDB_KIND_PUT,
        .value = slice_of(entry->value, entry->value_len),
        .older = memtable_entry_older(entry),
    };
    return true;
}

static int stand_from(struct memtable_cursor *c, const struct memtable_node *node)
{
    c->node = NULL;
    while (node != NULL) {
        const struct memtable_node *next = memtable_link_next(&node->links[0]);

        __builtin_prefetch(next);
        if (stand_on(c, node)) {
            break;
        }
        node = next;
    }
    return BLOCKDB_OK;
}

static int stand_back_from(struct memtable_cursor *c, const struct memtable_node *node)
{
    c->node = NULL;
    while (node != NULL && !stand_on(c, node)) {
        struct slice key = memtable_node_key(node);

        node = memtable_seek_before(c->mt, &key);
    }
    return BLOCKDB_OK;
}

static int mt_seek_first(struct cursor *base, struct error *err)
{
    struct memtable_cursor *c = (struct memtable_cursor *)base;

    (void)err;
    return stand_from(c, memtable_link_next(&memtable_list(c->mt)->head[0]));
}

static int mt_seek_last(struct cursor *base, struct error *err)
{
    struct memtable_cursor *c = (struct memtable_cursor *)base;

    (void)err;
    return stand_back_from(c, memtable_seek_before(c->mt, NULL));
}

static int mt_seek(struct cursor *base, struct slice key, struct error *err)
{
    struct memtable_cursor *c = (struct memtable_cursor *)base;

    (void)err;
    return stand_from(c, memtable_seek(c->mt, key));
}

static int mt_seek_before(struct cursor *base, struct slice key, struct error *err)
{
    struct memtable_cursor *c = (struct memtable_cursor *)base;

    (void)err;
    return stand_back_from(c, memtable_seek_before(c->mt, &key));
}

static int mt_next(struct cursor *base, struct error *err)
{
    struct memtable_cursor *c = (struct memtable_cursor *)base;

    (void)err;
    return stand_from(c, memtable_link_next(&c->node->links[0]));
}

static int mt_prev(struct cursor *base, struct error *err)
{
    struct memtable_cursor *c = (struct memtable_cursor *)base;
    struct slice key = memtable_node_key(c->node);

    (void)err;
    return stand_back_from(c, memtable_seek_before(c->mt, &key));
}

static bool mt_valid(const struct cursor *base)
{
    return ((const struct memtable_cursor *)base)->node != NULL;
}

static const struct item *mt_item(const struct cursor *base)
{
    return &((const struct memtable_cursor *)base)->item;
}

static void mt_free(struct cursor *base)
{
    mem_free(base);
}

static const struct cursor_ops memtable_cursor_ops = {
    .seek_first = mt_seek_first,
    .seek_last = mt_seek_last,
    .seek = mt_seek,
    .seek_before = mt_seek_before,
    .next = mt_next,
    .prev = mt_prev,
    .valid = mt_valid,
    .item = mt_item,
    .free = mt_free,
};

int memtable_cursor_new(const struct memtable *mt, uint64_t limit_seq, struct cursor **out_cursor)
{
    struct memtable_cursor *c = mem_alloc(sizeof(*c));

    if (c == NULL) {
        return BLOCKDB_ENOMEM;
    }
    *c = (struct memtable_cursor){
        .base.ops = &memtable_cursor_ops,
        .mt = mt,
        .limit_seq = limit_seq,
    };
    *out_cursor = &c->base;
    return BLOCKDB_OK;
}

struct slice memtable_cursor_record(const struct cursor *c)
{
    const struct memtable_entry *entry = ((const struct memtable_cursor *)c)->entry;

    return slice_of(entry->record, entry->record_len);
}
