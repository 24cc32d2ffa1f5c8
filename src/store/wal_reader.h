/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the frames of one segment file, front to back.
 *
 * Reads past the page cache: after a failed sync the cache may hold bytes that never reached the
 * disk, and what recovery believes must be what the disk has.
 *
 * Threads:   caller locks.
 * Ownership: owns its file and its window of bytes; payloads are borrowed until the next call.
 * Format:    docs/format/wal.md
 */
#pragma once

#include "store/wal_format.h"

struct wal_reader {
    struct os_file *file;
    uint64_t file_bytes;
    uint64_t seed;
    struct wal_header header;
    uint8_t *window; /* bytes [window_offset, window_offset + window_len) of the file */
    size_t window_cap;
    uint64_t window_offset;
    size_t window_len;
};

/* What stands at one offset. */
enum wal_place {
    WAL_PLACE_FRAME,   /* a whole, good frame */
    WAL_PLACE_DAMAGED, /* the header of a frame is good, its body is damaged or cut off */
    WAL_PLACE_NOTHING, /* no header of a frame */
};

struct wal_found {
    enum wal_place place;
    uint64_t offset;
    uint64_t len_bytes; /* of the frame; 0 for NOTHING */
    struct wal_frame_header header;
    struct slice payload; /* for FRAME; borrowed until the next call */
};

/* Opens a segment and checks its header. ECORRUPT, EVERSION, ENOTFOUND and others. A failed reader
 * needs no deinit, but bears one, like a zeroed one. */
RESULT_MUST_BE_USED int wal_reader_open(struct wal_reader *r, struct os *os, const char *path,
                                        struct error *err);
void wal_reader_deinit(struct wal_reader *r);

/* Looks at one offset, a multiple of WAL_FRAME_ALIGN. Fails only when reading fails. */
RESULT_MUST_BE_USED int wal_reader_look(struct wal_reader *r, uint64_t offset,
                                        struct wal_found *out, struct error *err);

/* Searches [offset, end of file) for the next place that is a FRAME; NOTHING when there is none.
 * *out_used_end is raised to the end of what was seen and belongs to this life of the file: frames,
 * damaged or not, and in files without an earlier life any byte that is not zero. */
RESULT_MUST_BE_USED int wal_reader_search(struct wal_reader *r, uint64_t offset,
                                          struct wal_found *out, uint64_t *out_used_end,
                                          struct error *err);

/* Reads the start frame: false in *out_is_used when there is no good one. */
RESULT_MUST_BE_USED int wal_reader_start(struct wal_reader *r, bool *out_is_used,
                                         struct wal_start *out, uint64_t *out_first_seq,
                                         struct error *err);
