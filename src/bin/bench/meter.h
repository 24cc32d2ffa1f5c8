/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meter: what a process and the machine have used up, as the kernel counts it.
 *
 * Figures that the kernel does not tell (no /proc, a process that is gone or not ours) are 0.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct os;

/* Which process: the number of one, or one of these. */
#define METER_SELF 0
#define METER_NONE (-1) /* one that cannot be looked at, such as on another machine */

struct meter {
    uint64_t time_ns;
    uint64_t cpu_ns;          /* of all threads of the process, user and system */
    uint64_t self_cpu_ns;     /* of this one, whichever is looked at */
    uint64_t machine_busy_ns; /* of all processors and processes */
    uint64_t written_bytes;   /* sent towards the disk by the process */
};

void meter_read(struct os *os, int64_t process, struct meter *out);

/* Lets the peak of resident memory start again from what is resident now. */
void meter_reset_peak(int64_t process);
uint64_t meter_peak_bytes(int64_t process);

/* Bytes on disk below a directory, split by the names that BlockDB gives its files. */
struct disk_usage {
    uint64_t total;
    uint64_t wal;
    uint64_t ledger;
    uint64_t tables;
    uint64_t tiles;
};
RESULT_MUST_BE_USED int disk_usage_read(struct os *os, const char *dir, struct disk_usage *out,
                                        struct error *err);
/* Removes a directory and all below it; fine when it does not exist. */
RESULT_MUST_BE_USED int disk_remove(struct os *os, const char *dir, struct error *err);
