/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view: what is visible, fixed at one moment.
 *
 * As no version ever goes away, it is nothing but a seq: a read through a view is a read as of that
 * seq in whatever memtables and tables there are by then. So a view holds no memory and no file,
 * however long it lives.
 *
 * Threads:   any thread, once made.
 * Ownership: borrows the database.
 */
#pragma once

#include <blockdb/blockdb.h>

struct blockdb_view {
    struct blockdb *db;
    uint64_t seq_count; /* entries it sees */
};
