/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include "base/assert.h"
#include "base/mem.h"

int os_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
            struct error *err)
{
    ASSERT((flags & (OS_READ | OS_WRITE)) != 0);
    ASSERT((flags & (OS_CREATE | OS_TRUNCATE)) == 0 || (flags & OS_WRITE) != 0);
    ASSERT((flags & OS_EXCLUSIVE) == 0 || (flags & OS_CREATE) != 0);
    return os->ops->open(os, path, flags, out, err);
}

int os_mkdir(struct os *os, const char *path, struct error *err)
{
    return os->ops->mkdir(os, path, err);
}

int os_rename(struct os *os, const char *from, const char *to, struct error *err)
{
    return os->ops->rename(os, from, to, err);
}

int os_link(struct os *os, const char *from, const char *to, struct error *err)
{
    return os->ops->link(os, from, to, err);
}

int os_unlink(struct os *os, const char *path, struct error *err)
{
    return os->ops->unlink(os, path, err);
}

int os_rmdir(struct os *os, const char *path, struct error *err)
{
    return os->ops->rmdir(os, path, err);
}

int os_share(struct os *os, const char *path, struct error *err)
{
    return os->ops->share != NULL ? os->ops->share(os, path, err) : BLOCKDB_OK;
}

int os_list(struct os *os, const char *path, os_list_fn visit, void *context, struct error *err)
{
    return os->ops->list(os, path, visit, context, err);
}

int os_sync_dir(struct os *os, const char *path, struct error *err)
{
    return os->ops->sync_dir(os, path, err);
}

int os_stat_path(struct os *os, const char *path, struct os_stat *out, struct error *err)
{
    return os->ops->stat(os, path, out, err);
}

int os_free_space(struct os *os, const char *path, uint64_t *out_bytes, struct error *err)
{
    return os->ops->free_space(os, path, out_bytes, err);
}

int os_lock(struct os *os, const char *path, struct os_file **out, struct error *err)
{
    return os->ops->lock(os, path, out, err);
}

uint64_t os_now_ms(struct os *os)
{
    return os->ops->now_ms(os);
}

uint64_t os_monotonic_ns(struct os *os)
{
    return os->ops->monotonic_ns(os);
}

int os_random(struct os *os, void *out, size_t len, struct error *err)
{
    return os->ops->random(os, out, len, err);
}

int os_thread_start(struct os *os, const char *name, os_thread_fn fn, void *arg,
                    struct os_thread **out, struct error *err)
{
    return os->ops->thread_start(os, name, fn, arg, out, err);
}

void os_thread_join(struct os *os, struct os_thread *thread)
{
    os->ops->thread_join(os, thread);
}

void os_sleep_ns(struct os *os, uint64_t ns)
{
    os->ops->sleep_ns(os, ns);
}

/* Where a read goes. */
struct file_range {
    void *out;
    size_t len;
    uint64_t offset;
};

/* The scope that this thread is in, or NULL. */
static __thread struct os_read_scope *read_scope;

void os_read_scope_enter(struct os_read_scope *scope)
{
    ASSERT(read_scope == NULL);
    read_scope = scope;
}

void os_read_scope_leave(void)
{
    ASSERT(read_scope != NULL);
    read_scope = NULL;
}

static int refuse_waiting(struct error *err)
{
    static const char message[] = "a disk would have to be read";

    if (err != NULL) {
        err->code = BLOCKDB_EWOULDBLOCK;
        memcpy(err->message, message, sizeof(message));
    }
    return BLOCKDB_EWOULDBLOCK;
}

/* Cold beside a read, and kept apart so that file_pread() stays small. */
static int pread_in_scope(struct os_file *f, const struct file_range *range, size_t *out_len,
                          struct error *err)
{
    struct os_read_scope *scope = read_scope;
    int rc = f->ops->pread_cached(f, range->out, range->len, range->offset, out_len, err);

    if (rc != BLOCKDB_EWOULDBLOCK) {
        scope->cached_reads++;
        return rc;
    }
    scope->device_reads++;
    if (scope->no_wait) {
        return refuse_waiting(err);
    }
    return f->ops->pread(f, range->out, range->len, range->offset, out_len, err);
}

int file_pread(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
               struct error *err)
{
    if (read_scope != NULL) {
        struct file_range range = {.out = out, .len = len, .offset = offset};

        return pread_in_scope(f, &range, out_len, err);
    }
    return f->ops->pread(f, out, len, offset, out_len, err);
}

int file_pwrite(struct os_file *f, const void *data, size_t len, uint64_t offset, struct error *err)
{
    return f->ops->pwrite(f, data, len, offset, err);
}

int file_sync(struct os_file *f, struct error *err)
{
    return f->ops->sync(f, err);
}

int file_preallocate(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    return f->ops->preallocate(f, offset, len, err);
}

int file_truncate(struct os_file *f, uint64_t len, struct error *err)
{
    return f->ops->truncate(f, len, err);
}

int file_stat(struct os_file *f, struct os_stat *out, struct error *err)
{
    return f->ops->stat(f, out, err);
}

int file_write_behind(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    return f->ops->write_behind(f, offset, len, err);
}

void file_advise(struct os_file *f, uint64_t offset, uint64_t len, enum os_advice advice)
{
    f->ops->advise(f, offset, len, advice);
}

void file_close(struct os_file *f)
{
    if (f != NULL) {
        f->ops->close(f);
    }
}

void file_renamed(struct os_file *f, const char *path)
{
    char *copy = mem_strdup(path);

    if (copy != NULL) {
        mem_free(f->path);
        f->path = copy;
    }
    if (f->ops->renamed != NULL) {
        f->ops->renamed(f, path);
    }
}

void file_close_ptr(struct os_file **f)
{
    file_close(*f);
}
