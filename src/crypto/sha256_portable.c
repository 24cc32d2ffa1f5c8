/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 in plain C, straight from FIPS 180-4: for processors without SHA instructions.
 */
#include "base/bytes.h"
#include "crypto/sha256_impl.h"

const uint32_t sha256_round_constants[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const uint32_t sha256_initial_state[8] __attribute__((aligned(32))) = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t rotate(uint32_t x, unsigned n)
{
    return (x >> n) | (x << (32 - n));
}

/* The message schedule W of one block. */
static void schedule(const uint8_t *block, uint32_t w[64])
{
    for (unsigned i = 0; i < 16; i++) {
        w[i] = get_be32(block + 4 * i);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15];
        uint32_t b = w[i - 2];

        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10));
    }
}

static void portable_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t v[8]; /* a to h of the standard */

    schedule(block, w);
    memcpy(v, state, sizeof v);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + sha256_round_constants[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

        v[7] = v[6];
        v[6] = v[5];
        v[5] = v[4];
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = v[0];
        v[0] = t1 + s0 + majority;
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

static void portable_blocks(uint32_t state[8], const uint8_t *data, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        portable_block(state, data + i * SHA256_BLOCK_LEN);
    }
}

static void portable_blocks2(uint32_t *const state[2], const uint8_t *const data[2], size_t count)
{
    portable_blocks(state[0], data[0], count);
    portable_blocks(state[1], data[1], count);
}

static void portable_nodes(const struct hash *pairs, size_t n, struct hash *out)
{
    uint8_t message[2 * SHA256_BLOCK_LEN] = {0x01};

    message[1 + 2 * SHA256_LEN] = 0x80;
    put_be64(message + sizeof message - 8, 8 * (1 + 2 * SHA256_LEN));
    for (size_t i = 0; i < n; i++) {
        uint32_t state[8];

        memcpy(message + 1, &pairs[2 * i], 2 * sizeof *pairs);
        memcpy(state, sha256_initial_state, sizeof state);
        portable_blocks(state, message, 2);
        sha256_state_encode(state, &out[i]);
    }
}

const struct sha256_impl sha256_portable = {
    .name = "portable",
    .interleaves = false,
    .blocks = portable_blocks,
    .blocks2 = portable_blocks2,
    .nodes = portable_nodes,
};
