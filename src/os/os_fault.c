/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os_fault.h"

#include "base/lock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdatomic.h>

struct os_fault {
    struct os base; /* first: what callers see */
    struct os *inner;
    struct mutex mu;
    struct os_fault_plan plan; /* guarded by mu */
    /* atomic, sequentially consistent: which operation is the n-th must be one answer */
    _Atomic uint64_t seen;
    atomic_bool fired;
};

struct fault_file {
    struct os_file base;
    struct os_file *inner;
};

static struct os_fault *fault_of(struct os *os)
{
    return (struct os_fault *)os;
}

static struct os_file *inner_of(struct os_file *f)
{
    return ((struct fault_file *)f)->inner;
}

static struct os_fault_plan plan_of(struct os *os)
{
    struct os_fault *f = fault_of(os);
    struct os_fault_plan plan;

    mutex_lock(&f->mu);
    plan = f->plan;
    mutex_unlock(&f->mu);
    return plan;
}

/* Counts one operation; true when it must fail. */
static bool strikes(struct os *os, enum os_fault_class class, const char *path)
{
    struct os_fault *f = fault_of(os);
    struct os_fault_plan plan = plan_of(os);
    uint64_t number;

    if ((plan.classes & (unsigned)class) == 0 ||
        (plan.path_part != NULL && strstr(path, plan.path_part) == NULL)) {
        return false;
    }
    number = atomic_fetch_add(&f->seen, 1) + 1;
    if (plan.nth == 0 || number < plan.nth || (number > plan.nth && !plan.forever)) {
        return false;
    }
    atomic_store(&f->fired, true);
    return true;
}

static int injected(struct os *os, const char *what, const char *path, struct error *err)
{
    int code = plan_of(os).code;

    return error_set(err, code != 0 ? code : BLOCKDB_EIO, "cannot %s '%s': injected failure", what,
                     path);
}

static int fault_pread(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
                       struct error *err)
{
    if (strikes(f->os, OS_FAULT_READ, f->path)) {
        if (!plan_of(f->os).partial) {
            return injected(f->os, "read", f->path, err);
        }
        len /= 2;
    }
    return file_pread(inner_of(f), out, len, offset, out_len, err);
}

/* A strike here is a read that would wait; a strike at a read shows that it would fail. */
static int fault_pread_cached(struct os_file *f, void *out, size_t len, uint64_t offset,
                              size_t *out_len, struct error *err)
{
    if (strikes(f->os, OS_FAULT_READ_CACHED, f->path)) {
        return BLOCKDB_EWOULDBLOCK;
    }
    if (strikes(f->os, OS_FAULT_READ, f->path)) {
        if (!plan_of(f->os).partial) {
            return injected(f->os, "read", f->path, err);
        }
        len /= 2;
    }
    return inner_of(f)->ops->pread_cached(inner_of(f), out, len, offset, out_len, err);
}

static int fault_pwrite(struct os_file *f, const void *data, size_t len, uint64_t offset,
                        struct error *err)
{
    if (!strikes(f->os, OS_FAULT_WRITE, f->path)) {
        return file_pwrite(inner_of(f), data, len, offset, err);
    }
    if (plan_of(f->os).partial) {
        IGNORE_RESULT(file_pwrite(inner_of(f), data, len / 2, offset, NULL)); /* fails anyway */
    }
    return injected(f->os, "write", f->path, err);
}

static int fault_sync(struct os_file *f, struct error *err)
{
    if (strikes(f->os, OS_FAULT_SYNC, f->path)) {
        return injected(f->os, "sync", f->path, err);
    }
    return file_sync(inner_of(f), err);
}

static int fault_preallocate(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    if (strikes(f->os, OS_FAULT_PREALLOCATE, f->path)) {
        return injected(f->os, "reserve space in", f->path, err);
    }
    return file_preallocate(inner_of(f), offset, len, err);
}

static int fault_truncate(struct os_file *f, uint64_t len, struct error *err)
{
    if (strikes(f->os, OS_FAULT_TRUNCATE, f->path)) {
        return injected(f->os, "truncate", f->path, err);
    }
    return file_truncate(inner_of(f), len, err);
}

static int fault_file_stat(struct os_file *f, struct os_stat *out, struct error *err)
{
    if (strikes(f->os, OS_FAULT_STAT, f->path)) {
        return injected(f->os, "stat", f->path, err);
    }
    return file_stat(inner_of(f), out, err);
}

static int fault_write_behind(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    if (strikes(f->os, OS_FAULT_WRITE_BEHIND, f->path)) {
        return injected(f->os, "start writing", f->path, err);
    }
    return file_write_behind(inner_of(f), offset, len, err);
}

static void fault_advise(struct os_file *f, uint64_t offset, uint64_t len, enum os_advice advice)
{
    file_advise(inner_of(f), offset, len, advice);
}

static void fault_close(struct os_file *f)
{
    file_close(inner_of(f));
    mem_free(f->path);
    mem_free(f);
}

static void fault_renamed(struct os_file *f, const char *path)
{
    file_renamed(inner_of(f), path);
}

static const struct os_file_ops fault_file_ops = {
    .pread = fault_pread,
    .pread_cached = fault_pread_cached,
    .pwrite = fault_pwrite,
    .sync = fault_sync,
    .preallocate = fault_preallocate,
    .truncate = fault_truncate,
    .stat = fault_file_stat,
    .write_behind = fault_write_behind,
    .advise = fault_advise,
    .renamed = fault_renamed,
    .close = fault_close,
};

/* A wrapper without an inner file yet, or NULL. */
static struct fault_file *fault_file_new(struct os *os, const char *path)
{
    struct fault_file *file = mem_calloc(1, sizeof(*file));
    char *path_copy = mem_strdup(path);

    if (file == NULL || path_copy == NULL) {
        mem_free(file);
        mem_free(path_copy);
        return NULL;
    }
    file->base = (struct os_file){.ops = &fault_file_ops, .os = os, .path = path_copy};
    return file;
}

/* Finishes open and lock: hands the wrapper out, or drops it when the inner call failed. */
static int hand_out(struct fault_file *file, int rc, struct os_file **out)
{
    if (rc < 0) {
        mem_free(file->base.path);
        mem_free(file);
        return rc;
    }
    *out = &file->base;
    return BLOCKDB_OK;
}

static int fault_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                      struct error *err)
{
    struct fault_file *file;

    if (strikes(os, OS_FAULT_OPEN, path)) {
        return injected(os, "open", path, err);
    }
    file = fault_file_new(os, path);
    if (file == NULL) {
        return error_set_no_memory(err);
    }
    return hand_out(file, os_open(fault_of(os)->inner, path, flags, &file->inner, err), out);
}

static int fault_lock(struct os *os, const char *path, struct os_file **out, struct error *err)
{
    struct fault_file *file;

    if (strikes(os, OS_FAULT_LOCK, path)) {
        return injected(os, "lock", path, err);
    }
    file = fault_file_new(os, path);
    if (file == NULL) {
        return error_set_no_memory(err);
    }
    return hand_out(file, os_lock(fault_of(os)->inner, path, &file->inner, err), out);
}

static int fault_mkdir(struct os *os, const char *path, struct error *err)
{
    if (strikes(os, OS_FAULT_DIR, path)) {
        return injected(os, "create directory", path, err);
    }
    return os_mkdir(fault_of(os)->inner, path, err);
}

static int fault_rename(struct os *os, const char *from, const char *to, struct error *err)
{
    if (strikes(os, OS_FAULT_RENAME, from)) {
        return injected(os, "rename", from, err);
    }
    return os_rename(fault_of(os)->inner, from, to, err);
}

static int fault_link(struct os *os, const char *from, const char *to, struct error *err)
{
    if (strikes(os, OS_FAULT_LINK, from)) {
        return injected(os, "link", from, err);
    }
    return os_link(fault_of(os)->inner, from, to, err);
}

static int fault_unlink(struct os *os, const char *path, struct error *err)
{
    if (strikes(os, OS_FAULT_UNLINK, path)) {
        return injected(os, "remove", path, err);
    }
    return os_unlink(fault_of(os)->inner, path, err);
}

static int fault_rmdir(struct os *os, const char *path, struct error *err)
{
    if (strikes(os, OS_FAULT_DIR, path)) {
        return injected(os, "remove directory", path, err);
    }
    return os_rmdir(fault_of(os)->inner, path, err);
}

static int fault_share(struct os *os, const char *path, struct error *err)
{
    if (strikes(os, OS_FAULT_DIR, path)) {
        return injected(os, "share", path, err);
    }
    return os_share(fault_of(os)->inner, path, err);
}

static int fault_list(struct os *os, const char *path, os_list_fn visit, void *context,
                      struct error *err)
{
    if (strikes(os, OS_FAULT_LIST, path)) {
        return injected(os, "list directory", path, err);
    }
    return os_list(fault_of(os)->inner, path, visit, context, err);
}

static int fault_sync_dir(struct os *os, const char *path, struct error *err)
{
    if (strikes(os, OS_FAULT_SYNC_DIR, path)) {
        return injected(os, "sync directory", path, err);
    }
    return os_sync_dir(fault_of(os)->inner, path, err);
}

static int fault_stat(struct os *os, const char *path, struct os_stat *out, struct error *err)
{
    if (strikes(os, OS_FAULT_STAT, path)) {
        return injected(os, "stat", path, err);
    }
    return os_stat_path(fault_of(os)->inner, path, out, err);
}

static int fault_free_space(struct os *os, const char *path, uint64_t *out_bytes, struct error *err)
{
    if (strikes(os, OS_FAULT_STAT, path)) {
        return injected(os, "get the free space of", path, err);
    }
    return os_free_space(fault_of(os)->inner, path, out_bytes, err);
}

static uint64_t fault_now_ms(struct os *os)
{
    return os_now_ms(fault_of(os)->inner);
}

static uint64_t fault_monotonic_ns(struct os *os)
{
    return os_monotonic_ns(fault_of(os)->inner);
}

static int fault_random(struct os *os, void *out, size_t len, struct error *err)
{
    if (strikes(os, OS_FAULT_RANDOM, "(random)")) {
        return injected(os, "draw from", "(random)", err);
    }
    return os_random(fault_of(os)->inner, out, len, err);
}

static int fault_thread_start(struct os *os, const char *name, os_thread_fn fn, void *arg,
                              struct os_thread **out, struct error *err)
{
    if (strikes(os, OS_FAULT_THREAD, name)) {
        return injected(os, "start thread", name, err);
    }
    return os_thread_start(fault_of(os)->inner, name, fn, arg, out, err);
}

static void fault_thread_join(struct os *os, struct os_thread *thread)
{
    os_thread_join(fault_of(os)->inner, thread);
}

static void fault_sleep_ns(struct os *os, uint64_t ns)
{
    os_sleep_ns(fault_of(os)->inner, ns);
}

static const struct os_ops fault_ops = {
    .open = fault_open,
    .mkdir = fault_mkdir,
    .rename = fault_rename,
    .link = fault_link,
    .unlink = fault_unlink,
    .rmdir = fault_rmdir,
    .share = fault_share,
    .list = fault_list,
    .sync_dir = fault_sync_dir,
    .stat = fault_stat,
    .free_space = fault_free_space,
    .lock = fault_lock,
    .now_ms = fault_now_ms,
    .monotonic_ns = fault_monotonic_ns,
    .random = fault_random,
    .thread_start = fault_thread_start,
    .thread_join = fault_thread_join,
    .sleep_ns = fault_sleep_ns,
};

struct os_fault *os_fault_new(struct os *inner)
{
    struct os_fault *f = mem_calloc(1, sizeof(*f));

    if (f == NULL) {
        return NULL;
    }
    f->base.ops = &fault_ops;
    f->inner = inner;
    mutex_init(&f->mu, LOCK_RANK_OS);
    os_fault_arm(f, NULL);
    return f;
}

void os_fault_free(struct os_fault *f)
{
    if (f != NULL) {
        mutex_deinit(&f->mu);
    }
    mem_free(f);
}

struct os *os_fault_os(struct os_fault *f)
{
    return &f->base;
}

void os_fault_arm(struct os_fault *f, const struct os_fault_plan *plan)
{
    mutex_lock(&f->mu);
    f->plan = plan != NULL ? *plan : (struct os_fault_plan){.classes = OS_FAULT_ALL};
    mutex_unlock(&f->mu);
    atomic_store(&f->seen, 0);
    atomic_store(&f->fired, false);
}

uint64_t os_fault_seen(struct os_fault *f)
{
    return atomic_load(&f->seen);
}

bool os_fault_fired(struct os_fault *f)
{
    return atomic_load(&f->fired);
}
