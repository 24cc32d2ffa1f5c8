/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifier keys and signing keys: published ones, VKEY-1, and everything that is no key.
 */
#include "base/mem.h"
#include "c2sp.h"
#include "ledger/signing_key.h"
#include "ledger/verifier_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int parse_verifier(struct slice text)
{
    struct verifier_key untouched;
    struct verifier_key key;
    int rc;

    memset(&key, 0xee, sizeof key);
    untouched = key;
    rc = verifier_key_parse(text, &key, NULL);
    assert_int_equal(memcmp(&key, &untouched, sizeof key) != 0, rc == BLOCKDB_OK);
    return rc;
}

static int parse_signing(struct slice text)
{
    AUTO(signing_key_deinit) struct signing_key key = {0};

    return signing_key_parse(text, &key, NULL);
}

static void published_verifier_keys(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        uint32_t id;
        enum key_type type;
    } cases[] = {
        {FOO_VKEY, "example.com/foo", 0x530d903a, KEY_TYPE_ED25519},
        {PETER_VKEY, "PeterNeumann", 0xc74f20a3, KEY_TYPE_ED25519},
        {ENOCH_VKEY, "EnochRoot", 0xaf0cfe78, KEY_TYPE_ED25519},
        {SUMDB_VKEY, "sum.golang.org", 0x033de0ae, KEY_TYPE_ED25519},
        {LOG_VKEY, LOG_ORIGIN, 0x33d7b496, KEY_TYPE_ED25519},
        {WITNESS_VKEY, WITNESS_NAME, 0x468d99bb, KEY_TYPE_COSIGNATURE},
        {WITNESS_VKEY_NOTE, WITNESS_NAME, 0x47f53f4c, KEY_TYPE_ED25519},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(buf_deinit) struct buf out = {0};
        struct verifier_key key;

        assert_int_equal(verifier_key_parse(slice_of_text(cases[i].text), &key, NULL), BLOCKDB_OK);
        assert_true(slice_equal(key.name, slice_of_text(cases[i].name)));
        assert_int_equal(key.id, cases[i].id);
        assert_int_equal(key.type, cases[i].type);
        assert_int_equal(verifier_key_append(&out, &key), BLOCKDB_OK);
        assert_true(slice_equal(buf_slice(&out), slice_of_text(cases[i].text)));
    }
}

static void mangled_verifier_keys(void **state)
{
    char text[] = PETER_VKEY;
    const size_t len = sizeof text - 1;

    for (size_t from = 0; from <= len; from++) {
        for (size_t to = from; to <= len; to++) {
            if (from > 0 || to < len) {
                assert_int_not_equal(parse_verifier(slice_of(text + from, to - from)), BLOCKDB_OK);
            }
        }
    }
    for (size_t i = 0; i < len; i++) {
        for (int c = 0; c < 256; c++) {
            char good = text[i];

            text[i] = (char)c;
            assert_int_equal(parse_verifier(slice_of(text, len)) == BLOCKDB_OK, text[i] == good);
            text[i] = good;
        }
    }
}

static void other_verifier_keys(void **state)
{
    static const char *const bad[] = {
        LONG_VKEY,
        PETER_VKEY "\n",
        PETER_VKEY " ",
        " " PETER_VKEY,
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+0xc74f20+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        "PeterNeumann+c74f20a3+!!!!",
        "PeterNeumann+c74f20a3+AQ==",
        "PeterNeumann++ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER_SKEY,
    };
    struct verifier_key key;
    struct error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse_verifier(slice_of_text(bad[i])), BLOCKDB_EINVAL);
    }
    assert_int_equal(parse_verifier(slice_of(NULL, 0)), BLOCKDB_EINVAL);
    assert_int_equal(parse_verifier(slice_of_text(OTHER_VKEY)), BLOCKDB_EUNSUPPORTED);
    assert_int_equal(verifier_key_parse(slice_of_text(OTHER_VKEY), &key, &err),
                     BLOCKDB_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "0x65"));
}

/* A key whose signatures fit any message is refused although its ID fits. */
static void a_key_of_small_order(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct verifier_key key = {.name = slice_of_text("small"), .type = KEY_TYPE_ED25519};

    key.public_key[0] = 1;
    key.id = verifier_key_id(key.name, key.type, key.public_key);
    assert_int_equal(verifier_key_append(&text, &key), BLOCKDB_OK);
    assert_int_equal(parse_verifier(buf_slice(&text)), BLOCKDB_EINVAL);
}

static void long_names(void **state)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct verifier_key key;
    char name[NOTE_NAME_MAX + 1];

    assert_int_equal(verifier_key_parse(slice_of_text(PETER_VKEY), &key, NULL), BLOCKDB_OK);
    memset(name, 'n', sizeof name);
    key.name = slice_of(name, NOTE_NAME_MAX);
    key.id = verifier_key_id(key.name, key.type, key.public_key);
    assert_int_equal(verifier_key_append(&text, &key), BLOCKDB_OK);
    assert_int_equal(text.len, VERIFIER_KEY_TEXT_MAX);
    assert_int_equal(parse_verifier(buf_slice(&text)), BLOCKDB_OK);
    buf_reset(&text);
    key.id = verifier_key_id(slice_of(name, sizeof name), key.type, key.public_key);
    assert_int_equal(buf_appendf(&text, "n%.*s+%08x+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                                 NOTE_NAME_MAX, name, key.id),
                     BLOCKDB_OK);
    assert_int_equal(parse_verifier(buf_slice(&text)), BLOCKDB_EINVAL);
}

static void equal_keys(void **state)
{
    struct verifier_key a;
    struct verifier_key b;

    assert_int_equal(verifier_key_parse(slice_of_text(WITNESS_VKEY), &a, NULL), BLOCKDB_OK);
    b = a;
    assert_true(verifier_key_equal(&a, &b));
    b.public_key[31] ^= 1;
    assert_false(verifier_key_equal(&a, &b));
    b = a;
    b.name.len--;
    assert_false(verifier_key_equal(&a, &b));
    assert_int_equal(verifier_key_parse(slice_of_text(WITNESS_VKEY_NOTE), &b, NULL), BLOCKDB_OK);
    assert_false(verifier_key_equal(&a, &b));
}

static void published_signing_keys(void **state)
{
    static const char *const cases[][2] = {{PETER_SKEY, PETER_VKEY}, {LOG_SKEY, LOG_VKEY}};

    for (size_t i = 0; i < 2; i++) {
        AUTO(signing_key_deinit) struct signing_key key = {0};
        struct verifier_key want;
        struct verifier_key got;
        char text[SIGNING_KEY_TEXT_MAX];

        assert_int_equal(signing_key_parse(slice_of_text(cases[i][0]), &key, NULL), BLOCKDB_OK);
        assert_int_equal(verifier_key_parse(slice_of_text(cases[i][1]), &want, NULL), BLOCKDB_OK);
        got = signing_key_verifier(&key);
        assert_true(verifier_key_equal(&got, &want));
        assert_int_equal(signing_key_format(&key, text), strlen(cases[i][0]));
        assert_memory_equal(text, cases[i][0], strlen(cases[i][0]));
    }
    assert_int_equal(parse_signing(slice_of_text(PETER_SKEY "\n")), BLOCKDB_OK);
}

static void new_signing_keys(void **state)
{
    AUTO(signing_key_deinit) struct signing_key key = {0};
    AUTO(signing_key_deinit) struct signing_key again = {0};
    AUTO(buf_deinit) struct buf verifier = {0};
    struct verifier_key public_half;
    uint8_t seed[ED25519_SEED_LEN];
    char text[SIGNING_KEY_TEXT_MAX];
    size_t len;

    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)(i + 1);
    }
    assert_int_equal(
        signing_key_init(&key, slice_of_text(WITNESS_NAME), KEY_TYPE_COSIGNATURE, seed, NULL),
        BLOCKDB_OK);
    public_half = signing_key_verifier(&key);
    assert_int_equal(verifier_key_append(&verifier, &public_half), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&verifier), slice_of_text(WITNESS_VKEY)));
    len = signing_key_format(&key, text);
    assert_int_equal(signing_key_parse(slice_of(text, len), &again, NULL), BLOCKDB_OK);
    assert_int_equal(again.type, KEY_TYPE_COSIGNATURE);
    assert_int_equal(again.id, key.id);
    assert_memory_equal(again.signer.seed, seed, sizeof seed);
}

static void names_that_no_key_can_have(void **state)
{
    uint8_t seed[ED25519_SEED_LEN] = {7};
    char name[NOTE_NAME_MAX + 1];
    struct signing_key key = {0};
    char text[SIGNING_KEY_TEXT_MAX];

    memset(name, 'n', sizeof name);
    assert_int_equal(
        signing_key_init(&key, slice_of(name, sizeof name), KEY_TYPE_ED25519, seed, NULL),
        BLOCKDB_EINVAL);
    assert_int_equal(signing_key_init(&key, slice_of_text("a b"), KEY_TYPE_ED25519, seed, NULL),
                     BLOCKDB_EINVAL);
    assert_int_equal(signing_key_init(&key, slice_of_text("a+b"), KEY_TYPE_ED25519, seed, NULL),
                     BLOCKDB_EINVAL);
    assert_int_equal(signing_key_init(&key, slice_of_text(""), KEY_TYPE_ED25519, seed, NULL),
                     BLOCKDB_EINVAL);
    assert_null(key.signer.handle);
    assert_int_equal(
        signing_key_init(&key, slice_of(name, NOTE_NAME_MAX), KEY_TYPE_ED25519, seed, NULL),
        BLOCKDB_OK);
    assert_int_equal(signing_key_format(&key, text), SIGNING_KEY_TEXT_MAX);
    signing_key_deinit(&key);
}

static void mangled_signing_keys(void **state)
{
    char text[] = PETER_SKEY;
    const size_t len = sizeof text - 1;

    for (size_t from = 0; from <= len; from++) {
        for (size_t to = from; to <= len; to++) {
            if (from > 0 || to < len) {
                assert_int_not_equal(parse_signing(slice_of(text + from, to - from)), BLOCKDB_OK);
            }
        }
    }
    for (size_t i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            assert_int_not_equal(parse_signing(slice_of(text, len)), BLOCKDB_OK);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    }
}

static void other_signing_keys(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        PETER_VKEY,
        PETER_SKEY "\n\n",
        PETER_SKEY "\r\n",
        "private+key+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        "PRIVATE+KEY+PeterNeumann+C74F20A3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        "PRIVATE+KEY++c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
    };
    static const char other_type[] =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+BYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    struct signing_key key = {0};
    struct error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse_signing(slice_of_text(bad[i])), BLOCKDB_EINVAL);
    }
    assert_int_equal(parse_signing(slice_of_text(other_type)), BLOCKDB_EUNSUPPORTED);
    assert_int_equal(signing_key_parse(slice_of_text(bad[6]), &key, &err), BLOCKDB_EINVAL);
    assert_null(strstr(err.message, "AYEK")); /* the secret is not told */
    assert_null(key.signer.handle);
}

static void secrets_are_wiped(void **state)
{
    static const struct signing_key wiped;
    struct signing_key key = {0};

    assert_int_equal(signing_key_parse(slice_of_text(PETER_SKEY), &key, NULL), BLOCKDB_OK);
    signing_key_deinit(&key);
    assert_memory_equal(&key, &wiped, sizeof key);
    signing_key_deinit(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_verifier_keys),
        cmocka_unit_test(mangled_verifier_keys),
        cmocka_unit_test(other_verifier_keys),
        cmocka_unit_test(a_key_of_small_order),
        cmocka_unit_test(long_names),
        cmocka_unit_test(equal_keys),
        cmocka_unit_test(published_signing_keys),
        cmocka_unit_test(new_signing_keys),
        cmocka_unit_test(names_that_no_key_can_have),
        cmocka_unit_test(mangled_signing_keys),
        cmocka_unit_test(other_signing_keys),
        cmocka_unit_test(secrets_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
