/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of a database: texts and typed settings, mistakes, bounds, short memory. */
#include "base/mem.h"
#include "engine/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void options_free_ptr(struct blockdb_options **options)
{
    blockdb_options_free(*options);
}

static void set_ok(struct blockdb_options *options, const char *name, const char *value)
{
    struct error err = {0};

    if (blockdb_options_set(options, name, value, &err) < 0) {
        fail_msg("%s = %s: %s", name, value, err.message);
    }
}

static void test_defaults(void **state)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    const struct settings *s = options_settings(options);
    const struct blockdb_option_info *table;
    size_t count;
    size_t i;

    (void)state;
    table = blockdb_option_table(&count);
    for (i = 0; i < count; i++) {
        assert_string_equal(blockdb_options_get(options, table[i].name), table[i].default_value);
        assert_false(options_is_set(options, table[i].name));
        set_ok(options, table[i].name, table[i].default_value);
        assert_true(options_is_set(options, table[i].name));
        assert_true(strlen(table[i].help) > 0);
    }
    assert_string_equal(s->data_dir, "./blockdb_data");
    assert_string_equal(s->wal_dir, "");
    assert_int_equal(s->memtable_size_limit, 67108864);
    assert_int_equal(s->wal_sync_mode, WAL_SYNC_GROUP);
    assert_int_equal(s->wal_sync_interval, 1000);
    assert_int_equal(s->compaction_strategy, COMPACTION_SIZE_TIERED);
    assert_int_equal(s->compression_type, COMPRESSION_LZ4);
    assert_true(s->enable_bloom_filters);
    assert_false(s->write_once);
    assert_int_equal(settings_check(s, NULL, NULL), BLOCKDB_OK);
    assert_null(blockdb_options_get(options, "nothing"));
}

static void test_values_as_people_write_them(void **state)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    const struct settings *s = options_settings(options);

    (void)state;
    set_ok(options, "memtable_size_limit", "1.5GiB");
    assert_int_equal(s->memtable_size_limit, 1610612736);
    assert_string_equal(blockdb_options_get(options, "memtable_size_limit"), "1610612736");
    set_ok(options, "wal_sync_interval", "2min");
    assert_int_equal(s->wal_sync_interval, 120000);
    set_ok(options, "compression_type", "zstd");
    assert_int_equal(s->compression_type, COMPRESSION_ZSTD);
    set_ok(options, "compaction_strategy", "leveled");
    assert_int_equal(s->compaction_strategy, COMPACTION_LEVELED);
    set_ok(options, "enable_direct_io", "true");
    assert_true(s->enable_direct_io);
    set_ok(options, "data_dir", "/some where");
    assert_string_equal(s->data_dir, "/some where");
    assert_ptr_equal(s->data_dir, blockdb_options_get(options, "data_dir"));
}

static void test_mistakes_change_nothing(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *says;
    } cases[] = {
        {"memtable_size", "1", "did you mean 'memtable_size_limit'?"},
        {"zzzzzzzzzz", "1", "unknown option"},
        {"memtable_size_limit", "64MB", "KiB"},
        {"memtable_size_limit", "", "not a size"},
        {"memtable_size_limit", "-1", "not a size"},
        {"memtable_size_limit", "99999999999999999999", "not a size"},
        {"memtable_size_limit", "1KiB", "between 65536 and"},
        {"memtable_size_limit", "0.3B", "not a size"},
        {"wal_sync_interval", "1 year", "not a duration"},
        {"compaction_threshold", "4KiB", "whole number"},
        {"compaction_threshold", "1", "between 2 and 64"},
        {"write_once", "yes", "true or false"},
        {"wal_sync_mode", "grou", "none interval group always"},
        {"data_dir", "", "it must have 1 to"},
    };
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};

        assert_int_equal(blockdb_options_set(options, cases[i].name, cases[i].value, &err),
                         BLOCKDB_EINVAL);
        if (strstr(err.message, cases[i].says) == NULL) {
            fail_msg("%s = %s: %s", cases[i].name, cases[i].value, err.message);
        }
        assert_false(options_is_set(options, cases[i].name));
    }
}

static void test_copy_is_independent(void **state)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    struct blockdb_options *copy;

    (void)state;
    set_ok(options, "wal_dir", "/fast");
    set_ok(options, "write_once", "true");
    copy = options_copy(options);
    set_ok(options, "wal_dir", "/slow");
    assert_string_equal(options_settings(copy)->wal_dir, "/fast");
    assert_true(options_settings(copy)->write_once);
    assert_false(options_is_set(copy, "data_dir"));
    blockdb_options_free(copy);
    copy = options_copy(NULL);
    assert_false(options_is_set(copy, "wal_dir"));
    blockdb_options_free(copy);
}

static void test_what_no_single_key_tells(void **state)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    const struct settings *s = options_settings(options);
    struct error err = {0};

    (void)state;
    assert_int_equal(settings_memory_limit(s), 1073741824);
    set_ok(options, "block_cache_size", "8GiB");
    assert_int_equal(settings_check(s, NULL, NULL), BLOCKDB_OK);
    assert_true(settings_memory_limit(s) > 8589934592);
    set_ok(options, "memory_limit", "4GiB");
    assert_int_equal(settings_memory_limit(s), 4294967296);
    assert_int_equal(settings_check(s, NULL, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "block_cache_size"));
    set_ok(options, "block_cache_size", "1GiB");
    assert_int_equal(settings_check(s, NULL, &err), BLOCKDB_OK);
    set_ok(options, "write_buffer_size", "5000");
    assert_int_equal(settings_check(s, NULL, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "4096"));
    assert_int_equal(settings_compaction_threads(s, 1), 1);
    assert_int_equal(settings_compaction_threads(s, 4), 2);
    assert_int_equal(settings_compaction_threads(s, 64), 8);
    set_ok(options, "max_compaction_threads", "3");
    assert_int_equal(settings_compaction_threads(s, 64), 3);
}

static bool fail_countdown(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static int use_options(void)
{
    AUTO(options_free_ptr) struct blockdb_options *options = blockdb_options_new();
    AUTO(options_free_ptr) struct blockdb_options *copy = NULL;
    int rc;

    if (options == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = blockdb_options_set(options, "wal_dir", "/a", NULL);
    if (rc < 0) {
        assert_string_equal(options_settings(options)->wal_dir, "");
        return rc;
    }
    rc = blockdb_options_set(options, "wal_dir", "/b", NULL);
    if (rc < 0) {
        assert_string_equal(options_settings(options)->wal_dir, "/a");
        return rc;
    }
    copy = options_copy(options);
    return copy != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

static void test_survives_short_memory(void **state)
{
    int rc = BLOCKDB_ENOMEM;
    int n;

    (void)state;
    for (n = 0; rc != BLOCKDB_OK; n++) {
        int left = n;

        mem_set_fail_hook(fail_countdown, &left);
        rc = use_options();
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
    }
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values_as_people_write_them),
        cmocka_unit_test(test_mistakes_change_nothing),
        cmocka_unit_test(test_copy_is_independent),
        cmocka_unit_test(test_what_no_single_key_tells),
        cmocka_unit_test(test_survives_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
