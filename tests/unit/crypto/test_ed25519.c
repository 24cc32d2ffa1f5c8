/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519: the vectors of RFC 8032, SIG-1 to SIG-3, and OpenSSL called directly for what is refused
 * although it accepts it.
 */
#include "base/mem.h"
#include "base/text.h"
#include "crypto/ed25519.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MESSAGE_MAX 64

struct vector {
    const char *seed;
    const char *public_key;
    const char *message;
    const char *signature;
};

/* RFC 8032, 7.1. */
static const struct vector vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
     "ebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
     "e0303dca179c138ac17ad9bef1177331a704"},
};

#define VECTORS (sizeof vectors / sizeof *vectors)

static void from_hex(const char *text, void *out, size_t len)
{
    assert_int_equal(text_parse_hex(slice_of_text(text), out, len), BLOCKDB_OK);
}

struct sample {
    uint8_t seed[ED25519_SEED_LEN];
    uint8_t public_key[ED25519_PUBLIC_LEN];
    uint8_t message[MESSAGE_MAX];
    size_t len;
    uint8_t signature[ED25519_SIGNATURE_LEN];
};

static struct sample sample_of(const struct vector *v)
{
    struct sample s;

    s.len = strlen(v->message) / 2;
    from_hex(v->seed, s.seed, sizeof s.seed);
    from_hex(v->public_key, s.public_key, sizeof s.public_key);
    from_hex(v->message, s.message, s.len);
    from_hex(v->signature, s.signature, sizeof s.signature);
    return s;
}

static int check(const struct sample *s)
{
    return ed25519_verify(s->public_key, slice_of(s->message, s->len), s->signature, NULL);
}

static void published_vectors(void **state)
{
    for (size_t i = 0; i < VECTORS; i++) {
        struct sample s = sample_of(&vectors[i]);
        AUTO(ed25519_signer_deinit) struct ed25519_signer signer = {0};
        uint8_t got[ED25519_SIGNATURE_LEN];

        assert_int_equal(ed25519_signer_init(&signer, s.seed, NULL), BLOCKDB_OK);
        assert_memory_equal(signer.public_key, s.public_key, sizeof s.public_key);
        assert_memory_equal(signer.seed, s.seed, sizeof s.seed);
        for (int again = 0; again < 3; again++) {
            memset(got, 0, sizeof got);
            assert_int_equal(ed25519_sign(&signer, slice_of(s.message, s.len), got, NULL),
                             BLOCKDB_OK);
            assert_memory_equal(got, s.signature, sizeof got);
        }
        assert_int_equal(check(&s), BLOCKDB_OK);
        assert_true(ed25519_public_key_ok(s.public_key));
    }
}

static void every_changed_bit_is_refused(void **state)
{
    struct sample s = sample_of(&vectors[2]);
    struct error err;

    for (size_t i = 0; i < 8 * sizeof s.signature; i++) {
        s.signature[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
        s.signature[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * sizeof s.public_key; i++) {
        s.public_key[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
        s.public_key[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * s.len; i++) {
        s.message[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
        s.message[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    s.len--;
    assert_int_equal(ed25519_verify(s.public_key, slice_of(s.message, s.len), s.signature, &err),
                     BLOCKDB_ETAMPERED);
    assert_non_null(strstr(err.message, "signature"));
    s.len++;
    assert_int_equal(check(&s), BLOCKDB_OK);
}

/* Adds the order of the group to S: the same signature to whoever does not look (SIG-1). */
static void the_order_added_to_s(void **state)
{
    static const char order_hex[] =
        "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    uint8_t order[32];

    from_hex(order_hex, order, sizeof order);
    for (size_t v = 0; v < VECTORS; v++) {
        struct sample s = sample_of(&vectors[v]);
        unsigned carry = 0;

        for (size_t i = 0; i < sizeof order; i++) {
            carry += (unsigned)s.signature[32 + i] + order[i];
            s.signature[32 + i] = (uint8_t)carry;
            carry >>= 8;
        }
        assert_int_equal(carry, 0);
        assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
    }
}

/* What OpenSSL says without our own checks. */
static bool openssl_accepts(const struct sample *s)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, s->public_key,
                                                sizeof s->public_key);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool accepts;

    assert_non_null(key);
    assert_non_null(context);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, NULL, NULL, key), 1);
    accepts = EVP_DigestVerify(context, s->signature, sizeof s->signature, s->message, s->len) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return accepts;
}

/* Keys of small order: R = identity and S = 0 sign about every order-th message, or all (SIG-2). */
static void keys_that_sign_anything(void **state)
{
    static const char *const keys[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        /* The same points, not canonical, and the largest encoding of all. */
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    size_t fooled = 0;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct sample s = {.len = 1, .signature = {1}};

        from_hex(keys[i], s.public_key, sizeof s.public_key);
        assert_false(ed25519_public_key_ok(s.public_key));
        for (unsigned message = 0; message < 64; message++) {
            s.message[0] = (uint8_t)message;
            assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
            fooled += openssl_accepts(&s);
        }
    }
    assert_true(fooled > 64); /* so the check is needed */
}

static void keys_next_to_the_border(void **state)
{
    uint8_t key[ED25519_PUBLIC_LEN];

    from_hex("ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", key, sizeof key);
    assert_true(ed25519_public_key_ok(key));
    from_hex("eeffffffffffffffffffffffff00ffffffffffffffffffffffffffffffffff7f", key, sizeof key);
    assert_true(ed25519_public_key_ok(key));
    from_hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7e", key, sizeof key);
    assert_true(ed25519_public_key_ok(key));
}

/* y = 2 is on no point: the key passes the first look and verifies nothing. */
static void a_key_that_is_no_point(void **state)
{
    struct sample s = sample_of(&vectors[0]);

    memset(s.public_key, 0, sizeof s.public_key);
    s.public_key[0] = 2;
    assert_true(ed25519_public_key_ok(s.public_key));
    assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
}

static void secrets_are_wiped(void **state)
{
    static const struct ed25519_signer wiped;
    struct sample s = sample_of(&vectors[0]);
    struct ed25519_signer signer = {0};

    ed25519_signer_deinit(&signer);
    assert_int_equal(ed25519_signer_init(&signer, s.seed, NULL), BLOCKDB_OK);
    ed25519_signer_deinit(&signer);
    assert_memory_equal(&signer, &wiped, sizeof signer);
}

/* Errors that the program has queued stay, and none of ours is added. */
static void the_programs_errors_stay(void **state)
{
    struct sample s = sample_of(&vectors[0]);

    ERR_clear_error();
    s.signature[40] ^= 1;
    assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, 77);
    assert_int_equal(check(&s), BLOCKDB_ETAMPERED);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), 77);
    ERR_clear_error();
}

/* The allocator of libcrypto, which fails once allocations_left reaches 0. */
static int allocations_left;

static bool allocation_fails(void)
{
    return allocations_left > 0 && --allocations_left == 0;
}

static void *openssl_malloc(size_t len, const char *file, int line)
{
    return allocation_fails() ? NULL : malloc(len);
}

static void *openssl_realloc(void *p, size_t len, const char *file, int line)
{
    return allocation_fails() ? NULL : realloc(p, len);
}

static void openssl_free(void *p, const char *file, int line)
{
    free(p);
}

/* Signs and verifies; the code of the first step that fails. */
static int sign_and_verify(const struct sample *s)
{
    AUTO(ed25519_signer_deinit) struct ed25519_signer signer = {0};
    uint8_t signature[ED25519_SIGNATURE_LEN];
    struct slice message = slice_of(s->message, s->len);
    int rc = ed25519_signer_init(&signer, s->seed, NULL);

    rc = rc < 0 ? rc : ed25519_sign(&signer, message, signature, NULL);
    return rc < 0 ? rc : ed25519_verify(s->public_key, message, signature, NULL);
}

static void short_of_memory(void **state)
{
    struct sample s = sample_of(&vectors[1]);
    int failures = 0;
    int rc;

    assert_int_equal(sign_and_verify(&s), BLOCKDB_OK);
    for (int n = 1;; n++) {
        allocations_left = n;
        rc = sign_and_verify(&s);
        if (allocations_left > 0) {
            break; /* there are fewer than n */
        }
        /* Some that fail libcrypto can do without. */
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        failures += rc == BLOCKDB_ENOMEM;
    }
    allocations_left = 0;
    assert_int_equal(rc, BLOCKDB_OK);
    assert_true(failures > 3);
    assert_int_equal(sign_and_verify(&s), BLOCKDB_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),       cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(the_order_added_to_s),    cmocka_unit_test(keys_that_sign_anything),
        cmocka_unit_test(keys_next_to_the_border), cmocka_unit_test(a_key_that_is_no_point),
        cmocka_unit_test(secrets_are_wiped),       cmocka_unit_test(the_programs_errors_stay),
        cmocka_unit_test(short_of_memory),
    };

    /* Before libcrypto allocates anything. */
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
