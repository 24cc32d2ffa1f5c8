/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view: what is visible, fixed at one moment. It keeps its memtables and tables alive.
 *
 * Threads:   any thread, once made.
 * Ownership: holds a reference to a read state; borrows the database.
 */
#pragma once

#include "engine/read_state.h"

#include <blockdb/blockdb.h>

struct blockdb_view {
    struct blockdb *db;
    struct read_state *state;
    uint64_t seq_count; /* entries it sees */
};
