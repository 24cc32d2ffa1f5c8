/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real system: Linux file calls, clocks, randomness and threads.
 *
 * Calls that signals interrupt are repeated, except syncs: what a failed sync left behind is
 * unknown (OS-3).
 */
#include "base/mem.h"
#include "os/os.h"
#include "os/os_dir.h"
#include "os/os_random.h"
#include "os/os_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE 0600
#define DIR_MODE 0700
#define SHARED_FILE_MODE 0644
#define SHARED_DIR_MODE 0755
#define NS_PER_S 1000000000ULL
#define STAT_BLOCK_BYTES 512
#define PID_TEXT_BYTES 24

struct real_file {
    struct os_file base;
    int fd;
    bool direct;
    /* The file system cannot read without waiting. Atomic, relaxed: any thread may learn it. */
    atomic_bool always_waits;
};

static int fd_of(const struct os_file *f)
{
    return ((const struct real_file *)(const void *)f)->fd;
}

/* One system call that may be interrupted, again until it is not. */
#define UNINTERRUPTED(call)                                                                        \
    ({                                                                                             \
        __typeof__(call) result_;                                                                  \
        do {                                                                                       \
            result_ = (call);                                                                      \
        } while (result_ < 0 && errno == EINTR);                                                   \
        result_;                                                                                   \
    })

static int real_pread(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
                      struct error *err)
{
    const struct real_file *file = (const struct real_file *)(const void *)f;
    size_t done = 0;

    while (done < len) {
        ssize_t n = UNINTERRUPTED(
            pread(file->fd, (uint8_t *)out + done, len - done, (off_t)(offset + done)));

        if (n < 0) {
            return error_set_errno(err, errno,
                                   "cannot read %zu bytes at offset %" PRIu64 " of '%s'",
                                   len - done, offset + done, f->path);
        }
        done += (size_t)n;
        /* A direct read that stops inside a sector met the end; going on would be misaligned. */
        if (n == 0 || (file->direct && done % OS_DIRECT_ALIGN != 0)) {
            break;
        }
    }
    *out_len = done;
    return BLOCKDB_OK;
}

/* Any failure but a refusal is left to pread(), which will meet it again and tell. */
static int real_pread_cached(struct os_file *f, void *out, size_t len, uint64_t offset,
                             size_t *out_len, struct error *err)
{
    struct real_file *file = (struct real_file *)(void *)f;
    size_t done = 0;

    (void)err;
    if (file->direct || atomic_load_explicit(&file->always_waits, memory_order_relaxed)) {
        return BLOCKDB_EWOULDBLOCK;
    }
    while (done < len) {
        struct iovec part = {.iov_base = (uint8_t *)out + done, .iov_len = len - done};
        ssize_t n = UNINTERRUPTED(preadv2(file->fd, &part, 1, (off_t)(offset + done), RWF_NOWAIT));

        if (n < 0) {
            if (errno == EOPNOTSUPP || errno == ENOSYS) {
                atomic_store_explicit(&file->always_waits, true, memory_order_relaxed);
            }
            return BLOCKDB_EWOULDBLOCK;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *out_len = done;
    return BLOCKDB_OK;
}

static int real_pwrite(struct os_file *f, const void *data, size_t len, uint64_t offset,
                       struct error *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = UNINTERRUPTED(
            pwrite(fd_of(f), (const uint8_t *)data + done, len - done, (off_t)(offset + done)));

        if (n <= 0) {
            return error_set_errno(err, n < 0 ? errno : EIO,
                                   "cannot write %zu bytes at offset %" PRIu64 " of '%s'",
                                   len - done, offset + done, f->path);
        }
        done += (size_t)n;
    }
    return BLOCKDB_OK;
}

static int real_sync(struct os_file *f, struct error *err)
{
    if (fdatasync(fd_of(f)) < 0) {
        return error_set_errno(err, errno, "cannot sync '%s'; check the device", f->path);
    }
    return BLOCKDB_OK;
}

static int real_preallocate(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    int rc;

    if (len == 0) {
        return BLOCKDB_OK;
    }
    rc = UNINTERRUPTED(fallocate(fd_of(f), FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len));
    if (rc < 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return error_set_errno(err, errno,
                               "cannot reserve %" PRIu64 " bytes at offset %" PRIu64 " of '%s'",
                               len, offset, f->path);
    }
    return BLOCKDB_OK;
}

static int real_truncate(struct os_file *f, uint64_t len, struct error *err)
{
    if (UNINTERRUPTED(ftruncate(fd_of(f), (off_t)len)) < 0) {
        return error_set_errno(err, errno, "cannot set the length of '%s' to %" PRIu64 " bytes",
                               f->path, len);
    }
    return BLOCKDB_OK;
}

static struct os_stat stat_of(const struct stat *st)
{
    return (struct os_stat){
        .len_bytes = (uint64_t)st->st_size,
        .allocated_bytes = (uint64_t)st->st_blocks * STAT_BLOCK_BYTES,
        .mtime_ms = (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000,
        .device = st->st_dev,
        .inode = st->st_ino,
        .mode = st->st_mode & 07777,
        .is_own = st->st_uid == geteuid() || st->st_uid == 0,
        .is_dir = S_ISDIR(st->st_mode),
    };
}

static int real_file_stat(struct os_file *f, struct os_stat *out, struct error *err)
{
    struct stat st;

    if (fstat(fd_of(f), &st) < 0) {
        return error_set_errno(err, errno, "cannot stat '%s'", f->path);
    }
    *out = stat_of(&st);
    return BLOCKDB_OK;
}

static int real_write_behind(struct os_file *f, uint64_t offset, uint64_t len, struct error *err)
{
    int rc = UNINTERRUPTED(
        sync_file_range(fd_of(f), (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE));

    if (rc < 0 && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP && errno != ESPIPE) {
        return error_set_errno(err, errno, "cannot start writing '%s' to the device", f->path);
    }
    return BLOCKDB_OK;
}

static void real_advise(struct os_file *f, uint64_t offset, uint64_t len, enum os_advice advice)
{
    int kernel_advice = POSIX_FADV_NORMAL;

    switch (advice) {
    case OS_ADVICE_RANDOM:
        kernel_advice = POSIX_FADV_RANDOM;
        break;
    case OS_ADVICE_SEQUENTIAL:
        kernel_advice = POSIX_FADV_SEQUENTIAL;
        break;
    case OS_ADVICE_DONTNEED:
        kernel_advice = POSIX_FADV_DONTNEED;
        break;
    }
    (void)posix_fadvise(fd_of(f), (off_t)offset, (off_t)len, kernel_advice); /* only a hint */
}

static void real_close(struct os_file *f)
{
    (void)close(fd_of(f)); /* what matters was synced; the descriptor is gone in any case */
    mem_free(f->path);
    mem_free(f);
}

static const struct os_file_ops real_file_ops = {
    .pread = real_pread,
    .pread_cached = real_pread_cached,
    .pwrite = real_pwrite,
    .sync = real_sync,
    .preallocate = real_preallocate,
    .truncate = real_truncate,
    .stat = real_file_stat,
    .write_behind = real_write_behind,
    .advise = real_advise,
    .close = real_close,
};

static int open_flags(unsigned flags)
{
    int mode = (flags & OS_WRITE) == 0 ? O_RDONLY : (flags & OS_READ) == 0 ? O_WRONLY : O_RDWR;

    mode |= (flags & OS_CREATE) != 0 ? O_CREAT : 0;
    mode |= (flags & OS_EXCLUSIVE) != 0 ? O_EXCL : 0;
    mode |= (flags & OS_TRUNCATE) != 0 ? O_TRUNC : 0;
    return mode | O_CLOEXEC | O_NOCTTY;
}

/* Switches the page cache off where the file system can; true if so. After opening, because an
 * open() that refuses O_DIRECT may have created the file already. */
static bool set_direct(int fd)
{
    int status = fcntl(fd, F_GETFL);

    return status >= 0 && fcntl(fd, F_SETFL, status | O_DIRECT) == 0;
}

static int real_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                     struct error *err)
{
    struct real_file *file = mem_calloc(1, sizeof(*file));
    char *path_copy = mem_strdup(path);

    if (file == NULL || path_copy == NULL) {
        mem_free(file);
        mem_free(path_copy);
        return error_set_no_memory(err);
    }
    file->fd = UNINTERRUPTED(open(path, open_flags(flags), FILE_MODE));
    if (file->fd < 0) {
        int reason = errno;

        mem_free(file);
        mem_free(path_copy);
        return error_set_errno(err, reason, "cannot %s '%s'",
                               (flags & OS_EXCLUSIVE) != 0 ? "create" : "open", path);
    }
    file->direct = (flags & OS_DIRECT) != 0 && set_direct(file->fd);
    file->base = (struct os_file){.ops = &real_file_ops, .os = os, .path = path_copy};
    *out = &file->base;
    return BLOCKDB_OK;
}

static int real_mkdir(struct os *os, const char *path, struct error *err)
{
    (void)os;
    if (mkdir(path, DIR_MODE) < 0) {
        return error_set_errno(err, errno, "cannot create directory '%s'", path);
    }
    return BLOCKDB_OK;
}

static int real_share(struct os *os, const char *path, struct error *err)
{
    struct stat st;

    (void)os;
    if (stat(path, &st) < 0 ||
        chmod(path, S_ISDIR(st.st_mode) ? SHARED_DIR_MODE : SHARED_FILE_MODE) < 0) {
        return error_set_errno(err, errno, "cannot let others read '%s'", path);
    }
    return BLOCKDB_OK;
}

static int real_rename(struct os *os, const char *from, const char *to, struct error *err)
{
    (void)os;
    if (rename(from, to) < 0) {
        return error_set_errno(err, errno == EXDEV ? EOPNOTSUPP : errno,
                               "cannot rename '%s' to '%s'", from, to);
    }
    return BLOCKDB_OK;
}

static int real_link(struct os *os, const char *from, const char *to, struct error *err)
{
    (void)os;
    if (link(from, to) < 0) {
        /* Other device, a file system without links, too many links: a copy helps in each case. */
        bool copy_helps = errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOSYS;

        return error_set_errno(err, copy_helps ? EOPNOTSUPP : errno, "cannot link '%s' as '%s'",
                               from, to);
    }
    return BLOCKDB_OK;
}

static int real_unlink(struct os *os, const char *path, struct error *err)
{
    (void)os;
    if (unlink(path) < 0) {
        return error_set_errno(err, errno, "cannot remove '%s'", path);
    }
    return BLOCKDB_OK;
}

static int real_rmdir(struct os *os, const char *path, struct error *err)
{
    (void)os;
    if (rmdir(path) < 0) {
        return error_set_errno(err, errno, "cannot remove directory '%s'", path);
    }
    return BLOCKDB_OK;
}

static int real_sync_dir(struct os *os, const char *path, struct error *err)
{
    int fd = UNINTERRUPTED(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int rc = BLOCKDB_OK;

    (void)os;
    if (fd < 0) {
        return error_set_errno(err, errno, "cannot open directory '%s' to sync it", path);
    }
    if (fsync(fd) < 0) {
        rc = error_set_errno(err, errno, "cannot sync directory '%s'; check the device", path);
    }
    (void)close(fd); /* was only read */
    return rc;
}

static int real_stat(struct os *os, const char *path, struct os_stat *out, struct error *err)
{
    struct stat st;

    (void)os;
    if (stat(path, &st) < 0) {
        return error_set_errno(err, errno, "cannot stat '%s'", path);
    }
    *out = stat_of(&st);
    return BLOCKDB_OK;
}

static int real_free_space(struct os *os, const char *path, uint64_t *out_bytes, struct error *err)
{
    struct statvfs st;

    (void)os;
    if (UNINTERRUPTED(statvfs(path, &st)) < 0) {
        return error_set_errno(err, errno, "cannot get the free space of '%s'", path);
    }
    *out_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return BLOCKDB_OK;
}

/* The error for a lock that another holds, with the holder's process id if it can be read. */
static int lock_busy(struct os_file *f, struct error *err)
{
    char text[PID_TEXT_BYTES] = {0};
    size_t len = 0;
    long pid = 0;

    if (file_pread(f, text, sizeof(text) - 1, 0, &len, NULL) == BLOCKDB_OK) {
        pid = strtol(text, NULL, 10);
    }
    if (pid <= 0) {
        return error_set(err, BLOCKDB_EBUSY, "'%s' is locked by another process; stop it first",
                         f->path);
    }
    return error_set(err, BLOCKDB_EBUSY, "'%s' is locked by process %ld; stop it first", f->path,
                     pid);
}

/* Only helps people: a full disk must not keep anybody from opening for reading. */
static void write_pid(struct os_file *f)
{
    char text[PID_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (file_pwrite(f, text, (size_t)len, 0, NULL) == BLOCKDB_OK) {
        IGNORE_RESULT(file_truncate(f, (uint64_t)len, NULL));
    }
}

/* Whether a file is there that cannot be written because nothing can, there. */
static bool is_on_read_only(const char *path)
{
    int fd = UNINTERRUPTED(open(path, O_RDWR | O_CLOEXEC));
    bool is_refused = fd < 0 && errno == EROFS;

    if (fd >= 0) {
        (void)close(fd); /* nothing was written */
    }
    return is_refused;
}

static int real_lock(struct os *os, const char *path, struct os_file **out, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *f = NULL;
    int rc;

    rc = real_open(os, path, OS_READ | OS_WRITE | OS_CREATE, &f, err);
    if (rc < 0 && is_on_read_only(path)) {
        rc = real_open(os, path, OS_READ, &f, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (UNINTERRUPTED(flock(fd_of(f), LOCK_EX | LOCK_NB)) < 0) {
        if (errno == EWOULDBLOCK) {
            return lock_busy(f, err);
        }
        return error_set_errno(err, errno, "cannot lock '%s'", path);
    }
    write_pid(f);
    *out = TAKE(f);
    return BLOCKDB_OK;
}

static uint64_t read_clock_ns(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now); /* both clocks always exist on Linux */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t real_now_ms(struct os *os)
{
    (void)os;
    return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

static uint64_t real_monotonic_ns(struct os *os)
{
    (void)os;
    return read_clock_ns(CLOCK_MONOTONIC);
}

static int real_random(struct os *os, void *out, size_t len, struct error *err)
{
    (void)os;
    return os_random_real(out, len, err);
}

static void real_sleep_ns(struct os *os, uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

    (void)os;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

static const struct os_ops real_ops = {
    .open = real_open,
    .mkdir = real_mkdir,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .rmdir = real_rmdir,
    .share = real_share,
    .list = os_dir_list,
    .sync_dir = real_sync_dir,
    .stat = real_stat,
    .free_space = real_free_space,
    .lock = real_lock,
    .now_ms = real_now_ms,
    .monotonic_ns = real_monotonic_ns,
    .random = real_random,
    .thread_start = os_thread_start_real,
    .thread_join = os_thread_join_real,
    .sleep_ns = real_sleep_ns,
};

struct os *os_real(void)
{
    static struct os real = {.ops = &real_ops};

    return &real;
}
