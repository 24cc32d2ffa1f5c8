/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of os_crash, shared by its files: os_crash.c (opening, clocks), os_crash_names.c
 * (paths), os_crash_file.c (open files), os_crash_control.c (what tests call).
 *
 * Threads: caller locks `mu` where REQUIRES says so.
 */
#pragma once

#include "base/lock.h"
#include "os/crash_disk.h"
#include "os/os_crash.h"

#include <stdatomic.h>

struct os_crash {
    struct os base; /* first: what callers see */
    /* constant */
    uint64_t seed;
    /* atomic, relaxed: clocks and randomness order nothing */
    _Atomic uint64_t time_ms;
    _Atomic uint64_t monotonic_ns;
    _Atomic uint64_t draws;
    struct mutex mu;
    /* guarded by mu */
    struct crash_disk *disk;
    uint64_t operations;
    uint64_t cut_at;    /* the operation at which the power goes; 0 never */
    uint64_t power_ons; /* open files of an earlier time are dead */
    uint64_t capacity_bytes;
    bool off;
};

struct crash_handle {
    struct os_file base;
    uint32_t node;
    uint64_t power_on; /* when it was opened */
    unsigned flags;
    bool has_lock;
};

extern const struct os_ops os_crash_ops;
extern const struct os_file_ops os_crash_file_ops;

static inline struct os_crash *crash_of(struct os *os)
{
    return (struct os_crash *)os;
}

static inline struct crash_handle *handle_of(struct os_file *f)
{
    return (struct crash_handle *)f;
}

/* Sets the error for what the disk answered: EIO always means that the power is off. */
int crash_answer(struct error *err, int code, const char *what, const char *path);

/* Counts a changing operation; false when the power is off. */
bool crash_begin_change(struct os_crash *c) REQUIRES(c->mu);
/* Switches off if the operation begun last is the armed one; whether the power is off. */
bool crash_power_goes(struct os_crash *c) REQUIRES(c->mu);
/* The result of a change that has been made: EIO if the power went with it. */
int crash_end_change(struct os_crash *c, int rc) REQUIRES(c->mu);

/* Makes a new name for a new file or directory. */
int crash_create_node(struct os_crash *c, const char *path, bool is_dir, uint32_t *out_node)
    REQUIRES(c->mu);
/* Whether an open file can be used: the power is on and was on since it was opened. */
bool crash_is_alive(struct os_crash *c, const struct crash_handle *h) REQUIRES(c->mu);
struct os_stat crash_stat_of(const struct crash_disk *d, uint32_t number);

/* As in struct os_ops. */
int crash_mkdir(struct os *os, const char *path, struct error *err);
int crash_rename(struct os *os, const char *from, const char *to, struct error *err);
int crash_link(struct os *os, const char *from, const char *to, struct error *err);
int crash_unlink(struct os *os, const char *path, struct error *err);
int crash_rmdir(struct os *os, const char *path, struct error *err);
int crash_list(struct os *os, const char *path, os_list_fn visit, void *context, struct error *err);
int crash_sync_dir(struct os *os, const char *path, struct error *err);
int crash_stat(struct os *os, const char *path, struct os_stat *out, struct error *err);
int crash_free_space(struct os *os, const char *path, uint64_t *out_bytes, struct error *err);
