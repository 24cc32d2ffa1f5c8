/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles, and the records and texts of users and tokens: what is accepted, and all that is not.
 */
#include "base/mem.h"
#include "os/os.h"
#include "server/token.h"
#include "server/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HASH                                                                                       \
    "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"                                       \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define USER_KEY "!blockdb/user/ann"
#define TOKEN_KEY "!blockdb/token/0123456789abcdef"
#define DIGITS64 "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"

static struct slice s(const char *text)
{
    return slice_of_text(text);
}

/* ---- Roles --------------------------------------------------------------------------------- */

static void test_grants(void **state)
{
    struct principal_grant grant;
    struct error err;

    assert_int_equal(role_parse_grant(s("reader"), &grant, &err), 0);
    assert_int_equal(grant.rights, RIGHT_READ | RIGHT_PROVE);
    assert_int_equal(grant.prefix.len, 0);
    assert_int_equal(role_parse_grant(s("writer:a:b/"), &grant, &err), 0);
    assert_true(slice_equal(grant.prefix, s("a:b/")));
    assert_int_equal(role_parse_grant(s("admin"), &grant, &err), 0);
    assert_int_equal(grant.rights, RIGHTS_ALL);
    assert_int_equal(role_parse_grant(s("auditor"), &grant, &err), 0);
    assert_int_equal(grant.rights, RIGHT_PROVE);
    assert_int_equal(role_parse_grant(s("operator"), &grant, &err), 0);
    assert_int_equal(grant.rights, RIGHT_OPERATE);
}

static void test_grants_refused(void **state)
{
    static char long_text[ROLE_GRANT_LEN_MAX + 2];
    struct principal_grant grant;
    struct error err;

    assert_int_equal(role_parse_grant(s("reder"), &grant, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "did you mean 'reader'"));
    assert_int_equal(role_parse_grant(s("qqqqqqqqqqqq"), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(s(""), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(s("reader:"), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(s("reader:!blockdb/user/"), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(s("reader:\xff"), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(slice_of("reader:a\0b", 10), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(s("admin:a/"), &grant, &err), BLOCKDB_EINVAL);
    assert_int_equal(role_parse_grant(s("operator:a/"), &grant, &err), BLOCKDB_EINVAL);
    memset(long_text, 'a', sizeof long_text - 1);
    memcpy(long_text, "reader:", 7);
    assert_int_equal(role_parse_grant(s(long_text), &grant, &err), BLOCKDB_ELIMIT);
}

static void test_lists(void **state)
{
    struct role_list list = {0};
    struct role_list copy = {0};
    const struct principal *p = NULL;
    struct error err;
    char text[32];

    assert_null(role_list_next(&list, NULL));
    assert_int_equal(role_list_add(&list, s("reader"), &err), 0);
    assert_int_equal(role_list_add(&list, s("writer:a/"), &err), 0);
    assert_int_equal(role_list_add(&list, s("reader"), &err), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(role_list_add(&list, s("nothing"), &err), BLOCKDB_EINVAL);
    assert_int_equal(role_list_copy(&copy, &list), 0);
    assert_int_equal(role_list_rights(&copy), RIGHT_READ | RIGHT_PROVE | RIGHT_WRITE);
    assert_int_equal(role_list_principal(&copy, "ann", &p, &err), 0);
    assert_true(principal_may_key(p, RIGHT_WRITE, s("a/1")));
    assert_false(principal_may_key(p, RIGHT_WRITE, s("b/1")));
    assert_true(principal_may_key(p, RIGHT_READ, s("b/1")));
    principal_unref(p);
    while (list.count < ROLE_GRANTS_MAX) {
        (void)snprintf(text, sizeof text, "reader:%zu", list.count);
        assert_int_equal(role_list_add(&list, s(text), &err), 0);
    }
    assert_int_equal(role_list_add(&list, s("reader:last"), &err), BLOCKDB_ELIMIT);
    role_list_deinit(&list);
    role_list_deinit(&copy);
}

/* ---- Users --------------------------------------------------------------------------------- */

static int decode_user(const char *value, struct user_record *out, struct error *err)
{
    struct json *json = auth_record_parser();
    int rc = user_decode(json, s(USER_KEY), s(value), out, err);

    json_free(json);
    return rc;
}

static void test_user_round_trip(void **state)
{
    struct user_record record = {.name = "ann", .password = HASH, .disabled = true, .by = "root"};
    struct user_record read = {0};
    struct buf value = {0};
    struct buf key = {0};
    struct error err;
    struct json *json = auth_record_parser();

    assert_int_equal(role_list_add(&record.roles, s("reader"), &err), 0);
    assert_int_equal(role_list_add(&record.roles, s("writer:\"q\"/\xc3\xa4"), &err), 0);
    assert_int_equal(user_key(&key, record.name), 0);
    assert_true(slice_equal(buf_slice(&key), s(USER_KEY)));
    assert_int_equal(user_encode(&value, &record), 0);
    assert_int_equal(user_decode(json, buf_slice(&key), buf_slice(&value), &read, &err), 0);
    assert_string_equal(read.name, "ann");
    assert_string_equal(read.password, HASH);
    assert_string_equal(read.by, "root");
    assert_true(read.disabled);
    assert_int_equal(read.roles.count, 2);
    assert_true(slice_equal(buf_slice(&read.roles.texts), buf_slice(&record.roles.texts)));
    json_free(json);
    buf_deinit(&key);
    buf_deinit(&value);
    user_record_deinit(&record);
    user_record_deinit(&read);
}

static void test_user_form(void **state)
{
    struct user_record read = {0};
    struct error err;

    assert_int_equal(decode_user("{\"version\":1,\"type\":\"user\",\"name\":\"ann\",\"password\":"
                                 "\"\",\"roles\":[],\"disabled\":false,\"by\":\"\"}",
                                 &read, &err),
                     0);
    assert_string_equal(read.password, "");
    assert_int_equal(read.roles.count, 0);
    user_record_deinit(&read);
}

#define U(version, type, name, password, roles, disabled)                                          \
    "{\"version\":" version ",\"type\":" type ",\"name\":" name ",\"password\":" password          \
    ",\"roles\":" roles ",\"disabled\":" disabled ",\"by\":\"x\"}"

static void test_users_damaged(void **state)
{
    static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        U("\"1\"", "\"user\"", "\"ann\"", "\"\"", "[]", "false"),
        U("1", "\"token\"", "\"ann\"", "\"\"", "[]", "false"),
        U("1", "1", "\"ann\"", "\"\"", "[]", "false"),
        U("1", "\"user\"", "\"bob\"", "\"\"", "[]", "false"),
        U("1", "\"user\"", "\"an\"", "\"\"", "[]", "false"),
        U("1", "\"user\"", "\"\"", "\"\"", "[]", "false"),
        U("1", "\"user\"", "null", "\"\"", "[]", "false"),
        U("1", "\"user\"", "\"ann\"", "\"plain\"", "[]", "false"),
        U("1", "\"user\"", "\"ann\"", "7", "[]", "false"),
        U("1", "\"user\"", "\"ann\"", "\"a\\u0000b\"", "[]", "false"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "{}", "false"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "[1]", "false"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "[\"king\"]", "false"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "[[]]", "false"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "[]", "0"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "[]", "false,\"more\":1"),
        U("1", "\"user\"", "\"ann\"", "\"\"", "[]", "false,\"disabled\":true"),
        ("{\"version\":1,\"type\":\"user\",\"name\":\"ann\",\"password\":\"\",\"roles\":[],"
         "\"by\":\"x\"}"),
    };
    struct user_record read = {0};
    struct error err;

    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        int rc = decode_user(damaged[i], &read, &err);

        if (rc != BLOCKDB_ECORRUPT) {
            fail_msg("%s: %d", damaged[i], rc);
        }
        assert_non_null(strstr(err.message, USER_KEY));
    }
    assert_int_equal(decode_user(U("2", "\"user\"", "\"ann\"", "\"\"", "[]", "false"), &read, &err),
                     BLOCKDB_EVERSION);
}

static void test_names(void **state)
{
    static const char *const good[] = {"a", "Z9", "ann@example.org", "x.y_z-1"};
    static const char *const bad[] = {"",          ".a",       "-a",       "a b",
                                      "a:b",       "a/b",      "\xc3\xa4", "anonymous",
                                      "bootstrap", "everyone", "a\n",      "@a"};
    struct error err;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(auth_name_check(s(good[i]), USER_NAME_MAX, &err), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(auth_name_check(s(bad[i]), USER_NAME_MAX, &err), BLOCKDB_EINVAL);
    }
    assert_int_equal(auth_name_check(s("abcde"), 4, &err), BLOCKDB_EINVAL);
    assert_int_equal(auth_name_check(s("abcd"), 4, &err), 0);
}

static void test_passwords_allowed(void **state)
{
    static char long_password[USER_PASSWORD_MAX + 1];
    struct error err;

    memset(long_password, 'p', sizeof long_password);
    assert_int_equal(user_password_check(s("1234567"), &err), BLOCKDB_EINVAL);
    assert_int_equal(user_password_check(s("12345678"), &err), 0);
    assert_int_equal(user_password_check(slice_of(long_password, USER_PASSWORD_MAX), &err), 0);
    assert_int_equal(user_password_check(slice_of(long_password, USER_PASSWORD_MAX + 1), &err),
                     BLOCKDB_EINVAL);
    assert_int_equal(user_password_check(s("bdb_looks_like_one"), &err), BLOCKDB_EINVAL);
}

/* ---- Tokens -------------------------------------------------------------------------------- */

static void test_token_text(void **state)
{
    struct token token;
    struct token other;
    struct hash hash;
    struct error err;
    char id[TOKEN_ID_LEN + 1];

    assert_int_equal(token_make(os_real(), &token, &err), 0);
    assert_int_equal(token_make(os_real(), &other, &err), 0);
    assert_string_not_equal(token.text, other.text);
    assert_int_equal(strlen(token.text), TOKEN_TEXT_LEN);
    assert_true(token_looks_like(s(token.text)));
    assert_int_equal(token_parse(s(token.text), id, &hash), 0);
    assert_string_equal(id, token.id);
    assert_memory_equal(&hash, &token.hash, sizeof hash);
    /* Every change of a character and every other length is told at once. */
    for (size_t i = 0; i < TOKEN_TEXT_LEN; i++) {
        char changed[TOKEN_TEXT_LEN + 1];

        memcpy(changed, token.text, sizeof changed);
        changed[i] = changed[i] == '0' ? '1' : '0';
        assert_int_equal(token_parse(s(changed), id, &hash), BLOCKDB_EINVAL);
        changed[i] = 'G';
        assert_int_equal(token_parse(s(changed), id, &hash), BLOCKDB_EINVAL);
        assert_int_equal(token_parse(slice_of(token.text, i), id, &hash), BLOCKDB_EINVAL);
    }
    assert_int_equal(token_parse(slice_of(token.text, TOKEN_TEXT_LEN + 1), id, &hash),
                     BLOCKDB_EINVAL);
    token_wipe(&token);
    assert_int_equal(token.text[0], 0);
}

static int decode_token(const char *value, struct token_record *out, struct error *err)
{
    struct json *json = auth_record_parser();
    int rc = token_decode(json, s(TOKEN_KEY), s(value), out, err);

    json_free(json);
    return rc;
}

static void test_token_round_trip(void **state)
{
    struct token_record record = {
        .id = "0123456789abcdef", .name = "ci", .expires_ms = 1234567890123, .by = "ann"};
    struct token_record read = {0};
    struct buf value = {0};
    struct buf key = {0};
    struct error err;
    struct json *json = auth_record_parser();

    memset(record.hash.bytes, 0xab, SHA256_LEN);
    assert_int_equal(role_list_add(&record.roles, s("operator"), &err), 0);
    assert_int_equal(token_key(&key, record.id), 0);
    assert_true(slice_equal(buf_slice(&key), s(TOKEN_KEY)));
    assert_int_equal(token_encode(&value, &record), 0);
    assert_int_equal(token_decode(json, buf_slice(&key), buf_slice(&value), &read, &err), 0);
    assert_string_equal(read.id, record.id);
    assert_string_equal(read.name, "ci");
    assert_int_equal(read.expires_ms, record.expires_ms);
    assert_memory_equal(&read.hash, &record.hash, sizeof read.hash);
    json_free(json);
    buf_deinit(&key);
    buf_deinit(&value);
    token_record_deinit(&record);
    token_record_deinit(&read);
}

#define T(id, name, sha, expires)                                                                  \
    "{\"version\":1,\"type\":\"token\",\"id\":" id ",\"name\":" name ",\"sha256\":" sha            \
    ",\"roles\":[],\"expires\":" expires ",\"by\":\"x\"}"

static void test_tokens_damaged(void **state)
{
    static const char *const damaged[] = {
        T("\"0123456789abcdee\"", "\"ci\"", "\"" DIGITS64 "\"", "0"),
        T("\"0123456789ABCDEF\"", "\"ci\"", "\"" DIGITS64 "\"", "0"),
        T("\"0123\"", "\"ci\"", "\"" DIGITS64 "\"", "0"),
        T("7", "\"ci\"", "\"" DIGITS64 "\"", "0"),
        T("\"0123456789abcdef\"", "\"c i\"", "\"" DIGITS64 "\"", "0"),
        T("\"0123456789abcdef\"", "\"\"", "\"" DIGITS64 "\"", "0"),
        T("\"0123456789abcdef\"", "\"ci\"", "\"00\"", "0"),
        T("\"0123456789abcdef\"", "\"ci\"", "\"" DIGITS64 "0\"", "0"),
        T("\"0123456789abcdef\"", "\"ci\"", "\"" DIGITS64 "\"", "-1"),
        T("\"0123456789abcdef\"", "\"ci\"", "\"" DIGITS64 "\"", "1.5"),
        T("\"0123456789abcdef\"", "\"ci\"", "\"" DIGITS64 "\"", "null"),
    };
    struct token_record read = {0};
    struct error err;

    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        int rc = decode_token(damaged[i], &read, &err);

        if (rc != BLOCKDB_ECORRUPT) {
            fail_msg("%s: %d", damaged[i], rc);
        }
    }
    assert_int_equal(
        decode_token(T("\"0123456789abcdef\"", "\"ci\"", "\"" DIGITS64 "\"", "0"), &read, &err), 0);
    token_record_deinit(&read);
}

/* ---- Allocation failures ------------------------------------------------------------------- */

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void test_allocation_failures(void **state)
{
    const char *value = U("1", "\"user\"", "\"ann\"", "\"\"", "[\"reader\",\"writer:a/\"]",
                          "false");
    struct json *json = auth_record_parser();
    int rc = BLOCKDB_ENOMEM;

    for (int n = 0; rc == BLOCKDB_ENOMEM; n++) {
        struct user_record read = {0};
        struct buf bytes = {0};
        struct error err;
        int left = n;

        assert_true(n < 50);
        mem_set_fail_hook(fail_at, &left);
        rc = user_decode(json, s(USER_KEY), s(value), &read, &err);
        rc = rc == BLOCKDB_OK ? user_encode(&bytes, &read) : rc;
        rc = rc == BLOCKDB_OK ? user_key(&bytes, "ann") : rc;
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        user_record_deinit(&read);
        buf_deinit(&bytes);
    }
    json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grants),         cmocka_unit_test(test_grants_refused),
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_user_round_trip),
        cmocka_unit_test(test_user_form),      cmocka_unit_test(test_users_damaged),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_passwords_allowed),
        cmocka_unit_test(test_token_text),     cmocka_unit_test(test_token_round_trip),
        cmocka_unit_test(test_tokens_damaged), cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
