/* SPDX-License-Identifier: Apache-2.0 */
/* The database against a model, through flushes, merges, reopens, and changes of strategy. */
#include "common/test_env.h"
#include "engine/open.h"
#include "engine_model.h"
#include "os/os_crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct model model;
static uint64_t seed;

static struct blockdb *open_db(struct os *os, const char *strategy, const char *sync_mode)
{
    struct blockdb_options *options = model_options(strategy, sync_mode);
    struct blockdb *db = NULL;
    struct error err;

    if (db_open(os, "/db", options, BLOCKDB_OPEN_CREATE, &db, &err) < 0) {
        fail_msg("open: %s", err.message);
    }
    blockdb_options_free(options);
    return db;
}

static void close_db(struct blockdb *db)
{
    struct error err;

    if (blockdb_close(db, &err) < 0) {
        fail_msg("close: %s", err.message);
    }
}

static void must(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s", err->message);
    }
}

static void write_some(struct blockdb *db, int batches)
{
    struct error err;

    while (batches-- > 0) {
        must(model_write(&model, db, &err), &err);
    }
}

static void verify(struct blockdb *db)
{
    struct blockdb_verify_report report;
    struct error err;

    must(blockdb_verify(db, NULL, &report, &err), &err);
    assert_true(report.entries >= model.count);
    assert_int_equal(report.size, report.entries);
}

static void run_model(const char *first_strategy, const char *second_strategy, const char *mode)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os *os = os_crash_os(disk);
    struct blockdb *db;
    struct error err;
    int round;

    model_init(&model, seed);
    for (round = 0; round < 6; round++) {
        db = open_db(os, round % 2 == 0 ? first_strategy : second_strategy, mode);
        model_check(&model, db);
        write_some(db, 250);
        model_check(&model, db);
        if (round % 3 == 1) {
            must(blockdb_flush(db, &err), &err);
            model_check(&model, db);
        }
        if (round % 3 == 2) {
            must(blockdb_compact(db, true, NULL, NULL, &err), &err);
            model_check(&model, db);
        }
        verify(db);
        close_db(db);
    }
    db = open_db(os, first_strategy, mode);
    model_check(&model, db);
    verify(db);
    close_db(db);
    os_crash_free(disk);
}

static void test_size_tiered(void **state)
{
    (void)state;
    run_model("size_tiered", "size_tiered", "group");
}

static void test_leveled(void **state)
{
    (void)state;
    run_model("leveled", "leveled", "none");
}

static void test_strategy_changes(void **state)
{
    (void)state;
    run_model("size_tiered", "leveled", "interval");
}

static void test_view_stays(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_view *view;
    struct blockdb_value value = {0};
    struct error err;

    (void)state;
    must(blockdb_put(db, "a", 1, "one", 3, NULL, NULL, &err), &err);
    must(blockdb_view_new(db, &view, &err), &err);
    must(blockdb_put(db, "a", 1, "two", 3, NULL, NULL, &err), &err);
    must(blockdb_put(db, "b", 1, "new", 3, NULL, NULL, &err), &err);
    must(blockdb_flush(db, &err), &err);
    options.view = view;
    must(blockdb_get(db, "a", 1, &options, &value, &err), &err);
    assert_memory_equal(value.data, "one", 3);
    assert_int_equal(blockdb_get(db, "b", 1, &options, &value, &err), BLOCKDB_ENOTFOUND);
    must(blockdb_get(db, "a", 1, NULL, &value, &err), &err);
    assert_memory_equal(value.data, "two", 3);
    blockdb_view_free(view);
    blockdb_value_deinit(&value);
    close_db(db);
    os_crash_free(disk);
}

static void test_conditions(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct blockdb_write_result result;
    struct error err;

    (void)state;
    must(blockdb_batch_require_absent(batch, "k", 1, &err), &err);
    must(blockdb_batch_put(batch, "k", 1, "v", 1, &err), &err);
    must(blockdb_write(db, batch, NULL, &result, &err), &err);
    assert_int_equal(blockdb_write(db, batch, NULL, NULL, &err), BLOCKDB_ECONFLICT);
    assert_non_null(strstr(err.message, "'k'"));
    blockdb_batch_reset(batch);
    must(blockdb_batch_require_seq(batch, "k", 1, result.first_seq, &err), &err);
    must(blockdb_batch_delete(batch, "k", 1, &err), &err);
    must(blockdb_write(db, batch, NULL, &result, &err), &err);
    assert_int_equal(blockdb_write(db, batch, NULL, NULL, &err), BLOCKDB_ECONFLICT);
    blockdb_batch_reset(batch);
    must(blockdb_batch_require_absent(batch, "k", 1, &err), &err); /* deleted counts as absent */
    must(blockdb_write(db, batch, NULL, NULL, &err), &err);
    blockdb_batch_free(batch);
    close_db(db);
    os_crash_free(disk);
}

static void test_repeats_append_once(void **state)
{
    static const uint8_t client[BLOCKDB_CLIENT_ID_LEN] = "client number 1";
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result first;
    struct blockdb_write_result again;
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    struct error err;
    int round;

    (void)state;
    options.client_id = client;
    options.request = 7;
    for (round = 0; round < 3; round++) {
        struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");

        must(blockdb_put(db, "k", 1, "v", 1, &options, round == 0 ? &first : &again, &err), &err);
        if (round > 0) {
            assert_true(again.repeated);
            assert_int_equal(again.first_seq, first.first_seq);
            assert_int_equal(again.time_ms, first.time_ms);
        }
        options.request = 6;
        assert_int_equal(blockdb_put(db, "k", 1, "v", 1, &options, NULL, &err), BLOCKDB_ESTALE);
        options.request = 7;
        must(blockdb_flush(db, &err), &err);
        must(blockdb_stats_get(db, &stats, &err), &err);
        assert_int_equal(stats.puts, round == 0 ? 1 : 0);
        close_db(db);
    }
    os_crash_free(disk);
}

static void test_limits(void **state)
{
    static uint8_t big[BLOCKDB_VALUE_MAX + 1];
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct blockdb_value value = {0};
    struct error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(big); i++) {
        big[i] = (uint8_t)(i * 31 + i / 251);
    }
    assert_int_equal(blockdb_put(db, "", 0, "v", 1, NULL, NULL, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_put(db, big, BLOCKDB_KEY_MAX + 1, "v", 1, NULL, NULL, &err),
                     BLOCKDB_ELIMIT);
    assert_int_equal(blockdb_put(db, "k", 1, big, BLOCKDB_VALUE_MAX + 1, NULL, NULL, &err),
                     BLOCKDB_ELIMIT);
    must(blockdb_put(db, big, BLOCKDB_KEY_MAX, big, BLOCKDB_VALUE_MAX, NULL, NULL, &err), &err);
    must(blockdb_put(db, "e", 1, NULL, 0, NULL, NULL, &err), &err);
    must(blockdb_flush(db, &err), &err);
    must(blockdb_get(db, big, BLOCKDB_KEY_MAX, NULL, &value, &err), &err);
    assert_int_equal(value.len, BLOCKDB_VALUE_MAX);
    assert_memory_equal(value.data, big, BLOCKDB_VALUE_MAX);
    must(blockdb_get(db, "e", 1, NULL, &value, &err), &err);
    assert_int_equal(value.len, 0);
    blockdb_value_deinit(&value);
    close_db(db);
    os_crash_free(disk);
}

static void test_clock_goes_back(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct blockdb_write_result before;
    struct blockdb_write_result after;
    uint64_t seq = 0;
    struct error err;

    (void)state;
    must(blockdb_put(db, "a", 1, "1", 1, NULL, &before, &err), &err);
    os_crash_set_time(disk, OS_CRASH_START_MS - 86400000);
    must(blockdb_put(db, "a", 1, "2", 1, NULL, &after, &err), &err);
    assert_int_equal(after.time_ms, before.time_ms);
    os_crash_set_time(disk, OS_CRASH_START_MS + 5000);
    must(blockdb_put(db, "a", 1, "3", 1, NULL, &after, &err), &err);
    assert_int_equal(after.time_ms, OS_CRASH_START_MS + 5000);
    must(blockdb_seq_at_time(db, OS_CRASH_START_MS + 4999, &seq, &err), &err);
    assert_true(seq < after.first_seq);
    assert_int_equal(blockdb_seq_at_time(db, OS_CRASH_START_MS - 1, &seq, &err), BLOCKDB_ENOTFOUND);
    close_db(db);
    os_crash_free(disk);
}

static void test_second_opener_is_refused(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct blockdb *second = NULL;
    struct error err;

    (void)state;
    assert_int_equal(db_open(os_crash_os(disk), "/db", NULL, 0, &second, &err), BLOCKDB_EBUSY);
    assert_null(second);
    close_db(db);
    assert_int_equal(db_open(os_crash_os(disk), "/db", NULL,
                             BLOCKDB_OPEN_CREATE | BLOCKDB_OPEN_EXCLUSIVE, &second, &err),
                     BLOCKDB_EEXIST);
    assert_int_equal(db_open(os_crash_os(disk), "/none", NULL, 0, &second, &err),
                     BLOCKDB_ENOTFOUND);
    os_crash_free(disk);
}

static void test_read_only_changes_nothing(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct error err;

    (void)state;
    model_init(&model, seed);
    write_some(db, 100);
    close_db(db);
    must(db_open(os_crash_os(disk), "/db", NULL, BLOCKDB_OPEN_READ_ONLY, &db, &err), &err);
    model_check(&model, db);
    assert_int_equal(blockdb_put(db, "k", 1, "v", 1, NULL, NULL, &err), BLOCKDB_EREADONLY);
    assert_int_equal(blockdb_flush(db, &err), BLOCKDB_EREADONLY);
    verify(db);
    close_db(db);
    os_crash_free(disk);
}

static void test_blocks_chain(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = open_db(os_crash_os(disk), "size_tiered", "none");
    struct blockdb_block previous = {0};
    struct blockdb_block block;
    struct blockdb_value key = {0};
    struct error err;
    uint64_t height;

    (void)state;
    model_init(&model, seed);
    write_some(db, 300);
    verify(db); /* seals everything */
    for (height = 0; blockdb_block_get(db, height, &block, &err) == BLOCKDB_OK; height++) {
        assert_int_equal(block.first_seq, height == 0 ? 0 : previous.header_seq + 1);
        assert_memory_equal(block.previous_hash, previous.hash, BLOCKDB_HASH_LEN);
        must(blockdb_get_entry(db, block.header_seq, &key, NULL, &err), &err);
        assert_int_equal(key.version.kind, BLOCKDB_KIND_BLOCK_HEADER);
        previous = block;
    }
    assert_true(height > 3);
    assert_int_equal(blockdb_block_get(db, height, &block, &err), BLOCKDB_ENOTFOUND);
    blockdb_value_deinit(&key);
    close_db(db);
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_tiered),
        cmocka_unit_test(test_leveled),
        cmocka_unit_test(test_strategy_changes),
        cmocka_unit_test(test_view_stays),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_repeats_append_once),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_clock_goes_back),
        cmocka_unit_test(test_second_opener_is_refused),
        cmocka_unit_test(test_read_only_changes_nothing),
        cmocka_unit_test(test_blocks_chain),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
