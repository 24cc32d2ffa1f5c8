/* SPDX-License-Identifier: Apache-2.0 */
/* The figures that monitoring expects of every process. */
#include "os/os_usage.h"
#include "server/metrics.h"

#include <blockdb/blockdb.h>

static void write_build(struct metrics_writer *w)
{
    const struct metrics_labels labels = {{{"version", blockdb_version()}}};

    metrics_family(w, METRICS_GAUGE, "blockdb_build_info", "Version of this program; always 1.");
    metrics_u64(w, &labels, 1);
}

static void write_process(void *arg, struct metrics_writer *w)
{
    struct os_usage usage;

    os_usage_get(&usage);
    write_build(w);
    metrics_family(w, METRICS_COUNTER, "process_cpu_seconds_total",
                   "User and system CPU time of all threads.");
    metrics_seconds(w, NULL, usage.cpu_ns);
    metrics_gauge(w, "process_resident_memory_bytes", "Resident memory.", usage.resident_bytes);
    metrics_gauge(w, "process_virtual_memory_bytes", "Virtual memory.", usage.virtual_bytes);
    metrics_family(w, METRICS_GAUGE, "process_start_time_seconds",
                   "Start of the process, in seconds since 1970.");
    metrics_double(w, NULL, (double)usage.start_time_ms / 1000);
    metrics_gauge(w, "process_open_fds", "Open file descriptors.", usage.open_files);
    metrics_gauge(w, "process_max_fds", "Limit of open file descriptors.", usage.open_files_max);
    metrics_gauge(w, "process_threads", "Threads.", usage.thread_count);
    metrics_counter(w, "blockdb_process_disk_read_bytes_total", "Bytes that came from a disk.",
                    usage.disk_read_bytes);
    metrics_counter(w, "blockdb_process_disk_written_bytes_total", "Bytes that went to a disk.",
                    usage.disk_written_bytes);
}

void metrics_register_process(struct metrics *m)
{
    metrics_register(m, write_process, NULL);
}
