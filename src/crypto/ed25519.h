/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signatures (RFC 8032), by OpenSSL's libcrypto, loaded when first needed.
 *
 * Signing is deterministic: a key and a message have one signature. Verification is that of RFC
 * 8032 without the cofactor:
 *
 * SIG-1  S must be below the order of the group, so that a signature cannot be changed into another
 *        one of the same message.
 * SIG-2  A public key must be the canonical encoding of a point whose order is not small: with
 *        others a signature may fit any message. libcrypto does not refuse them; this module does.
 * SIG-3  R is compared as bytes, so that it may not be encoded in another way either.
 *
 * Threads:   any thread; a signer is immutable.
 * Ownership: a signer owns a copy of its secret, wiped by deinit.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#define ED25519_SEED_LEN 32 /* the private key of RFC 8032 */
#define ED25519_PUBLIC_LEN 32
#define ED25519_SIGNATURE_LEN 64

/* A private key, ready to sign. A zeroed one is valid to deinit. */
struct ed25519_signer {
    void *handle; /* libcrypto's */
    uint8_t seed[ED25519_SEED_LEN];
    uint8_t public_key[ED25519_PUBLIC_LEN];
};

/* Makes a signer of 32 secret bytes. EUNSUPPORTED when libcrypto is missing; ENOMEM. On failure
 * *out is untouched. */
RESULT_MUST_BE_USED int ed25519_signer_init(struct ed25519_signer *out,
                                            const uint8_t seed[ED25519_SEED_LEN],
                                            struct error *err);
void ed25519_signer_deinit(struct ed25519_signer *signer);

/* Signs a message. ENOMEM. On failure out is untouched. */
RESULT_MUST_BE_USED int ed25519_sign(const struct ed25519_signer *signer, struct slice message,
                                     uint8_t out[ED25519_SIGNATURE_LEN], struct error *err);

/* Whether a public key fulfils the part of SIG-2 that can be seen without libcrypto: canonical, and
 * not of small order. (That it is a point at all only shows when it is used.) */
bool ed25519_public_key_ok(const uint8_t public_key[ED25519_PUBLIC_LEN]);

/* 0 when signature is the key's over message. ETAMPERED when it is not, or the key is none.
 * EUNSUPPORTED when libcrypto is missing; ENOMEM. */
RESULT_MUST_BE_USED int ed25519_verify(const uint8_t public_key[ED25519_PUBLIC_LEN],
                                       struct slice message,
                                       const uint8_t signature[ED25519_SIGNATURE_LEN],
                                       struct error *err);
