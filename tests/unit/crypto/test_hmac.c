/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256 against RFC 4231 and OpenSSL; secrets compared and wiped.
 */
#include "base/bytes.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void compute(const void *secret, size_t secret_len, struct slice data, struct hash *out)
{
    struct hmac_key key;

    hmac_key_init(&key, secret, secret_len);
    hmac_sha256(&key, data.data, data.len, out);
    hmac_key_deinit(&key);
}

static void rfc_4231_case_2(void **state)
{
    static const uint8_t want[SHA256_LEN] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                             0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                             0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                             0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    struct hash got;

    compute("Jefe", 4, slice_of_text("what do ya want for nothing?"), &got);
    assert_memory_equal(got.bytes, want, sizeof want);
}

static void every_key_length(void **state)
{
    uint8_t bytes[300];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + 1);
    }
    for (size_t key_len = 0; key_len <= 130; key_len++) {
        for (size_t len = 0; len < 140; len += 13) {
            struct hash got;
            struct hash want;

            compute(bytes, key_len, slice_of(bytes + 140, len), &got);
            assert_non_null(
                HMAC(EVP_sha256(), bytes, (int)key_len, bytes + 140, len, want.bytes, NULL));
            assert_memory_equal(&got, &want, sizeof got);
        }
    }
}

static void one_key_for_many_messages(void **state)
{
    struct hmac_key key;
    struct hash first;
    struct hash again;

    hmac_key_init(&key, "secret", 6);
    hmac_sha256(&key, "a", 1, &first);
    hmac_sha256(&key, "b", 1, &again);
    assert_memory_not_equal(&first, &again, sizeof first);
    hmac_sha256(&key, "a", 1, &again);
    assert_memory_equal(&first, &again, sizeof first);
    hmac_key_deinit(&key);
}

static void key_is_wiped(void **state)
{
    static const struct hmac_key wiped;
    struct hmac_key key;

    hmac_key_init(&key, "secret", 6);
    assert_memory_not_equal(&key, &wiped, sizeof key);
    hmac_key_deinit(&key);
    assert_memory_equal(&key, &wiped, sizeof key);
}

static void equality_sees_every_bit(void **state)
{
    uint8_t a[40] = {0};
    uint8_t b[40] = {0};

    assert_true(secret_equal(a, b, sizeof a));
    assert_true(secret_equal(NULL, NULL, 0));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] = (uint8_t)(1u << (bit % 8));
        assert_false(secret_equal(a, b, sizeof a));
        assert_int_equal(secret_equal(a, b, bit / 8), 1);
        b[bit / 8] = 0;
    }
}

static void wiping_nothing_is_fine(void **state)
{
    secret_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_4231_case_2),           cmocka_unit_test(every_key_length),
        cmocka_unit_test(one_key_for_many_messages), cmocka_unit_test(key_is_wiped),
        cmocka_unit_test(equality_sees_every_bit),   cmocka_unit_test(wiping_nothing_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
