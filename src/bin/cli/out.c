/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/out.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PENDING_MAX ((size_t)64 * 1024)
#define FORMAT_MAX 1024

void out_init(struct out *out, int fd)
{
    *out = (struct out){.fd = fd};
}

void out_deinit(struct out *out)
{
    buf_deinit(&out->pending);
}

void out_note(struct out *out, int status)
{
    if (out->status == BLOCKDB_OK) {
        out->status = status;
    }
}

/* Writes everything pending, whatever its length. */
static void out_flush(struct out *out)
{
    size_t done = 0;

    while (done < out->pending.len && out->status == BLOCKDB_OK) {
        ssize_t n = write(out->fd, out->pending.data + done, out->pending.len - done);

        if (n >= 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            out->errno_value = errno;
            out->status = BLOCKDB_EIO;
        }
    }
    buf_reset(&out->pending);
}

void out_breathe(struct out *out)
{
    if (out->pending.len >= PENDING_MAX) {
        out_flush(out);
    }
}

void out_bytes(struct out *out, const void *data, size_t len)
{
    if (out->status == BLOCKDB_OK) {
        out_note(out, buf_append(&out->pending, data, len));
    }
}

void out_slice(struct out *out, struct slice bytes)
{
    out_bytes(out, bytes.data, bytes.len);
}

void out_text(struct out *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

void out_format(struct out *out, const char *format, ...)
{
    char text[FORMAT_MAX];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0) {
        out_bytes(out, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    }
}

size_t out_escaped(struct out *out, struct slice bytes, size_t columns_max)
{
    size_t columns = 0;

    while (bytes.len > 0) {
        size_t len = utf8_character_len(bytes);
        bool plain = len > 0 && bytes.data[0] >= 0x20 && bytes.data[0] != 0x7f &&
                     !(len == 2 && bytes.data[0] == 0xc2 && bytes.data[1] < 0xa0);
        size_t width = plain ? 1 : 4;

        if (columns_max > 0 && columns + width > columns_max) {
            out_text(out, "...");
            return columns + 3;
        }
        if (plain) {
            out_bytes(out, bytes.data, len);
        } else {
            len = 1;
            out_format(out, "\\x%02x", bytes.data[0]);
        }
        columns += width;
        bytes = slice_of(bytes.data + len, bytes.len - len);
    }
    return columns;
}

bool out_failed(const struct out *out)
{
    return out->status != BLOCKDB_OK;
}

bool out_pipe_broken(const struct out *out)
{
    return out->status == BLOCKDB_EIO && out->errno_value == EPIPE;
}

int out_finish(struct out *out, struct error *err)
{
    out_flush(out);
    if (out->status == BLOCKDB_OK) {
        return BLOCKDB_OK;
    }
    if (out->status == BLOCKDB_EIO) {
        return error_set_errno(err, out->errno_value, "cannot write to standard output");
    }
    return error_set_no_memory(err);
}
