/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File writer: appends to one file through a staging buffer.
 *
 * Bytes collect in a buffer of write_buffer_size and go out in large writes; every few MiB the
 * kernel is asked to start writing, so that the final sync has little left to do. With direct I/O
 * whole aligned blocks go out, the rest of the last block stays in the buffer, and a sync cuts the
 * padding off again.
 *
 * FWRITE-1  After the first failed write or sync the writer stays failed: every later call gives
 *           the same code, and nothing is written any more.
 * FWRITE-2  After file_writer_sync() the file is durable, and has exactly `offset` bytes.
 *
 * Threads:   caller locks.
 * Ownership: takes the file.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "os/os.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called before each write with its size; may sleep to keep a budget. */
typedef void (*file_writer_throttle_fn)(void *arg, size_t bytes);

struct file_writer_options {
    size_t buffer_bytes;              /* 0: 1 MiB; rounded up to OS_DIRECT_ALIGN */
    size_t write_behind_bytes;        /* start writing back each so many bytes; 0: 4 MiB */
    bool direct;                      /* the file was opened with OS_DIRECT */
    file_writer_throttle_fn throttle; /* NULL: no budget */
    void *throttle_arg;
};

struct file_writer;

/* Starts to append at start_offset, which must be the file's length (0 for a new file). With direct
 * I/O and an unaligned start the file must be readable. On success takes file; on failure the
 * caller keeps it. ENOMEM, EIO. */
RESULT_MUST_BE_USED int file_writer_new(struct os_file *file, uint64_t start_offset,
                                        const struct file_writer_options *options,
                                        struct file_writer **out, struct error *err);
/* Closes the file without syncing. NULL does nothing. */
void file_writer_free(struct file_writer *w);
/* For AUTO(). */
void file_writer_free_ptr(struct file_writer **w);

/* Appends; copies. */
RESULT_MUST_BE_USED int file_writer_append(struct file_writer *w, struct slice bytes,
                                           struct error *err);
/* Appends zero bytes up to the next multiple of alignment (a power of two). */
RESULT_MUST_BE_USED int file_writer_align(struct file_writer *w, size_t alignment,
                                          struct error *err);
/* Hands everything appended so far to the kernel, so that readers of the file see it. With direct
 * I/O the file may be longer than `offset`, by zeros, until the next sync. */
RESULT_MUST_BE_USED int file_writer_flush(struct file_writer *w, struct error *err);
/* Flushes and makes everything durable; cuts padding off. FWRITE-2. */
RESULT_MUST_BE_USED int file_writer_sync(struct file_writer *w, struct error *err);

/* Where the next byte goes. */
uint64_t file_writer_offset(const struct file_writer *w);
/* Borrowed until free. */
struct os_file *file_writer_file(const struct file_writer *w);
