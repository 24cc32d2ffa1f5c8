/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledger segments: the sealed blocks of the ledger on disk, and with them every value.
 *
 * A `struct segments` is the chain of files `<dir>/000001.blk`, `000002.blk` ... Each holds whole
 * blocks in seq order; a block is a frame head and pages of records, compressed page by page.
 * Records are opaque bytes here; what they mean is the engine's business. Only the last segment
 * grows (the *active* one); the others are *finished*: an index and a footer follow their blocks,
 * so that a record is found from its seq with two cached lookups and no scan.
 *
 * SEG-1  Seqs have no gaps: a block starts where the one before ended, and so do heights.
 * SEG-2  A block never spans two segments, a record never spans two pages.
 * SEG-3  A record is readable as soon as the append of its block returned; it is durable once a
 *        later segments_sync() (or segments_rotate(), which syncs) returned.
 * SEG-4  A file of a finished segment never changes; its length and the checksum of each part are
 *        fixed. Rewriting (a redaction) makes another file, of the next revision, that takes its
 *        place when the manifest says so; readers of the old one are not disturbed.
 * SEG-5  Damage below the trusted seq is corruption and stops the open; above it, in the active
 *        segment only, it is a torn tail: cut, and reported.
 * SEG-6  A new segment receives blocks only after segments_rotate() has told the caller about it,
 *        so that the manifest can know it first.
 * SEG-7  A failed append leaves the ledger as it was before it. A failed sync, and a failed write
 *        other than for lack of space, makes the segments read-only for good (sticky).
 *
 * Threads:   append, sync, rotate, rewrite: one thread at a time (the sealer). Everything else: any
 * thread, also beside the appender. A read that hits the cache takes no lock and writes to no
 *            shared memory.
 * Ownership: borrows os, cache, epoch and hooks until segments_close(); copies the directory name.
 * Format:    docs/format/segment.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "os/os.h"

#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_LEDGER_ID_LEN 16
/* One record: the largest value, its key, header and evidence fit well inside. */
#define SEGMENT_RECORD_MAX (32u * 1024 * 1024)
/* The bytes of the records of one block. */
#define SEGMENT_BLOCK_BYTES_MAX (1024u * 1024 * 1024)
#define SEGMENT_BLOCK_RECORDS_MAX (16u * 1024 * 1024)
#define SEGMENT_BYTES_DEFAULT (256u * 1024 * 1024)
#define SEGMENT_BYTES_MIN (64u * 1024)
/* In a struct segment_info that is passed to segments_open(): what the file says. */
#define SEGMENT_HEIGHT_UNKNOWN UINT64_MAX
#define SEGMENT_BYTES_MAX (4ull * 1024 * 1024 * 1024)

struct cache;
struct epoch;
struct page;
struct segments;
struct segment_scan;

/* What the manifest keeps of one segment. */
struct segment_info {
    uint32_t number;   /* from 1 */
    uint32_t revision; /* how often it was rewritten; see segment_name() */
    bool finished;
    uint64_t first_seq;
    uint64_t first_height;
    uint64_t end_seq;    /* one past the last; finished segments only, else 0 */
    uint64_t end_height; /* one past the last; finished segments only, else 0 */
    uint64_t len_bytes;  /* length of the file; finished segments only, else 0 */
};

/* The name of a segment's file: "000001.blk", of revision 2 "000001-2.blk"; out has at least
 * SEGMENT_NAME_MAX bytes. */
#define SEGMENT_NAME_MAX 32
void segment_name(uint32_t number, uint32_t revision, char *out);

/* The records of one loaded page; borrowed. */
struct segment_page {
    uint64_t first_seq;
    uint32_t count;
    uint32_t records_len;   /* bytes of all records together */
    const uint16_t *ends;   /* where record i ends in bytes; NULL when count is 1 */
    const uint8_t *records; /* the records, back to back */
};

/* Record i of a page, i < count. Borrowed like the page. */
static inline struct slice segment_page_record(const struct segment_page *page, uint32_t i)
{
    uint32_t start;

    if (page->ends == NULL) {
        return slice_of(page->records, page->records_len);
    }
    start = i > 0 ? page->ends[i - 1] : 0;
    return slice_of(page->records + start, page->ends[i] - start);
}

/* Judges a page that was just read from disk, before any reader sees it (a cache miss, a scan
 * does not call it). Any error, ETAMPERED above all, fails the read that caused it, and the page
 * is not cached. Called from reader threads, several at a time; must not read segments. */
typedef int (*segment_load_fn)(void *context, const struct segment_page *page, struct error *err);
/* Called before len bytes are written to the device; may sleep. */
typedef void (*segment_throttle_fn)(void *context, uint64_t len_bytes);

struct segments_options {
    struct os *os;
    const char *dir; /* must exist; its name is copied */
    uint8_t ledger_id[SEGMENT_LEDGER_ID_LEN];
    struct epoch *epoch;
    struct cache *cache;       /* pages of records; NULL: none are kept */
    struct cache *index_cache; /* partitions of the indexes; NULL: same as cache */
    uint8_t codec;             /* enum codec, store/codec.h */
    int codec_level;           /* zstd only */
    bool direct_io;            /* bypass the page cache of the system */
    bool read_only;            /* nothing is created, cut or written */
    uint64_t segment_bytes;    /* rotate when a block would pass this; 0: the default */
    segment_load_fn on_load;   /* may be NULL */
    void *on_load_context;
    /* Pages whose records are longer than this on average enter the cache as they are written,
     * because what was just written is likely to be read. 0: none do. */
    uint64_t warm_record_bytes;
    segment_throttle_fn throttle; /* may be NULL */
    void *throttle_context;

    /* What the manifest says: all segments in order, numbered without gaps; only the last may be
     * unfinished. Borrowed for the call. */
    const struct segment_info *known;
    uint32_t known_count;
    /* Every seq below is known to be durable in the ledger (SEG-5). */
    uint64_t trusted_seq;
};

/* What opening found; for the operator's log. */
struct segments_recovery {
    uint64_t blocks;         /* walked in the active segment */
    uint64_t blocks_checked; /* of which every byte was checked, being above the trusted seq */
    bool cut;                /* a torn tail was cut (read-only: left in place and ignored) */
    uint32_t cut_number;     /* of which segment */
    uint64_t cut_offset;     /* at which byte of it */
    uint64_t cut_bytes;
    uint64_t cut_seq;       /* the first seq that is not there; always the end seq */
    uint32_t removed_files; /* empty segments that no manifest knew (SEG-6), old revisions */
};

/* Opens the chain, recovering the active segment. out_recovery may be NULL.
 * ECORRUPT: damage, or a file missing or too much, with path and offset. EFOREIGN: another ledger's
 * file. EVERSION: a newer format. EINVAL: options out of range. */
RESULT_MUST_BE_USED int segments_open(const struct segments_options *options,
                                      struct segments **out_segments,
                                      struct segments_recovery *out_recovery, struct error *err);
/* Frees everything and syncs nothing. All records and scans must have been released; NULL does
 * nothing. */
void segments_close(struct segments *segments);

/* ---- Appending: one thread ------------------------------------------------------------------ */

struct segment_block {
    uint64_t height;      /* SEG-1 */
    uint64_t first_seq;   /* SEG-1 */
    uint64_t time_min_ms; /* of its first entry; must not be below that of the block before */
    uint64_t time_max_ms;
    const struct slice *records; /* each 1 to SEGMENT_RECORD_MAX bytes */
    uint32_t count;              /* at least 1 */
};

/* Whether a block of about len_bytes should go to a new segment: there is no active one, or it
 * is not empty and the block would carry it past segment_bytes (or past what one can hold). */
bool segments_should_rotate(const struct segments *segments, uint64_t len_bytes);
/* Finishes the active segment, if there is one (writes index and footer, syncs), and creates the
 * next, whose first block must be (next seq, next height). out_finished (may be NULL) receives the
 * finished one, number 0 when there was none; out_new the new one. Both belong into the manifest,
 * in one edit, before the next append (SEG-6).
 * first_seq and first_height matter for the first segment of a ledger only: else they must agree
 * with SEG-1. On ENOSPC and ENOMEM nothing was lost: the call can be repeated later; a segment that
 * got finished before the failure is reported by the successful call. */
RESULT_MUST_BE_USED int segments_rotate(struct segments *segments, uint64_t first_seq,
                                        uint64_t first_height, struct segment_info *out_finished,
                                        struct segment_info *out_new, struct error *err);
/* Writes one block to the active segment, with one write and no sync (SEG-3). Borrows the records
 * for the call.
 * EINVAL: not the next block, or no active segment. ELIMIT: a maximum above is exceeded.
 * ENOSPC, ENOMEM: the block is not there, nothing else is lost, and the append may be repeated when
 * there is room again. Any other error of a write, and all later calls: SEG-7. */
RESULT_MUST_BE_USED int segments_append_block(struct segments *segments,
                                              const struct segment_block *block, struct error *err);
/* Makes all appended blocks durable; nothing to do costs nothing. SEG-7. */
RESULT_MUST_BE_USED int segments_sync(struct segments *segments, struct error *err);

/* ---- Rewriting: the thread that appends ------------------------------------------------------ */

/* Appends to out what takes the place of a record, at most SEGMENT_RECORD_MAX bytes. */
typedef int (*segment_replace_fn)(void *context, uint64_t seq, struct slice record, struct buf *out,
                                  struct error *err);
struct segment_rewrite {
    const uint64_t *seqs; /* ascending; at least one, all readable */
    size_t count;
    segment_replace_fn replace;
    void *context;
};

/* Writes the next revision of the segment that holds seqs[0], with all its named records replaced,
 * and makes it durable. It counts once the manifest has out_info and segments_rewrite_publish() was
 * called; one of publish and abandon must follow before anything else is appended. Records that
 * grow or shrink are fine. Errors of reading and writing leave the segment in force as it is and no
 * new file, as far as it can be removed. */
RESULT_MUST_BE_USED int segments_rewrite_begin(struct segments *segments,
                                               const struct segment_rewrite *rewrite,
                                               struct segment_info *out_info, struct error *err);
/* Gives readers the new revision, waits until none is left in a page of the old one, makes the
 * caches forget and wipe its pages, and removes its file, durably. Readers that scan keep it open
 * until they move on. An error is one of removing; the new revision is in force. */
RESULT_MUST_BE_USED int segments_rewrite_publish(struct segments *segments, struct error *err);
/* The manifest did not take the new revision: removes its file, unless keep_file (the manifest may
 * have it after all; then the next opening decides). */
void segments_rewrite_abandon(struct segments *segments, bool keep_file);

/* ---- Reading: any thread -------------------------------------------------------------------- */

/* One past the last readable seq; the first seq when there are no blocks. */
uint64_t segments_end_seq(const struct segments *segments);
/* One past the last durable seq, as far as this process knows. */
uint64_t segments_durable_seq(const struct segments *segments);
/* The seq the chain starts with. */
uint64_t segments_first_seq(const struct segments *segments);
/* The height the next block must have. */
uint64_t segments_end_height(const struct segments *segments);

/* A record and what keeps it in place. Zeroed: empty; releasing it does nothing. */
struct segment_record {
    struct slice bytes;       /* valid until segment_record_release() */
    struct segment_page page; /* the page around it: its neighbours come for free */
    struct page *held;        /* private: the page in memory */
    struct epoch *epoch;      /* private: entered until the release; NULL: held is referenced */
};

/* Reads record seq through the cache. The thread stays inside the epoch until it releases the
 * record, which it must do itself and soon. A record that out still holds is released first.
 * ENOTFOUND (no message): seq is not below segments_end_seq(), or below the first.
 * ECORRUPT, EIO, ENOMEM; whatever on_load returns. */
RESULT_MUST_BE_USED int segments_read(struct segments *segments, uint64_t seq,
                                      struct segment_record *out, struct error *err);
/* Reads count records at once, so that their waits for memory overlap; each is as after
 * segment_record_keep(). out is overwritten. On failure nothing is held; errors as above. */
RESULT_MUST_BE_USED int segments_read_many(struct segments *segments, const uint64_t *seqs,
                                           size_t count, struct segment_record *out,
                                           struct error *err);
#define SEGMENTS_READ_MANY_MAX 64 /* the most that one call takes */
void segment_record_release(struct segment_record *record);
/* Leaves the epoch and counts a reference instead, so that the record may be kept for long, and
 * released by another thread. */
void segment_record_keep(struct segment_record *record);

/* Where a block is and what its frame head says. */
struct segment_block_info {
    uint64_t height;
    uint64_t first_seq;
    uint64_t time_min_ms;
    uint64_t time_max_ms;
    uint32_t count;     /* records */
    uint32_t number;    /* of the segment */
    uint64_t offset;    /* of the frame head in its file */
    uint64_t len_bytes; /* frame head and pages */
};

/* Block lookups, by binary search. ENOTFOUND (no message) when there is none. */
RESULT_MUST_BE_USED int segments_find_height(struct segments *segments, uint64_t height,
                                             struct segment_block_info *out, struct error *err);
/* The block that holds seq. */
RESULT_MUST_BE_USED int segments_find_seq(struct segments *segments, uint64_t seq,
                                          struct segment_block_info *out, struct error *err);
/* The last block that starts at time_ms or before. */
RESULT_MUST_BE_USED int segments_find_time(struct segments *segments, uint64_t time_ms,
                                           struct segment_block_info *out, struct error *err);

/* One record of a scan; everything is borrowed until the scan moves or is freed, the record's bytes
 * until it moves past page_last. */
struct segment_scan_entry {
    uint64_t seq;
    struct slice record;
    const struct segment_block_info *block; /* the block around it */
    bool block_first;                       /* the first record of its block */
    bool block_last;
    bool page_last;       /* the last record of its page */
    const char *path;     /* of the segment's file, for messages */
    uint64_t page_offset; /* of the page in that file */
};

/* A scan of the records [from_seq, to_seq) in order, read from disk past the cache, with
 * read-ahead; each checksum is checked, on_load is not called. to_seq beyond the end means the end
 * as of this call. Blocks may be appended beside it. One thread at a time per scan. */
RESULT_MUST_BE_USED int segments_scan(struct segments *segments, uint64_t from_seq, uint64_t to_seq,
                                      struct segment_scan **out_scan, struct error *err);
/* 0 with an entry; ENOTFOUND (no message) at the end; ECORRUPT ... with path and offset, after
 * which the scan stays at its end. */
RESULT_MUST_BE_USED int segment_scan_next(struct segment_scan *scan, struct segment_scan_entry *out,
                                          struct error *err);
void segment_scan_free(struct segment_scan *scan);

/* Checks what of segment `number` is not in pages, which scans check: header, frame heads, indexes,
 * footer. A scan and this read every byte. The active segment is checked up to its end as of this
 * call. ENOTFOUND: no such segment. ECORRUPT with path and offset. */
RESULT_MUST_BE_USED int segments_check_frame(struct segments *segments, uint32_t number,
                                             struct error *err);

/* The segments in order: index from 0; false beyond the last. */
bool segments_info(const struct segments *segments, uint32_t index, struct segment_info *out);

struct segments_stats {
    uint64_t segments;
    uint64_t file_bytes;      /* of all segments, header pages and indexes included */
    uint64_t appended_blocks; /* all below: since the open */
    uint64_t appended_records;
    uint64_t appended_pages;
    uint64_t appended_raw_bytes;    /* of the records */
    uint64_t appended_stored_bytes; /* as written, frame heads included */
    uint64_t page_reads;            /* cache misses */
};
void segments_get_stats(const struct segments *segments, struct segments_stats *out);
