/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells one listener how far entries are visible and durable; see blockdb_set_commit_cb().
 *
 * Whoever moves a position raises the bell. One thread at a time rings it, without a lock; who
 * comes meanwhile only leaves word, and the ringer rings once more with what holds by then.
 *
 * NOTIFY-1  Each position that was reached is told, or a later one in its place.
 * NOTIFY-2  What is told never goes back.
 *
 * Threads:   any thread.
 * Ownership: part of the database; borrows the listener's argument.
 */
#pragma once

#include "base/lock.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

struct notify {
    struct mutex mu;
    struct cond idle; /* nobody rings */

    /* Guarded by mu. */
    blockdb_commit_cb cb;
    void *arg;
    bool ringing;
    bool again;

    /* Atomic, relaxed: whether there is a listener; spares commits the lock when there is none. */
    atomic_bool is_heard;
};

void notify_init(struct notify *n);
void notify_deinit(struct notify *n);
/* Tells the listener the positions of now. Holds no lock of its caller. */
void notify_ring(struct blockdb *db);
