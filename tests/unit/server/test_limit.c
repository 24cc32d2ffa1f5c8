/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: buckets, refilling, separation of subjects and classes, eviction, other rates.
 */
#include "base/mem.h"
#include "os/os.h"
#include "os/os_fault.h"
#include "server/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct limit *make(uint32_t per_minute, uint32_t burst, size_t buckets)
{
    struct limit_rates rates = {0};
    struct limit *limit = NULL;
    struct error err;

    for (unsigned subject = 0; subject < LIMIT_SUBJECT_COUNT; subject++) {
        rates.of[subject][LIMIT_READ] = (struct limit_rate){per_minute, burst};
        rates.of[subject][LIMIT_FAILURE] = (struct limit_rate){per_minute, burst};
    }
    assert_int_equal(limit_new(os_real(), &rates, buckets, &limit, &err), 0);
    return limit;
}

static struct limit_key key(const char *name, uint64_t now_ms)
{
    return (struct limit_key){LIMIT_PRINCIPAL, LIMIT_READ, slice_of_text(name), now_ms};
}

static bool take(struct limit *limit, const char *name, uint64_t now_ms, uint32_t *wait_ms)
{
    struct limit_key k = key(name, now_ms);

    return limit_take(limit, &k, 1, wait_ms);
}

static void test_bucket_empties_and_refills(void **state)
{
    struct limit *limit = make(60, 3, 0);
    uint32_t wait = 0;

    assert_true(limit_is_on(limit, LIMIT_PRINCIPAL, LIMIT_READ));
    assert_true(take(limit, "ann", 1000, &wait));
    assert_true(take(limit, "ann", 1000, &wait));
    assert_true(take(limit, "ann", 1000, &wait));
    assert_false(take(limit, "ann", 1000, &wait));
    assert_int_equal(wait, 1000);
    assert_false(take(limit, "ann", 1999, &wait));
    assert_int_equal(wait, 1);
    assert_true(take(limit, "ann", 2000, &wait));
    assert_false(take(limit, "ann", 2000, &wait));
    /* A clock that goes back gives nothing and breaks nothing. */
    assert_false(take(limit, "ann", 10, &wait));
    for (int i = 0; i < 3; i++) {
        assert_true(take(limit, "ann", UINT64_MAX / 2, &wait));
    }
    assert_false(take(limit, "ann", UINT64_MAX / 2, &wait));
    limit_free(limit);
}

static void test_buckets_are_apart(void **state)
{
    struct limit *limit = make(60, 1, 0);
    struct limit_key address = {LIMIT_ADDRESS, LIMIT_READ, slice_of_text("ann"), 0};
    struct limit_key failure = {LIMIT_PRINCIPAL, LIMIT_FAILURE, slice_of_text("ann"), 0};
    uint32_t wait;

    assert_true(take(limit, "ann", 0, &wait));
    assert_true(take(limit, "bob", 0, &wait));
    assert_true(limit_take(limit, &address, 1, &wait));
    assert_true(limit_take(limit, &failure, 1, &wait));
    assert_false(take(limit, "ann", 0, &wait));
    limit_free(limit);
}

static void test_peek_give_and_cost(void **state)
{
    struct limit *limit = make(60, 4, 0);
    struct limit_key k = key("ann", 0);
    uint32_t wait;

    assert_true(limit_take(limit, &k, 3, &wait));
    assert_false(limit_take(limit, &k, 2, &wait));
    assert_int_equal(wait, 1000);
    assert_true(limit_peek(limit, &k, &wait));
    assert_true(limit_take(limit, &k, 1, &wait));
    assert_false(limit_peek(limit, &k, &wait));
    limit_give(limit, &k);
    assert_true(limit_peek(limit, &k, &wait));
    /* More than the bucket holds needs a full one. */
    assert_false(limit_take(limit, &k, 1000, &wait));
    k.now_ms = 60000;
    assert_true(limit_take(limit, &k, 1000, &wait));
    limit_give(limit, &k);
    limit_free(limit);
}

static void test_networks_of_ipv6_count_as_one(void **state)
{
    static const char *const same[] = {"2001:db8::1", "2001:db8::ffff:2"};
    struct limit *limit = make(60, 1, 0);
    struct limit_key k = {LIMIT_ADDRESS, LIMIT_READ, slice_of_text(same[0]), 0};
    uint32_t wait;

    assert_true(limit_take(limit, &k, 1, &wait));
    k.name = slice_of_text(same[1]);
    assert_false(limit_take(limit, &k, 1, &wait));
    k.name = slice_of_text("2001:db8:0:1::1");
    assert_true(limit_take(limit, &k, 1, &wait));
    k.name = slice_of_text("::ffff:10.0.0.1");
    assert_true(limit_take(limit, &k, 1, &wait));
    k.name = slice_of_text("::ffff:10.0.0.2");
    assert_true(limit_take(limit, &k, 1, &wait));
    limit_free(limit);
}

static void test_off_and_other_rates(void **state)
{
    struct limit *limit = make(0, 0, 0);
    struct limit_rates rates = {0};
    uint32_t wait;

    assert_false(limit_is_on(limit, LIMIT_PRINCIPAL, LIMIT_READ));
    for (int i = 0; i < 100; i++) {
        assert_true(take(limit, "ann", 0, &wait));
    }
    rates.of[LIMIT_PRINCIPAL][LIMIT_READ] = (struct limit_rate){600, 10};
    limit_set_rates(limit, &rates);
    for (int i = 0; i < 10; i++) {
        assert_true(take(limit, "ann", 0, &wait));
    }
    assert_false(take(limit, "ann", 0, &wait));
    assert_int_equal(wait, 100);
    rates.of[LIMIT_PRINCIPAL][LIMIT_READ] = (struct limit_rate){60, 0};
    limit_set_rates(limit, &rates);
    assert_false(take(limit, "ann", 0, &wait));
    assert_int_equal(wait, 1000); /* no more is missing than the smaller bucket holds */
    limit_free(limit);
}

/* However many names there are, memory stays, and names that are in use are not forgotten for those
 * that are not. */
static void test_many_names(void **state)
{
    struct limit *limit = make(60, 1, 256);
    uint32_t wait;
    char name[32];

    for (uint64_t i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof name, "name-%llu", (unsigned long long)i);
        (void)take(limit, name, i, &wait);
    }
    assert_false(take(limit, "name-99999", 100000, &wait));
    limit_free(limit);
}

static void test_long_names(void **state)
{
    struct limit *limit = make(60, 1, 0);
    char name[1000];
    struct limit_key k = {LIMIT_PRINCIPAL, LIMIT_READ, slice_of(name, sizeof name), 0};
    uint32_t wait;

    memset(name, 'n', sizeof name);
    assert_true(limit_take(limit, &k, 1, &wait));
    assert_false(limit_take(limit, &k, 1, &wait));
    k.name.len = 0;
    assert_true(limit_take(limit, &k, 1, &wait));
    k.subject = LIMIT_ADDRESS;
    k.name.len = sizeof name;
    assert_true(limit_take(limit, &k, 1, &wait));
    limit_free(limit);
}

static void test_retry_after(void **state)
{
    assert_int_equal(limit_retry_after(0), 1);
    assert_int_equal(limit_retry_after(1), 1);
    assert_int_equal(limit_retry_after(1000), 1);
    assert_int_equal(limit_retry_after(1001), 2);
    assert_int_equal(limit_retry_after(UINT32_MAX), 4294968);
}

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_failures(void **state)
{
    const struct limit_rates rates = {0};
    struct limit *limit = NULL;
    int rc = BLOCKDB_ENOMEM;

    for (int n = 0; rc == BLOCKDB_ENOMEM; n++) {
        struct error err;
        int left = n;

        assert_true(n < 50);
        mem_set_fail_hook(fail_at, &left);
        rc = limit_new(os_real(), &rates, 256, &limit, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_true((rc == BLOCKDB_OK) == (limit != NULL));
    }
    assert_int_equal(rc, BLOCKDB_OK);
    limit_free(limit);
    limit_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_empties_and_refills),
        cmocka_unit_test(test_buckets_are_apart),
        cmocka_unit_test(test_peek_give_and_cost),
        cmocka_unit_test(test_networks_of_ipv6_count_as_one),
        cmocka_unit_test(test_off_and_other_rates),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
