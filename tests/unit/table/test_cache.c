/* SPDX-License-Identifier: Apache-2.0 */
/* The page cache: what it gives, what it costs, what a scan may not do to it, many threads. */
#include "base/epoch.h"
#include "base/mem.h"
#include "os/os.h"
#include "store/cache.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* after the four that it needs */
#include <cmocka.h>

#define PAGE_LEN 1000

static struct cache *new_cache(struct epoch *epoch, size_t capacity, unsigned shards)
{
    struct cache_options options = {
        .epoch = epoch, .capacity_bytes = capacity, .shard_count = shards, .page_bytes = PAGE_LEN};
    struct cache *cache = cache_new(&options);

    assert_non_null(cache);
    return cache;
}

/* Every byte of a page tells its name. */
static uint8_t stamp(uint64_t file, uint64_t offset)
{
    return (uint8_t)(file * 31 + offset * 7 + 1);
}

static void add(struct cache *cache, uint64_t file, uint64_t offset, size_t len)
{
    struct page *page = page_new(file, offset, len);

    assert_non_null(page);
    memset(page->data, stamp(file, offset), len);
    cache_add(cache, page);
}

static bool has(struct cache *cache, uint64_t file, uint64_t offset)
{
    struct page *page = cache_lookup(cache, file, offset);

    if (page == NULL) {
        return false;
    }
    assert_int_equal(page->file, file);
    assert_int_equal(page->offset, offset);
    assert_int_equal(page->data[0], stamp(file, offset));
    assert_int_equal(page->data[page->len - 1], stamp(file, offset));
    return true;
}

static void check_bounds(struct cache *cache)
{
    struct cache_stats stats;

    cache_check(cache);
    cache_stats_get(cache, &stats);
    assert_true(stats.used_bytes <= stats.capacity_bytes);
}

static void it_gives_what_it_was_given(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 1 << 20, 1);
    struct rng r = rng_start();
    struct cache_stats stats;
    unsigned i;

    (void)state;
    for (i = 0; i < 50000; i++) {
        uint64_t file = rng_below(&r, 4);
        uint64_t offset = rng_below(&r, 800);

        epoch_enter(epoch);
        if (!has(cache, file, offset)) {
            add(cache, file, offset, 1 + rng_below(&r, 4000));
            assert_true(has(cache, file, offset));
        } else if (rng_below(&r, 20) == 0) {
            add(cache, file, offset, 5); /* the name is there: the first page stays */
            assert_true(has(cache, file, offset));
        }
        epoch_leave(epoch);
        if (i % 5000 == 0) {
            check_bounds(cache);
        }
    }
    check_bounds(cache);
    cache_stats_get(cache, &stats);
    assert_true(stats.evictions > 0 && stats.hits > 0 && stats.misses > 0);
    assert_true(stats.used_bytes > stats.capacity_bytes * 9 / 10);
    assert_int_equal(stats.inserts - stats.evictions, stats.page_count);
    cache_free(cache);
    epoch_free(epoch);
}

static void a_scan_leaves_the_hot_pages(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 1 << 20, 1);
    unsigned hot_left = 0;
    unsigned i;
    unsigned n;

    (void)state;
    for (n = 0; n < 4; n++) { /* 400 pages in use, with some coming and going between */
        for (i = 0; i < 400; i++) {
            epoch_enter(epoch);
            if (!has(cache, 1, i)) {
                add(cache, 1, i, PAGE_LEN);
            }
            epoch_leave(epoch);
        }
    }
    for (i = 0; i < 20000; i++) {
        epoch_enter(epoch);
        assert_false(has(cache, 2, i));
        add(cache, 2, i, PAGE_LEN);
        epoch_leave(epoch);
    }
    epoch_enter(epoch);
    for (i = 0; i < 400; i++) {
        hot_left += has(cache, 1, i);
    }
    epoch_leave(epoch);
    assert_true(hot_left > 380);
    check_bounds(cache);
    cache_free(cache);
    epoch_free(epoch);
}

static void an_evicted_page_that_returns_is_kept(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 1 << 20, 1);
    struct cache_stats stats = {0};
    unsigned i;

    (void)state;
    epoch_enter(epoch);
    add(cache, 1, 0, PAGE_LEN);
    for (i = 0; stats.evictions == 0; i++) {
        add(cache, 2, i, PAGE_LEN); /* pushes it out */
        cache_stats_get(cache, &stats);
    }
    assert_false(has(cache, 1, 0));
    add(cache, 1, 0, PAGE_LEN); /* remembered: into the main queue */
    epoch_leave(epoch);
    for (i = 2000; i < 4000; i++) {
        epoch_enter(epoch);
        add(cache, 2, i, PAGE_LEN);
        epoch_leave(epoch);
    }
    epoch_enter(epoch);
    assert_true(has(cache, 1, 0));
    epoch_leave(epoch);
    cache_free(cache);
    epoch_free(epoch);
}

static void off_and_tiny_caches_keep_nothing(void **state)
{
    static const size_t capacities[] = {0, 1, 500, 5000};
    struct epoch *epoch = epoch_new();
    size_t i;

    (void)state;
    for (i = 0; i < 4; i++) {
        struct cache *cache = new_cache(epoch, capacities[i], 0);
        struct page *page = page_new(3, 4, PAGE_LEN);

        memset(page->data, stamp(3, 4), PAGE_LEN);
        epoch_enter(epoch);
        cache_add(cache, page);
        assert_false(has(cache, 3, 4));
        assert_int_equal(page->data[PAGE_LEN - 1], stamp(3, 4)); /* readable until we leave */
        epoch_leave(epoch);
        cache_erase_file(cache, 3);
        check_bounds(cache);
        cache_free(cache);
    }
    epoch_free(epoch);
}

static void large_pages_are_not_kept(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 1 << 20, 1);

    (void)state;
    epoch_enter(epoch);
    add(cache, 1, 1, 1 << 18);
    assert_false(has(cache, 1, 1));
    add(cache, 1, 2, 100000);
    assert_true(has(cache, 1, 2));
    epoch_leave(epoch);
    cache_free(cache);
    epoch_free(epoch);
}

static void a_reference_outlives_the_cache(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 1 << 20, 2);
    struct page *page;

    (void)state;
    epoch_enter(epoch);
    add(cache, 1, 1, PAGE_LEN);
    page = page_ref(cache_lookup(cache, 1, 1));
    epoch_leave(epoch);
    cache_free(cache);
    epoch_free(epoch);
    assert_int_equal(page->data[500], stamp(1, 1));
    page_unref(page);
}

static void a_file_can_be_erased(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 16 << 20, 4);
    unsigned i;

    (void)state;
    epoch_enter(epoch);
    for (i = 0; i < 3000; i++) {
        add(cache, i % 3, i, PAGE_LEN);
    }
    cache_erase_file(cache, 1);
    cache_check(cache);
    for (i = 0; i < 3000; i++) {
        assert_int_equal(has(cache, i % 3, i), i % 3 != 1);
    }
    epoch_leave(epoch);
    cache_free(cache);
    epoch_free(epoch);
}

static bool fail_now(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void making_one_may_fail(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache_options options = {.epoch = epoch, .capacity_bytes = 1 << 20, .shard_count = 4};
    struct cache *cache = NULL;
    int n;

    (void)state;
    for (n = 0; cache == NULL; n++) {
        int left = n;

        mem_set_fail_hook(fail_now, &left);
        cache = cache_new(&options);
        mem_set_fail_hook(NULL, NULL);
    }
    assert_true(n > 5);
    cache_free(cache);
    cache_free(NULL);
    epoch_free(epoch);
}

struct worker {
    struct epoch *epoch;
    struct cache *cache;
    struct rng rng;
    unsigned wrong;
};

static void work(void *arg)
{
    struct worker *w = arg;
    unsigned i;

    for (i = 0; i < 20000; i++) {
        uint64_t file = rng_below(&w->rng, 3);
        uint64_t offset = rng_below(&w->rng, 600);
        struct page *page;

        epoch_enter(w->epoch);
        page = cache_lookup(w->cache, file, offset);
        if (page == NULL) {
            page = page_new(file, offset, PAGE_LEN);
            if (page != NULL) {
                memset(page->data, stamp(file, offset), PAGE_LEN);
                cache_add(w->cache, page);
            }
        }
        w->wrong += page == NULL || page->data[i % PAGE_LEN] != stamp(file, offset);
        epoch_leave(w->epoch);
        if (i % 4000 == 3999) {
            cache_erase_file(w->cache, rng_below(&w->rng, 3));
        }
    }
}

static void threads_share_it(void **state)
{
    struct epoch *epoch = epoch_new();
    struct cache *cache = new_cache(epoch, 1 << 20, 2);
    struct rng r = rng_start();
    struct os_thread *threads[4];
    struct worker workers[4];
    struct error err = {0};
    unsigned i;

    (void)state;
    for (i = 0; i < 4; i++) {
        workers[i] = (struct worker){.epoch = epoch, .cache = cache, .rng = {rng_next(&r)}};
        assert_int_equal(os_thread_start(os_real(), "cache", work, &workers[i], &threads[i], &err),
                         0);
    }
    for (i = 0; i < 4; i++) {
        os_thread_join(os_real(), threads[i]);
        assert_int_equal(workers[i].wrong, 0);
    }
    check_bounds(cache);
    cache_free(cache);
    epoch_free(epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_it_was_given),
        cmocka_unit_test(a_scan_leaves_the_hot_pages),
        cmocka_unit_test(an_evicted_page_that_returns_is_kept),
        cmocka_unit_test(off_and_tiny_caches_keep_nothing),
        cmocka_unit_test(large_pages_are_not_kept),
        cmocka_unit_test(a_reference_outlives_the_cache),
        cmocka_unit_test(a_file_can_be_erased),
        cmocka_unit_test(making_one_may_fail),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
