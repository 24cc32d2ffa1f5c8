/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ledger segment: its file, and how a seq, a height or a time is found in it.
 *
 * A segment is active or finished. Active: the index grows in memory (`active`). Finished: the top
 * index is in memory (`top`), its partitions come through the index cache. The change from one to
 * the other is seen by readers as one pointer: who still finds `active` inside the epoch may use
 * it.
 *
 * SEGFILE-1  `top` is published before `active` is taken away; at least one of them is there.
 * SEGFILE-2  Indexes are published before the end (seq, height, offset) that they cover.
 *
 * Threads:   readers: any thread, inside the epoch. Changes: the appender.
 * Ownership: owns file, path and indexes.
 * Format:    docs/format/segment.md
 */
#pragma once

#include "base/epoch.h"
#include "os/os.h"
#include "store/cache.h"
#include "store/segment.h"
#include "store/segment_format.h"
#include "store/segment_index.h"

#include <stdatomic.h>

/* What is needed to read any segment; constant after the open. */
struct segment_env {
    struct os *os;
    const char *dir; /* owned by the segments */
    uint8_t ledger_id[SEGMENT_LEDGER_ID_LEN];
    struct epoch *epoch;
    struct cache *cache;       /* may be NULL */
    struct cache *index_cache; /* may be NULL */
    bool direct_io;
    bool read_only;
};

/* The index of a segment that grows. */
struct segment_active {
    struct epoch_link retired;
    struct segment_index pages;
    struct segment_index blocks;
    uint64_t records_len; /* appender only */
    uint64_t time_min_ms; /* of the last block; appender only */
};

/* What a finished segment keeps in memory. */
struct segment_top {
    struct segment_footer footer;
    uint8_t bytes[]; /* the top index, segment_top_len() bytes */
};

struct segment {
    atomic_uint refs; /* the list's, and those of who reads outside the epoch */
    struct epoch_link retired;
    /* constant after open */
    const struct segment_env *env;
    struct os_file *file;
    char *path;
    uint32_t number;
    uint32_t revision;
    uint64_t first_seq;
    uint64_t first_height;
    uint64_t seed;
    uint64_t cache_file; /* the name of the file in caches */
    /* atomic: release by the appender, acquire by readers; SEGFILE-1, SEGFILE-2 */
    _Atomic(struct segment_active *) active;
    _Atomic(struct segment_top *) top;
    atomic_uint_least64_t end_seq;
    atomic_uint_least64_t end_height;
    atomic_uint_least64_t data_end;
    /* odd while the three above are being changed: they are read together by segment_end_of() */
    atomic_uint_least64_t changes;
};

/* Where a segment ends: three numbers of one moment. */
struct segment_end {
    uint64_t seq;
    uint64_t height;
    uint64_t offset;
};

/* A segment without its file, empty; active unless finished. NULL when out of memory. */
struct segment *segment_new(const struct segment_env *env, const struct segment_header *header,
                            bool finished);
/* Creates the file of a new, active segment and makes it durable with its header. On failure the
 * file is gone again, or *out_undefined is set because that is not known. */
RESULT_MUST_BE_USED int segment_create(const struct segment_env *env,
                                       const struct segment_header *header, struct segment **out,
                                       bool *out_undefined, struct error *err);
/* Opens a segment that the manifest knows: a finished one completely; an active one with an empty
 * index, to be recovered. ECORRUPT when it does not agree with info. */
RESULT_MUST_BE_USED int segment_open(const struct segment_env *env, const struct segment_info *info,
                                     struct segment **out, struct error *err);
/* Reads the header page and checks it against what the segment is. ECORRUPT, EFOREIGN, EVERSION. */
RESULT_MUST_BE_USED int segment_check_header(const struct segment *segment,
                                             struct segment_header *out, struct error *err);
/* No reader may be left. NULL does nothing. */
void segment_free(struct segment *segment);
/* For AUTO(). */
void segment_free_ptr(struct segment **segment);

/* Inside the epoch, or with a reference. */
struct segment *segment_ref(struct segment *segment);
/* The last reference frees it. NULL does nothing. */
void segment_unref(struct segment *segment);
/* For AUTO(). */
void segment_unref_ptr(struct segment **segment);
/* For epoch_retire(). */
void segment_unref_fn(void *segment);

/* The path of a segment's file, freed by the caller; NULL when out of memory. */
char *segment_path(const char *dir, uint32_t number, uint32_t revision);
static inline struct segment_place segment_place_at(const struct segment *segment, uint64_t offset)
{
    return (struct segment_place){segment->path, segment->seed, offset};
}

/* Reads len bytes at offset; with direct I/O through an aligned buffer. A file that ends before is
 * ECORRUPT. */
RESULT_MUST_BE_USED int segment_pread(const struct segment *segment, uint64_t offset, void *out,
                                      size_t len, struct error *err);

/* Makes room in the index of an active segment for one block. ENOMEM changes nothing. */
RESULT_MUST_BE_USED int segment_index_block_reserve(struct segment_active *active,
                                                    uint32_t page_count);
/* Enters a block whose room was reserved, and publishes it with everything before. */
void segment_index_block(struct segment *segment, const struct segment_frame *frame,
                         const uint8_t *directory, uint64_t offset);

/* The bytes that follow the blocks of an active segment when it is finished now: zeros to the next
 * unit, index, top index, footer; and the top for readers. ENOMEM. */
RESULT_MUST_BE_USED int segment_finish_image(const struct segment *segment, struct buf *out_image,
                                             struct segment_top **out_top);
/* Turns an active segment whose image is durable into a finished one; takes top. */
void segment_finish(struct segment *segment, struct segment_top *top);

/* The end as of now. Waits while the appender is between two stores of it. */
struct segment_end segment_end_of(const struct segment *segment);
/* Publishes a new end; appender. */
void segment_end_publish(struct segment *segment, const struct segment_end *end);

/* ---- Lookups, inside the epoch --------------------------------------------------------------- */

/* The page that holds seq, which is in the segment and below its end. */
RESULT_MUST_BE_USED int segment_find_page(const struct segment *segment, uint64_t seq,
                                          struct segment_page_entry *out, struct error *err);
/* Block i of the segment, i < end height - first height. */
RESULT_MUST_BE_USED int segment_block_at(const struct segment *segment, uint64_t i,
                                         struct segment_block_info *out, struct error *err);
/* The index of the block that holds seq. */
RESULT_MUST_BE_USED int segment_find_block_of_seq(const struct segment *segment, uint64_t seq,
                                                  uint64_t *out_i, struct error *err);
/* The index of the last block that starts at time_ms or before; ENOTFOUND without message. */
RESULT_MUST_BE_USED int segment_find_block_of_time(const struct segment *segment, uint64_t time_ms,
                                                   uint64_t *out_i, struct error *err);
