/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/view.h"

#include "base/mem.h"
#include "engine/db.h"

int blockdb_view_new(struct blockdb *db, struct blockdb_view **out_view, struct blockdb_error *err)
{
    struct blockdb_view *view = mem_alloc(sizeof(*view));

    if (view == NULL) {
        return error_set_no_memory(err);
    }
    view->db = db;
    view->seq_count = atomic_load_explicit(&db->acked_seq, memory_order_acquire);
    *out_view = view;
    return BLOCKDB_OK;
}

void blockdb_view_free(struct blockdb_view *view)
{
    mem_free(view);
}

uint64_t blockdb_view_seq_count(const struct blockdb_view *view)
{
    return view->seq_count;
}
