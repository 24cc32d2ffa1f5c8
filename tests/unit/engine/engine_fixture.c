/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_fixture.h"

#include "engine/open.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_DIRS_MAX 16

void fixture_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fflush(stdout); /* the order of the two only matters to readers */
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    abort();
}

void fixture_must(int rc, const struct error *err)
{
    if (rc < 0) {
        fixture_fail("unexpected error %d: %s", rc, err->message);
    }
}

static void set_all(struct blockdb_options *options, const struct fixture_option *list)
{
    struct error err;

    for (; list != NULL && list->name != NULL; list++) {
        fixture_must(blockdb_options_set(options, list->name, list->value, &err), &err);
    }
}

struct blockdb_options *fixture_options(const struct fixture_option *list)
{
    static const struct fixture_option small[] = {
        {"memtable_size_limit", "1MiB"}, {"wal_file_size", "17MiB"},
        {"wal_keep_size", "0"},          {"ledger_segment_size", "1MiB"},
        {"blockchain_batch_size", "50"}, {"block_cache_size", "1MiB"},
        {"index_cache_size", "1MiB"},    {"compaction_threshold", "2"},
        {"max_compaction_threads", "2"}, {NULL, NULL},
    };
    struct blockdb_options *options = blockdb_options_new();

    if (options == NULL) {
        fixture_fail("out of memory");
    }
    set_all(options, small);
    set_all(options, list);
    return options;
}

struct blockdb *fixture_open(struct os *os, const char *dir, const struct fixture_option *list,
                             unsigned flags)
{
    struct blockdb_options *options = fixture_options(list);
    struct blockdb *db = NULL;
    struct error err;

    fixture_must(db_open(os, dir, options, flags, &db, &err), &err);
    blockdb_options_free(options);
    return db;
}

void fixture_close(struct blockdb *db)
{
    struct error err;

    fixture_must(blockdb_close(db, &err), &err);
}

void fixture_put(struct blockdb *db, const char *key, const void *value, size_t len)
{
    struct error err;

    fixture_must(blockdb_put(db, key, strlen(key), value, len, NULL, NULL, &err), &err);
}

uint64_t fixture_verify(struct blockdb *db)
{
    struct blockdb_verify_report report;
    struct error err;

    fixture_must(blockdb_verify(db, NULL, &report, &err), &err);
    return report.entries;
}

struct blockdb_stats fixture_stats(struct blockdb *db)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    struct error err;

    fixture_must(blockdb_stats_get(db, &stats, &err), &err);
    return stats;
}

void fixture_make_dir(char *out)
{
    (void)snprintf(out, 64, "/tmp/blockdb-test-XXXXXX");
    if (mkdtemp(out) == NULL) {
        fixture_fail("cannot make a directory below /tmp");
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void fixture_remove_dir(const char *dir)
{
    if (nftw(dir, remove_one, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS) != 0) {
        fixture_fail("cannot remove '%s'", dir);
    }
}
