/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing end of the active segment: each append is written at once, or leaves the file as it
 * was.
 *
 * Buffered I/O writes where the data ends. Direct I/O writes whole aligned units: the last, partial
 * one is kept in memory and written again with what follows; the file is then longer than its data,
 * by zeros.
 *
 * SEGWRITE-1  After a failed append the file is as it was before, unless `undefined` is set: then
 *             nothing is known, and the caller must stop writing. Only ENOSPC and ENOMEM can be
 *             undone.
 *
 * Threads:   one thread.
 * Ownership: borrows the file.
 */
#pragma once

#include "base/bytes.h"
#include "os/os.h"
#include "store/segment.h"

#include <stdbool.h>

struct segment_writer {
    struct os_file *file;
    uint64_t offset; /* where the data ends */
    uint8_t *bounce; /* direct I/O only: aligned; begins with the partial unit at the end */
    bool undefined;  /* a failure whose effect is not known; nothing may be written any more */
    segment_throttle_fn throttle;
    void *throttle_context;
};

/* Starts at offset, below which the file is complete. Direct I/O reads the partial unit before it,
 * which must be within the file. */
RESULT_MUST_BE_USED int segment_writer_init(struct segment_writer *w, struct os_file *file,
                                            uint64_t offset, bool direct, struct error *err);
/* A zeroed writer is fine. */
void segment_writer_deinit(struct segment_writer *w);
RESULT_MUST_BE_USED int segment_writer_append(struct segment_writer *w, struct slice bytes,
                                              struct error *err);
