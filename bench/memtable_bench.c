/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a memtable takes and gives keys, alone in one thread.
 *
 * Usage: memtable_bench [keys]      (default 400000)
 */
#include "base/mem.h"
#include "os/os.h"
#include "store/memtable.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEY_LEN 16
#define VALUE_LEN 100
#define GROUP 50 /* added together; the number of keys is a multiple of it */

struct workload {
    const char *name;
    bool ascending;
    bool common_prefix; /* all keys begin with "customer:" */
    bool hint;          /* and the memtable is told */
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void make_key(const struct workload *w, uint64_t i, uint8_t *key)
{
    uint64_t n = w->ascending ? i : mix(i + 1);

    if (w->common_prefix) {
        memcpy(key, "customer:", 9);
        put_be64(key + 8, n);
        key[8] = ':';
    } else {
        put_be64(key, n);
        put_be64(key + 8, mix(n));
    }
}

/* Processor time, so that others on the machine disturb less. */
static double seconds_since(clock_t start)
{
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

static int add_all(struct memtable *mt, const struct workload *w, uint64_t keys)
{
    uint64_t i;

    for (i = 0; i < keys; i += GROUP) {
        struct slice group[GROUP];
        size_t n;

        for (n = 0; n < GROUP; n++) {
            uint8_t *record = memtable_alloc(mt, KEY_LEN + VALUE_LEN);

            if (record == NULL) {
                return BLOCKDB_ENOMEM;
            }
            make_key(w, i + n, record);
            memset(record + KEY_LEN, 'v', VALUE_LEN);
            group[n] = slice_of(record, KEY_LEN);
        }
        memtable_prefetch(mt, group, n);
        for (n = 0; n < GROUP; n++) {
            struct memtable_version version = {
                .seq = i + n,
                .time_ms = i,
                .kind = BLOCKDB_KIND_PUT,
                .value = slice_of(group[n].data + KEY_LEN, VALUE_LEN),
                .record = slice_of(group[n].data, KEY_LEN + VALUE_LEN),
            };

            if (memtable_add(mt, group[n], &version) < 0) {
                return BLOCKDB_ENOMEM;
            }
        }
    }
    return BLOCKDB_OK;
}

static uint64_t get_all(const struct memtable *mt, const struct workload *w, uint64_t keys)
{
    uint64_t found = 0;
    uint64_t i;

    for (i = 0; i < keys; i++) {
        struct memtable_version version;
        uint8_t key[KEY_LEN];

        make_key(w, mix(i) % keys, key);
        found += memtable_get(mt, slice_of(key, KEY_LEN), VERSIONS_ALL, &version);
    }
    return found;
}

static uint64_t scan_all(const struct memtable *mt)
{
    uint64_t seen = 0;
    struct cursor *c;

    if (memtable_cursor_new(mt, VERSIONS_ALL, &c) < 0 || cursor_seek_first(c, NULL) < 0) {
        return 0;
    }
    while (cursor_valid(c)) {
        seen += cursor_item(c)->key.len == KEY_LEN;
        if (cursor_next(c, NULL) < 0) {
            break;
        }
    }
    cursor_free(c);
    return seen;
}

static int run(const struct workload *w, struct arena_pool *pool, uint64_t keys)
{
    struct memtable_options options = {.pool = pool, .index_bytes = keys * 11};
    struct memtable *mt;
    clock_t start;
    double add_s;
    double get_s;
    double scan_s;

    if (w->hint) {
        options.common_prefix = slice_of_text("customer:");
    }
    mt = memtable_new(&options);
    if (mt == NULL) {
        return BLOCKDB_ENOMEM;
    }
    start = clock();
    if (add_all(mt, w, keys) < 0) {
        memtable_unref(mt);
        return BLOCKDB_ENOMEM;
    }
    add_s = seconds_since(start);
    start = clock();
    if (get_all(mt, w, keys) != keys) {
        printf("%s: keys are missing\n", w->name);
    }
    get_s = seconds_since(start);
    start = clock();
    if (scan_all(mt) != memtable_key_count(mt)) {
        printf("%s: the scan missed keys\n", w->name);
    }
    scan_s = seconds_since(start);
    printf("%-28s add %6.2f M/s   get %6.2f M/s   scan %6.2f M/s   %5.0f bytes a key\n", w->name,
           (double)keys / add_s / 1e6, (double)keys / get_s / 1e6, (double)keys / scan_s / 1e6,
           (double)memtable_bytes(mt) / (double)keys);
    memtable_unref(mt);
    return BLOCKDB_OK;
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {
        {"ascending", true, false, false},
        {"ascending again", true, false, false},
        {"random", false, false, false},
        {"random, common prefix", false, true, false},
        {"random, common prefix, hint", false, true, true},
    };
    uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
    struct arena_pool *pool = arena_pool_new((size_t)1 << 30);
    int rc = pool != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
    size_t i;

    for (i = 0; rc == BLOCKDB_OK && i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        rc = run(&workloads[i], pool, keys);
    }
    arena_pool_free(pool);
    if (rc < 0) {
        fprintf(stderr, "memtable_bench: %s\n", blockdb_status_name(rc));
        return 1;
    }
    return 0;
}
