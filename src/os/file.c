/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "os/os.h"

#include <inttypes.h>

#define COPY_STEP_BYTES ((size_t)1 << 20)
#define READ_STEP_BYTES ((size_t)64 << 10)

int file_pread_full(struct os_file *f, void *out, size_t len, uint64_t offset, struct error *err)
{
    size_t got = 0;
    int rc;

    rc = file_pread(f, out, len, offset, &got, err);
    if (rc < 0) {
        return rc;
    }
    if (got < len) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "file '%s' ends at offset %" PRIu64 ", %zu bytes too early; restore it "
                         "from a backup",
                         f->path, offset + got, len - got);
    }
    return BLOCKDB_OK;
}

/* Appends the rest of an open file to out, failing when it would be longer than max_bytes. */
static int read_to_end(struct os_file *f, size_t first_step, size_t max_bytes, struct buf *out,
                       struct error *err)
{
    uint64_t offset = 0;
    size_t step = first_step;

    for (;;) {
        size_t got = 0;
        int rc;

        if (buf_reserve(out, step) < 0) {
            return error_set_no_memory(err);
        }
        rc = file_pread(f, out->data + out->len, step, offset, &got, err);
        if (rc < 0) {
            return rc;
        }
        if (got > max_bytes - offset) {
            return error_set(err, BLOCKDB_ELIMIT, "file '%s' is larger than %zu bytes", f->path,
                             max_bytes);
        }
        out->len += got;
        offset += got;
        if (got < step) {
            return BLOCKDB_OK;
        }
        step = READ_STEP_BYTES;
    }
}

int os_read_file(struct os *os, const char *path, size_t max_bytes, struct buf *out,
                 struct error *err)
{
    AUTO(file_close_ptr) struct os_file *f = NULL;
    size_t len_before = out->len;
    struct os_stat stat;
    int rc;

    rc = os_open(os, path, OS_READ, &f, err);
    if (rc < 0) {
        return rc;
    }
    rc = file_stat(f, &stat, err);
    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes > max_bytes) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "file '%s' has %" PRIu64 " bytes, more than the %zu allowed", path,
                         stat.len_bytes, max_bytes);
    }
    rc = read_to_end(f, (size_t)stat.len_bytes + 1, max_bytes, out, err);
    if (rc < 0) {
        out->len = len_before;
    }
    return rc;
}

/* Creates path with the content and syncs it. */
static int write_new_file(struct os *os, const char *path, struct slice content, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *f = NULL;
    int rc;

    rc = os_open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &f, err);
    if (rc < 0) {
        return rc;
    }
    rc = file_pwrite(f, content.data, content.len, 0, err);
    if (rc < 0) {
        return rc;
    }
    return file_sync(f, err);
}

int os_replace_file(struct os *os, const char *path, struct slice content, struct error *err)
{
    AUTO(buf_deinit) struct buf temporary = {0};
    AUTO(mem_free_ptr) char *dir = path_dir(path);
    const char *temporary_path;
    int rc;

    if (dir == NULL || buf_appendf(&temporary, "%s.tmp%c", path, '\0') < 0) {
        return error_set_no_memory(err);
    }
    temporary_path = (const char *)temporary.data;
    rc = write_new_file(os, temporary_path, content, err);
    if (rc == BLOCKDB_OK) {
        rc = os_rename(os, temporary_path, path, err);
    }
    if (rc < 0) {
        IGNORE_RESULT(
            os_unlink(os, temporary_path, NULL)); /* a leftover is overwritten the next time */
        return rc;
    }
    return os_sync_dir(os, dir, err);
}

/* Makes one directory whose parent exists, and its name durable. */
static int make_dir(struct os *os, const char *path, bool is_last, struct error *err)
{
    AUTO(mem_free_ptr) char *parent = path_dir(path);
    struct error reason;
    struct os_stat stat;
    int rc;

    if (parent == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_mkdir(os, path, &reason);
    if (rc == BLOCKDB_OK) {
        return os_sync_dir(os, parent, err);
    }
    if (os_stat_path(os, path, &stat, NULL) < 0) {
        return error_set(err, rc, "%s", reason.message);
    }
    if (!stat.is_dir) {
        return error_set(err, BLOCKDB_EEXIST, "'%s' exists and is not a directory", path);
    }
    if (!is_last) {
        return BLOCKDB_OK;
    }
    /* An earlier attempt may have been killed between making the name and syncing it. */
    rc = os_sync_dir(os, parent, &reason);
    if (rc < 0 && rc != BLOCKDB_EDENIED && rc != BLOCKDB_EREADONLY) {
        return error_set(err, rc, "%s", reason.message);
    }
    return BLOCKDB_OK;
}

int os_make_dirs(struct os *os, const char *path, struct error *err)
{
    AUTO(mem_free_ptr) char *part = mem_strdup(path);
    size_t len = strlen(path);
    size_t i;

    if (part == NULL) {
        return error_set_no_memory(err);
    }
    if (len == 0) {
        return error_set(err, BLOCKDB_EINVAL, "the name of a directory is empty");
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    for (i = 1; i <= len; i++) {
        int rc;

        if (i < len && path[i] != '/') {
            continue;
        }
        part[i] = '\0';
        rc = make_dir(os, part, i == len, err);
        if (rc < 0) {
            return rc;
        }
        part[i] = path[i];
    }
    return BLOCKDB_OK;
}

/* Copies all bytes through a buffer and syncs the target. */
static int copy_bytes(struct os_file *from, struct os_file *to, struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *step = mem_alloc(COPY_STEP_BYTES);
    uint64_t offset = 0;
    size_t got = COPY_STEP_BYTES;

    if (step == NULL) {
        return error_set_no_memory(err);
    }
    while (got == COPY_STEP_BYTES) {
        int rc = file_pread(from, step, COPY_STEP_BYTES, offset, &got, err);

        if (rc < 0) {
            return rc;
        }
        rc = file_pwrite(to, step, got, offset, err);
        if (rc < 0) {
            return rc;
        }
        offset += got;
    }
    return file_sync(to, err);
}

int os_copy_file(struct os *os, const char *from, const char *to, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *source = NULL;
    AUTO(file_close_ptr) struct os_file *target = NULL;
    int rc;

    rc = os_open(os, from, OS_READ, &source, err);
    if (rc < 0) {
        return rc;
    }
    rc = os_open(os, to, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &target, err);
    if (rc < 0) {
        return rc;
    }
    rc = copy_bytes(source, target, err);
    if (rc < 0) {
        IGNORE_RESULT(os_unlink(os, to, NULL)); /* the copy is incomplete; the first error counts */
    }
    return rc;
}

char *path_join(const char *dir, const char *name)
{
    size_t dir_len = strlen(dir);
    size_t name_len = strlen(name);
    bool slash = dir_len > 0 && dir[dir_len - 1] != '/';
    char *path = mem_alloc(dir_len + slash + name_len + 1);

    if (path == NULL) {
        return NULL;
    }
    memcpy(path, dir, dir_len);
    if (slash) {
        path[dir_len] = '/';
    }
    memcpy(path + dir_len + slash, name, name_len + 1);
    return path;
}

char *path_dir(const char *path)
{
    size_t len = strlen(path);
    char *dir;

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    if (len == 0) {
        return mem_strdup(".");
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    dir = mem_strdup(path);
    if (dir != NULL) {
        dir[len] = '\0';
    }
    return dir;
}
