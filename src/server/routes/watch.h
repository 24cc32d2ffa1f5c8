/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching the log: entries are shown to many watchers in order, each from where it wants to begin.
 *
 * Each loop has a hub with the watchers whose connections it serves. A hub reads one chunk of
 * entries at a time, on the pool, from the place where the next watcher in turn stands, and shows
 * it to all who stand in the chunk. Watchers who are up to date all stand at the same place, so
 * thousands of them cost one reading; those who are behind are served in turn; one who does not
 * take what it is shown is passed over until it says so.
 *
 *   commit --watch_notice()--> hub wakes (once a turn) --> pool reads a chunk --> show() ... again
 *
 * WATCH-1  A watcher is shown every durable entry from its next_seq on, once, in order.
 * WATCH-2  A hub holds at most one chunk: WATCH_CHUNK_ENTRIES, or WATCH_CHUNK_BYTES and one more
 *          entry. Nothing is kept for a watcher that is slow.
 *
 * Threads:   watch_notice(), watch_count() any thread; new and free while no loop runs; the rest on
 *            the loop of the watcher.
 * Ownership: a watcher is its owner's memory, in place from join to leave; borrows db.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/dispatch.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

#define WATCH_CHUNK_ENTRIES 256
#define WATCH_CHUNK_BYTES ((size_t)1 << 20)
#define WATCH_BEAT_MS 15000

struct watch;
struct watch_hub;

/* An entry as it is shown. Borrowed for the call. */
struct watch_entry {
    struct slice key;
    struct slice value;
    struct blockdb_version_info version;
    /* What a watcher made of it and the next one may use again; empty for each new entry. */
    struct buf *text;
    struct buf *text_base64;
};

struct watcher {
    /* The owner's, set before watch_join(). In beat() and failed() the watcher itself may leave, in
     * show() none may join or leave. */
    uint64_t next_seq;
    /* Takes an entry. False: no more for now; watch_resume() will be called. */
    bool (*show)(struct watcher *w, const struct watch_entry *entry);
    /* Every WATCH_BEAT_MS; is_idle: nothing was shown since the last one, and it takes more. */
    void (*beat)(struct watcher *w, bool is_idle);
    /* The log cannot be read on; w has left when this is called. */
    void (*failed)(struct watcher *w, const struct error *err);

    /* Private to watch.c. */
    struct watch_hub *hub;
    struct watcher *next;
    struct watcher **link;
    bool is_paused;
    bool is_shown; /* something since the last beat */
};

RESULT_MUST_BE_USED int watch_new(struct blockdb *db, struct watch **out);
/* No watcher may be left. NULL is fine. */
void watch_free(struct watch *watch);
/* The log has grown. Never blocks. */
void watch_notice(struct watch *watch);
/* Watchers of all loops. */
uint64_t watch_count(const struct watch *watch);

/* Enters a watcher on the loop whose thread calls. ENOMEM. */
RESULT_MUST_BE_USED int watch_join(struct watch *watch, struct dispatch *dispatch,
                                   struct loop *loop, struct watcher *w);
void watch_leave(struct watcher *w);
/* w takes entries again. */
void watch_resume(struct watcher *w);
