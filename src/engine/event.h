/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what happens to a database that no call can return.
 *
 * They go to the listener that the program named in the options. An event is told once, where it is
 * dealt with; what a caller gets as an error is no event.
 *
 * Threads: any thread, with no lock held.
 */
#pragma once

#include <blockdb/blockdb.h>

struct event_listener {
    blockdb_event_cb cb; /* NULL: nobody listens */
    void *arg;
};

/* Tells the database's listener; a message that is too long is cut. area is a static word. */
void event_tell(const struct blockdb *db, enum blockdb_event_level level, const char *area,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
