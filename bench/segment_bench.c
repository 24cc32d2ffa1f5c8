/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the ledger's segments take blocks, give single records and are scanned.
 *
 * Usage: segment_bench DIR [RECORD_BYTES [RECORDS [BLOCK_RECORDS [none|snappy|lz4|zstd]]]]
 * DIR must exist and be empty of segments; its files are left for inspection. One thread. Syncs
 * once, at the end of the appends.
 */
#include "base/epoch.h"
#include "base/mem.h"
#include "store/cache.h"
#include "store/codec.h"
#include "store/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9
#define CACHE_BYTES ((size_t)256 * 1024 * 1024)
#define POOL_BYTES ((size_t)4 * 1024 * 1024)
#define READS 2000000

struct bench {
    size_t record_len;
    uint64_t count;
    uint32_t block_count;
    struct epoch *epoch;
    struct cache *cache;
    struct segments *segments;
    struct slice *records; /* of one block */
    uint8_t *pool;         /* half random, half text: compresses to about a half */
};

static void die(const struct error *err)
{
    (void)fprintf(stderr, "segment_bench: %s\n", err->message);
    exit(1);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(os_monotonic_ns(os_real()) - start_ns) / NS_PER_S;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 20;
}

static void fill_pool(struct bench *b)
{
    uint64_t state = 1;
    size_t i;

    for (i = 0; i < POOL_BYTES; i++) {
        b->pool[i] = i / 32 % 2 == 0 ? (uint8_t)next_random(&state)
                                     : (uint8_t)("committed ledger"[i % 16]);
    }
}

static void append_all(struct bench *b)
{
    struct segment_block block = {.records = b->records, .count = b->block_count};
    uint64_t start = os_monotonic_ns(os_real());
    struct segments_stats stats;
    struct error err;
    uint64_t state = 2;
    double seconds;

    while (block.first_seq < b->count) {
        uint32_t i;

        for (i = 0; i < b->block_count; i++) {
            b->records[i] = slice_of(b->pool + next_random(&state) % (POOL_BYTES - b->record_len),
                                     b->record_len);
        }
        if (segments_should_rotate(b->segments, (uint64_t)b->block_count * b->record_len)) {
            struct segment_info info;

            if (segments_rotate(b->segments, block.first_seq, block.height, NULL, &info, &err) <
                0) {
                die(&err);
            }
        }
        if (segments_append_block(b->segments, &block, &err) < 0) {
            die(&err);
        }
        block.first_seq += b->block_count;
        block.height++;
    }
    seconds = seconds_since(start);
    if (segments_sync(b->segments, &err) < 0) {
        die(&err);
    }
    b->count = block.first_seq;
    segments_get_stats(b->segments, &stats);
    printf("append   %12.0f records/s  %8.1f MB/s  stored %.3f of raw  (%.2f s, synced %.2f s)\n",
           (double)b->count / seconds, (double)stats.appended_raw_bytes / seconds / 1e6,
           (double)stats.appended_stored_bytes / (double)stats.appended_raw_bytes, seconds,
           seconds_since(start));
}

/* Reads random records of the newest `range`. */
static void read_some(struct bench *b, const char *name, uint64_t range, unsigned reads)
{
    struct segment_record record = {0};
    uint64_t first = b->count > range ? b->count - range : 0;
    uint64_t start = os_monotonic_ns(os_real());
    struct segments_stats before;
    struct segments_stats after;
    struct error err;
    uint64_t state = 3;
    uint64_t sum = 0;
    unsigned i;

    segments_get_stats(b->segments, &before);
    for (i = 0; i < reads; i++) {
        uint64_t seq = first + next_random(&state) % (b->count - first);

        if (segments_read(b->segments, seq, &record, &err) < 0) {
            die(&err);
        }
        sum += record.bytes.data[0];
        segment_record_release(&record);
    }
    segments_get_stats(b->segments, &after);
    printf("%-8s %12.0f records/s  %.3f page reads each (%" PRIu64 ")\n", name,
           (double)reads / seconds_since(start),
           (double)(after.page_reads - before.page_reads) / (double)reads, sum % 10);
}

static void scan_all(struct bench *b)
{
    struct segment_scan *scan;
    struct segment_scan_entry entry;
    uint64_t start = os_monotonic_ns(os_real());
    struct error err = {0};
    uint64_t bytes = 0;
    uint64_t count = 0;
    int rc = segments_scan(b->segments, 0, UINT64_MAX, &scan, &err);

    while (rc == BLOCKDB_OK) {
        rc = segment_scan_next(scan, &entry, &err);
        if (rc == BLOCKDB_OK) {
            bytes += entry.record.len;
            count++;
        }
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        die(&err);
    }
    segment_scan_free(scan);
    printf("scan     %12.0f records/s  %8.1f MB/s\n", (double)count / seconds_since(start),
           (double)bytes / seconds_since(start) / 1e6);
}

static void open_segments(struct bench *b, const char *dir, enum codec codec)
{
    struct segments_options options = {
        .os = os_real(),
        .dir = dir,
        .epoch = b->epoch,
        .cache = b->cache,
        .codec = (uint8_t)codec,
    };
    struct error err;

    if (segments_open(&options, &b->segments, NULL, &err) < 0) {
        die(&err);
    }
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: segment_bench DIR [RECORD_BYTES [RECORDS [BLOCK_RECORDS "
                          "[none|snappy|lz4|zstd]]]]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct bench b = {
        .record_len = argc > 2 ? strtoull(argv[2], NULL, 10) : 150,
        .count = argc > 3 ? strtoull(argv[3], NULL, 10) : 4000000,
        .block_count = argc > 4 ? (uint32_t)strtoull(argv[4], NULL, 10) : 1000,
    };
    enum codec codec = CODEC_LZ4;

    if (argc < 2 || b.record_len == 0 || b.record_len >= POOL_BYTES || b.count == 0 ||
        b.block_count == 0 || (argc > 5 && codec_of_name(argv[5], &codec) < 0)) {
        return usage();
    }
    b.epoch = epoch_new();
    b.cache = cache_new(&(struct cache_options){
        .epoch = b.epoch, .capacity_bytes = CACHE_BYTES, .page_bytes = 16384});
    b.records = mem_alloc(b.block_count * sizeof(b.records[0]));
    b.pool = mem_alloc(POOL_BYTES);
    if (b.epoch == NULL || b.cache == NULL || b.records == NULL || b.pool == NULL) {
        (void)fprintf(stderr, "segment_bench: out of memory\n");
        return 1;
    }
    fill_pool(&b);
    open_segments(&b, argv[1], codec);
    append_all(&b);
    read_some(&b, "warm-up", 100000, 20000);
    read_some(&b, "cached", 100000, READS);
    read_some(&b, "random", UINT64_MAX, READS / 10);
    scan_all(&b);
    segments_close(b.segments);
    cache_free(b.cache);
    epoch_free(b.epoch);
    mem_free(b.records);
    mem_free(b.pool);
    return 0;
}
