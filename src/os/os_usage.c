/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os_usage.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define STAT_BYTES 1024

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_usec * 1000;
}

/* The number behind `name` in a file of lines "name number"; 0 when it is not there. */
static uint64_t number_in(const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    char line[256];
    uint64_t number = 0;

    if (f == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            (void)sscanf(line + strlen(name), "%" SCNu64, &number);
            break;
        }
    }
    (void)fclose(f);
    return number;
}

/* Fields 20, 22 and 23 of /proc/self/stat: threads, start in ticks since boot, virtual bytes. What
 * stands before them may hold spaces and ends with the last parenthesis. */
static void read_stat(struct os_usage *out)
{
    FILE *f = fopen("/proc/self/stat", "re");
    char text[STAT_BYTES];
    const char *after;
    struct timespec now;
    struct timespec since_boot;
    uint64_t ticks = 0;
    long per_second = sysconf(_SC_CLK_TCK);

    if (f == NULL) {
        return;
    }
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    (void)fclose(f);
    after = strrchr(text, ')');
    if (after == NULL || per_second <= 0 ||
        sscanf(after + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNu64
               " %*d %" SCNu64 " %" SCNu64,
               &out->thread_count, &ticks, &out->virtual_bytes) != 3) {
        return;
    }
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 &&
        clock_gettime(CLOCK_BOOTTIME, &since_boot) == 0) {
        uint64_t boot_ms = ((uint64_t)now.tv_sec - (uint64_t)since_boot.tv_sec) * 1000 +
                           (uint64_t)now.tv_nsec / 1000000 - (uint64_t)since_boot.tv_nsec / 1000000;

        out->start_time_ms = boot_ms + ticks * 1000 / (uint64_t)per_second;
    }
}

static uint64_t count_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the descriptor of this listing */
}

void os_usage_get(struct os_usage *out)
{
    struct rusage usage;
    struct rlimit limit;

    *out = (struct os_usage){0};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
    }
    read_stat(out);
    out->resident_bytes = number_in("/proc/self/status", "VmRSS:") * 1024;
    out->open_files = count_open_files();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        out->open_files_max = limit.rlim_cur;
    }
    out->disk_read_bytes = number_in("/proc/self/io", "read_bytes:");
    out->disk_written_bytes = number_in("/proc/self/io", "write_bytes:");
}
