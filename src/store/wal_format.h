/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a WAL directory: marker, segment header, frames, file names.
 *
 * Encoders write into memory of the stated size; decoders accept any bytes and say what is wrong
 * by code alone: the caller knows path and offset.
 *
 * Threads: immutable.
 * Format:  docs/format/wal.md
 */
#pragma once

#include "base/bytes.h"
#include "store/wal.h"

#include <stdbool.h>
#include <stdint.h>

#define WAL_MARKER_BYTES 64
#define WAL_HEADER_BYTES 4096
#define WAL_FRAME_HEADER_BYTES 48
#define WAL_FRAME_ALIGN 8
#define WAL_START_PAYLOAD_BYTES 24
#define WAL_START_FRAME_BYTES (WAL_FRAME_HEADER_BYTES + WAL_START_PAYLOAD_BYTES)
#define WAL_CLOSE_FRAME_BYTES WAL_FRAME_HEADER_BYTES
#define WAL_POSITION_MAX ((uint64_t)1 << 62) /* of a start frame: sums do not overflow */
#define WAL_NAME_BYTES_MAX 40                /* of a file in the directory, with its final zero */

#define WAL_SUFFIX_LIVE ".wal"
#define WAL_SUFFIX_OLD ".wal.old"
#define WAL_TEMP_PREPARE "prepare.tmp"
#define WAL_TEMP_INLINE "inline.tmp"

enum wal_frame_kind {
    WAL_FRAME_START = 1,
    WAL_FRAME_DATA = 2,
    WAL_FRAME_CLOSE = 3,
};

enum wal_name_kind {
    WAL_NAME_OTHER,
    WAL_NAME_LIVE,
    WAL_NAME_OLD,
    WAL_NAME_TEMP,
};

struct wal_header {
    uint8_t ledger_id[WAL_LEDGER_ID_BYTES];
    uint64_t number;
    uint64_t life;
    uint64_t prepared_bytes;
    bool recycled;
};

struct wal_frame_header {
    enum wal_frame_kind kind;
    uint32_t payload_len;
    uint64_t first_seq;
    uint64_t end_seq;
    uint64_t synced_position;
    uint64_t body_checksum;
};

struct wal_start {
    uint64_t position;
    uint64_t previous_number;
    uint64_t previous_end_seq;
};

/* The length of a whole frame in the file. */
static inline uint64_t wal_frame_bytes(uint64_t payload_len)
{
    return (WAL_FRAME_HEADER_BYTES + payload_len + WAL_FRAME_ALIGN - 1) &
           ~(uint64_t)(WAL_FRAME_ALIGN - 1);
}

void wal_marker_encode(const uint8_t ledger_id[WAL_LEDGER_ID_BYTES], uint8_t out[WAL_MARKER_BYTES]);
/* ECORRUPT, EVERSION; writes out_ledger_id only on success. */
RESULT_MUST_BE_USED int wal_marker_decode(struct slice bytes,
                                          uint8_t out_ledger_id[WAL_LEDGER_ID_BYTES]);

void wal_header_encode(const struct wal_header *header, uint8_t out[WAL_HEADER_BYTES]);
/* ECORRUPT, EVERSION. `bytes` has WAL_HEADER_BYTES, else ECORRUPT. */
RESULT_MUST_BE_USED int wal_header_decode(struct slice bytes, struct wal_header *out);
/* What all checksums of frames in this segment depend on. */
uint64_t wal_segment_seed(const struct wal_header *header);

/* Fills in the header of a frame whose payload already stands at frame + WAL_FRAME_HEADER_BYTES,
 * zeroes the padding, computes both checksums. `seed` is the segment's seed plus the offset. The
 * field body_checksum is not read. */
void wal_frame_seal(uint8_t *frame, const struct wal_frame_header *header, uint64_t seed);
/* Whether `bytes` begins with a valid header of a frame. Says nothing about the body. */
bool wal_frame_decode(struct slice bytes, uint64_t seed, struct wal_frame_header *out);
/* Whether the body of the frame (payload and padding, behind the header) is intact. */
bool wal_frame_body_is_good(const struct wal_frame_header *header, struct slice body,
                            uint64_t seed);

void wal_start_encode(const struct wal_start *start, uint8_t out[WAL_START_PAYLOAD_BYTES]);
/* False unless payload is the payload of a start frame. */
bool wal_start_decode(struct slice payload, struct wal_start *out);

/* Writes NUMBER and suffix. */
void wal_name_format(uint64_t number, const char *suffix, char out[WAL_NAME_BYTES_MAX]);
/* What a name in the directory is; *out_number is set for LIVE and OLD. */
enum wal_name_kind wal_name_parse(const char *name, uint64_t *out_number);
