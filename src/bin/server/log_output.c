/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/server/log_output.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILE_MODE 0640

/* A descriptor for path, "" being standard error. */
static int open_path(const char *path, int *out_fd, struct error *err)
{
    int fd = path[0] == '\0'
                 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);

    if (fd < 0) {
        return error_set_errno(err, errno, "cannot write the log to '%s'",
                               path[0] == '\0' ? "standard error" : path);
    }
    *out_fd = fd;
    return BLOCKDB_OK;
}

int log_output_open(struct log_output *output, const char *path, struct error *err)
{
    char *copy = mem_strdup(path);
    int rc;

    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    rc = open_path(path, &output->fd, err);
    if (rc < 0) {
        mem_free(copy);
        return rc;
    }
    output->path = copy;
    return BLOCKDB_OK;
}

void log_output_close(struct log_output *output)
{
    if (output->path == NULL) {
        return;
    }
    (void)close(output->fd);
    mem_free(output->path);
    output->path = NULL;
}

static int point_at(struct log_output *output, const char *path, struct error *err)
{
    int fd = -1;
    int rc = open_path(path, &fd, err);

    if (rc < 0) {
        return rc;
    }
    rc = dup3(fd, output->fd, O_CLOEXEC) < 0
             ? error_set_errno(err, errno, "cannot reopen the log '%s'", path)
             : BLOCKDB_OK;
    (void)close(fd);
    return rc;
}

int log_output_reopen(struct log_output *output, struct error *err)
{
    return output->path[0] == '\0' ? BLOCKDB_OK : point_at(output, output->path, err);
}

int log_output_move(struct log_output *output, const char *path, struct error *err)
{
    char *copy;
    int rc;

    if (strcmp(path, output->path) == 0) {
        return BLOCKDB_OK;
    }
    copy = mem_strdup(path);
    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    rc = point_at(output, path, err);
    if (rc < 0) {
        mem_free(copy);
        return rc;
    }
    mem_free(output->path);
    output->path = copy;
    return BLOCKDB_OK;
}

void log_output_write(void *context, const char *line, size_t len)
{
    const struct log_output *output = context;

    while (len > 0) {
        ssize_t n = write(output->fd, line, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* there is nobody to tell */
        }
        line += n;
        len -= (size_t)n;
    }
}
