/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk of os_crash: files and directories in memory, each with what is durable, what is
 * visible, and the changes between the two in the order of time.
 *
 * Nodes are named by their number in the disk's table, so a copy of the disk needs no translation.
 *
 * DISK-1  Applying all pending changes of a node to what is durable gives what is visible.
 * DISK-2  A node lives while a name (durable, visible or in a pending change) or an open file
 *         refers to it; `refs` counts these.
 * DISK-3  Every operation that fails leaves the disk as it was.
 *
 * For use inside os/ only (os_crash.h is the face).
 *
 * Threads:   caller locks.
 * Ownership: a disk owns its nodes.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define CRASH_NAME_BYTES 252 /* with the terminating zero */
#define CRASH_ROOT 0
#define CRASH_FILE_BYTES_MAX ((uint64_t)1 << 32)
#define CRASH_SECTOR_BYTES 512

/* One name in a directory. */
struct crash_name {
    char text[CRASH_NAME_BYTES];
    uint32_t node;
};

enum crash_change_kind {
    CRASH_WRITE,    /* files: `len` bytes at `offset` */
    CRASH_TRUNCATE, /* files: the length becomes `offset` */
    CRASH_ADD,      /* directories: `name` becomes `node` */
    CRASH_REMOVE,   /* directories: `name` goes, if it is `node` */
    CRASH_RENAME,   /* directories: `name` becomes `node` and `from` goes, at once */
};

/* An unsynced change of a file. Its bytes lie in crash_node.change_bytes at `start`. */
struct crash_file_change {
    enum crash_change_kind kind;
    uint64_t serial;
    uint64_t offset;
    size_t len;
    size_t start;
};

/* An unsynced change of a directory. A removal that is half of a rename between directories names
 * the addition it must not outrun: its directory and serial, else serial 0. */
struct crash_name_change {
    enum crash_change_kind kind;
    uint64_t serial;
    uint32_t node;
    uint32_t partner_dir;
    uint64_t partner_serial;
    char name[CRASH_NAME_BYTES];
    char from[CRASH_NAME_BYTES];
};

struct crash_node {
    bool is_dir;
    bool locked;
    uint32_t refs;
    uint32_t names; /* visible ones */
    uint32_t opens;
    uint64_t mtime_ms;
    uint64_t reserved_bytes;
    uint64_t commit_to; /* directories: scratch of crash_dir_sync() */
    struct buf durable; /* bytes of a file, or sorted struct crash_name */
    struct buf visible;
    struct buf changes;      /* struct crash_file_change or crash_name_change */
    struct buf change_bytes; /* files only */
};

struct crash_disk {
    struct crash_node **nodes; /* NULL where one was freed */
    uint32_t count;
    uint32_t cap;
    bool garbage;         /* some node may have no refs */
    uint64_t last_serial; /* of all changes, in time */
};

/* A disk with an empty, durable root. NULL when there is no memory; so are the next two. */
struct crash_disk *crash_disk_new(void);
/* The same state without open files and locks. */
struct crash_disk *crash_disk_copy(const struct crash_disk *d);
/* What a power cut leaves, chosen by seed. */
struct crash_disk *crash_disk_settle(const struct crash_disk *d, uint64_t seed);
void crash_disk_free(struct crash_disk *d);

/* A new node without names. The caller gives it a name or sets d->garbage. */
RESULT_MUST_BE_USED int crash_disk_add(struct crash_disk *d, bool is_dir, uint32_t *out_node);
/* Frees the nodes nobody refers to. */
void crash_disk_sweep(struct crash_disk *d);
/* Bytes of all files that have a visible name or are open. */
uint64_t crash_disk_used_bytes(const struct crash_disk *d);
/* ENOTFOUND; EINVAL for ".." or a name too long or a file where a directory must be. */
RESULT_MUST_BE_USED int crash_disk_find(const struct crash_disk *d, const char *path,
                                        uint32_t *out_node);
/* The directory of path and its last name; EINVAL when there is none. */
RESULT_MUST_BE_USED int crash_disk_find_parent(const struct crash_disk *d, const char *path,
                                               uint32_t *out_dir, char name[CRASH_NAME_BYTES]);

/* Files, crash_file.c. ENOMEM, and ENOSPC beyond CRASH_FILE_BYTES_MAX. */
RESULT_MUST_BE_USED int crash_file_write(struct crash_disk *d, struct crash_node *node,
                                         struct slice data, uint64_t offset);
RESULT_MUST_BE_USED int crash_file_truncate(struct crash_disk *d, struct crash_node *node,
                                            uint64_t len);
RESULT_MUST_BE_USED int crash_file_sync(struct crash_node *node);

/* Directories, crash_dir.c. Names must be checked by the caller: `to` may exist only in add (which
 * replaces) and rename. */
const struct crash_name *crash_dir_find(const struct buf *names, const char *text);
static inline size_t crash_dir_count(const struct buf *names)
{
    return names->len / sizeof(struct crash_name);
}
static inline const struct crash_name *crash_dir_at(const struct buf *names, size_t i)
{
    return (const struct crash_name *)(const void *)names->data + i;
}
RESULT_MUST_BE_USED int crash_dir_add(struct crash_disk *d, uint32_t dir, const char *name,
                                      uint32_t node);
RESULT_MUST_BE_USED int crash_dir_remove(struct crash_disk *d, uint32_t dir, const char *name);
RESULT_MUST_BE_USED int crash_dir_rename(struct crash_disk *d, uint32_t from_dir, const char *from,
                                         uint32_t to_dir, const char *to);
RESULT_MUST_BE_USED int crash_dir_sync(struct crash_disk *d, uint32_t dir);

/* Fates, crash_fate.c: what becomes of each change in one cut, as a function of its serial. */
struct crash_fate {
    uint64_t seed;
    int mood;
    unsigned hold_of_256; /* mood "each by itself": chance to hold */
    uint64_t cut_serial;  /* mood "prefix": the change that was under way */
};

struct crash_fate crash_fate_of(const struct crash_disk *d, uint64_t seed);
/* A name change, a truncate, or the length of a write. */
bool crash_fate_holds(const struct crash_fate *fate, uint64_t serial);
/* The sector number `sector` (from 0, of `count`) of the data of a write. */
bool crash_fate_sector_holds(const struct crash_fate *fate, uint64_t serial, size_t sector,
                             size_t count);
/* Fills the empty node `to` of another disk with what is left of `from`. Names are copied without
 * counting references. */
RESULT_MUST_BE_USED int crash_file_settle(const struct crash_fate *fate,
                                          const struct crash_node *from, struct crash_node *to);
RESULT_MUST_BE_USED int crash_dir_settle(const struct crash_disk *d, const struct crash_fate *fate,
                                         const struct crash_node *from, struct crash_node *to);
