/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WAL segments: the input is what follows the headers of one or two segments in a directory.
 *
 * The first byte chooses: 1 computes the checksums of what looks like frames, so that the fields
 * behind them are reached; 2 splits the rest into two segments; the high half is from_seq.
 * Whatever the bytes are, a log that opens can be appended to and opens again.
 */
#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "os/os_crash.h"
#include "store/wal_format.h"

#include <string.h>

#define INPUT_BYTES_MAX (1u << 18)
#define SEQ_MAX ((uint64_t)1 << 62)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal_frames(uint8_t *bytes, size_t len, uint64_t seed)
{
    size_t at = 0;

    while (len - at >= WAL_FRAME_HEADER_BYTES) {
        uint8_t *frame = bytes + at;
        uint64_t frame_bytes = wal_frame_bytes(get_le32(frame + 8));
        uint64_t frame_seed = seed + WAL_HEADER_BYTES + at;

        if (frame[4] < WAL_FRAME_START || frame[4] > WAL_FRAME_CLOSE || frame_bytes > len - at) {
            at += WAL_FRAME_ALIGN;
            continue;
        }
        put_le64(frame + 40, checksum(frame + WAL_FRAME_HEADER_BYTES,
                                      frame_bytes - WAL_FRAME_HEADER_BYTES, frame_seed));
        put_le32(frame, checksum32(frame + 4, WAL_FRAME_HEADER_BYTES - 4, frame_seed));
        at += frame_bytes;
    }
}

static void write_segment(struct os *os, const char *path, uint64_t number, bool seal,
                          struct slice body)
{
    struct wal_header header = {.number = number, .life = 7, .recycled = number == 3};
    AUTO(mem_free_ptr) uint8_t *bytes = mem_alloc(WAL_HEADER_BYTES + body.len);
    struct os_file *file = NULL;

    ASSERT(bytes != NULL);
    wal_header_encode(&header, bytes);
    if (body.len > 0) {
        memcpy(bytes + WAL_HEADER_BYTES, body.data, body.len);
    }
    if (seal) {
        seal_frames(bytes + WAL_HEADER_BYTES, body.len, wal_segment_seed(&header));
    }
    ASSERT(os_open(os, path, OS_WRITE | OS_CREATE, &file, NULL) == 0);
    ASSERT(file_pwrite(file, bytes, WAL_HEADER_BYTES + body.len, 0, NULL) == 0);
    file_close(file);
}

struct touched {
    uint64_t end_seq;
    uint64_t sum; /* reads every byte that is handed out */
};

static int visit(void *context, uint64_t first_seq, uint64_t end_seq, struct slice payload,
                 struct error *err)
{
    struct touched *t = context;

    (void)err;
    ASSERT(first_seq <= end_seq);
    t->end_seq = end_seq;
    t->sum += checksum(payload.data, payload.len, 0);
    return BLOCKDB_OK;
}

static int inspect(void *context, const struct wal_inspection *found, struct error *err)
{
    struct touched *t = context;

    (void)err;
    t->sum += found->len_bytes;
    return BLOCKDB_OK;
}

static void go_on(struct wal_options *options)
{
    struct slice part = slice_of_text("more");
    struct wal_frame frame = {.parts = &part, .part_count = 1};
    struct wal_recovery recovery;
    struct wal_end_mark mark;
    struct wal *wal = NULL;
    uint64_t position;

    options->read_only = false;
    ASSERT(wal_open(options, &recovery, &wal, NULL) == 0);
    if (recovery.end_seq < SEQ_MAX && recovery.end_position < WAL_POSITION_MAX / 2) {
        frame.first_seq = recovery.end_seq;
        frame.end_seq = recovery.end_seq + 1;
        ASSERT(wal_append(wal, &frame, &position, NULL) == 0);
    }
    ASSERT(wal_close(wal, &mark, NULL) == 0);
    wal = NULL;
    options->end_mark = mark;
    ASSERT(wal_open(options, &recovery, &wal, NULL) == 0);
    ASSERT(recovery.end_seq >= frame.end_seq);
    ASSERT(wal_close(wal, NULL, NULL) == 0);
}

static int ignore_result(int rc)
{
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct os_crash *disk;
    struct touched t = {0};
    struct wal_options options = {
        .dir = "/wal", .read_only = true, .visit = visit, .visit_context = &t};
    struct wal_recovery recovery;
    struct wal *wal = NULL;
    size_t first_len;
    bool seal;

    if (size < 1 || size > INPUT_BYTES_MAX) {
        return 0;
    }
    disk = os_crash_new(1);
    ASSERT(disk != NULL);
    options.os = os_crash_os(disk);
    options.from_seq = data[0] >> 4;
    seal = (data[0] & 1) != 0;
    first_len = (data[0] & 2) != 0 ? (size - 1) / 2 : size - 1;
    ASSERT(wal_create_dir(options.os, options.dir, options.ledger_id, NULL) == 0);
    write_segment(options.os, "/wal/000001.wal", 1, seal, slice_of(data + 1, first_len));
    (void)ignore_result(wal_inspect(options.os, "/wal/000001.wal", inspect, &t, NULL));
    if ((data[0] & 2) != 0) {
        write_segment(options.os, "/wal/000003.wal", 3, seal,
                      slice_of(data + 1 + first_len, size - 1 - first_len));
    }
    if (wal_open(&options, &recovery, &wal, NULL) == 0) {
        ASSERT(wal_close(wal, NULL, NULL) == 0);
        go_on(&options);
    }
    os_crash_free(disk);
    return 0;
}
