/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write-ahead log: the committed entries that are not yet in a synced block of the ledger.
 *
 * A WAL is a chain of segment files; only the newest one grows. What is appended is a frame: the
 * opaque bytes of one commit group and the range of seqs [first_seq, end_seq) it holds. Frames
 * follow each other without a gap. A position is a byte offset in the whole chain, so it grows with
 * every frame and names what a sync has to cover.
 *
 * Segments are written with zeros, or taken from retired ones, by a helper thread ahead of need:
 * a sync of a file whose blocks were written before costs half of one whose blocks were not.
 *
 * WAL-1  A frame is durable only when wal_sync() for its position returned 0, or
 *        wal_synced_position() has reached its position.
 * WAL-2  A segment leaves the chain only when the caller says, through wal_retire(), that all its
 *        entries are durable elsewhere; after a restart from_seq is never below that seq.
 * WAL-3  Each frame records the position that was known to be synced when it was written. Damage
 *        below the highest such position found anywhere is ECORRUPT; only damage at or above it is
 *        a torn tail, which is cut and reported, never cut silently.
 * WAL-4  A segment is synced whole before the first byte of its successor is written. So a torn
 *        tail exists only in the newest segment that has frames.
 * WAL-5  Nothing is ever written after a torn tail: an opening appends to a new segment, whose
 *        first frame says where its predecessor ends. It goes on behind a closing frame only where
 *        an EXACT mark says that the log ends there, and the rest of that segment is short and was
 *        seen to hold nothing of this life of the file.
 * WAL-6  The checksum of a frame depends on ledger id, segment number, a random number drawn when
 *        the segment was prepared, and offset: bytes of an earlier life of the file are never live.
 * WAL-7  A file gets its name NUMBER.wal only after its header is synced: a damaged header is
 *        ECORRUPT, never an unfinished file.
 * WAL-8  After a failed write or sync every later call fails with that first error.
 *
 * Disk full: room is found when a segment is made, not when a frame is written. When a new segment
 * is needed and cannot be made (ENOSPC), the append fails with nothing written; the WAL stays
 * usable and a later append tries again. The same holds for ENOMEM.
 *
 * Threads:   wal_append() and wal_close(): one thread at a time. wal_retire(): one thread at a
 *            time. wal_sync() and the getters: any thread, alongside all others except wal_close().
 * Ownership: a wal owns its files, copies its options, borrows the os for its lifetime.
 * Format:    docs/format/wal.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/latency.h"
#include "os/os.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAL_MARKER_NAME "WALDIR" /* names the ledger that a WAL directory belongs to */
#define WAL_LEDGER_ID_BYTES 16
#define WAL_SEGMENT_BYTES_MIN (64u * 1024)
#define WAL_PAYLOAD_BYTES_MAX (1024u * 1024 * 1024)

struct wal;

/* What is known about the end of the log from elsewhere (the manifest). */
enum wal_end_kind {
    WAL_END_UNKNOWN = 0,
    WAL_END_AT_LEAST = 1, /* the log was synced up to this position; it may be longer */
    WAL_END_EXACT = 2,    /* the log was closed cleanly here and not opened for writing since */
};

/* An EXACT mark holds until the first append: its keeper replaces it (by AT_LEAST with the same
 * position, say) before that, when wal_options.on_first_append asks for it. */
struct wal_end_mark {
    enum wal_end_kind kind;
    uint64_t position;
    uint64_t end_seq;
};

/* Takes one live frame; payload is borrowed until the function returns. A negative code stops the
 * recovery with that code. */
typedef int (*wal_recover_fn)(void *context, uint64_t first_seq, uint64_t end_seq,
                              struct slice payload, struct error *err);

/* Makes the keeper of an EXACT end mark forget it, durably. A negative code fails the append, with
 * nothing written; after ENOSPC and ENOMEM the next append asks again. */
typedef int (*wal_first_append_fn)(void *context, struct error *err);

struct wal_options {
    struct os *os;
    const char *dir;
    uint8_t ledger_id[WAL_LEDGER_ID_BYTES];
    uint64_t segment_bytes; /* wal_file_size; rounded up to whole pages, at least
                               WAL_SEGMENT_BYTES_MIN */
    uint64_t keep_bytes;    /* wal_keep_size: how much of *.wal.old is kept */
    uint64_t from_seq;      /* all entries below are durable elsewhere */
    bool prewrite;          /* write zeros into new segments while groups are being synced */
    bool helper_thread;     /* prepare segments in the background; else inside append and retire */
    bool read_only;         /* recover only: changes no file; appends fail with EREADONLY */
    struct wal_end_mark end_mark;
    wal_recover_fn visit; /* may be NULL */
    void *visit_context;
    wal_first_append_fn on_first_append; /* called when end_mark is EXACT; may be NULL when the mark
                                            is kept nowhere else */
    void *first_append_context;
};

/* What wal_open() found. */
struct wal_recovery {
    uint64_t end_seq;      /* behind the last live frame; from_seq when the log ends before it */
    uint64_t end_position; /* behind the last live frame */
    uint64_t frame_count;  /* frames visited */
    uint64_t payload_bytes;
    uint64_t segment_count;  /* segments read */
    uint64_t tail_cut_bytes; /* bytes of a torn tail that were cut off; 0: none found */
    uint64_t tail_segment;   /* where the torn tail begins: number of the segment ... */
    uint64_t tail_offset;    /* ... and offset in it; both 0 when nothing was cut */
    bool closed_cleanly;     /* the last frame is a closing frame */
};

struct wal_frame {
    const struct slice *parts; /* borrowed; written one after the other */
    size_t part_count;
    uint64_t first_seq; /* the end_seq of the frame before, see wal_append() */
    uint64_t end_seq;   /* not below first_seq */
};

struct wal_stats {
    uint64_t frames;           /* appended since opening */
    uint64_t appended_bytes;   /* ... with headers and alignment */
    uint64_t payload_bytes;    /* ... without */
    uint64_t syncs;            /* file syncs of frames, not of new segments */
    uint64_t segments_created; /* new files */
    uint64_t segments_recycled;
    uint64_t segments_retired;
    uint64_t segments_inline; /* made while an append waited */
    uint64_t live_bytes;      /* files of the chain */
    uint64_t prepared_bytes;  /* files that wait for their use */
    uint64_t old_bytes;       /* *.wal.old, as far as nobody else removed them */
};

/* Makes `dir` (and missing parents) the WAL directory of a ledger: writes the marker. Fine when it
 * is that already. EFOREIGN when it holds another ledger's marker, or WAL files without a marker.
 */
RESULT_MUST_BE_USED int wal_create_dir(struct os *os, const char *dir,
                                       const uint8_t ledger_id[WAL_LEDGER_ID_BYTES],
                                       struct error *err);

/* Opens the WAL and visits its live frames that end after from_seq, in order. A frame may begin
 * before from_seq. Starts the helper thread when options ask for it.
 *
 * EFOREIGN: the marker or a segment is missing or of another ledger (a mount may be missing).
 * EVERSION: written by a newer version. ECORRUPT: damage below a synced position, a gap between
 * from_seq and the end, a missing segment, or an end that contradicts end_mark; the message names
 * file and offset. After any failure nothing that a later opening needs was changed.
 * On success everything visited is durable (unless read_only). out_recovery may be NULL. */
RESULT_MUST_BE_USED int wal_open(const struct wal_options *options,
                                 struct wal_recovery *out_recovery, struct wal **out_wal,
                                 struct error *err);

/* Appends a closing frame, syncs, stops the helper thread and frees the wal in every case; where
 * nothing was appended, nothing is written. On success out_mark (may be NULL) receives the EXACT
 * mark to keep in the manifest. After an earlier failure nothing is written and that failure is
 * returned. wal may be NULL. */
RESULT_MUST_BE_USED int wal_close(struct wal *wal, struct wal_end_mark *out_mark,
                                  struct error *err);

/* Appends one frame with one write and returns the position behind it: the frame is durable when
 * that position is synced. first_seq must be the end_seq of the frame before; the first frame after
 * opening may begin at any seq not below wal_recovery.end_seq (what lies between is durable
 * elsewhere, WAL-2).
 *
 * ELIMIT: the payload exceeds WAL_PAYLOAD_BYTES_MAX. ENOSPC, ENOMEM: nothing was written, the WAL
 * stays usable. Other failures are final (WAL-8). */
RESULT_MUST_BE_USED int wal_append(struct wal *wal, const struct wal_frame *frame,
                                   uint64_t *out_position, struct error *err);

/* Whether wal_append() of so many bytes might do more than write into the page cache: open or make
 * a segment, sync, or write beside a sync that runs, behind which file systems let writes wait.
 * For the thread that appends. */
bool wal_append_waits(const struct wal *wal, uint64_t payload_bytes);

/* Makes all frames up to `position` durable; returns at once when they are. `position` came from
 * wal_append() or wal_end_position(). A failure is final (WAL-8). */
RESULT_MUST_BE_USED int wal_sync(struct wal *wal, uint64_t position, struct error *err);

/* Everything below this position is durable. */
uint64_t wal_synced_position(const struct wal *wal);

/* The position behind the last frame appended (or recovered). */
uint64_t wal_end_position(const struct wal *wal);

/* All entries below seq are durable elsewhere: segments that hold no others become NUMBER.wal.old,
 * durably so when this returns. What exceeds keep_bytes is recycled or removed, oldest first.
 * A segment waits for a later call while its successor has not begun durably or a sync is using
 * it; the newest never retires. ENOSPC, ENOMEM: try again later. */
RESULT_MUST_BE_USED int wal_retire(struct wal *wal, uint64_t seq, struct error *err);

/* Begins a segment in a file that never held another byte, with an empty frame at seq (as the
 * first_seq of wal_append()), and syncs it. All files that exist before are marked: they are
 * removed when they retire, neither kept nor used again, so that wal_erase() can wait for that. As
 * wal_append(), also in its errors. */
RESULT_MUST_BE_USED int wal_rotate(struct wal *wal, uint64_t seq, struct error *err);

/* Retires as wal_retire(), and waits until every file that a wal_rotate() marked is removed,
 * durably. seq is not below that of the rotation. Called where wal_retire() may be. */
RESULT_MUST_BE_USED int wal_erase(struct wal *wal, uint64_t seq, struct error *err);

/* Whether a segment is ready for when the newest one is full. */
bool wal_has_room(struct wal *wal);
/* Has the helper try to make one, if none is ready; does not wait for it. Without a helper nothing
 * happens: the next append tries. */
void wal_find_room(struct wal *wal);

void wal_get_stats(struct wal *wal, struct wal_stats *out);
/* How long syncs of frames took. */
const struct latency *wal_sync_latency(const struct wal *wal);

/* What wal_inspect() finds at one place of a segment. */
enum wal_inspect_kind {
    WAL_INSPECT_HEADER,  /* a good file header */
    WAL_INSPECT_START,   /* a good starting frame */
    WAL_INSPECT_FRAME,   /* a good frame */
    WAL_INSPECT_CLOSE,   /* a good closing frame */
    WAL_INSPECT_DAMAGED, /* the header of a frame is good, its body is not */
    WAL_INSPECT_END,     /* no frame begins here; what follows is unused or unreadable */
    WAL_INSPECT_BEYOND,  /* a good frame behind the END: the END may be damage */
};

struct wal_inspection {
    enum wal_inspect_kind kind;
    uint64_t offset;
    uint64_t len_bytes; /* of the whole frame; for END what is left of the file */
    uint64_t payload_len;
    uint64_t first_seq; /* all zero for HEADER and END */
    uint64_t end_seq;
    uint64_t synced_position;
    uint64_t position;        /* of the frame's first byte, 0 when the start frame is unreadable */
    uint64_t segment_number;  /* for HEADER and START */
    uint64_t previous_number; /* for START */
};

/* A negative code stops the inspection with that code. */
typedef int (*wal_inspect_fn)(void *context, const struct wal_inspection *found, struct error *err);

/* Describes one segment file (NUMBER.wal or NUMBER.wal.old) front to back, damage included. Fails
 * only when the header is unreadable (ECORRUPT, EVERSION) or the file cannot be read. */
RESULT_MUST_BE_USED int wal_inspect(struct os *os, const char *path, wal_inspect_fn visit,
                                    void *context, struct error *err);
