/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ed25519.h"

#include "base/library.h"
#include "crypto/secret.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <assert.h>

/* In the order of symbol_names. */
struct crypto_functions {
    LIBRARY_FUNCTION(EVP_PKEY_new_raw_private_key);
    LIBRARY_FUNCTION(EVP_PKEY_new_raw_public_key);
    LIBRARY_FUNCTION(EVP_PKEY_get_raw_public_key);
    LIBRARY_FUNCTION(EVP_PKEY_free);
    LIBRARY_FUNCTION(EVP_MD_CTX_new);
    LIBRARY_FUNCTION(EVP_MD_CTX_free);
    LIBRARY_FUNCTION(EVP_DigestSignInit);
    LIBRARY_FUNCTION(EVP_DigestSign);
    LIBRARY_FUNCTION(EVP_DigestVerifyInit);
    LIBRARY_FUNCTION(EVP_DigestVerify);
    LIBRARY_FUNCTION(ERR_set_mark);
    LIBRARY_FUNCTION(ERR_pop_to_mark);
};

static const char *const symbol_names[] = {
    "EVP_PKEY_new_raw_private_key",
    "EVP_PKEY_new_raw_public_key",
    "EVP_PKEY_get_raw_public_key",
    "EVP_PKEY_free",
    "EVP_MD_CTX_new",
    "EVP_MD_CTX_free",
    "EVP_DigestSignInit",
    "EVP_DigestSign",
    "EVP_DigestVerifyInit",
    "EVP_DigestVerify",
    "ERR_set_mark",
    "ERR_pop_to_mark",
};

#define SYMBOL_COUNT (sizeof symbol_names / sizeof *symbol_names)
static_assert(sizeof(struct crypto_functions) == SYMBOL_COUNT * sizeof(void *),
              "each function has a name");

static const char *const sonames[] = {"libcrypto.so.3", NULL};

static const struct library libcrypto = {
    .name = "OpenSSL's libcrypto",
    .package = "libssl3",
    .sonames = sonames,
    .symbols = symbol_names,
    .symbol_count = SYMBOL_COUNT,
};

/* Loads libcrypto and begins a use of it; end_use() drops the errors that it queued in between, and
 * none of those that the program has of its own uses. */
static int begin_use(struct crypto_functions *out, struct error *err)
{
    int rc = library_load(&libcrypto, out, err);

    if (rc == BLOCKDB_OK) {
        (void)out->ERR_set_mark(); /* no mark is made where there is no error: all are ours then */
    }
    return rc;
}

static void end_use(const struct crypto_functions *crypto)
{
    (void)crypto->ERR_pop_to_mark();
}

int ed25519_signer_init(struct ed25519_signer *out, const uint8_t seed[ED25519_SEED_LEN],
                        struct error *err)
{
    struct crypto_functions crypto;
    uint8_t public_key[ED25519_PUBLIC_LEN];
    size_t len = sizeof public_key;
    EVP_PKEY *key;
    int rc;

    rc = begin_use(&crypto, err);
    if (rc < 0) {
        return rc;
    }
    key = crypto.EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_LEN);
    if (key == NULL || crypto.EVP_PKEY_get_raw_public_key(key, public_key, &len) != 1 ||
        len != sizeof public_key) {
        crypto.EVP_PKEY_free(key);
        rc = error_set_no_memory(err); /* nothing else can be wrong with 32 bytes */
    } else {
        out->handle = key;
        memcpy(out->seed, seed, sizeof out->seed);
        memcpy(out->public_key, public_key, sizeof out->public_key);
    }
    end_use(&crypto);
    return rc;
}

void ed25519_signer_deinit(struct ed25519_signer *signer)
{
    struct crypto_functions crypto;

    if (signer->handle != NULL && library_load(&libcrypto, &crypto, NULL) == BLOCKDB_OK) {
        crypto.EVP_PKEY_free(signer->handle); /* wipes its copy of the secret */
    }
    secret_wipe(signer, sizeof *signer);
}

int ed25519_sign(const struct ed25519_signer *signer, struct slice message,
                 uint8_t out[ED25519_SIGNATURE_LEN], struct error *err)
{
    struct crypto_functions crypto;
    uint8_t signature[ED25519_SIGNATURE_LEN];
    size_t len = sizeof signature;
    EVP_MD_CTX *context;
    int rc;

    rc = begin_use(&crypto, err);
    if (rc < 0) {
        return rc;
    }
    context = crypto.EVP_MD_CTX_new();
    if (context == NULL ||
        crypto.EVP_DigestSignInit(context, NULL, NULL, NULL, signer->handle) != 1 ||
        crypto.EVP_DigestSign(context, signature, &len, message.data, message.len) != 1 ||
        len != sizeof signature) {
        rc = error_set_no_memory(err);
    } else {
        memcpy(out, signature, sizeof signature);
    }
    crypto.EVP_MD_CTX_free(context);
    end_use(&crypto);
    return rc;
}

/* Whether y, without the sign of x, is below 2^255 - 19. */
static bool is_canonical(const uint8_t y[ED25519_PUBLIC_LEN])
{
    size_t i;

    if (y[0] < 0xed || (y[ED25519_PUBLIC_LEN - 1] & 0x7f) != 0x7f) {
        return true;
    }
    for (i = 1; i < ED25519_PUBLIC_LEN - 1; i++) {
        if (y[i] != 0xff) {
            return true;
        }
    }
    return false;
}

/* The y of the eight points whose order divides eight; each but the first two belongs to two. */
static const uint8_t small_order[][ED25519_PUBLIC_LEN] = {
    {0x01}, /* order 1 */
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* order 2 */
    {0x00},                                                       /* order 4 */
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, /* order 8 */
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}, /* order 8 */
};

bool ed25519_public_key_ok(const uint8_t public_key[ED25519_PUBLIC_LEN])
{
    uint8_t y[ED25519_PUBLIC_LEN];
    size_t i;

    memcpy(y, public_key, sizeof y);
    y[ED25519_PUBLIC_LEN - 1] &= 0x7f;
    for (i = 0; i < sizeof small_order / sizeof *small_order; i++) {
        if (memcmp(y, small_order[i], sizeof y) == 0) {
            return false;
        }
    }
    return is_canonical(y);
}

/* One attempt: ENOMEM, or ETAMPERED when libcrypto does not accept the signature. */
static int verify_once(const struct crypto_functions *crypto, const uint8_t *public_key,
                       struct slice message, const uint8_t *signature)
{
    EVP_PKEY *key = crypto->EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key,
                                                        ED25519_PUBLIC_LEN);
    EVP_MD_CTX *context = crypto->EVP_MD_CTX_new();
    int rc = BLOCKDB_OK;

    if (key == NULL || context == NULL ||
        crypto->EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1) {
        rc = BLOCKDB_ENOMEM;
    } else if (crypto->EVP_DigestVerify(context, signature, ED25519_SIGNATURE_LEN, message.data,
                                        message.len) != 1) {
        rc = BLOCKDB_ETAMPERED;
    }
    crypto->EVP_MD_CTX_free(context);
    crypto->EVP_PKEY_free(key);
    return rc;
}

int ed25519_verify(const uint8_t public_key[ED25519_PUBLIC_LEN], struct slice message,
                   const uint8_t signature[ED25519_SIGNATURE_LEN], struct error *err)
{
    struct crypto_functions crypto;
    int rc;

    if (!ed25519_public_key_ok(public_key)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the public key is no key: its encoding is not canonical, or signatures "
                         "of it would fit any message; get the right one");
    }
    rc = begin_use(&crypto, err);
    if (rc < 0) {
        return rc;
    }
    rc = verify_once(&crypto, public_key, message, signature);
    if (rc == BLOCKDB_ETAMPERED) {
        /* libcrypto says the same of an allocation that fails in the middle of its work. While
         * memory is short, the second attempt ends in ENOMEM. */
        rc = verify_once(&crypto, public_key, message, signature);
    }
    end_use(&crypto);
    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    if (rc == BLOCKDB_ETAMPERED) {
        return error_set(err, rc, "the signature is not that of the key");
    }
    return BLOCKDB_OK;
}
