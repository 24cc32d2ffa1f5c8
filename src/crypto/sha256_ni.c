/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 with the SHA instructions of x86-64, one or two messages at a time.
 *
 * A round instruction takes two rounds and waits for the one before it, so one message leaves the
 * unit idle half of the time; two independent messages fill it. The instructions keep the state
 * as two registers, words A B E F and C D G H, and take four words of the message schedule, with
 * constants added, at a time.
 *
 * The file is compiled for plain x86-64; only the functions marked TARGET use the instructions, and
 * only after sha256_ni() has asked the processor.
 */
#include "crypto/sha256_impl.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE static inline __attribute__((always_inline)) TARGET

/* One message inside the processor. */
struct lane {
    __m128i abef;
    __m128i cdgh;
    __m128i words[4]; /* of the schedule, the next sixteen */
};

INLINE __m128i load(const void *p)
{
    return _mm_loadu_si128(p);
}

/* Turns the bytes of four big-endian words into words. */
INLINE __m128i to_words(__m128i bytes)
{
    return _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

INLINE void lane_load_state(struct lane *lane, const uint32_t state[8])
{
    __m128i cdab = _mm_shuffle_epi32(load(state), 0xb1);
    __m128i efgh = _mm_shuffle_epi32(load(state + 4), 0x1b);

    lane->abef = _mm_alignr_epi8(cdab, efgh, 8);
    lane->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

/* The state in the order A B C D, E F G H. */
INLINE void lane_get_state(const struct lane *lane, __m128i *out_abcd, __m128i *out_efgh)
{
    __m128i feba = _mm_shuffle_epi32(lane->abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(lane->cdgh, 0xb1);

    *out_abcd = _mm_blend_epi16(feba, dchg, 0xf0);
    *out_efgh = _mm_alignr_epi8(dchg, feba, 8);
}

INLINE void lane_store_state(const struct lane *lane, uint32_t state[8])
{
    __m128i abcd;
    __m128i efgh;

    lane_get_state(lane, &abcd, &efgh);
    _mm_storeu_si128((__m128i *)(void *)state, abcd);
    _mm_storeu_si128((__m128i *)(void *)(state + 4), efgh);
}

INLINE void lane_store_hash(const struct lane *lane, struct hash *out)
{
    __m128i abcd;
    __m128i efgh;

    lane_get_state(lane, &abcd, &efgh);
    _mm_storeu_si128((__m128i *)(void *)out->bytes, to_words(abcd));
    _mm_storeu_si128((__m128i *)(void *)(out->bytes + 16), to_words(efgh));
}

INLINE void lane_load_block(struct lane *lane, const uint8_t *block)
{
    for (unsigned i = 0; i < 4; i++) {
        lane->words[i] = to_words(load(block + 16 * i));
    }
}

/* Takes four rounds with the words of group g, and replaces those words by the ones that stand
 * sixteen further on in the schedule. */
INLINE void lane_four_rounds(struct lane *lane, unsigned g)
{
    __m128i *w = lane->words;
    __m128i now = w[g % 4];
    __m128i k = _mm_add_epi32(now, load(&sha256_round_constants[4 * g]));

    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, k);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(k, 0x0e));
    if (g < 12) {
        __m128i next = w[(g + 1) % 4];
        __m128i last = w[(g + 3) % 4];
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, next),
                                    _mm_alignr_epi8(last, w[(g + 2) % 4], 4));

        w[g % 4] = _mm_sha256msg2_epu32(sum, last);
    }
}

INLINE void lane_add_state(struct lane *lane, __m128i abef, __m128i cdgh)
{
    lane->abef = _mm_add_epi32(lane->abef, abef);
    lane->cdgh = _mm_add_epi32(lane->cdgh, cdgh);
}

/* Takes the block whose words are loaded into the state. */
INLINE void lane_block(struct lane *lane)
{
    __m128i abef = lane->abef;
    __m128i cdgh = lane->cdgh;

#pragma GCC unroll 16
    for (unsigned g = 0; g < 16; g++) {
        lane_four_rounds(lane, g);
    }
    lane_add_state(lane, abef, cdgh);
}

/* The same for two messages, interleaved. */
INLINE void lane_block2(struct lane *a, struct lane *b)
{
    __m128i a_abef = a->abef;
    __m128i a_cdgh = a->cdgh;
    __m128i b_abef = b->abef;
    __m128i b_cdgh = b->cdgh;

#pragma GCC unroll 16
    for (unsigned g = 0; g < 16; g++) {
        lane_four_rounds(a, g);
        lane_four_rounds(b, g);
    }
    lane_add_state(a, a_abef, a_cdgh);
    lane_add_state(b, b_abef, b_cdgh);
}

TARGET void sha256_ni_blocks(uint32_t state[8], const uint8_t *data, size_t count)
{
    struct lane lane;

    lane_load_state(&lane, state);
    for (size_t i = 0; i < count; i++) {
        lane_load_block(&lane, data + i * SHA256_BLOCK_LEN);
        lane_block(&lane);
    }
    lane_store_state(&lane, state);
}

TARGET void sha256_ni_blocks2(uint32_t *const state[2], const uint8_t *const data[2], size_t count)
{
    struct lane a;
    struct lane b;

    lane_load_state(&a, state[0]);
    lane_load_state(&b, state[1]);
    for (size_t i = 0; i < count; i++) {
        lane_load_block(&a, data[0] + i * SHA256_BLOCK_LEN);
        lane_load_block(&b, data[1] + i * SHA256_BLOCK_LEN);
        lane_block2(&a, &b);
    }
    lane_store_state(&a, state[0]);
    lane_store_state(&b, state[1]);
}

/* Loads the first block of a node, 0x01 || left || 31 bytes of right, from the joined hashes. */
INLINE void lane_load_node(struct lane *lane, const struct hash *pair)
{
    const uint8_t *p = pair->bytes;
    __m128i before = _mm_set_epi64x(0x0100000000000000, 0);

    lane_load_state(lane, sha256_initial_state);
    for (unsigned i = 0; i < 4; i++) {
        __m128i here = load(p + 16 * i);

        lane->words[i] = to_words(_mm_alignr_epi8(here, before, 15));
        before = here;
    }
}

/* Loads its second block: the last byte, the end mark, and the length of 520 bits. */
INLINE void lane_load_node_end(struct lane *lane, uint8_t last)
{
    lane->words[0] = _mm_cvtsi32_si128((int)(((uint32_t)last << 24) | 0x800000));
    lane->words[1] = _mm_setzero_si128();
    lane->words[2] = _mm_setzero_si128();
    lane->words[3] = _mm_set_epi32(8 * (1 + 2 * SHA256_LEN), 0, 0, 0);
}

TARGET void sha256_ni_nodes(const struct hash *pairs, size_t n, struct hash *out)
{
    struct lane a;
    struct lane b;
    size_t i;

    for (i = 0; i + 2 <= n; i += 2) {
        uint8_t last_a = pairs[2 * i + 1].bytes[SHA256_LEN - 1];
        uint8_t last_b = pairs[2 * i + 3].bytes[SHA256_LEN - 1];

        lane_load_node(&a, &pairs[2 * i]);
        lane_load_node(&b, &pairs[2 * i + 2]);
        lane_block2(&a, &b);
        lane_load_node_end(&a, last_a);
        lane_load_node_end(&b, last_b);
        lane_block2(&a, &b);
        lane_store_hash(&a, &out[i]);
        lane_store_hash(&b, &out[i + 1]);
    }
    if (i < n) {
        uint8_t last = pairs[2 * i + 1].bytes[SHA256_LEN - 1];

        lane_load_node(&a, &pairs[2 * i]);
        lane_block(&a);
        lane_load_node_end(&a, last);
        lane_block(&a);
        lane_store_hash(&a, &out[i]);
    }
}

static const struct sha256_impl sha256_ni_impl = {
    .name = "sha-ni",
    .interleaves = true,
    .blocks = sha256_ni_blocks,
    .blocks2 = sha256_ni_blocks2,
    .nodes = sha256_ni_nodes,
};

const struct sha256_impl *sha256_ni(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) {
        return NULL;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_SHA)) {
        return NULL;
    }
    return &sha256_ni_impl;
}

#else

const struct sha256_impl *sha256_ni(void)
{
    return NULL;
}

#endif
