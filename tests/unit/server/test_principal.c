/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Principals: rights, prefixes, the reserved keys, what messages say.
 */
#include "base/mem.h"
#include "server/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct slice s(const char *text)
{
    return slice_of_text(text);
}

static const struct principal *make(unsigned rights, size_t prefix_count)
{
    const struct slice prefixes[] = {s("user/ann/"), s("shared/"), s("!block")};
    const struct principal *p = NULL;
    struct error err;

    assert_int_equal(principal_new("ann", rights, prefixes, prefix_count, &p, &err), 0);
    return p;
}

static void test_rights_without_prefixes(void **state)
{
    const struct principal *p = make(RIGHT_READ | RIGHT_PROVE, 0);

    assert_true(principal_may(p, RIGHT_READ));
    assert_true(principal_may(p, RIGHT_READ | RIGHT_PROVE));
    assert_false(principal_may(p, RIGHT_READ | RIGHT_WRITE));
    assert_true(principal_may_key(p, RIGHT_READ, s("any")));
    assert_false(principal_may_key(p, RIGHT_WRITE, s("any")));
    assert_true(principal_may_prefix(p, RIGHT_READ, s("any")));
    assert_int_equal(principal_rights(p), RIGHT_READ | RIGHT_PROVE);
    assert_string_equal(principal_name(p), "ann");
    principal_unref(p);
}

static void test_prefixes_limit_keys(void **state)
{
    const struct principal *p = make(RIGHT_READ | RIGHT_WRITE, 2);

    assert_int_equal(principal_prefix_count(p), 2);
    assert_true(slice_equal(principal_prefix(p, 1), s("shared/")));
    assert_true(principal_may_key(p, RIGHT_WRITE, s("user/ann/profile")));
    assert_true(principal_may_key(p, RIGHT_WRITE, s("shared/")));
    assert_false(principal_may_key(p, RIGHT_WRITE, s("user/an")));
    assert_false(principal_may_key(p, RIGHT_READ, s("")));
    assert_true(principal_may_prefix(p, RIGHT_READ, s("shared/x")));
    assert_false(principal_may_prefix(p, RIGHT_READ, s("user/")));
    assert_false(principal_may_prefix(p, RIGHT_READ, s("")));
    principal_unref(p);
}

static void test_reserved_keys_are_for_admins(void **state)
{
    const struct principal *reader = make(RIGHT_READ, 0);
    const struct principal *sly = make(RIGHT_READ | RIGHT_WRITE, 3);
    const struct principal *admin = make(RIGHT_READ | RIGHT_ADMIN, 2);

    assert_true(key_is_reserved(s("!blockdb/user/x")));
    assert_false(key_is_reserved(s("!blockdb")));
    assert_false(principal_may_key(reader, RIGHT_READ, s("!blockdb/user/x")));
    assert_false(principal_may_key(sly, RIGHT_WRITE, s("!blockdb/user/x")));
    assert_true(principal_may_key(sly, RIGHT_WRITE, s("!blocks")));
    assert_true(principal_may_key(admin, RIGHT_READ, s("!blockdb/user/x")));
    assert_false(principal_may_key(admin, RIGHT_WRITE, s("!blockdb/user/x")));
    assert_false(principal_may_prefix(reader, RIGHT_READ, s("")));
    assert_false(principal_may_prefix(reader, RIGHT_READ, s("!b")));
    assert_false(principal_may_prefix(reader, RIGHT_READ, s("!blockdb/user")));
    assert_true(principal_may_prefix(reader, RIGHT_READ, s("!c")));
    assert_true(principal_may_prefix(principal_everyone(), RIGHTS_ALL, s("")));
    principal_unref(reader);
    principal_unref(sly);
    principal_unref(admin);
}

static void test_grants_add_up_key_by_key(void **state)
{
    const struct principal_grant grants[] = {
        {RIGHT_READ, s("")}, {RIGHT_WRITE, s("orders/")}, {RIGHT_OPERATE, s("none/")}};
    const struct principal *p = NULL;
    const struct principal *nobody = NULL;
    struct error err;

    assert_int_equal(principal_new_granted("bob", grants, 3, &p, &err), 0);
    assert_int_equal(principal_new_granted("nobody", NULL, 0, &nobody, &err), 0);
    assert_true(principal_may_key(p, RIGHT_READ, s("any")));
    assert_false(principal_may_key(p, RIGHT_WRITE, s("any")));
    assert_true(principal_may_key(p, RIGHT_READ | RIGHT_WRITE, s("orders/7")));
    assert_true(principal_may_prefix(p, RIGHT_READ | RIGHT_WRITE, s("orders/")));
    assert_false(principal_may_prefix(p, RIGHT_WRITE, s("order")));
    assert_true(principal_may(p, RIGHT_OPERATE));
    assert_int_equal(principal_prefix_count(p), 0);
    assert_int_equal(principal_grant_count(p), 3);
    assert_int_equal(principal_grant_at(p, 1).rights, RIGHT_WRITE);
    assert_int_equal(principal_rights(nobody), 0);
    assert_false(principal_may_key(nobody, RIGHT_READ, s("any")));
    assert_false(principal_may_key(nobody, RIGHT_READ, s("!blockdb/")));
    principal_unref(p);
    principal_unref(nobody);
}

static void test_messages(void **state)
{
    const struct principal *p = make(RIGHT_READ, 1);
    struct error err;

    assert_int_equal(principal_deny(p, RIGHT_WRITE, s("a\n"), &err), BLOCKDB_EDENIED);
    assert_string_equal(err.message, "user 'ann' may not write key 'a\\x0a'");
    assert_int_equal(principal_deny(p, RIGHT_ADMIN, s(""), &err), BLOCKDB_EDENIED);
    assert_string_equal(err.message, "user 'ann' may not administer");
    principal_unref(p);
}

static void test_references(void **state)
{
    const struct principal *p = make(RIGHT_READ, 1);

    assert_ptr_equal(principal_ref(p), p);
    principal_unref(p);
    assert_string_equal(principal_name(p), "ann");
    principal_unref(p);
    principal_unref(NULL);
    assert_ptr_equal(principal_ref(principal_everyone()), principal_everyone());
    principal_unref(principal_everyone());
    principal_unref(principal_everyone());
}

static bool fail_always(void *context)
{
    return true;
}

static void test_refusals(void **state)
{
    static struct slice many[PRINCIPAL_PREFIXES_MAX + 1];
    char name[PRINCIPAL_NAME_MAX + 2];
    const struct principal *p = NULL;
    struct error err;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(principal_new(name, 0, NULL, 0, &p, &err), BLOCKDB_ELIMIT);
    assert_int_equal(principal_new("n", 0, many, PRINCIPAL_PREFIXES_MAX + 1, &p, &err),
                     BLOCKDB_ELIMIT);
    mem_set_fail_hook(fail_always, NULL);
    assert_int_equal(principal_new("n", 0, many, 2, &p, &err), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    assert_null(p);
    assert_int_equal(principal_new("n", 0, many, PRINCIPAL_PREFIXES_MAX, &p, &err), 0);
    principal_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_without_prefixes),
        cmocka_unit_test(test_prefixes_limit_keys),
        cmocka_unit_test(test_reserved_keys_are_for_admins),
        cmocka_unit_test(test_grants_add_up_key_by_key),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
