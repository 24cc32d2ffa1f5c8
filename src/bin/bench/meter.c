/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/meter.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define LINE_MAX_BYTES 1024
#define PATH_BYTES 64

/* The number behind `name` at the start of a line of a file of the kernel, or 0. */
static uint64_t kernel_number(const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    char line[LINE_MAX_BYTES];
    size_t name_len = strlen(name);
    uint64_t value = 0;

    if (f == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, name_len) == 0) {
            (void)sscanf(line + name_len, "%" SCNu64, &value);
            break;
        }
    }
    (void)fclose(f);
    return value;
}

/* Time that all processors together were busy since boot. */
static uint64_t machine_busy_ns(void)
{
    FILE *f = fopen("/proc/stat", "re");
    uint64_t t[8] = {0};
    long per_second = sysconf(_SC_CLK_TCK);

    if (f == NULL) {
        return 0;
    }
    /* user nice system idle iowait irq softirq steal */
    if (fscanf(f,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8) {
        memset(t, 0, sizeof(t));
    }
    (void)fclose(f);
    return per_second > 0
               ? (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) * (NS_PER_S / (uint64_t)per_second)
               : 0;
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_usec * 1000;
}

/* The path of a file that the kernel has for a process. */
static void process_path(char out[PATH_BYTES], int64_t process, const char *name)
{
    if (process == METER_SELF) {
        (void)snprintf(out, PATH_BYTES, "/proc/self/%s", name);
    } else {
        (void)snprintf(out, PATH_BYTES, "/proc/%" PRId64 "/%s", process, name);
    }
}

static uint64_t process_number(int64_t process, const char *file, const char *name)
{
    char path[PATH_BYTES];

    process_path(path, process, file);
    return process != METER_NONE ? kernel_number(path, name) : 0;
}

static uint64_t self_cpu_ns(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0
               ? timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime)
               : 0;
}

/* Time that another process used; the kernel counts it in ticks. */
static uint64_t process_cpu_ns(int64_t process)
{
    char path[PATH_BYTES];
    char line[LINE_MAX_BYTES];
    long per_second = sysconf(_SC_CLK_TCK);
    uint64_t user = 0;
    uint64_t system = 0;
    const char *end = NULL;
    FILE *f;

    process_path(path, process, "stat");
    f = process != METER_NONE ? fopen(path, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    if (fgets(line, sizeof(line), f) != NULL) {
        end = strrchr(line, ')'); /* the name before it may hold anything */
    }
    (void)fclose(f);
    if (end == NULL || per_second <= 0 ||
        sscanf(end + 1, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64, &user,
               &system) != 2) {
        return 0;
    }
    return (user + system) * (NS_PER_S / (uint64_t)per_second);
}

void meter_read(struct os *os, int64_t process, struct meter *out)
{
    *out = (struct meter){.machine_busy_ns = machine_busy_ns(),
                          .self_cpu_ns = self_cpu_ns(),
                          .written_bytes = process_number(process, "io", "write_bytes:")};
    out->cpu_ns = process == METER_SELF ? out->self_cpu_ns : process_cpu_ns(process);
    out->time_ns = os_monotonic_ns(os);
}

void meter_reset_peak(int64_t process)
{
    char path[PATH_BYTES];
    FILE *f;

    process_path(path, process, "clear_refs");
    f = process != METER_NONE ? fopen(path, "we") : NULL;
    if (f != NULL) {
        (void)fputs("5", f);
        (void)fclose(f); /* where it is refused, the peak is that of the whole run */
    }
}

uint64_t meter_peak_bytes(int64_t process)
{
    return process_number(process, "status", "VmHWM:") * 1024;
}

/* ---- Directories --------------------------------------------------------------------------- */

/* A walk over a tree: paths of directories, each with its zero byte, parents before children. */
struct walk {
    struct os *os;
    struct buf dirs;
    const char *dir;          /* the one being listed; a copy, for dirs moves */
    struct disk_usage *usage; /* NULL: files are removed */
    struct error *err;
};

static void count_file(struct disk_usage *usage, const char *name, uint64_t len)
{
    const char *dot = strrchr(name, '.');

    usage->total += len;
    if (strstr(name, ".wal") != NULL) {
        usage->wal += len;
    } else if (dot != NULL && strcmp(dot, ".blk") == 0) {
        usage->ledger += len;
    } else if (dot != NULL && strcmp(dot, ".sst") == 0) {
        usage->tables += len;
    } else if (dot != NULL && strcmp(dot, ".tiles") == 0) {
        usage->tiles += len;
    }
}

static int visit_file(struct walk *w, const char *path, const char *name)
{
    struct os_stat stat;
    int rc;

    if (w->usage == NULL) {
        return os_unlink(w->os, path, w->err);
    }
    rc = os_stat_path(w->os, path, &stat, w->err);
    if (rc == BLOCKDB_ENOTFOUND) { /* an engine in the background removed it */
        return BLOCKDB_OK;
    }
    if (rc == 0) {
        count_file(w->usage, name, stat.allocated_bytes);
    }
    return rc;
}

static int visit(void *context, const char *name, bool is_dir)
{
    struct walk *w = context;
    AUTO(mem_free_ptr) char *path = path_join(w->dir, name);

    if (path == NULL) {
        return error_set_no_memory(w->err);
    }
    if (!is_dir) {
        return visit_file(w, path, name);
    }
    if (buf_append(&w->dirs, path, strlen(path) + 1) < 0) {
        return error_set_no_memory(w->err);
    }
    return BLOCKDB_OK;
}

static int walk_all(struct walk *w, const char *dir)
{
    size_t at = 0;

    if (buf_append(&w->dirs, dir, strlen(dir) + 1) < 0) {
        return error_set_no_memory(w->err);
    }
    while (at < w->dirs.len) {
        AUTO(mem_free_ptr) char *path = mem_strdup((const char *)w->dirs.data + at);
        int rc;

        if (path == NULL) {
            return error_set_no_memory(w->err);
        }
        w->dir = path;
        rc = os_list(w->os, path, visit, w, w->err);
        if (rc < 0 && !(rc == BLOCKDB_ENOTFOUND && w->usage != NULL)) {
            return rc;
        }
        at += strlen(path) + 1;
    }
    return BLOCKDB_OK;
}

int disk_usage_read(struct os *os, const char *dir, struct disk_usage *out, struct error *err)
{
    struct disk_usage usage = {0};
    struct walk w = {.os = os, .usage = &usage, .err = err};
    int rc = walk_all(&w, dir);

    buf_deinit(&w.dirs);
    if (rc == 0) {
        *out = usage;
    }
    return rc;
}

/* Removes the directories that a walk has emptied, children before parents. */
static int remove_dirs(struct walk *w)
{
    while (w->dirs.len > 0) {
        size_t at = w->dirs.len - 1;
        int rc;

        while (at > 0 && w->dirs.data[at - 1] != '\0') {
            at--;
        }
        rc = os_rmdir(w->os, (const char *)w->dirs.data + at, w->err);
        if (rc < 0) {
            return rc;
        }
        w->dirs.len = at;
    }
    return BLOCKDB_OK;
}

int disk_remove(struct os *os, const char *dir, struct error *err)
{
    struct walk w = {.os = os, .err = err};
    struct os_stat stat;
    int rc = os_stat_path(os, dir, &stat, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return BLOCKDB_OK;
    }
    if (rc == 0) {
        rc = walk_all(&w, dir);
    }
    if (rc == 0) {
        rc = remove_dirs(&w);
    }
    buf_deinit(&w.dirs);
    return rc;
}
