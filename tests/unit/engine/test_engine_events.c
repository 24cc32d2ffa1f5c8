/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: a listener hears what recovery did, and what could not be done in the background.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine/open.h"
#include "engine_world.h"
#include "store/table_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAL_FILE "/db/wal/000001.wal"

/* What was heard, a line an event: "level area: message". */
struct heard {
    char text[4096];
};

static void listen(void *arg, enum blockdb_event_level level, const char *area, const char *message)
{
    struct heard *heard = arg;
    size_t len = strlen(heard->text);

    (void)snprintf(heard->text + len, sizeof(heard->text) - len, "%s %s: %s\n",
                   level == BLOCKDB_EVENT_WARNING ? "warning" : "info", area, message);
}

static void assert_heard(const struct heard *heard, const char *part)
{
    if (strstr(heard->text, part) == NULL) {
        fail_msg("no '%s' in what was heard: %s", part, heard->text);
    }
}

/* Opens and closes the database on the disk. */
static void listen_to_opening(struct os_crash *disk, const char *name, const char *value,
                              struct heard *heard)
{
    struct blockdb_options *options = blockdb_options_new();
    struct blockdb *db = NULL;
    struct error err;

    *heard = (struct heard){{0}};
    assert_non_null(options);
    fixture_must(blockdb_options_set(options, name, value, &err), &err);
    blockdb_options_set_event_cb(options, listen, heard);
    fixture_must(db_open(os_crash_os(disk), "/db", options, 0, &db, &err), &err);
    blockdb_options_free(options);
    fixture_must(blockdb_close(db, &err), &err);
}

/* One past the last byte of a file that is not zero. */
static uint64_t end_of_bytes(struct os_crash *disk, const char *path)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct error err;

    fixture_must(os_read_file(os_crash_os(disk), path, (size_t)1 << 30, &bytes, &err), &err);
    while (bytes.len > 0 && bytes.data[bytes.len - 1] == 0) {
        bytes.len--;
    }
    return bytes.len;
}

static void a_quiet_opening_tells_nothing(void **state)
{
    struct world w;
    struct heard heard;

    world_new(&w, "wal_sync_mode", "group", NULL);
    world_put_many(w.db, 0, 10, 100);
    fixture_close(w.db);
    listen_to_opening(w.disk, "wal_sync_mode", "group", &heard);
    assert_string_equal(heard.text, "");
    os_crash_free(w.disk);
}

static void a_torn_wal_is_told(void **state)
{
    struct world w;
    struct heard heard;
    struct os_crash *crashed;
    struct error err;
    uint64_t end;

    world_new(&w, "wal_sync_mode", "group", NULL);
    world_put_many(w.db, 0, 10, 100);
    assert_int_equal(os_crash_copy(w.disk, &crashed), BLOCKDB_OK);
    end = (end_of_bytes(crashed, WAL_FILE) + 7) / 8 * 8;
    fixture_must(os_crash_flip(crashed, WAL_FILE, end + 3, 0x5a, &err), &err);
    listen_to_opening(crashed, "wal_sync_mode", "group", &heard);
    assert_heard(&heard, "warning recovery: WAL segment 1: cut ");
    assert_heard(&heard, "torn write");
    os_crash_free(crashed);
    world_free(&w);
}

static void a_torn_ledger_is_told(void **state)
{
    struct world w;
    struct heard heard;
    struct os_crash *crashed;
    struct os_file *file = NULL;
    struct os_stat stat;
    struct error err;

    world_new(&w, "wal_sync_mode", "group", NULL);
    world_put_many(w.db, 0, 10, 100);
    world_flush(w.db);
    assert_int_equal(os_crash_copy(w.disk, &crashed), BLOCKDB_OK);
    fixture_must(
        os_open(os_crash_os(crashed), "/db/ledger/000001.blk", OS_READ | OS_WRITE, &file, &err),
        &err);
    fixture_must(file_stat(file, &stat, &err), &err);
    fixture_must(file_pwrite(file, "unfinished", 10, stat.len_bytes, &err), &err);
    fixture_must(file_sync(file, &err), &err);
    file_close(file);
    listen_to_opening(crashed, "wal_sync_mode", "group", &heard);
    assert_heard(&heard, "info recovery: ledger segment 1: cut ");
    os_crash_free(crashed);
    world_free(&w);
}

static void a_new_wal_directory_is_told(void **state)
{
    struct world w;
    struct heard heard;
    struct error err;

    world_new(&w, "wal_sync_mode", "group", NULL);
    world_put_many(w.db, 0, 10, 100);
    fixture_close(w.db);
    fixture_must(os_rename(w.os, "/db/wal", "/db/lost", &err), &err);
    listen_to_opening(w.disk, "create_missing_wal_dir", "true", &heard);
    assert_heard(&heard, "warning recovery: WAL directory '/db/wal' is missing");
    os_crash_free(w.disk);
}

/* Where the first page of the table's filter stands. */
static uint64_t filter_offset(struct blockdb *db, char out_path[512])
{
    struct read_state *state = db_read_state_ref(db);
    struct table *table = table_set_level(state->tables, 0).tables[0];
    uint64_t offset = table_filter_unit(table, 0).offset;

    assert_true(table->properties.filter_lines > 0);
    (void)snprintf(out_path, 512, "%s", table_path(table));
    read_state_unref(state);
    return offset;
}

/* A merge makes a new filter; that the old one was damaged is told. */
static void a_damaged_filter_is_told_by_a_merge(void **state)
{
    struct heard heard = {{0}};
    struct blockdb_options *options = fixture_options(NULL);
    struct blockdb *db = NULL;
    struct error err;
    struct world w;
    char path[512];
    uint64_t offset;
    int round;

    (void)state;
    world_new(&w, "wal_sync_mode", "group", NULL);
    for (round = 0; round < 2; round++) {
        world_put_many(w.db, (unsigned)round * 50, 100, 100);
        world_flush(w.db);
    }
    offset = filter_offset(w.db, path);
    fixture_close(w.db);
    fixture_must(os_crash_flip(w.disk, path, offset + 5, 0x10, &err), &err);

    /* Where it can be written, it may be merged at once. */
    fixture_must(db_open(w.os, "/db", options, BLOCKDB_OPEN_READ_ONLY, &db, &err), &err);
    assert_int_equal(blockdb_verify(db, NULL, NULL, &err), BLOCKDB_ECORRUPT);
    fixture_must(blockdb_close(db, &err), &err);

    blockdb_options_set_event_cb(options, listen, &heard);
    fixture_must(db_open(w.os, "/db", options, 0, &db, &err), &err);
    fixture_must(blockdb_compact(db, true, NULL, NULL, &err), &err);
    assert_heard(&heard, "warning merge: a filter is damaged");
    assert_heard(&heard, path);
    fixture_must(blockdb_verify(db, NULL, NULL, &err), &err);
    fixture_must(blockdb_close(db, &err), &err);
    blockdb_options_free(options);
    os_crash_free(w.disk);
}

static bool is_all_sealed(const struct blockdb_stats *stats)
{
    return stats->sealed_seq == stats->acked_seq && stats->acked_seq > 0;
}

/* Two blocks have ended, so the ticker, which watches the clock, has begun to look in between. */
static void let_it_look(struct world *w)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        world_put_many(w->db, 0, 1, 10);
        assert_true(world_comes_true(w, is_all_sealed));
    }
}

/* Entries keep the time of the newest one until the clock is there again. */
static void a_clock_put_back_is_told(void **state)
{
    struct heard heard = {{0}};
    struct blockdb_options *options = fixture_options(NULL);
    struct world w = {.disk = os_crash_new(world_seed), .step_ms = 20};
    struct error err;
    uint64_t now_ms;

    (void)state;
    w.os = os_crash_os(w.disk);
    now_ms = os_now_ms(w.os);
    fixture_must(blockdb_options_set(options, "block_interval", "10", &err), &err);
    blockdb_options_set_event_cb(options, listen, &heard);
    fixture_must(db_open(w.os, "/db", options, BLOCKDB_OPEN_CREATE, &w.db, &err), &err);
    os_crash_set_time(w.disk, now_ms + 600000);
    world_put_many(w.db, 0, 1, 10);
    os_crash_set_time(w.disk, now_ms + 500);
    let_it_look(&w);
    assert_true(fixture_stats(w.db).clock_behind_ms > 500000);
    os_crash_set_time(w.disk, now_ms + 700000);
    let_it_look(&w);
    assert_int_equal(fixture_stats(w.db).clock_behind_ms, 0);
    fixture_must(blockdb_close(w.db, &err), &err);
    assert_heard(&heard, "warning clock: the clock is 59"); /* and a digit */
    assert_heard(&heard, "info clock: the clock has caught up");
    blockdb_options_free(options);
    os_crash_free(w.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_opening_tells_nothing),
        cmocka_unit_test(a_torn_wal_is_told),
        cmocka_unit_test(a_torn_ledger_is_told),
        cmocka_unit_test(a_new_wal_directory_is_told),
        cmocka_unit_test(a_damaged_filter_is_told_by_a_merge),
        cmocka_unit_test(a_clock_put_back_is_told),
    };

    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
