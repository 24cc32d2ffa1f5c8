/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read state: the memtables and tables that a read consults, newest first.
 *
 * Immutable once published. A reader inside the epoch uses the current one without a reference; an
 * iterator or a job takes a reference and keeps its memtables and tables alive.
 *
 * RSTATE-1  memtables[0] is the active one, the others are frozen; every seq in one is above every
 *           seq of those after it and of all tables.
 * RSTATE-2  Every published entry is in a memtable or a table of each state published since.
 *
 * Threads:   read_state_ref(), _unref() any thread; the fields are constant.
 * Ownership: holds references to its memtables and its table set.
 */
#pragma once

#include "base/epoch.h"
#include "store/memtable.h"
#include "store/table_set.h"

#include <stdatomic.h>
#include <stdbool.h>

/* The active one, and frozen ones that wait for their flush. */
#define READ_STATE_MEMTABLES_MAX 8

struct read_state {
    _Atomic uint64_t refs;
    struct epoch_link retired;
    uint64_t serial; /* one more than that of the state published before */
    size_t memtable_count;
    struct memtable *memtables[READ_STATE_MEMTABLES_MAX];
    struct table_set *tables;
};

/* A state with one reference that takes references of its own to all parts; NULL when out of
 * memory. count is 1 to READ_STATE_MEMTABLES_MAX. */
struct read_state *read_state_new(struct memtable *const *memtables, size_t count,
                                  struct table_set *tables);
/* The caller has a reference, or loaded the current state inside the epoch: the reference that
 * publishing holds is given back through the epoch, so it is still there. */
struct read_state *read_state_ref(struct read_state *state);
void read_state_unref(struct read_state *state);
/* For epoch_retire(). */
void read_state_unref_fn(void *state);
