/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file_writer.h"

#include "base/assert.h"
#include "base/mem.h"

#define BUFFER_BYTES_DEFAULT ((size_t)1 << 20)
#define WRITE_BEHIND_BYTES_DEFAULT ((size_t)4 << 20)

struct file_writer {
    struct os_file *file;
    uint8_t *buffer;
    size_t cap;
    size_t fill;     /* bytes in buffer */
    uint64_t start;  /* offset in the file of buffer[0] */
    size_t written;  /* of the fill, already in the file: only with direct I/O */
    uint64_t behind; /* up to here the kernel was asked to write back */
    bool padded;     /* the file has zeros beyond the end */
    int failure;     /* FWRITE-1 */
    struct file_writer_options options;
};

static size_t round_up(size_t len)
{
    return (len + OS_DIRECT_ALIGN - 1) / OS_DIRECT_ALIGN * OS_DIRECT_ALIGN;
}

/* Loads the begun block before an unaligned start, so that it can be written again whole. */
static int load_tail(struct file_writer *w, struct error *err)
{
    size_t tail = (size_t)(w->start % OS_DIRECT_ALIGN);
    size_t len;
    int rc;

    if (!w->options.direct || tail == 0) {
        return BLOCKDB_OK;
    }
    rc = file_pread(w->file, w->buffer, OS_DIRECT_ALIGN, w->start - tail, &len, err);
    if (rc < 0) {
        return rc;
    }
    if (len < tail) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "file '%s' ends before offset %llu, where writing should go on",
                         w->file->path, (unsigned long long)w->start);
    }
    w->start -= tail;
    w->fill = tail;
    w->written = tail;
    return BLOCKDB_OK;
}

int file_writer_new(struct os_file *file, uint64_t start_offset,
                    const struct file_writer_options *options, struct file_writer **out,
                    struct error *err)
{
    struct file_writer *w = mem_calloc(1, sizeof(*w));
    int rc;

    if (w == NULL) {
        return error_set_no_memory(err);
    }
    w->file = file;
    w->start = start_offset;
    w->behind = start_offset;
    w->options = *options;
    if (w->options.write_behind_bytes == 0) {
        w->options.write_behind_bytes = WRITE_BEHIND_BYTES_DEFAULT;
    }
    w->cap = round_up(options->buffer_bytes > 0 ? options->buffer_bytes : BUFFER_BYTES_DEFAULT);
    w->buffer = mem_alloc_aligned(OS_DIRECT_ALIGN, w->cap);
    rc = w->buffer == NULL ? error_set_no_memory(err) : load_tail(w, err);
    if (rc < 0) {
        mem_free(w->buffer);
        mem_free(w);
        return rc;
    }
    *out = w;
    return BLOCKDB_OK;
}

void file_writer_free(struct file_writer *w)
{
    if (w == NULL) {
        return;
    }
    file_close(w->file);
    mem_free(w->buffer);
    mem_free(w);
}

void file_writer_free_ptr(struct file_writer **w)
{
    file_writer_free(*w);
}

/* The answer of a writer that failed before. */
static int refuse(const struct file_writer *w, struct error *err)
{
    return error_set(err, w->failure,
                     "file '%s' is not written any more because an earlier write or sync failed",
                     w->file->path);
}

static int write_out(struct file_writer *w, const uint8_t *data, size_t len, uint64_t offset,
                     struct error *err)
{
    int rc;

    if (w->options.throttle != NULL) {
        w->options.throttle(w->options.throttle_arg, len);
    }
    rc = file_pwrite(w->file, data, len, offset, err);
    if (rc < 0) {
        w->failure = rc;
    }
    return rc;
}

/* Asks the kernel to start writing back what it has, each few MiB. */
static int write_behind(struct file_writer *w, uint64_t end, struct error *err)
{
    int rc;

    if (w->options.direct || end - w->behind < w->options.write_behind_bytes) {
        return BLOCKDB_OK;
    }
    rc = file_write_behind(w->file, w->behind, end - w->behind, err);
    if (rc < 0) {
        w->failure = rc;
        return rc;
    }
    w->behind = end;
    return BLOCKDB_OK;
}

/* Writes the buffered bytes. With direct I/O the last block goes out padded with zeros when
 * `partial`, and stays in the buffer in any case. */
static int write_buffer(struct file_writer *w, bool partial, struct error *err)
{
    size_t whole = w->options.direct ? w->fill / OS_DIRECT_ALIGN * OS_DIRECT_ALIGN : w->fill;
    size_t len = w->options.direct && partial ? round_up(w->fill) : whole;
    int rc;

    if (w->written == w->fill || len == 0) {
        return BLOCKDB_OK;
    }
    if (len > w->fill) {
        memset(w->buffer + w->fill, 0, len - w->fill);
    }
    rc = write_out(w, w->buffer, len, w->start, err);
    if (rc < 0) {
        return rc;
    }
    w->padded = len > w->fill;
    w->start += whole;
    w->fill -= whole;
    w->written = len > whole ? w->fill : 0;
    if (w->fill > 0) {
        memmove(w->buffer, w->buffer + whole, w->fill);
    }
    return write_behind(w, w->start, err);
}

/* Bytes that fill whole buffers go out without a copy; only without direct I/O, whose memory must
 * be aligned. */
static int append_large(struct file_writer *w, struct slice *bytes, struct error *err)
{
    size_t len = bytes->len / w->cap * w->cap;
    int rc;

    if (w->options.direct || len == 0) {
        return BLOCKDB_OK;
    }
    rc = write_buffer(w, false, err);
    if (rc < 0) {
        return rc;
    }
    rc = write_out(w, bytes->data, len, w->start, err);
    if (rc < 0) {
        return rc;
    }
    w->start += len;
    *bytes = slice_of(bytes->data + len, bytes->len - len);
    return write_behind(w, w->start, err);
}

int file_writer_append(struct file_writer *w, struct slice bytes, struct error *err)
{
    int rc;

    if (w->failure < 0) {
        return refuse(w, err);
    }
    rc = append_large(w, &bytes, err);
    while (rc == BLOCKDB_OK && bytes.len > 0) {
        size_t len = w->cap - w->fill < bytes.len ? w->cap - w->fill : bytes.len;

        memcpy(w->buffer + w->fill, bytes.data, len);
        w->fill += len;
        bytes = slice_of(bytes.data + len, bytes.len - len);
        if (w->fill == w->cap) {
            rc = write_buffer(w, false, err);
        }
    }
    return rc;
}

int file_writer_align(struct file_writer *w, size_t alignment, struct error *err)
{
    static const uint8_t zeros[OS_DIRECT_ALIGN];
    size_t left = (size_t)(-file_writer_offset(w) & (alignment - 1));

    ASSERT(alignment > 0 && (alignment & (alignment - 1)) == 0);
    while (left > 0) {
        size_t len = left < sizeof(zeros) ? left : sizeof(zeros);
        int rc = file_writer_append(w, slice_of(zeros, len), err);

        if (rc < 0) {
            return rc;
        }
        left -= len;
    }
    return w->failure < 0 ? refuse(w, err) : BLOCKDB_OK;
}

int file_writer_flush(struct file_writer *w, struct error *err)
{
    if (w->failure < 0) {
        return refuse(w, err);
    }
    return write_buffer(w, true, err);
}

int file_writer_sync(struct file_writer *w, struct error *err)
{
    int rc = file_writer_flush(w, err);

    if (rc < 0) {
        return rc;
    }
    if (w->padded) {
        rc = file_truncate(w->file, file_writer_offset(w), err);
        w->padded = rc < 0;
    }
    if (rc == BLOCKDB_OK) {
        rc = file_sync(w->file, err);
    }
    if (rc < 0) {
        w->failure = rc;
    }
    return rc;
}

uint64_t file_writer_offset(const struct file_writer *w)
{
    return w->start + w->fill;
}

struct os_file *file_writer_file(const struct file_writer *w)
{
    return w->file;
}
