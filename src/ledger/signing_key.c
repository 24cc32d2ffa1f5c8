/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/signing_key.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/lines.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/secret.h"

#include <assert.h>
#include <stdio.h>

#define ENCODED_LEN (1 + ED25519_SEED_LEN)
#define ID_DIGITS 8

static const char prefix[] = "PRIVATE+KEY+";

static_assert(SIGNING_KEY_TEXT_MAX ==
                  sizeof prefix - 1 + NOTE_NAME_MAX + 2 + ID_DIGITS + (ENCODED_LEN + 2) / 3 * 4,
              "the text of a key with the longest name");

/* Type and secret, wiped where they end. */
struct material {
    uint8_t bytes[ENCODED_LEN];
};

static void material_deinit(struct material *material)
{
    secret_wipe(material, sizeof *material);
}

int signing_key_init(struct signing_key *out, struct slice name, enum key_type type,
                     const uint8_t seed[ED25519_SEED_LEN], struct error *err)
{
    struct ed25519_signer signer;
    int rc;

    if (!note_name_valid(name) || name.len > NOTE_NAME_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the name of a key must be 1 to %d bytes of UTF-8 without space, control "
                         "character and '+'",
                         NOTE_NAME_MAX);
    }
    rc = ed25519_signer_init(&signer, seed, err);
    if (rc < 0) {
        return rc;
    }
    out->signer = signer;
    out->type = type;
    out->id = verifier_key_id(name, type, signer.public_key);
    out->name_len = name.len;
    memcpy(out->name, name.data, name.len);
    secret_wipe(&signer, sizeof signer); /* its copy in *out lives on */
    return BLOCKDB_OK;
}

void signing_key_deinit(struct signing_key *key)
{
    ed25519_signer_deinit(&key->signer);
    secret_wipe(key, sizeof *key);
}

static int malformed(struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "this is no signing key: one line PRIVATE+KEY+NAME+ID+KEY is needed, as "
                     "keygen writes it");
}

/* Cuts a key into name, the digits of its ID, and base64. */
static bool split(struct slice text, struct slice *out_name, struct slice *out_id,
                  struct slice *out_base64)
{
    const size_t prefix_len = sizeof prefix - 1;

    if (text.len > 0 && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    if (!slice_has_prefix(text, slice_of(prefix, prefix_len))) {
        return false;
    }
    text = slice_of(text.data + prefix_len, text.len - prefix_len);
    if (!slice_take_until(&text, '+', out_name) || !slice_take_until(&text, '+', out_id)) {
        return false;
    }
    *out_base64 = text;
    return true;
}

/* Whether digits are the eight in lower case of an ID. */
static bool id_is(uint32_t id, struct slice digits)
{
    char want[ID_DIGITS + 1];

    (void)snprintf(want, sizeof want, "%08x", id);
    return slice_equal(digits, slice_of(want, ID_DIGITS));
}

int signing_key_parse(struct slice text, struct signing_key *out, struct error *err)
{
    AUTO(material_deinit) struct material material = {0};
    AUTO(signing_key_deinit) struct signing_key key = {0};
    struct slice name;
    struct slice id;
    struct slice base64;
    int rc;

    if (!split(text, &name, &id, &base64) ||
        base64_decode(base64, material.bytes, sizeof material.bytes) < 0) {
        return malformed(err);
    }
    if (material.bytes[0] != KEY_TYPE_ED25519 && material.bytes[0] != KEY_TYPE_COSIGNATURE) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "signing keys of type 0x%02x are not supported, only Ed25519 (0x01) and "
                         "Ed25519 cosignatures (0x04)",
                         material.bytes[0]);
    }
    rc = signing_key_init(&key, name, (enum key_type)material.bytes[0], material.bytes + 1, err);
    if (rc < 0) {
        return rc;
    }
    if (!id_is(key.id, id)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "signing key of '%.*s': its key ID is not that of name and key, which is "
                         "%08x; a part of the file was changed",
                         (int)key.name_len, key.name, key.id);
    }
    *out = key;
    key.signer.handle = NULL; /* is *out's now */
    return BLOCKDB_OK;
}

size_t signing_key_format(const struct signing_key *key, char out[SIGNING_KEY_TEXT_MAX])
{
    AUTO(material_deinit) struct material material;
    char digits[ID_DIGITS + 1];
    char *at = out;

    material.bytes[0] = (uint8_t)key->type;
    memcpy(material.bytes + 1, key->signer.seed, ED25519_SEED_LEN);
    (void)snprintf(digits, sizeof digits, "%08x", key->id);
    memcpy(at, prefix, sizeof prefix - 1);
    at += sizeof prefix - 1;
    memcpy(at, key->name, key->name_len);
    at += key->name_len;
    *at++ = '+';
    memcpy(at, digits, ID_DIGITS);
    at += ID_DIGITS;
    *at++ = '+';
    base64_format(at, slice_of(material.bytes, sizeof material.bytes));
    return (size_t)(at - out) + base64_len(sizeof material.bytes);
}

struct verifier_key signing_key_verifier(const struct signing_key *key)
{
    struct verifier_key verifier = {
        .name = slice_of(key->name, key->name_len), .id = key->id, .type = key->type};

    memcpy(verifier.public_key, key->signer.public_key, sizeof verifier.public_key);
    return verifier;
}
