/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define POLLS_MAX 1000
#define POLL_NS 5000000

uint64_t world_seed;

/* What all of them begin with: nothing happens by itself. */
void world_open(struct world *w, const char *name, const char *value,
                const struct fixture_option *more)
{
    static const struct fixture_option quiet[] = {
        {"block_interval", "1h"},        {"wal_sync_interval", "1h"},
        {"wal_sync_mode", "none"},       {"memtable_size_limit", "16MiB"},
        {"compaction_threshold", "64"},  {"blockchain_batch_size", "100000"},
        {"ledger_segment_size", "1GiB"},
    };
    struct fixture_option list[20];
    size_t count = sizeof(quiet) / sizeof(quiet[0]);

    memcpy(list, quiet, sizeof(quiet));
    for (; more != NULL && more->name != NULL; more++) {
        list[count++] = *more;
    }
    list[count++] = (struct fixture_option){name, value};
    list[count] = (struct fixture_option){NULL, NULL};
    w->db = fixture_open(w->os, "/db", list, BLOCKDB_OPEN_CREATE);
}

void world_new(struct world *w, const char *name, const char *value,
               const struct fixture_option *more)
{
    w->step_ms = 0;
    w->disk = os_crash_new(world_seed);
    w->os = os_crash_os(w->disk);
    world_open(w, name, value, more);
}

void world_free(struct world *w)
{
    fixture_close(w->db);
    os_crash_free(w->disk);
}

void world_put_many(struct blockdb *db, unsigned first, unsigned count, size_t len)
{
    static uint8_t value[70000];
    uint64_t rng = world_seed | 1;
    unsigned i;
    size_t k;

    for (i = first; i < first + count; i++) {
        char key[32];

        for (k = 0; k < len; k++) {
            rng = rng * 6364136223846793005u + 1442695040888963407u;
            value[k] = (uint8_t)((rng >> 59) * 8);
        }
        (void)snprintf(key, sizeof(key), "key%06u", i);
        fixture_put(db, key, value, len);
    }
}

void world_get_many(struct blockdb *db, const char *prefix, unsigned count, int expected)
{
    struct blockdb_value value = {0};
    struct error err;
    unsigned i;

    for (i = 0; i < count; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "%s%06u", prefix, i);
        assert_int_equal(blockdb_get(db, key, strlen(key), NULL, &value, &err), expected);
    }
    blockdb_value_deinit(&value);
}

void world_flush(struct blockdb *db)
{
    struct error err;

    fixture_must(blockdb_flush(db, &err), &err);
}

bool world_comes_true(struct world *w, bool (*is_true)(const struct blockdb_stats *))
{
    unsigned i;

    for (i = 0; i < POLLS_MAX; i++) {
        struct blockdb_stats stats = fixture_stats(w->db);

        if (is_true(&stats)) {
            return true;
        }
        os_crash_advance(w->disk, w->step_ms);
        os_sleep_ns(os_real(), POLL_NS);
    }
    return false;
}

static int count_file(void *context, const char *path, uint64_t len)
{
    struct world_files *c = context;

    if (strstr(path, c->part) != NULL) {
        c->files++;
        c->longest = len > c->longest ? len : c->longest;
    }
    return 0;
}

struct world_files world_files_with(struct world *w, const char *part)
{
    struct world_files count = {.part = part};
    struct error err;

    fixture_must(os_crash_visit(w->disk, "/", count_file, &count, &err), &err);
    return count;
}
