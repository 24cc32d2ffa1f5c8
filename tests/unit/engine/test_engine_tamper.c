/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of every file, changed one at a time: opening or verifying fails and names a file, and
 * no read ever returns something else than what was written.
 */
#include "common/test_env.h"
#include "engine/open.h"
#include "engine_model.h"
#include "os/os_crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct model model;
static uint64_t seed;

static int open_db(struct os_crash *disk, struct blockdb **out, struct error *err)
{
    struct blockdb_options *options = model_options("size_tiered", "none");
    int rc;

    (void)blockdb_options_set(options, "ledger_segment_size", "64KiB", err);
    /* No merges: one would replace a table before verify sees it, and reads its data but not its
     * filter, so damage there would go with the old file. */
    (void)blockdb_options_set(options, "compaction_threshold", "64", err);
    rc = db_open(os_crash_os(disk), "/db", options, BLOCKDB_OPEN_CREATE, out, err);
    blockdb_options_free(options);
    return rc;
}

static void must(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s", err->message);
    }
}

/* A closed database with tables, finished and active segments, tiles. */
static struct os_crash *make_database(void)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = NULL;
    struct error err;
    int round;
    int i;

    model_init(&model, seed);
    must(open_db(disk, &db, &err), &err);
    for (round = 0; round < 2; round++) {
        for (i = 0; i < 60; i++) {
            must(model_write(&model, db, &err), &err);
        }
        must(blockdb_flush(db, &err), &err);
    }
    for (i = 0; i < 10; i++) {
        must(model_write(&model, db, &err), &err);
    }
    must(blockdb_close(db, &err), &err);
    return disk;
}

struct file {
    char path[128];
    uint64_t len;
};

struct files {
    struct file file[200];
    size_t count;
};

static int add_file(void *context, const char *path, uint64_t len)
{
    struct files *files = context;
    struct file *file = &files->file[files->count++];

    assert_true(files->count < 200);
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    file->len = len;
    return 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text);

    return len >= strlen(suffix) && strcmp(text + len - strlen(suffix), suffix) == 0;
}

/* Files whose bytes mean nothing: the lock's pid, and the WAL that the ledger has replaced. */
static bool is_meaningless(const char *path)
{
    return has_suffix(path, "/LOCK") || has_suffix(path, ".wal.old");
}

/* The two marks of a manifest say the same; a damaged one is written anew by the next edit. */
static bool has_a_twin(const char *path, uint64_t offset)
{
    return strstr(path, "/MANIFEST-") != NULL && offset >= 512 && offset < 1536;
}

/* All reads either fail or are right. */
static void check_reads(struct blockdb *db)
{
    struct blockdb_value value = {0};
    struct error err;
    uint32_t key;

    for (key = 0; key < MODEL_KEYS; key++) {
        const struct model_version *v = model_find(&model, key, BLOCKDB_SEQ_NONE);
        static uint8_t expected[70000];
        char text[64];
        size_t len = model_key(key, text);
        int rc = blockdb_get(db, text, len, NULL, &value, &err);

        if (rc == BLOCKDB_ENOTFOUND) {
            assert_true(v == NULL || !v->is_put);
        } else if (rc == BLOCKDB_OK) {
            assert_true(v != NULL && v->is_put && v->seq == value.version.seq);
            model_value(v, expected);
            assert_int_equal(value.len, v->value_len);
            assert_memory_equal(value.data, expected, value.len);
        } else {
            assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_ETAMPERED);
        }
    }
    blockdb_value_deinit(&value);
}

/* Whether the damage was found; reads are checked in any case. */
static bool is_found(struct os_crash *disk, struct error *err)
{
    struct blockdb *db = NULL;
    struct error ignored;
    int rc = open_db(disk, &db, err);

    if (rc < 0) {
        assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_ETAMPERED || rc == BLOCKDB_EFOREIGN ||
                    rc == BLOCKDB_EVERSION || rc == BLOCKDB_ENOTFOUND);
        return true;
    }
    check_reads(db);
    rc = blockdb_verify(db, NULL, NULL, err);
    if (blockdb_close(db, &ignored) < 0) {
        rc = BLOCKDB_ECORRUPT; /* a damaged input of a merge, say */
    }
    return rc < 0;
}

static void flip(struct os_crash *disk, const struct file *file, uint64_t offset)
{
    struct os_crash *copy = NULL;
    struct error err = {0};
    struct error flip_err;

    assert_int_equal(os_crash_copy(disk, &copy), BLOCKDB_OK);
    must(os_crash_flip(copy, file->path, offset, (uint8_t)(1u << (offset % 8)), &flip_err),
         &flip_err);
    if (!is_found(copy, &err)) {
        fail_msg("byte %llu of '%s' was changed and nobody noticed", (unsigned long long)offset,
                 file->path);
    }
    assert_true(strlen(err.message) > 0);
    os_crash_free(copy);
}

static void test_each_byte_matters(void **state)
{
    static struct files files;
    struct os_crash *disk = make_database();
    unsigned step = test_is_long() ? 1 : 997;
    uint64_t flips = 0;
    struct error err;
    size_t i;

    (void)state;
    must(os_crash_visit(disk, "/db", add_file, &files, &err), &err);
    for (i = 0; i < files.count; i++) {
        uint64_t offset = files.file[i].len > step ? seed % step : 0;

        if (is_meaningless(files.file[i].path)) {
            continue;
        }
        for (; offset < files.file[i].len; offset += step) {
            if (!has_a_twin(files.file[i].path, offset)) {
                flip(disk, &files.file[i], offset);
                flips++;
            }
        }
    }
    printf("%llu bytes of %zu files were changed\n", (unsigned long long)flips, files.count);
    os_crash_free(disk);
}

/* A file that is missing is named. */
static void test_missing_files_are_named(void **state)
{
    static struct files files;
    struct os_crash *disk = make_database();
    struct error err;
    size_t i;

    (void)state;
    files.count = 0;
    must(os_crash_visit(disk, "/db", add_file, &files, &err), &err);
    for (i = 0; i < files.count; i++) {
        struct os_crash *copy = NULL;

        if (is_meaningless(files.file[i].path)) {
            continue;
        }
        assert_int_equal(os_crash_copy(disk, &copy), BLOCKDB_OK);
        must(os_unlink(os_crash_os(copy), files.file[i].path, &err), &err);
        if (!is_found(copy, &err)) {
            fail_msg("'%s' was removed and nobody noticed", files.file[i].path);
        }
        os_crash_free(copy);
    }
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_matters),
        cmocka_unit_test(test_missing_files_are_named),
    };

    seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
