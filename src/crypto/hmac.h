/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256 (RFC 2104) with a prepared key.
 *
 * Threads:   an initialised key is immutable; any thread.
 * Ownership: a key copies what it needs; hmac_key_deinit() wipes it.
 */
#pragma once

#include "crypto/sha256.h"

/* The two hash states after the padded key, so that each message costs two blocks less. Secret. */
struct hmac_key {
    uint32_t inner[8];
    uint32_t outer[8];
};

void hmac_key_init(struct hmac_key *key, const void *secret, size_t secret_len);
void hmac_key_deinit(struct hmac_key *key);

void hmac_sha256(const struct hmac_key *key, const void *data, size_t len, struct hash *out);
