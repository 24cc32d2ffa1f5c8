/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast tables are built, searched and scanned, everything cached, in one thread.
 *
 * Usage: table_bench [keys] [tables] [codec] [page bytes]   (default 2000000 4 snappy 4096)
 */
#include "base/epoch.h"
#include "base/mem.h"
#include "store/table.h"
#include "store/table_builder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY_LEN 16
#define VALUE_LEN 100
#define TABLES_MAX 64
#define LOOKUPS 2000000
#define SCANS 100000
#define SCAN_ITEMS 100
#define CACHE_BYTES ((size_t)1 << 30)

struct bench {
    uint64_t keys;
    unsigned tables;
    char dir[64];
    struct epoch *epoch;
    struct table_options open;
    struct table_builder_options build;
    struct table *table[TABLES_MAX];
    struct error err;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
}

/* 16 decimal digits of n. */
static struct slice make_key(uint64_t n, uint8_t out[KEY_LEN])
{
    unsigned i;

    for (i = KEY_LEN; i-- > 0; n /= 10) {
        out[i] = (uint8_t)('0' + n % 10);
    }
    return slice_of(out, KEY_LEN);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(os_monotonic_ns(os_real()) - start_ns) / 1e9;
}

static void fail(const struct bench *b, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, b->err.message);
    exit(1);
}

static void table_path_of(const struct bench *b, unsigned i, char *out, size_t len)
{
    (void)snprintf(out, len, "%s/%06u.sst", b->dir, i + 1);
}

/* Every tables-th key goes to a table, in a mixed way; half of each value is compressible. */
static void build_one(struct bench *b, unsigned i)
{
    char path[96];
    uint8_t key[KEY_LEN];
    uint8_t value[VALUE_LEN] = {0};
    struct table_facts facts;
    struct table_builder *builder;
    uint64_t n;

    table_path_of(b, i, path, sizeof(path));
    b->build.path = path;
    b->build.file_number = i + 1;
    b->build.keys_max = b->keys / b->tables * 3 / 2;
    if (table_builder_new(&b->build, &builder, &b->err) < 0) {
        fail(b, "cannot create a table");
    }
    for (n = 0; n < b->keys; n++) {
        struct item item = {.seq = mix(n) % b->keys,
                            .time_ms = 1700000000000 + n / 100,
                            .kind = BLOCKDB_KIND_PUT,
                            .value_inline = true,
                            .value_len = VALUE_LEN,
                            .value = slice_of(value, VALUE_LEN)};
        unsigned j;

        if (mix(n + 1) % b->tables != i) {
            continue;
        }
        for (j = 0; j < VALUE_LEN / 2; j += 8) {
            put_le64(value + j, mix(n * 100 + j));
        }
        item.key = make_key(n * 10, key);
        if (table_builder_add(builder, &item, &b->err) < 0) {
            fail(b, "cannot add");
        }
    }
    if (table_builder_finish(builder, &facts, &b->err) < 0) {
        fail(b, "cannot finish");
    }
    table_facts_deinit(&facts);
    if (table_open(&b->open, path, i + 1, &b->table[i], &b->err) < 0) {
        fail(b, "cannot open");
    }
}

static void build_all(struct bench *b)
{
    uint64_t start = os_monotonic_ns(os_real());
    uint64_t bytes = 0;
    double seconds;
    unsigned i;

    for (i = 0; i < b->tables; i++) {
        build_one(b, i);
        bytes += table_facts(b->table[i])->file_bytes;
    }
    seconds = seconds_since(start);
    printf("build     %9.0f keys/s, %" PRIu64 " bytes on disk (%.1f a key), synced\n",
           (double)b->keys / seconds, bytes, (double)bytes / (double)b->keys);
}

/* Looks a key up in all tables until it is found, as an engine does. */
static bool get(struct bench *b, struct slice key, struct table_hit *hit)
{
    uint64_t hash = table_key_hash(key);
    unsigned i;

    for (i = 0; i < b->tables; i++) {
        if (table_get(b->table[i], key, hash, BLOCKDB_SEQ_NONE, hit, &b->err) < 0) {
            fail(b, "cannot get");
        }
        if (hit->found) {
            return true;
        }
    }
    return false;
}

static void lookups(struct bench *b, const char *name, bool present)
{
    uint64_t start = os_monotonic_ns(os_real());
    uint64_t found = 0;
    uint64_t sum = 0;
    uint64_t i;

    for (i = 0; i < LOOKUPS; i++) {
        uint8_t key[KEY_LEN];
        struct table_hit hit;

        epoch_enter(b->epoch);
        if (get(b, make_key(mix(i) % b->keys * 10 + !present, key), &hit)) {
            found++;
            sum += hit.value.data[0];
        }
        epoch_leave(b->epoch);
    }
    printf("%-9s %9.0f a second, %" PRIu64 " found (%" PRIu64 ")\n", name,
           LOOKUPS / seconds_since(start), found, sum % 10);
}

static void walk(struct bench *b, const char *name, bool forward)
{
    uint64_t start = os_monotonic_ns(os_real());
    uint64_t count = 0;
    unsigned i;

    for (i = 0; i < b->tables; i++) {
        struct cursor *c;
        int rc = table_cursor_new(b->table[i], NULL, &c, &b->err);

        if (rc == BLOCKDB_OK) {
            rc = forward ? cursor_seek_first(c, &b->err) : cursor_seek_last(c, &b->err);
        }
        while (rc == BLOCKDB_OK && cursor_valid(c)) {
            count += cursor_item(c)->kind == BLOCKDB_KIND_PUT;
            rc = forward ? cursor_next(c, &b->err) : cursor_prev(c, &b->err);
        }
        if (rc < 0) {
            fail(b, "cannot walk");
        }
        cursor_free(c);
    }
    printf("%-9s %9.0f items/s\n", name, (double)count / seconds_since(start));
}

static void seeks(struct bench *b)
{
    uint64_t start = os_monotonic_ns(os_real());
    struct cursor *c;
    uint64_t i;
    int rc = table_cursor_new(b->table[0], NULL, &c, &b->err);

    for (i = 0; rc == BLOCKDB_OK && i < SCANS; i++) {
        uint8_t key[KEY_LEN];
        unsigned n;

        rc = cursor_seek(c, make_key(mix(i) % b->keys * 10, key), &b->err);
        for (n = 0; rc == BLOCKDB_OK && n < SCAN_ITEMS && cursor_valid(c); n++) {
            rc = cursor_next(c, &b->err);
        }
    }
    if (rc < 0) {
        fail(b, "cannot seek");
    }
    cursor_free(c);
    printf("seek100   %9.0f scans/s, of one table\n", SCANS / seconds_since(start));
}

static void verify(struct bench *b)
{
    uint64_t start = os_monotonic_ns(os_real());
    unsigned i;

    for (i = 0; i < b->tables; i++) {
        if (table_verify(b->table[i], NULL, NULL, &b->err) < 0) {
            fail(b, "cannot verify");
        }
    }
    printf("verify    %9.0f keys/s\n", (double)b->keys / seconds_since(start));
}

static void run(struct bench *b)
{
    build_all(b);
    walk(b, "cold scan", true);
    lookups(b, "warm up", true);
    lookups(b, "present", true);
    lookups(b, "absent", false);
    walk(b, "forward", true);
    walk(b, "backward", false);
    seeks(b);
    verify(b);
}

static void clean_up(struct bench *b)
{
    unsigned i;

    for (i = 0; i < b->tables; i++) {
        char path[96];

        table_unref(b->table[i]);
        table_path_of(b, i, path, sizeof(path));
        (void)unlink(path);
    }
    (void)rmdir(b->dir);
    epoch_free(b->epoch);
    cache_free(b->open.block_cache);
    cache_free(b->open.index_cache);
}

int main(int argc, char **argv)
{
    struct bench b = {.keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000,
                      .tables = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4,
                      .dir = "/tmp/blockdb-bench-XXXXXX"};
    struct cache_options cache = {.capacity_bytes = CACHE_BYTES};

    b.build.codec = CODEC_SNAPPY;
    b.build.page_bytes = argc > 4 ? strtoul(argv[4], NULL, 10) : 4096;
    if (b.keys < 1000 || b.tables < 1 || b.tables > TABLES_MAX ||
        (argc > 3 && codec_of_name(argv[3], &b.build.codec) < 0) || mkdtemp(b.dir) == NULL) {
        (void)fprintf(stderr, "usage: table_bench [keys] [tables] [codec] [page bytes]\n");
        return 1;
    }
    b.epoch = epoch_new();
    cache.epoch = b.epoch;
    b.open.os = b.build.os = os_real();
    b.open.epoch = b.epoch;
    b.open.block_cache = cache_new(&cache);
    b.open.index_cache = cache_new(&cache);
    b.build.filter_bits_per_key = 10;
    if (b.epoch == NULL || b.open.block_cache == NULL || b.open.index_cache == NULL) {
        return 1;
    }
    run(&b);
    clean_up(&b);
    return 0;
}
