/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process has taken from the system so far, as monitoring asks for it.
 *
 * Threads: any thread.
 */
#pragma once

#include <stdint.h>

/* What could not be learned is 0. */
struct os_usage {
    uint64_t cpu_ns;         /* user and system time of all threads */
    uint64_t resident_bytes; /* now */
    uint64_t virtual_bytes;  /* now */
    uint64_t start_time_ms;  /* wall clock */
    uint64_t open_files;     /* descriptors, now */
    uint64_t open_files_max; /* the limit in force */
    uint64_t thread_count;
    uint64_t disk_read_bytes; /* that really came from a disk */
    uint64_t disk_written_bytes;
};

void os_usage_get(struct os_usage *out);
