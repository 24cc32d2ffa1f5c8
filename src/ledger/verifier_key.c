/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/verifier_key.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/lines.h"
#include "base/text.h"
#include "crypto/sha256.h"

#define ENCODED_LEN (1 + ED25519_PUBLIC_LEN)
#define ID_DIGITS 8

uint32_t verifier_key_id(struct slice name, enum key_type type,
                         const uint8_t public_key[ED25519_PUBLIC_LEN])
{
    const uint8_t between[2] = {'\n', (uint8_t)type};
    struct sha256 s;
    struct hash hash;

    sha256_init(&s);
    sha256_update(&s, name.data, name.len);
    sha256_update(&s, between, sizeof between);
    sha256_update(&s, public_key, ED25519_PUBLIC_LEN);
    sha256_final(&s, &hash);
    return get_be32(hash.bytes);
}

/* Reads the ID, eight hexadecimal digits in lower case. */
static bool parse_id(struct slice text, uint32_t *out)
{
    uint8_t bytes[NOTE_KEY_ID_LEN];
    size_t i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] >= 'A' && text.data[i] <= 'F') {
            return false;
        }
    }
    if (text_parse_hex(text, bytes, sizeof bytes) < 0) {
        return false;
    }
    *out = get_be32(bytes);
    return true;
}

/* Reads type and public key. */
static int parse_material(struct slice base64, struct verifier_key *key, struct error *err)
{
    uint8_t bytes[ENCODED_LEN];
    uint8_t first[3];
    size_t len;

    if (base64_check(base64, &len) < 0 || len < sizeof first) {
        return error_set(err, BLOCKDB_EINVAL,
                         "verifier key of '%.*s': what follows the key ID is no base64 of a key",
                         (int)key->name.len, (const char *)key->name.data);
    }
    if (base64_decode(slice_of(base64.data, 4), first, sizeof first) < 0 ||
        (first[0] != KEY_TYPE_ED25519 && first[0] != KEY_TYPE_COSIGNATURE)) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "verifier key of '%.*s': keys of type 0x%02x are not supported, only "
                         "Ed25519 (0x01) and Ed25519 cosignatures (0x04)",
                         (int)key->name.len, (const char *)key->name.data, first[0]);
    }
    if (base64_decode(base64, bytes, sizeof bytes) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "verifier key of '%.*s': a public key of %d bytes is needed",
                         (int)key->name.len, (const char *)key->name.data, ED25519_PUBLIC_LEN);
    }
    key->type = (enum key_type)bytes[0];
    memcpy(key->public_key, bytes + 1, ED25519_PUBLIC_LEN);
    return BLOCKDB_OK;
}

int verifier_key_parse(struct slice text, struct verifier_key *out, struct error *err)
{
    struct verifier_key key;
    struct slice id;
    int rc;

    if (!slice_take_until(&text, '+', &key.name) || !note_name_valid(key.name) ||
        key.name.len > NOTE_NAME_MAX || !slice_take_until(&text, '+', &id) ||
        !parse_id(id, &key.id)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a verifier key is NAME+ID+KEY: a name of at most %d bytes without space "
                         "and '+', 8 hexadecimal digits in lower case, and base64",
                         NOTE_NAME_MAX);
    }
    rc = parse_material(text, &key, err);
    if (rc < 0) {
        return rc;
    }
    if (key.id != verifier_key_id(key.name, key.type, key.public_key)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "verifier key of '%.*s': the key ID %08x is not that of name and key, "
                         "which is %08x; get the key once more",
                         (int)key.name.len, (const char *)key.name.data, key.id,
                         verifier_key_id(key.name, key.type, key.public_key));
    }
    if (!ed25519_public_key_ok(key.public_key)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "verifier key of '%.*s': signatures of this key would prove nothing; get "
                         "another one",
                         (int)key.name.len, (const char *)key.name.data);
    }
    *out = key;
    return BLOCKDB_OK;
}

int verifier_key_append(struct buf *out, const struct verifier_key *key)
{
    char text[VERIFIER_KEY_TEXT_MAX];
    uint8_t bytes[ENCODED_LEN];
    uint8_t id[NOTE_KEY_ID_LEN];
    char digits[ID_DIGITS + 1];
    size_t len = key->name.len;

    ASSERT(len <= NOTE_NAME_MAX);
    memcpy(text, key->name.data, len);
    put_be32(id, key->id);
    text_format_hex(digits, id, sizeof id);
    text[len++] = '+';
    memcpy(text + len, digits, ID_DIGITS);
    len += ID_DIGITS;
    text[len++] = '+';
    bytes[0] = (uint8_t)key->type;
    memcpy(bytes + 1, key->public_key, ED25519_PUBLIC_LEN);
    base64_format(text + len, slice_of(bytes, sizeof bytes));
    return buf_append(out, text, len + base64_len(sizeof bytes));
}

bool verifier_key_equal(const struct verifier_key *a, const struct verifier_key *b)
{
    return a->type == b->type && a->id == b->id && slice_equal(a->name, b->name) &&
           memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}
