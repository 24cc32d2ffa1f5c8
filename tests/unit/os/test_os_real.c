/* SPDX-License-Identifier: Apache-2.0 */
/* The real system in a directory under /tmp, and the helpers built on it. */
#include "base/mem.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)
#define DIR_TEMPLATE "/tmp/blockdb-os-XXXXXX"

/* Each test gets its own directory and leaves it to this. */
struct place {
    char dir[sizeof(DIR_TEMPLATE)];
    char path[16][OS_PATH_MAX];
    int paths;
};

static int set_up(void **state)
{
    struct place *place = mem_calloc(1, sizeof(*place));

    (void)snprintf(place->dir, sizeof(place->dir), "%s", DIR_TEMPLATE);
    *state = place;
    return mkdtemp(place->dir) != NULL ? 0 : -1;
}

static int remove_one(void *context, const char *name, bool is_dir)
{
    char path[OS_PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    if (is_dir) {
        OK(os_list(os_real(), path, remove_one, path, NULL));
        OK(os_rmdir(os_real(), path, NULL));
    } else {
        OK(os_unlink(os_real(), path, NULL));
    }
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;

    OK(os_list(os_real(), place->dir, remove_one, place->dir, NULL));
    OK(os_rmdir(os_real(), place->dir, NULL));
    mem_free(place);
    return 0;
}

/* A path in the test's directory, valid for its next 15 calls. */
static const char *at(void **state, const char *name)
{
    struct place *place = *state;
    char *path = place->path[place->paths++ % 16];
    size_t dir_len = strlen(place->dir);

    assert_true(dir_len + strlen(name) + 2 <= OS_PATH_MAX);
    memcpy(path, place->dir, dir_len);
    path[dir_len] = '/';
    memcpy(path + dir_len + 1, name, strlen(name) + 1);
    return path;
}

static bool has_content(const char *path, const char *text)
{
    AUTO(buf_deinit) struct buf bytes = {0};

    OK(os_read_file(os_real(), path, 1 << 20, &bytes, NULL));
    return slice_equal(buf_slice(&bytes), slice_of_text(text));
}

static void test_files(void **state)
{
    struct os_file *f = NULL;
    struct os_stat stat;
    struct error err;
    char bytes[10];
    size_t len;

    assert_int_equal(os_open(os_real(), at(state, "f"), OS_READ, &f, &err), BLOCKDB_ENOTFOUND);
    assert_non_null(strstr(err.message, "/f'"));
    OK(os_open(os_real(), at(state, "f"), OS_READ | OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &f, NULL));
    OK(file_pwrite(f, "hello", 5, 2, NULL));
    OK(file_pread(f, bytes, sizeof(bytes), 1, &len, NULL));
    assert_int_equal(len, 6);
    assert_memory_equal(bytes, "\0hello", 6);
    OK(file_pread(f, bytes, 5, 100, &len, NULL));
    assert_int_equal(len, 0);
    OK(file_pread_full(f, bytes, 5, 2, NULL));
    assert_int_equal(file_pread_full(f, bytes, 6, 2, &err), BLOCKDB_ECORRUPT);
    assert_non_null(strstr(err.message, "offset 7"));
    OK(file_preallocate(f, 0, 1 << 20, NULL));
    OK(file_preallocate(f, 0, 0, NULL));
    OK(file_stat(f, &stat, NULL));
    assert_int_equal(stat.len_bytes, 7);
    assert_int_equal(stat.mode, 0600);
    assert_false(stat.is_dir);
    OK(file_truncate(f, 3, NULL));
    OK(file_write_behind(f, 0, 3, NULL));
    OK(file_sync(f, NULL));
    file_advise(f, 0, 0, OS_ADVICE_RANDOM);
    file_advise(f, 0, 0, OS_ADVICE_SEQUENTIAL);
    file_advise(f, 0, 0, OS_ADVICE_DONTNEED);
    OK(file_stat(f, &stat, NULL));
    assert_int_equal(stat.len_bytes, 3);
    file_close(f);
    file_close(NULL);
    assert_int_equal(
        os_open(os_real(), at(state, "f"), OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &f, &err),
        BLOCKDB_EEXIST);
    OK(os_open(os_real(), at(state, "f"), OS_WRITE | OS_TRUNCATE, &f, NULL));
    assert_int_equal(file_pread(f, bytes, 1, 0, &len, &err), BLOCKDB_EIO); /* write only */
    OK(file_stat(f, &stat, NULL));
    assert_int_equal(stat.len_bytes, 0);
    file_close(f);
    OK(os_open(os_real(), at(state, "f"), OS_READ, &f, NULL));
    assert_true(file_pwrite(f, "x", 1, 0, &err) < 0);
    assert_non_null(strstr(err.message, "/f'"));
    assert_true(file_truncate(f, 1, &err) < 0);
    assert_true(file_preallocate(f, 0, 10, &err) < 0);
    file_close(f);
}

static void test_direct_files(void **state)
{
    struct os_file *f = NULL;
    uint8_t *pages = mem_alloc_aligned(OS_DIRECT_ALIGN, 3 * OS_DIRECT_ALIGN);
    size_t len;

    memset(pages, 7, 3 * OS_DIRECT_ALIGN);
    OK(os_open(os_real(), at(state, "f"), OS_READ | OS_WRITE | OS_CREATE | OS_DIRECT, &f, NULL));
    OK(file_pwrite(f, pages, (size_t)2 * OS_DIRECT_ALIGN, 0, NULL));
    OK(file_truncate(f, OS_DIRECT_ALIGN + 100, NULL));
    memset(pages, 0, 3 * OS_DIRECT_ALIGN);
    OK(file_pread(f, pages, (size_t)3 * OS_DIRECT_ALIGN, 0, &len, NULL));
    assert_int_equal(len, OS_DIRECT_ALIGN + 100);
    assert_int_equal(pages[len - 1], 7);
    file_close(f);
    mem_free(pages);
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

static void test_names(void **state)
{
    AUTO(buf_deinit) struct buf names = {0};
    struct os *os = os_real();
    struct os_stat stat;
    struct os_stat other;
    uint64_t space = 0;
    struct error err;

    OK(os_mkdir(os, at(state, "d"), NULL));
    assert_int_equal(os_mkdir(os, at(state, "d"), &err), BLOCKDB_EEXIST);
    OK(os_stat_path(os, at(state, "d"), &stat, NULL));
    assert_true(stat.is_dir);
    assert_int_equal(stat.mode, 0700);
    OK(os_replace_file(os, at(state, "d/b"), slice_of_text("B"), NULL));
    OK(os_link(os, at(state, "d/b"), at(state, "d/a"), NULL));
    OK(os_stat_path(os, at(state, "d/a"), &stat, NULL));
    OK(os_stat_path(os, at(state, "d/b"), &other, NULL));
    assert_true(stat.inode == other.inode && stat.device == other.device);
    assert_int_equal(os_link(os, at(state, "d/b"), at(state, "d/a"), &err), BLOCKDB_EEXIST);
    OK(os_mkdir(os, at(state, "d/c"), NULL));
    OK(os_list(os, at(state, "d"), collect_name, &names, NULL));
    assert_int_equal(names.len, 7);
    assert_memory_equal(names.data, "a b c/ ", 7);
    assert_int_equal(os_list(os, at(state, "d"), stop_at_once, NULL, NULL), BLOCKDB_ECANCELED);
    assert_int_equal(os_list(os, at(state, "none"), stop_at_once, NULL, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_rmdir(os, at(state, "d"), &err), BLOCKDB_EEXIST);
    OK(os_rename(os, at(state, "d/a"), at(state, "d/e"), NULL));
    assert_int_equal(os_rename(os, at(state, "d/a"), at(state, "d/e"), &err), BLOCKDB_ENOTFOUND);
    OK(os_sync_dir(os, at(state, "d"), NULL));
    assert_int_equal(os_sync_dir(os, at(state, "none"), &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_sync_dir(os, at(state, "d/b"), &err), BLOCKDB_EINVAL);
    OK(os_unlink(os, at(state, "d/e"), NULL));
    assert_int_equal(os_unlink(os, at(state, "d/e"), &err), BLOCKDB_ENOTFOUND);
    assert_non_null(strstr(err.message, "d/e"));
    assert_int_equal(os_stat_path(os, at(state, "d/e"), &stat, &err), BLOCKDB_ENOTFOUND);
    OK(os_rmdir(os, at(state, "d/c"), NULL));
    OK(os_free_space(os, at(state, ""), &space, NULL));
    assert_true(space > 0);
    assert_int_equal(os_free_space(os, at(state, "none"), &space, &err), BLOCKDB_ENOTFOUND);
}

static void test_links_across_file_systems(void **state)
{
    struct os_stat here;
    struct os_stat there;
    struct error err;

    OK(os_stat_path(os_real(), at(state, ""), &here, NULL));
    OK(os_stat_path(os_real(), "/proc/self", &there, NULL));
    assert_true(here.device != there.device);
    assert_int_equal(os_link(os_real(), "/proc/self/status", at(state, "x"), &err),
                     BLOCKDB_EUNSUPPORTED);
    OK(os_copy_file(os_real(), "/proc/self/status", at(state, "x"), NULL));
    OK(os_stat_path(os_real(), at(state, "x"), &here, NULL));
    assert_true(here.len_bytes > 0);
}

static void test_the_lock_names_its_holder(void **state)
{
    struct os_file *a = NULL;
    struct os_file *b = NULL;
    struct error err;
    char pid[32];
    pid_t child;
    int status = 0;

    (void)snprintf(pid, sizeof(pid), "process %ld;", (long)getpid());
    OK(os_replace_file(os_real(), at(state, "LOCK"), slice_of_text("123456789012345\n"), NULL));
    OK(os_lock(os_real(), at(state, "LOCK"), &a, NULL));
    assert_int_equal(os_lock(os_real(), at(state, "LOCK"), &b, &err), BLOCKDB_EBUSY);
    assert_non_null(strstr(err.message, pid));
    assert_non_null(strstr(err.message, "LOCK"));
    child = fork();
    if (child == 0) {
        _exit(os_lock(os_real(), at(state, "LOCK"), &b, &err) == BLOCKDB_EBUSY ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    OK(file_truncate(a, 0, NULL)); /* as if the holder could not write its number */
    assert_int_equal(os_lock(os_real(), at(state, "LOCK"), &b, &err), BLOCKDB_EBUSY);
    assert_non_null(strstr(err.message, "another process"));
    file_close(a);
    OK(os_lock(os_real(), at(state, "LOCK"), &b, NULL));
    file_close(b);
    assert_int_equal(os_lock(os_real(), at(state, "none/LOCK"), &b, &err), BLOCKDB_ENOTFOUND);
}

/* A file limit makes the system write less than asked, then fail: no short write gets through. */
static void test_short_writes_fail(void **state)
{
    struct rlimit before;
    struct rlimit limit;
    struct os_file *f = NULL;
    struct error err;
    char bytes[3000] = {0};

    OK(os_open(os_real(), at(state, "f"), OS_WRITE | OS_CREATE, &f, NULL));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 1000;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(file_pwrite(f, bytes, sizeof(bytes), 0, &err), BLOCKDB_ENOSPC);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(err.message, "offset 1000"));
    file_close(f);
}

static void test_clocks(void **state)
{
    uint64_t before = os_monotonic_ns(os_real());

    (void)state;
    os_sleep_ns(os_real(), 2000000);
    assert_true(os_monotonic_ns(os_real()) - before >= 2000000);
    assert_true(os_now_ms(os_real()) > 1767225600000);
    assert_true(os_processor_count() >= 1);
}

static void test_randomness(void **state)
{
    uint8_t seen[500][16];
    uint8_t large[5000] = {0};
    int pipe_ends[2];
    uint8_t parent[16];
    uint8_t child_bytes[16];
    pid_t child;
    int i;
    int k;

    (void)state;
    for (i = 0; i < 500; i++) {
        OK(os_random(os_real(), seen[i], 16, NULL));
        for (k = 0; k < i; k++) {
            assert_memory_not_equal(seen[i], seen[k], 16);
        }
    }
    OK(os_random(os_real(), large, sizeof(large), NULL));
    assert_memory_not_equal(large, large + 2500, 2500);
    OK(os_random(os_real(), large, 0, NULL));
    /* A forked child must not draw what its parent draws. */
    assert_int_equal(pipe(pipe_ends), 0);
    child = fork();
    if (child == 0) {
        bool drawn = os_random(os_real(), child_bytes, 16, NULL) == BLOCKDB_OK;

        _exit(drawn && write(pipe_ends[1], child_bytes, 16) == 16 ? 0 : 1);
    }
    OK(os_random(os_real(), parent, 16, NULL));
    assert_int_equal(read(pipe_ends[0], child_bytes, 16), 16);
    assert_memory_not_equal(parent, child_bytes, 16);
    assert_int_equal(waitpid(child, &i, 0), child);
    assert_int_equal(i, 0);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

struct thread_check {
    char name[16];
    bool blocks_term;
    bool blocks_segv;
};

static void look_around(void *arg)
{
    struct thread_check *check = arg;
    sigset_t blocked;

    assert_int_equal(pthread_getname_np(pthread_self(), check->name, sizeof(check->name)), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
    check->blocks_term = sigismember(&blocked, SIGTERM) == 1;
    check->blocks_segv = sigismember(&blocked, SIGSEGV) == 1;
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_threads(void **state)
{
    struct thread_check check = {.name = ""};
    struct os_thread *thread = NULL;
    sigset_t blocked;

    (void)state;
    OK(os_thread_start(os_real(), "a-name-that-is-too-long", look_around, &check, &thread, NULL));
    os_thread_join(os_real(), thread);
    assert_string_equal(check.name, "a-name-that-is-");
    assert_true(check.blocks_term);
    assert_false(check.blocks_segv);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
    assert_int_equal(sigismember(&blocked, SIGTERM), 0);
    mem_set_fail_hook(always, NULL);
    assert_int_equal(os_thread_start(os_real(), "x", look_around, &check, &thread, NULL),
                     BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
}

static void test_read_file(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct error err;
    int i;

    for (i = 0; i < 20000; i++) {
        OK(buf_append_le64(&bytes, (uint64_t)i));
    }
    OK(os_replace_file(os_real(), at(state, "f"), buf_slice(&bytes), NULL));
    OK(os_read_file(os_real(), at(state, "f"), 160000, &bytes, NULL)); /* appends */
    assert_int_equal(bytes.len, 320000);
    assert_memory_equal(bytes.data, bytes.data + 160000, 160000);
    assert_int_equal(os_read_file(os_real(), at(state, "f"), 159999, &bytes, &err), BLOCKDB_ELIMIT);
    assert_int_equal(bytes.len, 320000);
    /* A file whose length the system does not tell. */
    OK(os_read_file(os_real(), "/proc/self/status", 1 << 20, &bytes, NULL));
    assert_true(bytes.len > 320000);
    assert_int_equal(os_read_file(os_real(), "/proc/self/status", 3, &bytes, &err), BLOCKDB_ELIMIT);
    assert_int_equal(os_read_file(os_real(), at(state, "none"), 3, &bytes, &err),
                     BLOCKDB_ENOTFOUND);
    assert_true(os_read_file(os_real(), at(state, ""), 1 << 20, &bytes, &err) < 0);
}

static void test_replace_file(void **state)
{
    struct os_stat stat;
    struct error err;

    OK(os_replace_file(os_real(), at(state, "f"), slice_of_text("one"), NULL));
    OK(os_replace_file(os_real(), at(state, "f"), (struct slice){0}, NULL));
    assert_true(has_content(at(state, "f"), ""));
    OK(os_replace_file(os_real(), at(state, "f"), slice_of_text("two"), NULL));
    assert_true(has_content(at(state, "f"), "two"));
    assert_int_equal(os_stat_path(os_real(), at(state, "f.tmp"), &stat, NULL), BLOCKDB_ENOTFOUND);
    assert_int_equal(os_replace_file(os_real(), at(state, "none/f"), slice_of_text("x"), &err),
                     BLOCKDB_ENOTFOUND);
    OK(os_mkdir(os_real(), at(state, "d"), NULL)); /* cannot be replaced by a file */
    assert_true(os_replace_file(os_real(), at(state, "d"), slice_of_text("x"), &err) < 0);
    assert_int_equal(os_stat_path(os_real(), at(state, "d.tmp"), &stat, NULL), BLOCKDB_ENOTFOUND);
}

static void test_make_dirs(void **state)
{
    struct os_stat stat;
    struct error err;

    OK(os_make_dirs(os_real(), at(state, "a/b//c/"), NULL));
    OK(os_make_dirs(os_real(), at(state, "a/b/c"), NULL));
    OK(os_stat_path(os_real(), at(state, "a/b/c"), &stat, NULL));
    assert_true(stat.is_dir);
    OK(os_replace_file(os_real(), at(state, "a/f"), slice_of_text("x"), NULL));
    assert_int_equal(os_make_dirs(os_real(), at(state, "a/f"), &err), BLOCKDB_EEXIST);
    assert_int_equal(os_make_dirs(os_real(), at(state, "a/f/g"), &err), BLOCKDB_EEXIST);
    assert_non_null(strstr(err.message, "not a directory"));
    OK(os_make_dirs(os_real(), "/", NULL));
    OK(os_make_dirs(os_real(), ".", NULL));
    assert_true(os_make_dirs(os_real(), "", &err) < 0);
    assert_true(os_make_dirs(os_real(), "/proc/none/x", &err) < 0);
}

static void test_copy_file(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(buf_deinit) struct buf copy = {0};
    struct error err;
    size_t len;

    for (len = 0; len <= (2 << 20) + 1; len += (1 << 20)) {
        buf_reset(&bytes);
        buf_reset(&copy);
        OK(buf_append_zeros(&bytes, len));
        OK(buf_append_u8(&bytes, 9));
        OK(os_replace_file(os_real(), at(state, "f"), buf_slice(&bytes), NULL));
        OK(os_copy_file(os_real(), at(state, "f"), at(state, "g"), NULL));
        OK(os_read_file(os_real(), at(state, "g"), 3 << 20, &copy, NULL));
        assert_true(slice_equal(buf_slice(&bytes), buf_slice(&copy)));
        OK(os_unlink(os_real(), at(state, "g"), NULL));
    }
    assert_int_equal(os_copy_file(os_real(), at(state, "none"), at(state, "g"), &err),
                     BLOCKDB_ENOTFOUND);
    assert_int_equal(os_copy_file(os_real(), at(state, "f"), at(state, "f"), &err), BLOCKDB_EEXIST);
}

static void test_paths(void **state)
{
    static const char *const joined[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "", "a/"}};
    static const char *const dirs[][2] = {{"a", "."},     {"a/b", "a"},  {"/a", "/"},
                                          {"/", "/"},     {"a/b/", "a"}, {"a//b", "a"},
                                          {"/a/b", "/a"}, {"", "."},     {"//a", "/"}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(joined) / sizeof(joined[0]); i++) {
        AUTO(mem_free_ptr) char *path = path_join(joined[i][0], joined[i][1]);

        assert_string_equal(path, joined[i][2]);
    }
    for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        AUTO(mem_free_ptr) char *dir = path_dir(dirs[i][0]);

        assert_string_equal(dir, dirs[i][1]);
    }
    mem_set_fail_hook(always, NULL);
    assert_null(path_join("a", "b"));
    assert_null(path_dir("a"));
    assert_null(path_dir("a/b"));
    mem_set_fail_hook(NULL, NULL);
}

static bool fail_at_zero(void *context)
{
    return (*(int *)context)-- == 0;
}

static int count_name(void *context, const char *name, bool is_dir)
{
    (void)name;
    (void)is_dir;
    (*(int *)context)++;
    return 0;
}

/* Everything that allocates, with each allocation failing in turn. */
static int use_all(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct os *os = os_real();
    struct os_file *f = NULL;
    struct error err;
    int count = 0;
    int rc = os_make_dirs(os, at(state, "m/n"), &err);

    rc = rc < 0 ? rc : os_replace_file(os, at(state, "m/f"), slice_of_text("x"), &err);
    rc = rc < 0 ? rc : os_copy_file(os, at(state, "m/f"), at(state, "m/g"), &err);
    rc = rc < 0 ? rc : os_read_file(os, at(state, "m/g"), 10, &bytes, &err);
    rc = rc < 0 ? rc : os_lock(os, at(state, "m/L"), &f, &err);
    file_close(f);
    return rc < 0 ? rc : os_list(os, at(state, "m"), count_name, &count, &err);
}

static void test_allocation_failures(void **state)
{
    int n;
    int rc = BLOCKDB_ENOMEM;

    for (n = 0; rc != BLOCKDB_OK; n++) {
        int left = n;

        mem_set_fail_hook(fail_at_zero, &left);
        rc = use_all(state);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        OK(os_list(os_real(), ((struct place *)*state)->dir, remove_one,
                   ((struct place *)*state)->dir, NULL));
    }
    assert_true(n > 15);
}

/* Whether the page cache has the bytes is the system's affair; what it says must be true. */
static void test_reads_that_do_not_wait(void **state)
{
    struct os_read_scope scope = {.no_wait = true};
    AUTO(file_close_ptr) struct os_file *f = NULL;
    AUTO(file_close_ptr) struct os_file *direct = NULL;
    const char *path = at(state, "cached");
    uint8_t *page = mem_alloc_aligned(OS_DIRECT_ALIGN, OS_DIRECT_ALIGN);
    char got[8] = {0};
    struct error err;
    size_t len = 99;
    int rc;

    OK(os_open(os_real(), path, OS_READ | OS_WRITE | OS_CREATE, &f, NULL));
    OK(file_pwrite(f, "content", 7, 0, NULL));
    os_read_scope_enter(&scope);
    rc = file_pread(f, got, sizeof(got), 0, &len, &err);
    os_read_scope_leave();
    assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_EWOULDBLOCK);
    assert_int_equal(scope.cached_reads + scope.device_reads, 1);
    assert_int_equal(scope.cached_reads, rc == BLOCKDB_OK);
    if (rc == BLOCKDB_OK) {
        assert_int_equal(len, 7);
        assert_string_equal(got, "content");
    } else {
        assert_int_equal(err.code, rc);
        assert_int_equal(len, 99);
    }
    scope = (struct os_read_scope){0}; /* this one may wait */
    os_read_scope_enter(&scope);
    OK(file_pread(f, got, sizeof(got), 0, &len, &err));
    os_read_scope_leave();
    assert_int_equal(len, 7);
    OK(os_open(os_real(), path, OS_READ | OS_DIRECT, &direct, NULL));
    OK(direct->ops->pread(direct, page, OS_DIRECT_ALIGN, 0, &len, NULL));
    assert_int_equal(len, 7);
    mem_free(page);
}

#define OS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OS_TEST(test_reads_that_do_not_wait),
        OS_TEST(test_files),
        OS_TEST(test_direct_files),
        OS_TEST(test_names),
        OS_TEST(test_links_across_file_systems),
        OS_TEST(test_the_lock_names_its_holder),
        OS_TEST(test_short_writes_fail),
        OS_TEST(test_clocks),
        OS_TEST(test_randomness),
        OS_TEST(test_threads),
        OS_TEST(test_read_file),
        OS_TEST(test_replace_file),
        OS_TEST(test_make_dirs),
        OS_TEST(test_copy_file),
        OS_TEST(test_paths),
        OS_TEST(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
