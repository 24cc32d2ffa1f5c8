/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Password hashes: round trip, a hash made elsewhere, every form that is refused before any work.
 */
#include "crypto/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SALT "AAAAAAAAAAAAAAAAAAAAAA"
#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct slice s(const char *text)
{
    return slice_of_text(text);
}

static void test_round_trip(void **state)
{
    char hash[PASSWORD_HASH_BYTES];
    char other[PASSWORD_HASH_BYTES];
    struct error err;

    assert_int_equal(password_ready(&err), 0);
    assert_int_equal(password_hash(s("correct horse"), hash, &err), 0);
    assert_int_equal(password_hash(s("correct horse"), other, &err), 0);
    assert_string_not_equal(hash, other);
    assert_int_equal(password_hash_check(hash), 0);
    assert_non_null(strstr(hash, "$argon2id$v=19$m=65536,t=2,p=1$"));
    assert_int_equal(password_verify(hash, s("correct horse"), &err), 0);
    assert_int_equal(password_verify(hash, s("correct horsf"), &err), BLOCKDB_EDENIED);
    assert_int_equal(password_verify(hash, s(""), &err), BLOCKDB_EDENIED);
    assert_int_equal(password_verify(hash, s("correct horse "), &err), BLOCKDB_EDENIED);
}

/* Hashes of another cost are computed with that cost; this one is nobody's. */
static void test_other_cost(void **state)
{
    static const char hash[] = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct error err;

    assert_int_equal(password_verify(hash, s("password"), &err), BLOCKDB_EDENIED);
}

static void test_nobodys_hash(void **state)
{
    struct error err;

    assert_int_equal(password_hash_check(password_no_hash), 0);
    assert_int_equal(password_verify(password_no_hash, s("anything"), &err), BLOCKDB_EDENIED);
}

static void test_forms(void **state)
{
    static const char *const bad[] = {
        "",
        "plain",
        "$argon2i$v=19$m=65536,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=16$m=65536,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=262145,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=0,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=065536,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=99999999999999999999,t=2,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=65536,t=17,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=65536,t=0,p=1$" SALT "$" HASH,
        "$argon2id$v=19$m=65536,t=2,p=2$" SALT "$" HASH,
        "$argon2id$v=19$m=65536,t=2,p=1$" SALT HASH,
        "$argon2id$v=19$m=65536,t=2,p=1$" SALT "$" HASH "A",
        "$argon2id$v=19$m=65536,t=2,p=1$" SALT "$" HASH "=",
        "$argon2id$v=19$m=65536,t=2,p=1$!AAAAAAAAAAAAAAAAAAAAA$" HASH,
        "$argon2id$v=19$m=65536,t=2,p=1$" SALT,
    };
    struct error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(password_hash_check(bad[i]), BLOCKDB_EINVAL);
        assert_int_equal(password_verify(bad[i], s("x"), &err), BLOCKDB_EINVAL);
        assert_null(strstr(err.message, SALT));
    }
    assert_int_equal(password_hash_check("$argon2id$v=19$m=262144,t=16,p=1$" SALT "$" HASH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_other_cost),
        cmocka_unit_test(test_nobodys_hash),
        cmocka_unit_test(test_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
