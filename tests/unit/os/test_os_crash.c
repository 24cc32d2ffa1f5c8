/* SPDX-License-Identifier: Apache-2.0 */
/* The crash model: what is synced stays, what is not may be anything the model allows. */
#include "base/mem.h"
#include "os/os_crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdatomic.h>

#define CUTS 2000

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

static struct os_file *open_file(struct os *os, const char *path, unsigned flags)
{
    struct os_file *f = NULL;

    OK(os_open(os, path, flags, &f, NULL));
    return f;
}

static void write_file(struct os *os, const char *path, const char *text, bool sync)
{
    struct os_file *f = open_file(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE);

    OK(file_pwrite(f, text, strlen(text), 0, NULL));
    if (sync) {
        OK(file_sync(f, NULL));
    }
    file_close(f);
}

static bool exists(struct os *os, const char *path)
{
    struct os_stat stat;

    return os_stat_path(os, path, &stat, NULL) == BLOCKDB_OK;
}

/* The content of a file as text that the caller frees; NULL when it does not exist. */
static char *content_of(struct os *os, const char *path)
{
    struct buf bytes = {0};

    if (os_read_file(os, path, 1 << 20, &bytes, NULL) < 0) {
        buf_deinit(&bytes);
        return NULL;
    }
    OK(buf_append_u8(&bytes, 0));
    return (char *)bytes.data;
}

static bool has_content(struct os *os, const char *path, const char *text)
{
    char *content = content_of(os, path);
    bool same = content != NULL && strcmp(content, text) == 0;

    mem_free(content);
    return same;
}

static struct os_crash *cut(struct os_crash *c, uint64_t seed)
{
    struct os_crash *left = NULL;

    OK(os_crash_cut(c, seed, &left));
    return left;
}

static void test_files_work(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f;
    struct os_stat stat;
    char bytes[8];
    size_t len;

    (void)state;
    OK(os_make_dirs(os, "/db/wal", NULL));
    f = open_file(os, "db/./wal/a", OS_READ | OS_WRITE | OS_CREATE);
    OK(file_pwrite(f, "hello", 5, 3, NULL));
    OK(file_pread(f, bytes, sizeof(bytes), 0, &len, NULL));
    assert_int_equal(len, 8);
    assert_memory_equal(bytes, "\0\0\0hello", 8);
    OK(file_pread(f, bytes, 4, 6, &len, NULL));
    assert_int_equal(len, 2);
    OK(file_pread(f, bytes, 4, 60, &len, NULL));
    assert_int_equal(len, 0);
    assert_int_equal(file_pread_full(f, bytes, 4, 6, NULL), BLOCKDB_ECORRUPT);
    OK(file_truncate(f, 4, NULL));
    OK(file_truncate(f, 6, NULL));
    OK(file_pread(f, bytes, sizeof(bytes), 0, &len, NULL));
    assert_int_equal(len, 6);
    assert_memory_equal(bytes, "\0\0\0h\0\0", 6);
    OK(file_preallocate(f, 0, 100000, NULL));
    OK(file_write_behind(f, 0, 6, NULL));
    file_advise(f, 0, 6, OS_ADVICE_RANDOM);
    OK(file_stat(f, &stat, NULL));
    assert_int_equal(stat.len_bytes, 6);
    assert_true(stat.allocated_bytes >= 100000);
    assert_false(stat.is_dir);
    OK(os_unlink(os, "/db/wal/a", NULL));
    OK(file_pwrite(f, "still", 5, 0, NULL)); /* open files outlive their names */
    file_close(f);
    assert_int_equal(os_crash_used_bytes(c), 0);
    os_crash_free(c);
}

static void test_refusals(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f;
    struct os_stat stat;
    char long_name[300];

    (void)state;
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[0] = '/';
    long_name[sizeof(long_name) - 1] = '\0';
    OK(os_make_dirs(os, "/a/full", NULL));
    OK(os_make_dirs(os, "/b/full", NULL));
    write_file(os, "/b/full/f", "0123456789", false);
    assert_int_equal(os_mkdir(os, long_name, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_mkdir(os, "/b/full/f/x", NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_mkdir(os, "/b/full/f/x/y", NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_stat_path(os, "/b/full/f/x", &stat, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_stat_path(os, "/b/../b", &stat, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_rename(os, "/a/full", "/b/other", NULL), BLOCKDB_EUNSUPPORTED);
    assert_int_equal(os_rename(os, "/a", "/b", NULL), BLOCKDB_EEXIST);
    assert_int_equal(os_rename(os, "/b/full/f", "/none/f", NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_link(os, "/none", "/x", NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_link(os, "/b/full/f", "/none/x", NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_unlink(os, "/none", NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_sync_dir(os, "/b/full/f", NULL), BLOCKDB_EINVAL);
    f = open_file(os, "/b/full/f", OS_WRITE | OS_TRUNCATE);
    OK(file_stat(f, &stat, NULL));
    assert_int_equal(stat.len_bytes, 0);
    assert_int_equal(file_pwrite(f, "x", 1, UINT64_MAX - 5, NULL), BLOCKDB_ENOSPC);
    assert_int_equal(file_truncate(f, UINT64_MAX, NULL), BLOCKDB_ENOSPC);
    assert_int_equal(file_preallocate(f, UINT64_MAX, 2, NULL), BLOCKDB_EINVAL);
    OK(file_pwrite(f, "x", 0, 7, NULL)); /* nothing, so no length either */
    OK(file_preallocate(f, 0, 9000, NULL));
    OK(file_truncate(f, 100, NULL));
    assert_int_equal(os_crash_used_bytes(c), 100);
    file_close(f);
    os_crash_free(c);
}

static int collect_name(void *context, const char *name, bool is_dir)
{
    OK(buf_appendf(context, "%s%s ", name, is_dir ? "/" : ""));
    return 0;
}

static int stop_at_once(void *context, const char *name, bool is_dir)
{
    (void)context;
    (void)name;
    (void)is_dir;
    return BLOCKDB_ECANCELED;
}

static void test_names_work(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct buf names = {0};
    struct os_file *f = NULL;
    struct error err;

    (void)state;
    OK(os_mkdir(os, "/d", NULL));
    assert_int_equal(os_mkdir(os, "/d", NULL), BLOCKDB_EEXIST);
    assert_int_equal(os_mkdir(os, "/x/y", NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_mkdir(os, "/", NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_mkdir(os, "/d/..", NULL), BLOCKDB_EINVAL);
    write_file(os, "/d/b", "B", false);
    write_file(os, "/d/a", "A", false);
    OK(os_mkdir(os, "/d/c", NULL));
    OK(os_list(os, "/d", collect_name, &names, NULL));
    assert_int_equal(names.len, 7);
    assert_memory_equal(names.data, "a b c/ ", 7);
    buf_deinit(&names);
    assert_int_equal(os_list(os, "/d", stop_at_once, NULL, NULL), BLOCKDB_ECANCELED);
    assert_int_equal(os_list(os, "/d/a", collect_name, &names, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_open(os, "/d/a", OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &f, NULL),
                     BLOCKDB_EEXIST);
    assert_int_equal(os_open(os, "/d/c", OS_READ, &f, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_open(os, "/d/none", OS_READ, &f, &err), BLOCKDB_ENOTFOUND);
    assert_non_null(strstr(err.message, "/d/none"));
    assert_int_equal(os_link(os, "/d/a", "/d/b", NULL), BLOCKDB_EEXIST);
    assert_int_equal(os_link(os, "/d/c", "/d/e", NULL), BLOCKDB_EINVAL);
    OK(os_link(os, "/d/a", "/d/c/a2", NULL));
    OK(os_rename(os, "/d/a", "/d/c/a2", NULL)); /* one file: nothing happens */
    assert_true(exists(os, "/d/a"));
    OK(os_rename(os, "/d/b", "/d/a", NULL));
    assert_true(has_content(os, "/d/a", "B"));
    assert_true(has_content(os, "/d/c/a2", "A"));
    assert_false(exists(os, "/d/b"));
    assert_int_equal(os_rename(os, "/d/a", "/d/c", NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_rename(os, "/d/b", "/d/z", NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_rmdir(os, "/d/c", NULL), BLOCKDB_EEXIST);
    assert_int_equal(os_rmdir(os, "/d/a", NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_unlink(os, "/d/c", NULL), BLOCKDB_EINVAL);
    OK(os_unlink(os, "/d/c/a2", NULL));
    OK(os_rmdir(os, "/d/c", NULL));
    OK(os_rename(os, "/d", "/e", NULL));
    assert_true(has_content(os, "/e/a", "B"));
    os_crash_free(c);
}

/* Control and proof: without os_sync_dir() some cut loses the file, with it none does. */
static void test_names_need_a_directory_sync(void **state)
{
    int with_sync;

    (void)state;
    for (with_sync = 0; with_sync < 2; with_sync++) {
        struct os_crash *c = os_crash_new(1);
        struct os *os = os_crash_os(c);
        int lost = 0;
        uint64_t seed;

        OK(os_make_dirs(os, "/db", NULL));
        write_file(os, "/db/f", "precious", true);
        if (with_sync != 0) {
            OK(os_sync_dir(os, "/db", NULL));
        }
        for (seed = 0; seed < CUTS; seed++) {
            struct os_crash *left = cut(c, seed);

            lost += !has_content(os_crash_os(left), "/db/f", "precious");
            os_crash_free(left);
        }
        if (with_sync != 0) {
            assert_int_equal(lost, 0);
        } else {
            assert_in_range(lost, CUTS / 10, CUTS - CUTS / 10);
        }
        os_crash_free(c);
    }
}

/* The same for the bytes of a file whose name is durable. */
static void test_bytes_need_a_sync(void **state)
{
    int with_sync;

    (void)state;
    for (with_sync = 0; with_sync < 2; with_sync++) {
        struct os_crash *c = os_crash_new(1);
        struct os *os = os_crash_os(c);
        int lost = 0;
        uint64_t seed;

        write_file(os, "/f", "precious", with_sync != 0);
        OK(os_sync_dir(os, "/", NULL));
        for (seed = 0; seed < CUTS; seed++) {
            struct os_crash *left = cut(c, seed);

            assert_true(exists(os_crash_os(left), "/f"));
            lost += !has_content(os_crash_os(left), "/f", "precious");
            os_crash_free(left);
        }
        assert_true(with_sync != 0 ? lost == 0 : lost > CUTS / 10 && lost < CUTS);
        os_crash_free(c);
    }
}

/* Sync, rename, sync of the directory: old or new, never anything else; without the first sync a
 * broken file is seen. */
static void test_replacing_is_atomic(void **state)
{
    int with_sync;

    (void)state;
    for (with_sync = 0; with_sync < 2; with_sync++) {
        struct os_crash *c = os_crash_new(1);
        struct os *os = os_crash_os(c);
        int old = 0;
        int new = 0;
        uint64_t seed;

        OK(os_replace_file(os, "/CURRENT", slice_of_text("old"), NULL));
        write_file(os, "/CURRENT.tmp", "new", with_sync != 0);
        OK(os_rename(os, "/CURRENT.tmp", "/CURRENT", NULL));
        for (seed = 0; seed < CUTS; seed++) {
            struct os_crash *left = cut(c, seed);

            old += has_content(os_crash_os(left), "/CURRENT", "old");
            new += has_content(os_crash_os(left), "/CURRENT", "new");
            os_crash_free(left);
        }
        assert_true(old > 0 && new > 0);
        assert_true(with_sync != 0 ? old + new == CUTS : old + new < CUTS);
        os_crash_free(c);
    }
}

/* os_replace_file() itself, with the power going at each of its operations. */
static void test_replace_file_survives_any_cut(void **state)
{
    uint64_t nth;
    bool finished = false;

    (void)state;
    for (nth = 1; !finished; nth++) {
        uint64_t seed;

        for (seed = 0; seed < 200; seed++) {
            struct os_crash *c = os_crash_new(1);
            struct os *os = os_crash_os(c);
            int rc;

            OK(os_replace_file(os, "/CURRENT", slice_of_text("old"), NULL));
            os_crash_arm(c, nth);
            rc = os_replace_file(os, "/CURRENT", slice_of_text("new"), NULL);
            finished = !os_crash_is_off(c);
            OK(os_crash_restart(c, seed));
            assert_true(has_content(os, "/CURRENT", "new") ||
                        (rc < 0 && has_content(os, "/CURRENT", "old")));
            os_crash_free(c);
        }
    }
    assert_true(nth > 5);
}

#define SECTORS 8

/* Each kind of outcome that the model names for one unsynced write over synced bytes is met, and no
 * sector is ever mixed. */
static void test_tears_at_sectors(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f = open_file(os, "/f", OS_READ | OS_WRITE | OS_CREATE);
    uint8_t bytes[SECTORS * OS_CRASH_SECTOR_BYTES];
    int met[SECTORS + 1] = {0};
    int scattered = 0; /* a new sector after an old one */
    uint64_t seed;
    int i;

    (void)state;
    memset(bytes, 'o', sizeof(bytes));
    OK(file_pwrite(f, bytes, sizeof(bytes), 0, NULL));
    OK(file_sync(f, NULL));
    OK(os_sync_dir(os, "/", NULL));
    memset(bytes, 'n', sizeof(bytes));
    OK(file_pwrite(f, bytes, sizeof(bytes) - 100, 100, NULL)); /* not the synced start */
    for (seed = 0; seed < CUTS; seed++) {
        struct os_crash *left = cut(c, seed);
        char *content = content_of(os_crash_os(left), "/f");
        int new = 0;
        bool old_seen = false;
        bool new_after_old = false;

        assert_int_equal(strlen(content), sizeof(bytes));
        assert_int_equal(content[99], 'o');
        for (i = 0; i < SECTORS; i++) {
            char *sector = content + (size_t)i * OS_CRASH_SECTOR_BYTES;
            char first = sector[i == 0 ? 100 : 0];
            size_t k;

            for (k = i == 0 ? 100 : 0; k < OS_CRASH_SECTOR_BYTES; k++) {
                assert_int_equal(sector[k], first);
            }
            new += first == 'n';
            new_after_old |= old_seen && first == 'n';
            old_seen |= first == 'o';
        }
        met[new]++;
        scattered += new_after_old;
        mem_free(content);
        os_crash_free(left);
    }
    for (i = 0; i <= SECTORS; i++) {
        assert_true(met[i] > 0);
    }
    assert_true(scattered > 0);
    file_close(f);
    os_crash_free(c);
}

/* Appended bytes: length without data gives zeros; data without length is cut; any write of several
 * may be missing. */
static void test_appends_in_any_subset(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f = open_file(os, "/f", OS_WRITE | OS_CREATE);
    int zeros = 0;
    int shorter = 0;
    int only_second = 0;
    uint64_t seed;

    (void)state;
    OK(file_sync(f, NULL));
    OK(os_sync_dir(os, "/", NULL));
    OK(file_pwrite(f, "AA", 2, 0, NULL));
    OK(file_pwrite(f, "BB", 2, 2, NULL));
    for (seed = 0; seed < CUTS; seed++) {
        struct os_crash *left = cut(c, seed);
        struct buf bytes = {0};

        OK(os_read_file(os_crash_os(left), "/f", 100, &bytes, NULL));
        assert_true(bytes.len == 0 || bytes.len == 2 || bytes.len == 4);
        zeros += bytes.len == 4 && memcmp(bytes.data, "\0\0\0\0", 4) == 0;
        only_second += bytes.len == 4 && memcmp(bytes.data, "\0\0BB", 4) == 0;
        shorter += bytes.len == 2 && memcmp(bytes.data, "AA", 2) == 0;
        buf_deinit(&bytes);
        os_crash_free(left);
    }
    assert_true(zeros > 0 && only_second > 0 && shorter > 0);
    file_close(f);
    os_crash_free(c);
}

static void test_truncate_may_not_hold(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f;
    int held = 0;
    uint64_t seed;

    (void)state;
    OK(os_replace_file(os, "/f", slice_of_text("0123456789"), NULL));
    f = open_file(os, "/f", OS_WRITE);
    OK(file_truncate(f, 4, NULL));
    for (seed = 0; seed < CUTS; seed++) {
        struct os_crash *left = cut(c, seed);
        bool short_one = has_content(os_crash_os(left), "/f", "0123");

        assert_true(short_one || has_content(os_crash_os(left), "/f", "0123456789"));
        held += short_one;
        os_crash_free(left);
    }
    assert_in_range(held, 1, CUTS - 1);
    OK(file_sync(f, NULL));
    for (seed = 0; seed < 100; seed++) {
        struct os_crash *left = cut(c, seed);

        assert_true(has_content(os_crash_os(left), "/f", "0123"));
        os_crash_free(left);
    }
    file_close(f);
    os_crash_free(c);
}

/* A rename between directories: never lost, whichever directory was synced. */
static void test_renames_between_directories(void **state)
{
    int synced;

    (void)state;
    for (synced = 0; synced < 3; synced++) {
        struct os_crash *c = os_crash_new(1);
        struct os *os = os_crash_os(c);
        int both = 0;
        int old = 0;
        uint64_t seed;

        OK(os_make_dirs(os, "/a", NULL));
        OK(os_make_dirs(os, "/b", NULL));
        OK(os_replace_file(os, "/a/f", slice_of_text("F"), NULL));
        write_file(os, "/b/g", "G", true); /* pending before it, replaced by it */
        OK(os_rename(os, "/a/f", "/b/g", NULL));
        if (synced > 0) {
            OK(os_sync_dir(os, synced == 1 ? "/a" : "/b", NULL));
        }
        for (seed = 0; seed < CUTS; seed++) {
            struct os_crash *left = cut(c, seed);
            bool at_old = has_content(os_crash_os(left), "/a/f", "F");
            bool at_new = has_content(os_crash_os(left), "/b/g", "F");

            assert_true(at_old || at_new);
            assert_true(synced == 0 || at_new);
            assert_true(synced != 1 || !at_old);
            both += at_old && at_new;
            old += at_old && !at_new;
            os_crash_free(left);
        }
        assert_true(synced == 1 ? both == 0 : both > 0);
        assert_true(synced == 0 ? old > 0 : old == 0);
        os_crash_free(c);
    }
}

static void test_unlinks_and_links_by_themselves(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    int met[2][2] = {{0}};
    uint64_t seed;

    (void)state;
    OK(os_replace_file(os, "/f", slice_of_text("F"), NULL));
    OK(os_link(os, "/f", "/g", NULL));
    OK(os_unlink(os, "/f", NULL));
    for (seed = 0; seed < CUTS; seed++) {
        struct os_crash *left = cut(c, seed);

        met[has_content(os_crash_os(left), "/f", "F")][has_content(os_crash_os(left), "/g", "F")]++;
        os_crash_free(left);
    }
    assert_true(met[0][0] > 0 && met[0][1] > 0 && met[1][0] > 0 && met[1][1] > 0);
    os_crash_free(c);
}

static void test_arming(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f;
    struct os_file *other = NULL;
    struct os_stat stat;
    struct error err;
    char byte;
    size_t len;
    uint64_t space;

    (void)state;
    OK(os_mkdir(os, "/d", NULL));
    f = open_file(os, "/d/f", OS_READ | OS_WRITE | OS_CREATE);
    assert_int_equal(os_crash_operations(c), 2);
    os_crash_arm(c, 2);
    OK(file_pwrite(f, "a", 1, 0, NULL));
    assert_false(os_crash_is_off(c));
    assert_int_equal(file_sync(f, &err), BLOCKDB_EIO);
    assert_non_null(strstr(err.message, "/d/f"));
    assert_true(os_crash_is_off(c));
    assert_int_equal(file_pread(f, &byte, 1, 0, &len, NULL), BLOCKDB_EIO);
    assert_int_equal(file_pwrite(f, "a", 1, 0, NULL), BLOCKDB_EIO);
    assert_int_equal(file_truncate(f, 0, NULL), BLOCKDB_EIO);
    assert_int_equal(file_preallocate(f, 0, 1, NULL), BLOCKDB_EIO);
    assert_int_equal(file_stat(f, &stat, NULL), BLOCKDB_EIO);
    assert_int_equal(file_write_behind(f, 0, 1, NULL), BLOCKDB_EIO);
    assert_int_equal(os_open(os, "/d/f", OS_READ, &other, NULL), BLOCKDB_EIO);
    assert_int_equal(os_lock(os, "/d/L", &other, NULL), BLOCKDB_EIO);
    assert_int_equal(os_mkdir(os, "/e", NULL), BLOCKDB_EIO);
    assert_int_equal(os_rename(os, "/d/f", "/d/g", NULL), BLOCKDB_EIO);
    assert_int_equal(os_link(os, "/d/f", "/d/g", NULL), BLOCKDB_EIO);
    assert_int_equal(os_unlink(os, "/d/f", NULL), BLOCKDB_EIO);
    assert_int_equal(os_rmdir(os, "/d", NULL), BLOCKDB_EIO);
    assert_int_equal(os_list(os, "/", collect_name, NULL, NULL), BLOCKDB_EIO);
    assert_int_equal(os_sync_dir(os, "/", NULL), BLOCKDB_EIO);
    assert_int_equal(os_stat_path(os, "/d", &stat, NULL), BLOCKDB_EIO);
    assert_int_equal(os_free_space(os, "/d", &space, NULL), BLOCKDB_EIO);
    assert_int_equal(os_crash_operations(c), 4);
    OK(os_crash_restart(c, 7));
    assert_int_equal(file_pread(f, &byte, 1, 0, &len, NULL), BLOCKDB_EIO); /* of an earlier time */
    OK(os_stat_path(os, "/", &stat, NULL));
    file_close(f);
    os_crash_free(c);
}

static void test_locks(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *a = NULL;
    struct os_file *b = NULL;
    struct error err;

    (void)state;
    OK(os_lock(os, "/LOCK", &a, NULL));
    assert_int_equal(os_lock(os, "/LOCK", &b, &err), BLOCKDB_EBUSY);
    assert_non_null(strstr(err.message, "process"));
    file_close(a);
    OK(os_lock(os, "/LOCK", &b, NULL));
    OK(os_sync_dir(os, "/", NULL));
    os_crash_power_off(c);
    OK(os_crash_restart(c, 1));
    OK(os_lock(os, "/LOCK", &a, NULL));
    file_close(b);
    assert_int_equal(os_lock(os, "/LOCK", &b, NULL), BLOCKDB_EBUSY);
    file_close(a);
    os_crash_free(c);
}

static void test_capacity(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    struct os_file *f = open_file(os, "/f", OS_WRITE | OS_CREATE);
    uint8_t bytes[100] = {0};
    uint64_t space;

    (void)state;
    os_crash_set_capacity(c, 250);
    OK(file_pwrite(f, bytes, 100, 0, NULL));
    OK(file_preallocate(f, 0, 200, NULL));
    OK(os_free_space(os, "/", &space, NULL));
    assert_int_equal(space, 50);
    assert_int_equal(file_pwrite(f, bytes, 100, 200, NULL), BLOCKDB_ENOSPC);
    assert_int_equal(file_preallocate(f, 200, 51, NULL), BLOCKDB_ENOSPC);
    OK(file_pwrite(f, bytes, 100, 100, NULL));
    OK(file_pwrite(f, bytes, 50, 200, NULL));
    assert_int_equal(file_truncate(f, 251, NULL), BLOCKDB_ENOSPC);
    assert_int_equal(os_crash_used_bytes(c), 250);
    OK(os_unlink(os, "/f", NULL));
    assert_int_equal(os_crash_used_bytes(c), 250);
    file_close(f);
    assert_int_equal(os_crash_used_bytes(c), 0);
    os_crash_free(c);
}

static void test_clocks_and_randomness(void **state)
{
    struct os_crash *a = os_crash_new(5);
    struct os_crash *b = os_crash_new(5);
    struct os_crash *other = os_crash_new(6);
    uint8_t x[20];
    uint8_t y[20];
    uint64_t before;

    (void)state;
    OK(os_random(os_crash_os(a), x, sizeof(x), NULL));
    OK(os_random(os_crash_os(b), y, sizeof(y), NULL));
    assert_memory_equal(x, y, sizeof(x));
    OK(os_random(os_crash_os(other), y, sizeof(y), NULL));
    assert_memory_not_equal(x, y, sizeof(x));
    assert_int_equal(os_now_ms(os_crash_os(a)), OS_CRASH_START_MS);
    before = os_monotonic_ns(os_crash_os(a));
    assert_true(os_monotonic_ns(os_crash_os(a)) > before);
    os_crash_advance(a, 10);
    assert_int_equal(os_now_ms(os_crash_os(a)), OS_CRASH_START_MS + 10);
    assert_true(os_monotonic_ns(os_crash_os(a)) >= before + 10000000);
    os_crash_set_time(a, 3);
    assert_int_equal(os_now_ms(os_crash_os(a)), 3);
    before = os_monotonic_ns(os_crash_os(a));
    os_sleep_ns(os_crash_os(a), 1000000000);
    assert_true(os_monotonic_ns(os_crash_os(a)) >= before + 1000000000);
    assert_int_equal(os_now_ms(os_crash_os(a)), 3);
    os_crash_free(a);
    os_crash_free(b);
    os_crash_free(other);
}

static void test_flip_is_in_every_state(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os *os = os_crash_os(c);
    uint64_t seed;

    (void)state;
    OK(os_replace_file(os, "/f", slice_of_text("abc"), NULL));
    write_file(os, "/g", "abc", false);
    OK(os_crash_flip(c, "/f", 1, 3, NULL));
    OK(os_crash_flip(c, "/g", 1, 3, NULL));
    assert_true(has_content(os, "/f", "aac"));
    assert_true(has_content(os, "/g", "aac"));
    assert_int_equal(os_crash_flip(c, "/f", 3, 1, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_crash_flip(c, "/", 3, 1, NULL), BLOCKDB_EINVAL);
    assert_int_equal(os_crash_flip(c, "/none", 0, 1, NULL), BLOCKDB_ENOTFOUND);
    for (seed = 0; seed < 100; seed++) {
        struct os_crash *left = cut(c, seed);

        assert_true(has_content(os_crash_os(left), "/f", "aac"));
        assert_false(has_content(os_crash_os(left), "/g", "abc"));
        os_crash_free(left);
    }
    os_crash_free(c);
}

static int collect_path(void *context, const char *path, uint64_t len_bytes)
{
    OK(buf_appendf(context, "%s:%d ", path, (int)len_bytes));
    return 0;
}

static int stop_visit(void *context, const char *path, uint64_t len_bytes)
{
    (void)context;
    (void)path;
    (void)len_bytes;
    return BLOCKDB_ECANCELED;
}

static void test_visit_and_copy(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os_crash *copy = NULL;
    struct os *os = os_crash_os(c);
    struct os_file *f;
    struct buf text = {0};

    (void)state;
    OK(os_make_dirs(os, "/d/e", NULL));
    write_file(os, "/d/e/f", "12", false);
    write_file(os, "/d/a", "1", false);
    write_file(os, "/z", "", false);
    f = open_file(os, "/z", OS_WRITE);
    OK(file_preallocate(f, 0, 5000, NULL));
    file_close(f);
    OK(os_crash_copy(c, &copy));
    assert_int_equal(os_crash_used_bytes(copy), os_crash_used_bytes(c));
    os_crash_power_off(c);
    OK(os_crash_visit(c, "/", collect_path, &text, NULL));
    OK(buf_append_u8(&text, 0));
    assert_string_equal((char *)text.data, "/z:0 /d/a:1 /d/e/f:2 ");
    buf_reset(&text);
    OK(os_crash_visit(c, "/d/e", collect_path, &text, NULL));
    OK(buf_append_u8(&text, 0));
    assert_string_equal((char *)text.data, "/d/e/f:2 ");
    assert_int_equal(os_crash_visit(c, "/", stop_visit, NULL, NULL), BLOCKDB_ECANCELED);
    assert_int_equal(os_crash_visit(c, "/z", stop_visit, NULL, NULL), BLOCKDB_EINVAL);
    buf_deinit(&text);
    assert_true(has_content(os_crash_os(copy), "/d/e/f", "12"));
    OK(os_unlink(os_crash_os(copy), "/z", NULL));
    os_crash_free(c);
    os_crash_free(copy);
}

static void test_direct_files_must_be_aligned(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct os_file *f = open_file(os_crash_os(c), "/f", OS_READ | OS_WRITE | OS_CREATE | OS_DIRECT);
    uint8_t *page = mem_alloc_aligned(OS_DIRECT_ALIGN, OS_DIRECT_ALIGN);
    size_t len;

    (void)state;
    memset(page, 1, OS_DIRECT_ALIGN);
    OK(file_pwrite(f, page, OS_DIRECT_ALIGN, 0, NULL));
    OK(file_pread(f, page, OS_DIRECT_ALIGN, 0, &len, NULL));
    assert_int_equal(file_pwrite(f, page, OS_DIRECT_ALIGN, 512, NULL), BLOCKDB_EINVAL);
    assert_int_equal(file_pwrite(f, page, 512, 0, NULL), BLOCKDB_EINVAL);
    assert_int_equal(file_pread(f, page + 1, 0, 0, &len, NULL), BLOCKDB_EINVAL);
    mem_free(page);
    file_close(f);
    os_crash_free(c);
}

/* A random history of synced and unsynced writes to one file against a model of what each byte may
 * be after a cut. */
static void test_random_histories_keep_the_promise(void **state)
{
    uint64_t run;

    (void)state;
    for (run = 0; run < 200; run++) {
        struct os_crash *c = os_crash_new(run);
        struct os *os = os_crash_os(c);
        struct os_file *f = open_file(os, "/f", OS_WRITE | OS_CREATE);
        char synced[2048] = {0};
        bool may_differ[2048] = {false};
        uint64_t seed;
        int i;

        OK(os_sync_dir(os, "/", NULL));
        OK(file_pwrite(f, synced, sizeof(synced), 0, NULL));
        OK(file_sync(f, NULL));
        for (i = 0; i < 20; i++) {
            uint64_t draw;
            char bytes[700];
            size_t at;
            size_t len;

            OK(os_random(os, &draw, sizeof(draw), NULL));
            at = draw % 1300;
            len = (draw >> 16) % sizeof(bytes);
            memset(bytes, (int)('a' + i), sizeof(bytes));
            OK(file_pwrite(f, bytes, len, at, NULL));
            if (i < 15 || (draw >> 40) % 4 == 0) {
                OK(file_sync(f, NULL));
                memset(may_differ, 0, sizeof(may_differ));
                memcpy(synced + at, bytes, len);
            } else {
                memset(may_differ + at, 1, len);
            }
            if (i >= 15) {
                break;
            }
        }
        for (seed = 0; seed < 20; seed++) {
            struct os_crash *left = cut(c, seed);
            struct buf bytes = {0};

            OK(os_read_file(os_crash_os(left), "/f", 4096, &bytes, NULL));
            assert_int_equal(bytes.len, sizeof(synced));
            for (i = 0; i < (int)sizeof(synced); i++) {
                assert_true(may_differ[i] || bytes.data[i] == (uint8_t)synced[i]);
            }
            buf_deinit(&bytes);
            os_crash_free(left);
        }
        file_close(f);
        os_crash_free(c);
    }
}

/* Threads append, sync, create and rename while the state is cut: every cut holds what was
 * acknowledged before it. */
#define APPENDERS 3
#define APPENDS 300

struct appender {
    struct os *os;
    int number;
    atomic_int synced; /* how many bytes are promised */
};

static void append_and_sync(void *arg)
{
    struct appender *a = arg;
    struct os_file *f;
    char path[32];
    int i;

    (void)snprintf(path, sizeof(path), "/f%d", a->number);
    f = open_file(a->os, path, OS_WRITE | OS_CREATE);
    OK(os_sync_dir(a->os, "/", NULL));
    for (i = 0; i < APPENDS; i++) {
        OK(file_pwrite(f, "x", 1, (uint64_t)i, NULL));
        OK(file_sync(f, NULL));
        atomic_store(&a->synced, i + 1);
        (void)snprintf(path, sizeof(path), "/t%d", a->number);
        OK(os_replace_file(a->os, path, slice_of_text("t"), NULL));
    }
    file_close(f);
}

static void check_appender(struct os *os, const struct appender *a, int promised)
{
    struct os_stat stat;
    char path[32];

    (void)snprintf(path, sizeof(path), "/f%d", a->number);
    if (promised > 0) {
        OK(os_stat_path(os, path, &stat, NULL));
        assert_true(stat.len_bytes >= (uint64_t)promised);
    }
}

static void test_cuts_beside_running_threads(void **state)
{
    struct os_crash *c = os_crash_new(1);
    struct appender appenders[APPENDERS];
    struct os_thread *threads[APPENDERS];
    uint64_t seed;
    int i;

    (void)state;
    for (i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){.os = os_crash_os(c), .number = i};
        OK(os_thread_start(os_crash_os(c), "appender", append_and_sync, &appenders[i], &threads[i],
                           NULL));
    }
    for (seed = 0; seed < 200; seed++) {
        int promised[APPENDERS];
        struct os_crash *left;

        for (i = 0; i < APPENDERS; i++) {
            promised[i] = atomic_load(&appenders[i].synced);
        }
        left = cut(c, seed);
        for (i = 0; i < APPENDERS; i++) {
            check_appender(os_crash_os(left), &appenders[i], promised[i]);
        }
        os_crash_free(left);
    }
    for (i = 0; i < APPENDERS; i++) {
        os_thread_join(os_crash_os(c), threads[i]);
    }
    os_crash_free(c);
}

/* Memory fails at each allocation in turn: an error, nothing leaked, nothing changed. */
struct countdown {
    uint64_t left;
    bool fired;
};

static bool fail_at_zero(void *context)
{
    struct countdown *countdown = context;

    countdown->fired |= countdown->left == 0;
    return countdown->left-- == 0;
}

static int use_all(struct os_crash *c)
{
    struct os *os = os_crash_os(c);
    struct os_crash *left = NULL;
    struct os_file *f = NULL;
    int rc = os_make_dirs(os, "/d/e", NULL);

    rc = rc < 0 ? rc : os_replace_file(os, "/d/f", slice_of_text("content"), NULL);
    rc = rc < 0 ? rc : os_rename(os, "/d/f", "/d/e/g", NULL);
    rc = rc < 0 ? rc : os_link(os, "/d/e/g", "/d/h", NULL);
    rc = rc < 0 ? rc : os_copy_file(os, "/d/h", "/d/i", NULL);
    rc = rc < 0 ? rc : os_unlink(os, "/d/h", NULL);
    rc = rc < 0 ? rc : os_sync_dir(os, "/d", NULL);
    rc = rc < 0 ? rc : os_lock(os, "/d/L", &f, NULL);
    rc = rc < 0 ? rc : file_truncate(f, 100, NULL);
    file_close(f);
    rc = rc < 0 ? rc : os_crash_cut(c, 3, &left);
    os_crash_free(left);
    left = NULL;
    rc = rc < 0 ? rc : os_crash_copy(c, &left);
    os_crash_free(left);
    return rc < 0 ? rc : os_crash_restart(c, 4);
}

static void test_allocation_failures(void **state)
{
    uint64_t n;

    (void)state;
    for (n = 0;; n++) {
        struct countdown countdown = {.left = n};
        struct os_crash *c;
        int rc;

        mem_set_fail_hook(fail_at_zero, &countdown);
        c = os_crash_new(1);
        rc = c != NULL ? use_all(c) : BLOCKDB_ENOMEM;
        mem_set_fail_hook(NULL, NULL);
        os_crash_free(c);
        if (!countdown.fired) {
            assert_int_equal(rc, BLOCKDB_OK);
            break;
        }
        /* Clean-up that fails inside an operation that worked may go unnoticed. */
        assert_true(rc == BLOCKDB_ENOMEM || rc == BLOCKDB_OK);
    }
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_work),
        cmocka_unit_test(test_names_work),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_names_need_a_directory_sync),
        cmocka_unit_test(test_bytes_need_a_sync),
        cmocka_unit_test(test_replacing_is_atomic),
        cmocka_unit_test(test_replace_file_survives_any_cut),
        cmocka_unit_test(test_tears_at_sectors),
        cmocka_unit_test(test_appends_in_any_subset),
        cmocka_unit_test(test_truncate_may_not_hold),
        cmocka_unit_test(test_renames_between_directories),
        cmocka_unit_test(test_unlinks_and_links_by_themselves),
        cmocka_unit_test(test_arming),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_clocks_and_randomness),
        cmocka_unit_test(test_flip_is_in_every_state),
        cmocka_unit_test(test_visit_and_copy),
        cmocka_unit_test(test_direct_files_must_be_aligned),
        cmocka_unit_test(test_random_histories_keep_the_promise),
        cmocka_unit_test(test_cuts_beside_running_threads),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
