/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define UNLIMITED UINT32_MAX

/* Processors that a file cpu.max allows: "200000 100000" are two, "max 100000" any number. */
static unsigned quota_of_file(const char *path)
{
    FILE *f = fopen(path, "re");
    uint64_t quota;
    uint64_t period;
    int fields;

    if (f == NULL) {
        return UNLIMITED;
    }
    fields = fscanf(f, "%" SCNu64 " %" SCNu64, &quota, &period);
    (void)fclose(f);
    if (fields != 2 || period == 0 || quota / period >= UNLIMITED) {
        return UNLIMITED;
    }
    return quota <= period ? 1 : (unsigned)((quota + period - 1) / period);
}

/* The smallest quota of the process's control group and those above it. */
static unsigned quota_of_group(void)
{
    char group[OS_PATH_MAX / 2] = "";
    char path[OS_PATH_MAX];
    unsigned least = UNLIMITED;
    FILE *f = fopen("/proc/self/cgroup", "re");
    char *slash;

    if (f == NULL) {
        return UNLIMITED;
    }
    while (fgets(group, sizeof(group), f) != NULL && strncmp(group, "0::", 3) != 0) {
        group[0] = '\0'; /* a line of the older kind of groups */
    }
    (void)fclose(f);
    group[strcspn(group, "\n")] = '\0';
    slash = group + strlen(group);
    while (group[0] != '\0' && slash != NULL) {
        unsigned quota;

        *slash = '\0';
        (void)snprintf(path, sizeof(path), CGROUP_ROOT "%s/cpu.max", group + strlen("0::"));
        quota = quota_of_file(path);
        least = quota < least ? quota : least;
        slash = strrchr(group + strlen("0::"), '/');
    }
    return least;
}

unsigned os_processor_count(void)
{
    unsigned quota = quota_of_group();
    unsigned count = 1;
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1) {
        count = (unsigned)CPU_COUNT(&set);
    }
    return quota < count ? quota : count;
}
