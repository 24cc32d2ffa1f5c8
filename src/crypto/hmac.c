/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hmac.h"

#include "crypto/secret.h"
#include "crypto/sha256_impl.h"

#include <string.h>

/* The state after one block of the key, each byte xored with mask. */
static void padded_key_state(const uint8_t *block, uint8_t mask, uint32_t out_state[8])
{
    uint8_t padded[SHA256_BLOCK_LEN];

    for (size_t i = 0; i < SHA256_BLOCK_LEN; i++) {
        padded[i] = block[i] ^ mask;
    }
    memcpy(out_state, sha256_initial_state, sizeof sha256_initial_state);
    sha256_best()->blocks(out_state, padded, 1);
    secret_wipe(padded, sizeof padded);
}

void hmac_key_init(struct hmac_key *key, const void *secret, size_t secret_len)
{
    uint8_t block[SHA256_BLOCK_LEN] = {0};

    if (secret_len > SHA256_BLOCK_LEN) {
        struct hash hash;

        sha256_once(secret, secret_len, &hash);
        memcpy(block, hash.bytes, sizeof hash.bytes);
        secret_wipe(&hash, sizeof hash);
    } else if (secret_len > 0) {
        memcpy(block, secret, secret_len);
    }
    padded_key_state(block, 0x36, key->inner);
    padded_key_state(block, 0x5c, key->outer);
    secret_wipe(block, sizeof block);
}

void hmac_key_deinit(struct hmac_key *key)
{
    secret_wipe(key, sizeof *key);
}

void hmac_sha256(const struct hmac_key *key, const void *data, size_t len, struct hash *out)
{
    struct sha256 s = {.len_bytes = SHA256_BLOCK_LEN};
    struct hash inner;

    memcpy(s.state, key->inner, sizeof s.state);
    sha256_update(&s, data, len);
    sha256_final(&s, &inner);

    memcpy(s.state, key->outer, sizeof s.state);
    s.len_bytes = SHA256_BLOCK_LEN;
    sha256_update(&s, inner.bytes, sizeof inner.bytes);
    sha256_final(&s, out);
    secret_wipe(&s, sizeof s);
}
