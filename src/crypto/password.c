/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include "base/library.h"
#include "base/text.h"
#include "crypto/secret.h"

#include <sodium.h>

#include <assert.h>
#include <errno.h>

/* In the order of symbol_names. */
struct sodium_functions {
    LIBRARY_FUNCTION(sodium_init);
    LIBRARY_FUNCTION(crypto_pwhash_str_alg);
    LIBRARY_FUNCTION(crypto_pwhash_str_verify);
};

static const char *const symbol_names[] = {
    "sodium_init",
    "crypto_pwhash_str_alg",
    "crypto_pwhash_str_verify",
};

#define SYMBOL_COUNT (sizeof symbol_names / sizeof *symbol_names)
static_assert(sizeof(struct sodium_functions) == SYMBOL_COUNT * sizeof(void *),
              "each function has a name");
static_assert(PASSWORD_HASH_BYTES == crypto_pwhash_STRBYTES, "the text fits");

static const char *const sonames[] = {"libsodium.so.23", NULL};

static const struct library libsodium = {
    .name = "libsodium",
    .package = "libsodium23",
    .sonames = sonames,
    .symbols = symbol_names,
    .symbol_count = SYMBOL_COUNT,
};

const char password_no_hash[] = "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static int load(struct sodium_functions *out, struct error *err)
{
    struct sodium_functions sodium = {0};
    int rc = library_load(&libsodium, &sodium, err);

    if (rc < 0) {
        return rc;
    }
    if (sodium.sodium_init() < 0) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "libsodium cannot be initialised: check that "
                         "the system has random bytes");
    }
    *out = sodium;
    return BLOCKDB_OK;
}

int password_ready(struct error *err)
{
    struct sodium_functions sodium = {0};

    return load(&sodium, err);
}

int password_hash(struct slice password, char out[PASSWORD_HASH_BYTES], struct error *err)
{
    struct sodium_functions sodium = {0};
    char hash[PASSWORD_HASH_BYTES] = "";
    int rc = load(&sodium, err);

    if (rc < 0) {
        return rc;
    }
    if (sodium.crypto_pwhash_str_alg(hash, (const char *)password.data, password.len,
                                     PASSWORD_PASSES, (size_t)PASSWORD_MEMORY_KIB * 1024,
                                     crypto_pwhash_ALG_ARGON2ID13) != 0) {
        return error_set(err, BLOCKDB_ENOMEM,
                         "no memory to hash a password: %d MiB are needed for a moment",
                         PASSWORD_MEMORY_KIB / 1024);
    }
    memcpy(out, hash, sizeof hash);
    return BLOCKDB_OK;
}

/* Takes `literal` off the front of *text. */
static bool take(struct slice *text, const char *literal)
{
    struct slice prefix = slice_of_text(literal);

    if (!slice_has_prefix(*text, prefix)) {
        return false;
    }
    *text = slice_of(text->data + prefix.len, text->len - prefix.len);
    return true;
}

/* Takes a number from 1 to max off the front of *text. */
static bool take_number(struct slice *text, uint64_t max)
{
    size_t len = 0;
    uint64_t number = 0;

    while (len < text->len && text->data[len] >= '0' && text->data[len] <= '9') {
        len++;
    }
    if (text_parse_decimal(slice_of(text->data, len), &number) < 0 || number < 1 || number > max) {
        return false;
    }
    *text = slice_of(text->data + len, text->len - len);
    return true;
}

/* Takes characters of base64, as many as given, off the front of *text. */
static bool take_base64(struct slice *text, size_t len)
{
    size_t i;

    if (text->len < len) {
        return false;
    }
    for (i = 0; i < len; i++) {
        uint8_t c = text->data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && !(c >= '0' && c <= '9') && c != '+' && c != '/') {
            return false;
        }
    }
    *text = slice_of(text->data + len, text->len - len);
    return true;
}

int password_hash_check(const char *hash)
{
    struct slice text = slice_of_text(hash);
    bool ok = text.len < PASSWORD_HASH_BYTES && take(&text, "$argon2id$v=19$m=") &&
              take_number(&text, PASSWORD_MEMORY_MAX_KIB) && take(&text, ",t=") &&
              take_number(&text, PASSWORD_PASSES_MAX) && take(&text, ",p=1$") &&
              take_base64(&text, 22) && take(&text, "$") && take_base64(&text, 43) && text.len == 0;

    return ok ? BLOCKDB_OK : BLOCKDB_EINVAL;
}

int password_verify(const char *hash, struct slice password, struct error *err)
{
    struct sodium_functions sodium = {0};
    int rc;

    if (password_hash_check(hash) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the stored password hash is not one of Argon2id with at most %d MiB and "
                         "%d passes: set the password anew",
                         PASSWORD_MEMORY_MAX_KIB / 1024, PASSWORD_PASSES_MAX);
    }
    rc = load(&sodium, err);
    if (rc < 0) {
        return rc;
    }
    errno = 0;
    if (sodium.crypto_pwhash_str_verify(hash, (const char *)password.data, password.len) == 0) {
        return BLOCKDB_OK;
    }
    if (errno == ENOMEM) {
        return error_set(err, BLOCKDB_ENOMEM, "no memory to verify a password");
    }
    return error_set(err, BLOCKDB_EDENIED, "the password is wrong");
}
