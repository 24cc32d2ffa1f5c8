/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a wal, shared by wal.c (append, sync), wal_recover.c (opening) and wal_segments.c
 * (making, recycling and retiring files).
 *
 * A segment moves between four queues, each in order of number:
 *
 *     made -> prepared -> live -> old -> removed
 *               ^  ^                |
 *               |  +--- recycled ---+
 *               +--- leftover (blank or cut off, found at opening)
 *
 * Threads:   two parties work on files: the appender (wal_append, wal_close) and the worker (the
 *            helper thread, or without one the caller of wal_retire).
 * Ownership: a wal owns all segments; each queue owns what stands in it.
 */
#pragma once

#include "base/lock.h"
#include "store/wal_format.h"

#include <stdatomic.h>

#define WAL_PATH_BYTES_MAX OS_PATH_MAX

struct wal_segment {
    struct wal_segment *next;
    uint64_t number;
    uint64_t oldest; /* the file holds bytes of no life before this number; 0: unknown */
    uint64_t file_bytes;
    /* Once it is prepared by this wal: */
    struct os_file *file; /* NULL for segments found at opening, and after the last unref */
    unsigned refs;        /* guarded by mu: users of file */
    uint64_t seed;
    /* Once it is live: */
    bool is_used;  /* found at opening with a good start frame ... */
    bool in_chain; /* ... and part of the log */
    uint64_t first_seq;
    uint64_t end_seq;
    struct wal_start start;
};

struct wal_queue {
    struct wal_segment *first;
    struct wal_segment *last;
    uint64_t bytes;
    size_t count;
};

struct wal {
    /* Constant after open. */
    struct os *os;
    char *dir;
    uint8_t ledger_id[WAL_LEDGER_ID_BYTES];
    uint64_t segment_bytes;
    uint64_t keep_bytes;
    bool prewrite;
    bool read_only;
    bool has_helper;          /* else wal_retire() does the work itself */
    struct os_thread *helper; /* opening and closing thread only */
    wal_first_append_fn on_first_append;
    void *first_append_context;

    /* Appender only. */
    uint8_t *staging; /* where frames are put together */
    size_t staging_cap;
    uint64_t offset;       /* where the next frame goes in the active or the closed segment */
    uint64_t end_seq;      /* behind the last frame */
    uint64_t inline_bytes; /* length of the next segment that an append has to make itself */
    uint64_t begin_offset; /* behind the closing frame in a resumed segment, else 0: short lives
                              prepare no segment that they do not need */
    uint64_t hint_offset;  /* up to here the helper was asked to start writing back */
    bool prepare_asked;    /* the helper was asked for the segment after the active one */
    bool rotating;         /* the next frame opens a segment */
    bool mark_is_exact;    /* the keeper of the end mark was not told yet that it ends */
    /* The last live segment, when appending may go on behind its closing frame (WAL-5); NULL from
     * the first append on. */
    struct wal_segment *closed;

    /* Atomic: written under mu, read by any thread without it. */
    _Atomic uint64_t end_position;    /* release: the frames before it are written */
    _Atomic uint64_t synced_position; /* release: the bytes before it are durable */
    _Atomic unsigned syncs_running;   /* relaxed: a hint for wal_append_waits() */
    struct latency sync_latency;

    struct mutex mu;
    /* Guarded by mu. */
    struct cond work_cond;  /* the helper waits here for work */
    struct cond ready_cond; /* the appender waits here for a segment being finished */
    struct wal_queue live;  /* the last one is active, or the newest found at opening */
    struct wal_queue prepared;
    struct wal_queue old;
    struct wal_queue leftover;
    struct wal_segment *active; /* NULL until the first append */
    uint64_t next_number;
    uint64_t erase_below;  /* files with bytes of lives below are removed; see wal_rotate() */
    bool worker_busy;      /* with a job; what it works on stands in no queue */
    bool finishing;        /* somebody gives a file its number: prepared grows in order */
    bool prepare_ahead;    /* the active segment fills up: make the next one */
    bool zeros_pay;        /* ... and fill it with zeros */
    uint64_t syncs_before; /* the active segment began */
    bool hint_wanted;      /* write back what stands before hint_end in the active segment */
    uint64_t hint_begin;
    uint64_t hint_end;
    bool work_wanted; /* the helper should look for work */
    bool stopping;
    int failure_code; /* WAL-8; 0 while all is well */
    struct error failure;
    struct wal_stats stats;
};

/* A path in the WAL directory. */
struct wal_path {
    char text[WAL_PATH_BYTES_MAX];
};

/* NAME in the directory of the wal; open made sure that it fits. */
void wal_path_name(const struct wal *wal, const char *name, struct wal_path *out);
void wal_path_number(const struct wal *wal, uint64_t number, const char *suffix,
                     struct wal_path *out);

/* Appends / takes from the front; an empty queue gives NULL. */
void wal_queue_push(struct wal_queue *q, struct wal_segment *segment);
struct wal_segment *wal_queue_pop(struct wal_queue *q);
/* Takes the first segment that must be erased (with_marked), or the first that need not be; NULL
 * when there is none. */
struct wal_segment *wal_queue_take(struct wal_queue *q, uint64_t erase_below, bool marked);
/* Frees all segments, closing their files. */
void wal_queue_deinit(struct wal_queue *q);
struct wal_segment *wal_segment_new(uint64_t number);
void wal_segment_free(struct wal_segment *segment);

/* Makes the failure final when none is yet (WAL-8). Returns ECORRUPT if code is that, else EIO:
 * other codes mean that a later try may work (ENOSPC), or speak of what was asked (ENOTFOUND). */
int wal_fail_for_good(struct wal *wal, int code, struct error *err) EXCLUDES(wal->mu);
/* The same, but ENOSPC and ENOMEM pass: for failures that left the log as it was. */
int wal_fail(struct wal *wal, int code, struct error *err) EXCLUDES(wal->mu);
/* The first failure, as an error of its own; 0 while all is well. */
int wal_check_failed(struct wal *wal, struct error *err) EXCLUDES(wal->mu);

/* Drops a use of the segment's file; the last one closes it. */
void wal_segment_unref(struct wal *wal, struct wal_segment *segment) EXCLUDES(wal->mu);

/* wal_dir.c: EFOREIGN unless the directory bears the marker of our ledger. */
RESULT_MUST_BE_USED int wal_check_marker(const struct wal *wal, struct error *err);

/* wal_write.c: syncs, writes the closing frame, syncs it. */
RESULT_MUST_BE_USED int wal_write_close(struct wal *wal, struct error *err);

/* wal_recover.c: reads the directory, visits, fills the queues and positions of a new wal. */
RESULT_MUST_BE_USED int wal_recover(struct wal *wal, const struct wal_options *options,
                                    struct wal_recovery *out, struct error *err);

/* wal_segments.c */

/* Hands out the next segment to write, at least least_bytes long; makes one when none is prepared.
 * Appender only. After a failure nothing changed; ENOSPC and ENOMEM are not final. */
RESULT_MUST_BE_USED int wal_segments_take(struct wal *wal, uint64_t least_bytes,
                                          struct wal_segment **out, struct error *err);
/* Gives back a segment that was taken and not written. */
void wal_segments_untake(struct wal *wal, struct wal_segment *segment);
/* Does what there is to do: removes or recycles what keep_bytes does not cover, prepares ahead.
 * Worker only. Failures other than ENOSPC and ENOMEM become the failure of the wal. */
void wal_segments_work(struct wal *wal);
/* Removes what keep_bytes does not cover; for the end, when the helper has stopped. */
void wal_segments_trim(struct wal *wal);
/* The helper thread. */
void wal_segments_helper(void *wal);
