/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable_filter.h"

#include "base/mem.h"

int memtable_filter_init(struct memtable_filter *f, size_t len_bytes)
{
    *f = (struct memtable_filter){0};
    if (len_bytes < sizeof(*f->words)) {
        return BLOCKDB_OK;
    }
    f->words = mem_calloc(len_bytes / sizeof(*f->words), sizeof(*f->words));
    if (f->words == NULL) {
        return BLOCKDB_ENOMEM;
    }
    f->count = len_bytes / sizeof(*f->words);
    return BLOCKDB_OK;
}

void memtable_filter_deinit(struct memtable_filter *f)
{
    mem_free(f->words);
    *f = (struct memtable_filter){0};
}
