/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing keys, in the text form of Go's x/mod/sumdb/note:
 * "PRIVATE+KEY+<name>+<key ID>+<base64 of type and 32 secret bytes>".
 *
 * Threads:   an initialised key is immutable; any thread.
 * Ownership: a key owns copies of all it has; deinit wipes the secret.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "crypto/ed25519.h"
#include "ledger/verifier_key.h"

/* "PRIVATE+KEY+", name, two '+', eight digits, base64 of 33 bytes; no zero at the end. */
#define SIGNING_KEY_TEXT_MAX (12 + VERIFIER_KEY_TEXT_MAX)

/* A zeroed one is valid to deinit. */
struct signing_key {
    struct ed25519_signer signer;
    enum key_type type;
    uint32_t id;
    size_t name_len;
    char name[NOTE_NAME_MAX];
};

/* Makes a key of 32 random bytes that the caller has. EINVAL: the name cannot be that of a key.
 * EUNSUPPORTED: no libcrypto; ENOMEM. On failure *out is untouched. */
RESULT_MUST_BE_USED int signing_key_init(struct signing_key *out, struct slice name,
                                         enum key_type type, const uint8_t seed[ED25519_SEED_LEN],
                                         struct error *err);
void signing_key_deinit(struct signing_key *key);

/* Parses a key: its text, or its text and a newline. EINVAL: no such key, or its ID does not fit.
 * EUNSUPPORTED: of another type, or no libcrypto; ENOMEM. Errors do not quote the secret. On
 * failure *out is untouched. */
RESULT_MUST_BE_USED int signing_key_parse(struct slice text, struct signing_key *out,
                                          struct error *err);
/* Writes the text, without newline or zero, and returns its length. The caller wipes it. */
size_t signing_key_format(const struct signing_key *key, char out[SIGNING_KEY_TEXT_MAX]);
/* The public half; borrows the name of key. */
struct verifier_key signing_key_verifier(const struct signing_key *key);
