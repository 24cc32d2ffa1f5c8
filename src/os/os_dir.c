/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os_dir.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Names gathered: each a byte for "is a directory", the name, a zero. */
struct name_list {
    struct buf bytes;
    struct buf starts; /* array of size_t: where each begins in bytes */
};

static void name_list_deinit(struct name_list *l)
{
    buf_deinit(&l->bytes);
    buf_deinit(&l->starts);
}

static void dir_close_ptr(DIR **dir)
{
    if (*dir != NULL) {
        (void)closedir(*dir); /* was only read */
    }
}

static bool entry_is_dir(DIR *dir, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int name_list_add(struct name_list *l, const char *name, bool is_dir)
{
    size_t start = l->bytes.len;

    if (buf_append_u8(&l->bytes, is_dir) < 0 || buf_append(&l->bytes, name, strlen(name) + 1) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append(&l->starts, &start, sizeof(start));
}

static int gather(const char *path, struct name_list *l, struct error *err)
{
    AUTO(dir_close_ptr) DIR *dir = opendir(path);

    if (dir == NULL) {
        return error_set_errno(err, errno, "cannot open directory '%s'", path);
    }
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0) {
            return error_set_errno(err, errno, "cannot list directory '%s'", path);
        }
        if (entry == NULL) {
            return BLOCKDB_OK;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (name_list_add(l, entry->d_name, entry_is_dir(dir, entry)) < 0) {
            return error_set_no_memory(err);
        }
    }
}

static int compare_names(const void *a, const void *b, void *context)
{
    const uint8_t *bytes = context;
    size_t a_start;
    size_t b_start;

    memcpy(&a_start, a, sizeof(a_start));
    memcpy(&b_start, b, sizeof(b_start));
    return strcmp((const char *)bytes + a_start + 1, (const char *)bytes + b_start + 1);
}

int os_dir_list(struct os *os, const char *path, os_list_fn visit, void *context, struct error *err)
{
    AUTO(name_list_deinit) struct name_list l = {0};
    size_t count;
    size_t i;
    int rc;

    (void)os;
    rc = gather(path, &l, err);
    if (rc < 0) {
        return rc;
    }
    count = l.starts.len / sizeof(size_t);
    if (count > 1) {
        qsort_r(l.starts.data, count, sizeof(size_t), compare_names, l.bytes.data);
    }
    for (i = 0; i < count; i++) {
        size_t start;

        memcpy(&start, l.starts.data + i * sizeof(start), sizeof(start));
        rc = visit(context, (const char *)l.bytes.data + start + 1, l.bytes.data[start] != 0);
        if (rc != 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}
