/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No knob that nobody reads: for each option of the table, two databases that differ in it alone
 * behave differently, in the way the option promises. An option without a check here fails.
 */
#include "common/test_env.h"
#include "engine/db.h"
#include "engine/open.h"
#include "engine_world.h"
#include "os/os_crash.h"
#include "store/segment_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Places -------------------------------------------------------------------------------- */

static void check_data_dir(void)
{
    struct os_crash *disk = os_crash_new(world_seed);
    const struct fixture_option list[] = {{"data_dir", "/else/where"}, {NULL, NULL}};
    struct blockdb *db = fixture_open(os_crash_os(disk), NULL, list, BLOCKDB_OPEN_CREATE);
    struct os_stat stat;
    struct error err;

    fixture_must(os_stat_path(os_crash_os(disk), "/else/where/IDENTITY", &stat, &err), &err);
    fixture_close(db);
    os_crash_free(disk);
}

static int reopen_with(struct world *w, const struct fixture_option *list, struct error *err)
{
    struct blockdb_options *options = fixture_options(list);
    int rc = db_open(w->os, "/db", options, 0, &w->db, err);

    blockdb_options_free(options);
    return rc;
}

static void check_wal_dir(void)
{
    const struct fixture_option other[] = {{"wal_dir", "/other/wal"}, {NULL, NULL}};
    struct world w;
    struct error err;

    world_new(&w, "wal_dir", "/fast/wal", NULL);
    world_put_many(w.db, 0, 10, 100);
    assert_true(world_files_with(&w, "/fast/wal/").files > 0);
    assert_int_equal(world_files_with(&w, "/db/wal/").files, 0);
    fixture_close(w.db);
    /* A directory that is not there, and one of another database. */
    assert_int_equal(reopen_with(&w, other, &err), BLOCKDB_EFOREIGN);
    assert_non_null(strstr(err.message, "/other/wal"));
    w.db = fixture_open(w.os, "/second", other, BLOCKDB_OPEN_CREATE);
    fixture_close(w.db);
    assert_int_equal(reopen_with(&w, other, &err), BLOCKDB_EFOREIGN);
    assert_non_null(strstr(err.message, "/other/wal"));
    world_open(&w, "wal_dir", "/fast/wal", NULL);
    world_get_many(w.db, "key", 10, BLOCKDB_OK);
    world_free(&w);
}

static void check_create_missing_wal_dir(void)
{
    const struct fixture_option yes[] = {
        {"wal_dir", "/other/wal"}, {"create_missing_wal_dir", "true"}, {NULL, NULL}};
    const struct fixture_option no[] = {
        {"wal_dir", "/other/wal"}, {"create_missing_wal_dir", "false"}, {NULL, NULL}};
    struct os_crash *copy = NULL;
    struct world w;
    struct error err;

    world_new(&w, "wal_dir", "/fast/wal", NULL);
    world_put_many(w.db, 0, 10, 100);
    fixture_close(w.db);
    assert_int_equal(reopen_with(&w, no, &err), BLOCKDB_EFOREIGN);
    fixture_must(reopen_with(&w, yes, &err), &err);
    world_get_many(w.db, "key", 10, BLOCKDB_OK); /* all was in the ledger */
    world_put_many(w.db, 10, 10, 100);
    fixture_must(os_crash_copy(w.disk, &copy), &err);
    world_free(&w);

    /* A process that dies after that: nobody remembers where the old log ended. */
    w.disk = copy;
    w.os = os_crash_os(copy);
    fixture_must(reopen_with(&w, no, &err), &err);
    world_get_many(w.db, "key", 20, BLOCKDB_OK);
    world_free(&w);
}

static void check_write_once(void)
{
    static const char *const values[] = {"false", "true"};
    int expected[] = {BLOCKDB_OK, BLOCKDB_ECONFLICT};
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct world w;
        struct error err;

        world_new(&w, "write_once", values[i], NULL);
        fixture_put(w.db, "k", "1", 1);
        assert_int_equal(blockdb_put(w.db, "k", 1, "2", 1, NULL, NULL, &err), expected[i]);
        world_flush(w.db);
        assert_int_equal(blockdb_put(w.db, "k", 1, "2", 1, NULL, NULL, &err), expected[i]);
        fixture_must(blockdb_delete(w.db, "k", 1, NULL, NULL, &err), &err);
        fixture_put(w.db, "k", "3", 1); /* it has no value */
        world_free(&w);
    }
}

/* ---- Write-ahead log ----------------------------------------------------------------------- */

static void submitted(void *arg, int status, const struct blockdb_write_result *result,
                      const struct blockdb_error *err)
{
    (void)result;
    (void)arg;
    fixture_must(status, err);
}

static uint64_t syncs_of(const char *mode)
{
    uint64_t syncs;
    struct world w;
    struct error err;
    unsigned i;

    world_new(&w, "wal_sync_mode", mode, NULL);
    syncs = fixture_stats(w.db).wal_syncs;
    for (i = 0; i < 2000; i++) {
        struct blockdb_batch *batch = blockdb_batch_new(w.db);

        fixture_must(blockdb_batch_put(batch, "k", 1, "v", 1, &err), &err);
        fixture_must(blockdb_submit(w.db, batch, NULL, submitted, NULL, &err), &err);
    }
    fixture_put(w.db, "last", "v", 1); /* waits for all before it */
    syncs = fixture_stats(w.db).wal_syncs - syncs;
    world_free(&w);
    return syncs;
}

static void check_wal_sync_mode(void)
{
    uint64_t shared = syncs_of("group");

    assert_int_equal(syncs_of("none"), 0);
    assert_int_equal(syncs_of("interval"), 0);
    assert_true(shared >= 1 && shared < 2001);
    assert_int_equal(syncs_of("always"), 2001);
}

static bool is_durable(const struct blockdb_stats *stats)
{
    return stats->durable_seq == stats->acked_seq;
}

static void check_wal_sync_interval(void)
{
    static const struct fixture_option interval[] = {{"wal_sync_mode", "interval"}, {NULL, NULL}};
    struct blockdb_stats stats;
    struct world w;

    world_new(&w, "wal_sync_interval", "2s", interval);
    world_put_many(w.db, 0, 1, 10);
    stats = fixture_stats(w.db);
    assert_false(is_durable(&stats)); /* this clock stands still */
    w.step_ms = 2001;
    assert_true(world_comes_true(&w, is_durable));
    assert_int_equal(fixture_stats(w.db).wal_syncs, 1);
    world_free(&w);
}

static void check_wal_file_size(void)
{
    static const struct fixture_option keep[] = {{"wal_keep_size", "1GiB"}, {NULL, NULL}};
    struct world small;
    struct world large;

    world_new(&small, "wal_file_size", "64KiB", keep);
    world_new(&large, "wal_file_size", "32MiB", keep);
    world_put_many(small.db, 0, 100, 10000);
    world_put_many(large.db, 0, 100, 10000);
    assert_true(world_files_with(&small, "/db/wal/").files >
                world_files_with(&large, "/db/wal/").files + 5);
    assert_true(world_files_with(&small, "/db/wal/").longest <
                world_files_with(&large, "/db/wal/").longest);
    world_free(&small);
    world_free(&large);
}

static bool has_old_wal(const struct blockdb_stats *stats)
{
    return stats->wal_old_bytes > 0;
}

static bool has_no_old_wal(const struct blockdb_stats *stats)
{
    return stats->wal_old_bytes == 0;
}

static void check_wal_keep_size(void)
{
    static const char *const values[] = {"0", "1GiB"};
    static const struct fixture_option short_files[] = {{"wal_file_size", "64KiB"}, {NULL, NULL}};
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct world w;

        world_new(&w, "wal_keep_size", values[i], short_files);
        world_put_many(w.db, 0, 50, 10000);
        world_flush(w.db); /* so all is in the ledger */
        /* A thread of the WAL removes what is not kept. */
        assert_true(world_comes_true(&w, i == 0 ? has_no_old_wal : has_old_wal));
        world_free(&w);
    }
}

/* ---- Flush and merge ----------------------------------------------------------------------- */

static bool has_flushed(const struct blockdb_stats *stats)
{
    return stats->flushes >= 4;
}

static void check_memtable_size_limit(void)
{
    struct world small;
    struct world large;

    world_new(&small, "memtable_size_limit", "64KiB", NULL);
    world_new(&large, "memtable_size_limit", "64MiB", NULL);
    world_put_many(small.db, 0, 100, 10000);
    world_put_many(large.db, 0, 100, 10000);
    assert_true(world_comes_true(&small, has_flushed));
    assert_int_equal(fixture_stats(large.db).flushes, 0);
    world_free(&small);
    world_free(&large);
}

static bool has_merged(const struct blockdb_stats *stats)
{
    return stats->merges > 0;
}

static void make_tables(struct blockdb *db, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        world_put_many(db, i * 20, 100, 100);
        world_flush(db);
    }
}

static void check_compaction_threshold(void)
{
    struct world low;
    struct world high;

    world_new(&low, "compaction_threshold", "2", NULL);
    world_new(&high, "compaction_threshold", "64", NULL);
    make_tables(low.db, 5);
    make_tables(high.db, 5);
    assert_true(world_comes_true(&low, has_merged));
    assert_int_equal(fixture_stats(high.db).merges, 0);
    assert_int_equal(fixture_stats(high.db).table_count, 5);
    world_free(&low);
    world_free(&high);
}

static void check_compaction_strategy(void)
{
    static const struct fixture_option low[] = {{"compaction_threshold", "2"}, {NULL, NULL}};
    struct world w;
    struct read_state *state;

    world_new(&w, "compaction_strategy", "leveled", low);
    make_tables(w.db, 5);
    assert_true(world_comes_true(&w, has_merged));
    state = db_read_state_ref(w.db);
    assert_int_equal(workers_policy(w.db).strategy, COMPACTION_LEVELED);
    assert_true(table_set_level(state->tables, 1).count > 0);
    read_state_unref(state);
    world_free(&w);
    world_new(&w, "compaction_strategy", "size_tiered", low);
    assert_int_equal(workers_policy(w.db).strategy, COMPACTION_SIZE_TIERED);
    world_free(&w);
}

static void check_max_compaction_threads(void)
{
    struct world w;

    world_new(&w, "max_compaction_threads", "3", NULL);
    assert_int_equal(w.db->workers.merger_count, 3);
    world_free(&w);
    world_new(&w, "max_compaction_threads", "1", NULL);
    assert_int_equal(w.db->workers.merger_count, 1);
    world_free(&w);
}

/* How long a flush takes by the clock of the disk in memory, which only sleeping advances. */
static uint64_t flush_ms(const char *budget)
{
    static const struct fixture_option inline_all[] = {{"inline_value_limit", "64KiB"},
                                                       {NULL, NULL}};
    struct world w;
    uint64_t since;

    world_new(&w, "io_budget", budget, inline_all);
    world_put_many(w.db, 0, 200, 10000);
    since = os_monotonic_ns(w.os);
    world_flush(w.db);
    since = os_monotonic_ns(w.os) - since;
    world_free(&w);
    return since / 1000000;
}

static void check_io_budget(void)
{
    assert_true(flush_ms("256KiB") > 2 * flush_ms("0") + 500);
}

/* ---- A file system that looks on ----------------------------------------------------------- */

static struct {
    struct os base; /* first: what the engine sees */
    struct os_ops ops;
    struct os_file_ops file_ops;
    const struct os_file_ops *real_file_ops;
    _Atomic uint64_t longest_write; /* to a table */
    atomic_uint direct_opens;
} tap;

static int tap_pwrite(struct os_file *f, const void *data, size_t len, uint64_t offset,
                      struct error *err)
{
    if (strstr(f->path, ".sst") != NULL) {
        position_raise(&tap.longest_write, len);
    }
    return tap.real_file_ops->pwrite(f, data, len, offset, err);
}

static int tap_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                    struct error *err)
{
    int rc = os_real()->ops->open(os_real(), path, flags, out, err);

    (void)os;
    if (rc == BLOCKDB_OK && (*out)->ops == tap.real_file_ops) {
        (*out)->ops = &tap.file_ops;
    }
    if ((flags & OS_DIRECT) != 0) {
        (void)atomic_fetch_add(&tap.direct_opens, 1);
    }
    return rc;
}

static void tap_init(const char *dir)
{
    struct os_file *file = NULL;
    struct error err;
    char path[80];

    (void)snprintf(path, sizeof(path), "%s/probe", dir);
    fixture_must(os_open(os_real(), path, OS_WRITE | OS_CREATE, &file, &err), &err);
    tap.real_file_ops = file->ops;
    tap.file_ops = *file->ops;
    tap.file_ops.pwrite = tap_pwrite;
    file_close(file);
    tap.ops = *os_real()->ops;
    tap.ops.open = tap_open;
    tap.base.ops = &tap.ops;
    atomic_store(&tap.longest_write, 0);
    atomic_store(&tap.direct_opens, 0);
}

/* Writes a table of some hundred KiB on the real file system with one option set. */
static void write_table_tapped(const char *name, const char *value)
{
    const struct fixture_option list[] = {{"inline_value_limit", "64KiB"},
                                          {"memtable_size_limit", "16MiB"},
                                          {name, value},
                                          {NULL, NULL}};
    char base[64];
    char dir[80];
    struct blockdb *db;

    fixture_make_dir(base);
    (void)snprintf(dir, sizeof(dir), "%s/db", base);
    tap_init(base);
    db = fixture_open(&tap.base, dir, list, BLOCKDB_OPEN_CREATE);
    world_put_many(db, 0, 100, 5000);
    world_flush(db);
    world_get_many(db, "key", 100, BLOCKDB_OK);
    fixture_close(db);
    fixture_remove_dir(base);
}

static void check_write_buffer_size(void)
{
    write_table_tapped("write_buffer_size", "8KiB");
    assert_true(atomic_load(&tap.longest_write) <= 16384);
    write_table_tapped("write_buffer_size", "1MiB");
    assert_true(atomic_load(&tap.longest_write) > 65536);
}

static void check_enable_direct_io(void)
{
    write_table_tapped("enable_direct_io", "false");
    assert_int_equal(atomic_load(&tap.direct_opens), 0);
    write_table_tapped("enable_direct_io", "true");
    assert_true(atomic_load(&tap.direct_opens) > 0);
}

/* ---- Tables and ledger --------------------------------------------------------------------- */

/* What reading everything once costs with one option set, after a reopen. */
static struct blockdb_stats cost_of_gets(const char *name, const char *value,
                                         const struct fixture_option *more)
{
    struct blockdb_stats stats;
    struct world w;

    world_new(&w, name, value, more);
    world_put_many(w.db, 0, 4000, 100);
    world_flush(w.db);
    fixture_close(w.db);
    world_open(&w, name, value, more);
    world_get_many(w.db, "key", 4000, BLOCKDB_OK);
    world_get_many(w.db, "key0001", 1000, BLOCKDB_ENOTFOUND); /* absent, but among the others */
    stats = fixture_stats(w.db);
    world_free(&w);
    return stats;
}

static void check_sstable_block_size(void)
{
    struct blockdb_stats small = cost_of_gets("sstable_block_size", "1KiB", NULL);
    struct blockdb_stats large = cost_of_gets("sstable_block_size", "32KiB", NULL);

    assert_true(small.block_cache_misses > 4 * large.block_cache_misses);
}

static void check_index_block_size(void)
{
    struct blockdb_stats small = cost_of_gets("index_block_size", "1KiB", NULL);
    struct blockdb_stats large = cost_of_gets("index_block_size", "32KiB", NULL);

    assert_true(small.index_cache_misses > large.index_cache_misses);
}

static void check_enable_bloom_filters(void)
{
    struct blockdb_stats with = cost_of_gets("enable_bloom_filters", "true", NULL);
    struct blockdb_stats without = cost_of_gets("enable_bloom_filters", "false", NULL);

    assert_true(with.filter_checks >= 5000 && with.filter_negatives > 900);
    assert_int_equal(without.filter_checks, 0);
}

static void check_bloom_filter_bits_per_key(void)
{
    struct blockdb_stats few = cost_of_gets("bloom_filter_bits_per_key", "2", NULL);
    struct blockdb_stats many = cost_of_gets("bloom_filter_bits_per_key", "20", NULL);

    assert_true(few.filter_false_positives > 50 + many.filter_false_positives);
}

static void check_compression_type(void)
{
    struct blockdb_stats none = cost_of_gets("compression_type", "none", NULL);
    struct blockdb_stats snappy = cost_of_gets("compression_type", "snappy", NULL);
    struct blockdb_stats lz4 = cost_of_gets("compression_type", "lz4", NULL);
    struct blockdb_stats zstd = cost_of_gets("compression_type", "zstd", NULL);

    assert_true(zstd.table_bytes < none.table_bytes && zstd.ledger_bytes < none.ledger_bytes);
    assert_true(snappy.table_bytes <= none.table_bytes && lz4.table_bytes <= none.table_bytes);
    assert_true(zstd.ledger_bytes < lz4.ledger_bytes && snappy.ledger_bytes != lz4.ledger_bytes);
}

static void check_compression_level(void)
{
    static const struct fixture_option zstd[] = {{"compression_type", "zstd"}, {NULL, NULL}};
    struct blockdb_stats fast = cost_of_gets("compression_level", "1", zstd);
    struct blockdb_stats small = cost_of_gets("compression_level", "19", zstd);

    assert_true(fast.ledger_bytes != small.ledger_bytes);
    assert_true(fast.table_bytes != small.table_bytes);
}

static void check_inline_value_limit(void)
{
    struct blockdb_stats all = cost_of_gets("inline_value_limit", "4KiB", NULL);
    struct blockdb_stats none = cost_of_gets("inline_value_limit", "0", NULL);

    assert_int_equal(all.ledger_reads, 0);
    assert_int_equal(none.ledger_reads, 4000);
    assert_true(none.table_bytes < all.table_bytes);
}

static void check_ledger_segment_size(void)
{
    static const struct fixture_option blocks[] = {{"blockchain_batch_size", "50"}, {NULL, NULL}};
    struct world small;
    struct world large;

    world_new(&small, "ledger_segment_size", "64KiB", blocks);
    world_new(&large, "ledger_segment_size", "1GiB", blocks);
    world_put_many(small.db, 0, 1000, 500);
    world_put_many(large.db, 0, 1000, 500);
    (void)fixture_verify(small.db); /* seals everything */
    (void)fixture_verify(large.db);
    assert_true(world_files_with(&small, ".blk").files > 4);
    assert_int_equal(world_files_with(&large, ".blk").files, 1);
    world_free(&small);
    world_free(&large);
}

/* ---- Memory -------------------------------------------------------------------------------- */

static void check_block_cache_size(void)
{
    struct blockdb_stats none = cost_of_gets("block_cache_size", "0", NULL);
    struct blockdb_stats some = cost_of_gets("block_cache_size", "8MiB", NULL);

    assert_int_equal(none.block_cache_bytes, 0);
    assert_int_equal(none.block_cache_hits, 0);
    assert_true(some.block_cache_bytes > 0 && some.block_cache_hits > 3000);
}

static void check_index_cache_size(void)
{
    struct blockdb_stats none = cost_of_gets("index_cache_size", "0", NULL);
    struct blockdb_stats some = cost_of_gets("index_cache_size", "8MiB", NULL);

    assert_int_equal(none.index_cache_bytes, 0);
    assert_int_equal(none.index_cache_hits, 0);
    assert_true(some.index_cache_bytes > 0 && some.index_cache_hits > 3000);
}

static void check_memory_limit(void)
{
    const struct fixture_option low[] = {{"memory_limit", "1MiB"}, {NULL, NULL}};
    struct world w;
    struct error err;

    world_new(&w, "memory_limit", "1GiB", NULL);
    fixture_close(w.db);
    assert_int_equal(reopen_with(&w, low, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "memory_limit"));
    os_crash_free(w.disk);
}

/* ---- Blocks -------------------------------------------------------------------------------- */

static bool has_ten_blocks(const struct blockdb_stats *stats)
{
    return stats->block_count == 10;
}

static void check_blockchain_batch_size(void)
{
    struct world w;

    world_new(&w, "blockchain_batch_size", "10", NULL);
    world_put_many(w.db, 0, 105, 10);
    assert_true(world_comes_true(&w, has_ten_blocks));
    world_free(&w);
    world_new(&w, "blockchain_batch_size", "1000", NULL);
    world_put_many(w.db, 0, 105, 10);
    assert_int_equal(fixture_stats(w.db).block_count, 0);
    world_free(&w);
}

static bool has_one_block(const struct blockdb_stats *stats)
{
    return stats->block_count == 1;
}

static void check_block_interval(void)
{
    struct world w;

    world_new(&w, "block_interval", "2s", NULL);
    world_put_many(w.db, 0, 5, 10);
    assert_int_equal(fixture_stats(w.db).block_count, 0); /* this clock stands still */
    w.step_ms = 2001;
    assert_true(world_comes_true(&w, has_one_block)); /* without any further write */
    world_free(&w);
}

#define LEDGER_PATH "/db/ledger/000001.blk"
#define FRAME_LEN (SEGMENT_FRAME_LEN + SEGMENT_DIRECTORY_ENTRY_LEN) /* of a block of one page */
#define FRAME_PAGES_SUM 56
#define FRAME_PAGE_COUNT 68

/* Makes the checksum at the begin of a structure fit its content. */
static void seal_again(uint8_t *file, uint64_t offset, size_t len, uint64_t segment)
{
    put_le64(file + offset, checksum(file + offset + 8, len - 8, segment + offset));
}

/* Changes the value "the true value" in the only page of the first block, and makes all checksums
 * fit again, as somebody would who knows the format. */
static void forge(struct world *w, const uint8_t *ledger_id)
{
    const uint64_t segment = segment_seed(ledger_id, 1);
    const uint64_t frame = SEGMENT_DATA_OFFSET;
    const uint64_t page = frame + FRAME_LEN;
    struct buf before = {0};
    struct buf after = {0};
    struct error err;
    uint8_t *value;
    size_t i;

    fixture_must(os_read_file(w->os, LEDGER_PATH, 1 << 24, &before, &err), &err);
    fixture_must(os_read_file(w->os, LEDGER_PATH, 1 << 24, &after, &err), &err);
    assert_int_equal(get_le32(after.data + frame + FRAME_PAGE_COUNT), 1);
    value = memmem(after.data, after.len, "the true value", 14);
    assert_non_null(value);
    *value = 'T';
    seal_again(after.data, page, get_le32(after.data + frame + SEGMENT_FRAME_LEN + 4), segment);
    put_le64(after.data + frame + FRAME_PAGES_SUM, checksum(after.data + page, 8, segment + frame));
    seal_again(after.data, frame, FRAME_LEN, segment);
    for (i = 0; i < after.len; i++) {
        if (before.data[i] != after.data[i]) {
            fixture_must(
                os_crash_flip(w->disk, LEDGER_PATH, i, before.data[i] ^ after.data[i], &err), &err);
        }
    }
    buf_deinit(&before);
    buf_deinit(&after);
}

static void check_enable_blockchain_verification(void)
{
    static const char *const values[] = {"false", "true"};
    static const struct fixture_option plain[] = {
        {"compression_type", "none"}, {"inline_value_limit", "0"}, {NULL, NULL}};
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct blockdb_value value = {0};
        struct world w;
        struct error err;
        uint8_t ledger_id[LEDGER_ID_LEN];

        world_new(&w, "enable_blockchain_verification", values[i], plain);
        fixture_put(w.db, "k", "the true value", 14);
        world_flush(w.db);
        memcpy(ledger_id, w.db->ledger_id, LEDGER_ID_LEN);
        fixture_close(w.db);
        forge(&w, ledger_id);
        world_open(&w, "enable_blockchain_verification", values[i], plain);
        if (i == 1) {
            assert_int_equal(blockdb_get(w.db, "k", 1, NULL, &value, &err), BLOCKDB_ETAMPERED);
        } else {
            fixture_must(blockdb_get(w.db, "k", 1, NULL, &value, &err), &err);
            assert_memory_equal(value.data, "The true value", 14);
        }
        assert_true(blockdb_verify(w.db, NULL, NULL, &err) < 0); /* whatever the option says */
        blockdb_value_deinit(&value);
        world_free(&w);
    }
}

/* ---- The table ----------------------------------------------------------------------------- */

#define CHECK(name)                                                                                \
    {                                                                                              \
#name, check_##name                                                                        \
    }
static const struct {
    const char *name;
    void (*check)(void);
} checks[] = {
    CHECK(data_dir),
    CHECK(wal_dir),
    CHECK(create_missing_wal_dir),
    CHECK(write_once),
    CHECK(wal_sync_mode),
    CHECK(wal_sync_interval),
    CHECK(wal_file_size),
    CHECK(wal_keep_size),
    CHECK(memtable_size_limit),
    CHECK(compaction_threshold),
    CHECK(compaction_strategy),
    CHECK(max_compaction_threads),
    CHECK(io_budget),
    CHECK(write_buffer_size),
    CHECK(enable_direct_io),
    CHECK(sstable_block_size),
    CHECK(index_block_size),
    CHECK(enable_bloom_filters),
    CHECK(bloom_filter_bits_per_key),
    CHECK(compression_type),
    CHECK(compression_level),
    CHECK(inline_value_limit),
    CHECK(ledger_segment_size),
    CHECK(block_cache_size),
    CHECK(index_cache_size),
    CHECK(memory_limit),
    CHECK(blockchain_batch_size),
    CHECK(block_interval),
    CHECK(enable_blockchain_verification),
};

static void test_every_option_has_an_effect(void **state)
{
    size_t count;
    const struct blockdb_option_info *infos = blockdb_option_table(&count);
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < count; i++) {
        if (strcmp(infos[i].section, "ledger") == 0) {
            continue; /* tests of heads, of the map and of the command line have these */
        }
        for (k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
            if (strcmp(checks[k].name, infos[i].name) == 0) {
                break;
            }
        }
        if (k == sizeof(checks) / sizeof(checks[0])) {
            fail_msg("option %s has no check here", infos[i].name);
        }
        printf("option %s\n", infos[i].name);
        (void)fflush(stdout); /* to be there when a check ends the program */
        checks[k].check();
    }
}

static void test_options_in_force(void **state)
{
    struct world w;

    (void)state;
    world_new(&w, "block_cache_size", "3MiB", NULL);
    assert_string_equal(blockdb_option_in_force(w.db, "block_cache_size"), "3145728");
    assert_string_equal(blockdb_option_in_force(w.db, "compression_type"), "lz4");
    assert_null(blockdb_option_in_force(w.db, "no_such_option"));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_option_has_an_effect),
        cmocka_unit_test(test_options_in_force),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
