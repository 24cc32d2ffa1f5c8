/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operating system behind one table: files, directories, locks, clocks, randomness, threads.
 *
 * Nobody outside os/ calls the system for these. Three implementations exist: os_real() talks to
 * Linux; os_fault wraps another and fails or shortens its n-th operation; os_crash keeps files in
 * memory, what was synced apart from what was not, and can cut the power at any operation.
 *
 * Contracts that every implementation keeps:
 * OS-1  pwrite() writes all bytes or returns an error; how much was written is then unknown.
 * OS-2  pread() reads fewer bytes than asked only at the end of the file.
 * OS-3  A failed sync is final for that file: the caller must not retry it.
 * OS-4  Creating, renaming, linking or unlinking a name is durable only after sync_dir().
 * OS-5  pread_cached() reads like pread() or returns EWOULDBLOCK, without a message, when it cannot
 *       do so at once; out is undefined then. It never waits for a device.
 *
 * Errors: messages name the path. Codes as error_set_errno() maps them.
 * Threads: any thread; one file may be read and written from several threads at disjoint offsets.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os;
struct os_file;
struct os_thread;

enum os_open_flag {
    OS_READ = 1 << 0,
    OS_WRITE = 1 << 1,
    OS_CREATE = 1 << 2,    /* create when missing */
    OS_EXCLUSIVE = 1 << 3, /* with OS_CREATE: EEXIST when there */
    OS_TRUNCATE = 1 << 4,
    OS_DIRECT = 1 << 5, /* bypass the page cache; falls back silently where unsupported.
                           Offsets, lengths and memory must be multiples of OS_DIRECT_ALIGN. */
};

#define OS_DIRECT_ALIGN 4096
#define OS_PATH_MAX 4096

enum os_advice {
    OS_ADVICE_RANDOM,
    OS_ADVICE_SEQUENTIAL,
    OS_ADVICE_DONTNEED, /* drop the range from the page cache */
};

struct os_stat {
    uint64_t len_bytes;
    uint64_t allocated_bytes;
    uint64_t mtime_ms;
    uint64_t device; /* differs between file systems */
    uint64_t inode;
    uint32_t mode; /* permission bits */
    bool is_own;   /* its owner is the user of this process, or root */
    bool is_dir;
};

/* One name found in a directory (never "." or ".."); return non-zero to stop with that code. */
typedef int (*os_list_fn)(void *context, const char *name, bool is_dir);
typedef void (*os_thread_fn)(void *arg);

struct os_file_ops {
    int (*pread)(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
                 struct error *err);
    int (*pread_cached)(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
                        struct error *err);
    int (*pwrite)(struct os_file *f, const void *data, size_t len, uint64_t offset,
                  struct error *err);
    int (*sync)(struct os_file *f, struct error *err);
    int (*preallocate)(struct os_file *f, uint64_t offset, uint64_t len, struct error *err);
    int (*truncate)(struct os_file *f, uint64_t len, struct error *err);
    int (*stat)(struct os_file *f, struct os_stat *out, struct error *err);
    int (*write_behind)(struct os_file *f, uint64_t offset, uint64_t len, struct error *err);
    void (*advise)(struct os_file *f, uint64_t offset, uint64_t len, enum os_advice advice);
    /* For wrappers, which pass it on; may be NULL. */
    void (*renamed)(struct os_file *f, const char *path);
    void (*close)(struct os_file *f);
};

/* An open file; implementations embed it as their first field. */
struct os_file {
    const struct os_file_ops *ops;
    struct os *os;
    char *path; /* owned; for messages */
};

struct os_ops {
    int (*open)(struct os *os, const char *path, unsigned flags, struct os_file **out,
                struct error *err);
    int (*mkdir)(struct os *os, const char *path, struct error *err);
    int (*rename)(struct os *os, const char *from, const char *to, struct error *err);
    int (*link)(struct os *os, const char *from, const char *to, struct error *err);
    int (*unlink)(struct os *os, const char *path, struct error *err);
    int (*rmdir)(struct os *os, const char *path, struct error *err);
    int (*share)(struct os *os, const char *path, struct error *err); /* NULL: there are no modes */
    int (*list)(struct os *os, const char *path, os_list_fn visit, void *context,
                struct error *err);
    int (*sync_dir)(struct os *os, const char *path, struct error *err);
    int (*stat)(struct os *os, const char *path, struct os_stat *out, struct error *err);
    int (*free_space)(struct os *os, const char *path, uint64_t *out_bytes, struct error *err);
    int (*lock)(struct os *os, const char *path, struct os_file **out, struct error *err);
    uint64_t (*now_ms)(struct os *os);
    uint64_t (*monotonic_ns)(struct os *os);
    int (*random)(struct os *os, void *out, size_t len, struct error *err);
    int (*thread_start)(struct os *os, const char *name, os_thread_fn fn, void *arg,
                        struct os_thread **out, struct error *err);
    void (*thread_join)(struct os *os, struct os_thread *thread);
    void (*sleep_ns)(struct os *os, uint64_t ns);
};

/* An implementation; implementations embed it as their first field. */
struct os {
    const struct os_ops *ops;
};

/* The real system. Static; never freed. */
struct os *os_real(void);

/* Opens or creates a file with mode 0600. The caller closes it with file_close(). */
RESULT_MUST_BE_USED int os_open(struct os *os, const char *path, unsigned flags,
                                struct os_file **out, struct error *err);
/* Mode 0700. EEXIST when there; the parent must exist. */
RESULT_MUST_BE_USED int os_mkdir(struct os *os, const char *path, struct error *err);
/* Replaces `to` when there, atomically. */
RESULT_MUST_BE_USED int os_rename(struct os *os, const char *from, const char *to,
                                  struct error *err);
/* A second name for a file on the same file system; EUNSUPPORTED across file systems. */
RESULT_MUST_BE_USED int os_link(struct os *os, const char *from, const char *to, struct error *err);
RESULT_MUST_BE_USED int os_unlink(struct os *os, const char *path, struct error *err);
RESULT_MUST_BE_USED int os_rmdir(struct os *os, const char *path, struct error *err);
/* Lets everybody read a file (mode 0644), or list and enter a directory (0755): for what is made to
 * be published. */
RESULT_MUST_BE_USED int os_share(struct os *os, const char *path, struct error *err);
/* Visits the names of a directory in bytewise order. */
RESULT_MUST_BE_USED int os_list(struct os *os, const char *path, os_list_fn visit, void *context,
                                struct error *err);
RESULT_MUST_BE_USED int os_sync_dir(struct os *os, const char *path, struct error *err);
/* ENOTFOUND when the path does not exist. */
RESULT_MUST_BE_USED int os_stat_path(struct os *os, const char *path, struct os_stat *out,
                                     struct error *err);
RESULT_MUST_BE_USED int os_free_space(struct os *os, const char *path, uint64_t *out_bytes,
                                      struct error *err);
/* Takes the exclusive advisory lock of a lock file, creating it, and writes this process's id into
 * it. On a read-only file system a lock file that is there is locked without that. EBUSY at once
 * when another process (or another lock in this one) holds it; the message names the holder's pid.
 * Closing the file releases the lock; the file stays. A forked child shares it
 * until it executes another program or ends. */
RESULT_MUST_BE_USED int os_lock(struct os *os, const char *path, struct os_file **out,
                                struct error *err);
/* Wall clock in milliseconds since 1970; may jump. */
uint64_t os_now_ms(struct os *os);
/* Monotonic clock in nanoseconds since an unknown start. */
uint64_t os_monotonic_ns(struct os *os);
/* Cryptographically strong random bytes. Small draws come from a pool of the thread, which fork()
 * empties in the child. */
RESULT_MUST_BE_USED int os_random(struct os *os, void *out, size_t len, struct error *err);
/* Starts a thread named `name` (at most 15 bytes are kept); every thread must be joined. */
RESULT_MUST_BE_USED int os_thread_start(struct os *os, const char *name, os_thread_fn fn, void *arg,
                                        struct os_thread **out, struct error *err);
void os_thread_join(struct os *os, struct os_thread *thread);
void os_sleep_ns(struct os *os, uint64_t ns);
/* How many processors this process may use: its affinity mask, and the quota of its control group,
 * rounded up; at least 1. Reads files: not for hot paths. */
unsigned os_processor_count(void);
/* Whether this process may write a file, or in a directory, that is there. An answer for messages:
 * who writes still has to expect a refusal. */
bool os_may_write(const char *path);

/* While a scope is entered, reads of the calling thread ask the page cache first, and what they
 * found is counted; with no_wait a read that the page cache cannot answer fails with EWOULDBLOCK
 * (a standing message) instead of waiting for the device. So a function that may not wait says so
 * once, and each read below it obeys, whatever layers are between. Scopes do not nest. */
struct os_read_scope {
    bool no_wait;
    uint32_t cached_reads; /* answered by the page cache */
    uint32_t device_reads; /* that may have waited, or were refused */
};
/* scope must be zeroed but for no_wait, and stay until os_read_scope_leave(). */
void os_read_scope_enter(struct os_read_scope *scope);
void os_read_scope_leave(void);

/* OS-2: *out_len < len only at the end of the file. */
RESULT_MUST_BE_USED int file_pread(struct os_file *f, void *out, size_t len, uint64_t offset,
                                   size_t *out_len, struct error *err);
/* Like file_pread(), but a file that ends early is ECORRUPT, with path and offset in the message.
 */
RESULT_MUST_BE_USED int file_pread_full(struct os_file *f, void *out, size_t len, uint64_t offset,
                                        struct error *err);
RESULT_MUST_BE_USED int file_pwrite(struct os_file *f, const void *data, size_t len,
                                    uint64_t offset, struct error *err);
/* Makes the written bytes and the length durable (fdatasync). OS-3. */
RESULT_MUST_BE_USED int file_sync(struct os_file *f, struct error *err);
/* Reserves blocks without changing the length of the file; does nothing where the file system
 * cannot. ENOSPC when there are too few. */
RESULT_MUST_BE_USED int file_preallocate(struct os_file *f, uint64_t offset, uint64_t len,
                                         struct error *err);
RESULT_MUST_BE_USED int file_truncate(struct os_file *f, uint64_t len, struct error *err);
RESULT_MUST_BE_USED int file_stat(struct os_file *f, struct os_stat *out, struct error *err);
/* Starts writing a range to the device without waiting (sync_file_range); promises nothing. */
RESULT_MUST_BE_USED int file_write_behind(struct os_file *f, uint64_t offset, uint64_t len,
                                          struct error *err);
/* A hint; never fails. */
void file_advise(struct os_file *f, uint64_t offset, uint64_t len, enum os_advice advice);
/* NULL does nothing. Never reports an error: what matters was synced before. */
void file_close(struct os_file *f);
/* Tells f that it has got another name, which messages give from now on; without memory they give
 * the old one. Nobody else may use f meanwhile. */
void file_renamed(struct os_file *f, const char *path);
/* For AUTO(file_close_ptr). */
void file_close_ptr(struct os_file **f);

/* Helpers built on the above, os/file.c. */

/* Reads a whole file of at most max_bytes; ELIMIT when larger. Appends to out. */
RESULT_MUST_BE_USED int os_read_file(struct os *os, const char *path, size_t max_bytes,
                                     struct buf *out, struct error *err);
/* Replaces a file so that a power cut leaves the old or the new content: writes `path`.tmp, syncs,
 * renames, syncs the directory. */
RESULT_MUST_BE_USED int os_replace_file(struct os *os, const char *path, struct slice content,
                                        struct error *err);
/* Creates a directory and its missing parents, syncing each parent; fine when it exists (then its
 * name is synced again, for an earlier attempt may have ended before that). EEXIST when a part of
 * the path is a file. */
RESULT_MUST_BE_USED int os_make_dirs(struct os *os, const char *path, struct error *err);
/* Copies a file (link across file systems); syncs the copy, not its directory. EEXIST when `to` is
 * there; a copy that fails is removed. */
RESULT_MUST_BE_USED int os_copy_file(struct os *os, const char *from, const char *to,
                                     struct error *err);
/* Joins two path parts with one slash; returned text is freed by the caller, NULL when no memory.
 */
char *path_join(const char *dir, const char *name) __attribute__((malloc));
/* The directory part of a path, "." when it has none; freed by the caller. */
char *path_dir(const char *path) __attribute__((malloc));
