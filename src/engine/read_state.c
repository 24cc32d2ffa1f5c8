/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/read_state.h"

#include "base/assert.h"
#include "base/mem.h"

struct read_state *read_state_new(struct memtable *const *memtables, size_t count,
                                  struct table_set *tables)
{
    struct read_state *state = mem_calloc(1, sizeof(*state));
    size_t i;

    ASSERT(count >= 1 && count <= READ_STATE_MEMTABLES_MAX);
    if (state == NULL) {
        return NULL;
    }
    atomic_init(&state->refs, 1);
    state->memtable_count = count;
    for (i = 0; i < count; i++) {
        state->memtables[i] = memtable_ref(memtables[i]);
    }
    state->tables = table_set_ref(tables);
    return state;
}

struct read_state *read_state_ref(struct read_state *state)
{
    (void)atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    return state;
}

void read_state_unref(struct read_state *state)
{
    size_t i;

    if (state == NULL || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (i = 0; i < state->memtable_count; i++) {
        memtable_unref(state->memtables[i]);
    }
    table_set_unref(state->tables);
    mem_free(state);
}

void read_state_unref_fn(void *state)
{
    read_state_unref(state);
}
