/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of versions. The jump of an entry leads as far as the two jumps before it together when
 * those are equally long, else one step: lengths follow the skew-binary numbers, and a search of n
 * entries takes at most about 2 log2(n) steps.
 */
#include "store/memtable_priv.h"

void memtable_entry_link(struct memtable_entry *entry, const struct memtable_entry *prev)
{
    const struct memtable_entry *far;

    entry->prev = prev;
    if (prev == NULL) {
        entry->jump = NULL;
        entry->older_count = 0;
        return;
    }
    entry->older_count = prev->older_count + 1;
    entry->jump = prev;
    far = prev->jump;
    if (far != NULL && far->jump != NULL &&
        prev->older_count - far->older_count == far->older_count - far->jump->older_count) {
        entry->jump = far->jump;
    }
}

const struct memtable_entry *memtable_entry_find(const struct memtable_entry *newest,
                                                 uint64_t limit_seq)
{
    const struct memtable_entry *e = newest;

    while (e != NULL && e->seq > limit_seq) {
        e = e->jump != NULL && e->jump->seq > limit_seq ? e->jump : e->prev;
    }
    return e;
}

static int older_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    const struct memtable_entry *from = c->list.source;

    (void)err;
    if (c->state.number[0] != 0) { /* a second seek goes on from where the cursor is */
        from = c->state.pointer[0];
    }
    c->state.number[0] = 1;
    if (before_seq == 0) {
        from = NULL;
    } else if (before_seq != VERSIONS_ALL) {
        from = memtable_entry_find(from, before_seq - 1);
    }
    c->state.pointer[0] = from;
    return BLOCKDB_OK;
}

static int older_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    const struct memtable_entry *e = c->state.pointer[0];

    (void)err;
    if (e == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    *out_seq = e->seq;
    c->state.pointer[0] = e->prev;
    return BLOCKDB_OK;
}

static const struct version_ops older_ops = {
    .seek = older_seek,
    .next = older_next,
};

struct version_list memtable_entry_older(const struct memtable_entry *entry)
{
    if (entry->prev == NULL) {
        return version_list_empty();
    }
    return (struct version_list){
        .ops = &older_ops,
        .count = entry->older_count,
        .source = entry->prev,
    };
}
