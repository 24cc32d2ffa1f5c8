/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/input.h"

#include "bin/cli/signals.h"
#include "os/os.h"

#include <errno.h>
#include <unistd.h>

#define READ_LEN ((size_t)256 * 1024)

int input_open(struct input *in, struct os *os, const char *path, struct error *err)
{
    struct os_stat stat = {0};

    *in = (struct input){.name = path};
    if (strcmp(path, "-") == 0) {
        in->name = "standard input";
        in->file = stdin;
        return BLOCKDB_OK;
    }
    in->file = fopen(path, "re");
    if (in->file == NULL) {
        int rc = error_set_errno(err, errno, "cannot open '%s'", path);

        return rc == BLOCKDB_ENOTFOUND ? error_wrap(err, BLOCKDB_EIO, "no such file") : rc;
    }
    if (os_stat_path(os, path, &stat, NULL) == BLOCKDB_OK && !stat.is_dir) {
        in->bytes_total = stat.len_bytes; /* 0 for pipes: unknown */
    }
    return BLOCKDB_OK;
}

void input_close(struct input *in)
{
    if (in->file != NULL && in->file != stdin) {
        (void)fclose(in->file); /* it was only read */
    }
    buf_deinit(&in->window);
    *in = (struct input){0};
}

struct slice input_window(const struct input *in)
{
    return slice_of(in->window.data + in->window_at, in->window.len - in->window_at);
}

void input_take(struct input *in, size_t len)
{
    in->window_at += len;
    in->bytes_done += len;
}

/* Moves what is left to the front. */
static void window_compact(struct input *in)
{
    size_t left = in->window.len - in->window_at;

    if (in->window_at > 0 && left > 0) {
        memmove(in->window.data, in->window.data + in->window_at, left);
    }
    in->window.len = left;
    in->window_at = 0;
}

int input_grow(struct input *in, struct error *err)
{
    ssize_t n;

    window_compact(in);
    if (in->window.len + READ_LEN > INPUT_WINDOW_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "a line or record is longer than %zu bytes",
                         INPUT_WINDOW_MAX - READ_LEN);
    }
    if (buf_reserve(&in->window, READ_LEN) < 0) {
        return error_set_no_memory(err);
    }
    do {
        n = read(fileno(in->file), in->window.data + in->window.len, READ_LEN);
    } while (n < 0 && errno == EINTR && !signals_stop_asked());
    if (n < 0 && errno == EINTR) {
        return error_set(err, BLOCKDB_ECANCELED, "interrupted");
    }
    if (n < 0) {
        int rc = error_set_errno(err, errno, "cannot read '%s'", in->name);

        return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc;
    }
    in->window.len += (size_t)n;
    in->ended = n == 0;
    return BLOCKDB_OK;
}

/* Takes the line of len bytes at the front of the window and its end of end_len bytes. */
static struct slice line_take(struct input *in, size_t len, size_t end_len)
{
    struct slice line = slice_of(input_window(in).data, len);

    input_take(in, len + end_len);
    in->line++;
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

int input_line(struct input *in, struct slice *out, struct error *err)
{
    size_t searched = 0;

    while (true) {
        struct slice window = input_window(in);
        const uint8_t *end = window.len > searched
                                 ? memchr(window.data + searched, '\n', window.len - searched)
                                 : NULL;
        int rc;

        if (end != NULL) {
            *out = line_take(in, (size_t)(end - window.data), 1);
            return BLOCKDB_OK;
        }
        if (in->ended && window.len == 0) {
            return BLOCKDB_ENOTFOUND;
        }
        if (in->ended) {
            *out = line_take(in, window.len, 0);
            return BLOCKDB_OK;
        }
        searched = window.len;
        rc = input_grow(in, err);
        if (rc < 0) {
            return rc;
        }
    }
}

int input_all(struct input *in, size_t len_max, const char *what, struct buf *out,
              struct error *err)
{
    while (!in->ended) {
        struct slice window;
        int rc = input_grow(in, err);

        if (rc < 0) {
            return rc;
        }
        window = input_window(in);
        if (out->len + window.len > len_max) {
            return error_set(err, BLOCKDB_ELIMIT, "%s from %s is longer than %zu bytes", what,
                             in->name, len_max);
        }
        if (buf_append_slice(out, window) < 0) {
            return error_set_no_memory(err);
        }
        input_take(in, window.len);
    }
    return BLOCKDB_OK;
}
