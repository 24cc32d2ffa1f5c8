/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of sixteen messages side by side with AVX-512; what is left over goes by the SHA
 * instructions.
 *
 * A register holds the same word of sixteen messages, so the rounds are those of the standard, word
 * by word. The blocks come in message by message and are transposed on the way. Rotation and the
 * three-way logic of the rounds are single instructions; that, and sixteen lanes, beat the SHA
 * instructions by two thirds when there are enough messages.
 *
 * The file is compiled for plain x86-64; only the functions marked TARGET use the instructions, and
 * only after sha256_avx512() has asked the processor and whether the system saves the registers.
 */
#include "crypto/sha256_impl.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) TARGET

/* What the system must save at a switch of threads: SSE, AVX, and the three parts of AVX-512. */
#define XCR0_WANTED 0xe6u

#define CHOOSE 0xca   /* a ? b : c, bit by bit */
#define MAJORITY 0xe8 /* of a, b and c */
#define ODD 0x96      /* a ^ b ^ c */

INLINE __m512i big_sigma0(__m512i a)
{
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13),
                                     _mm512_ror_epi32(a, 22), ODD);
}

INLINE __m512i big_sigma1(__m512i e)
{
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11),
                                     _mm512_ror_epi32(e, 25), ODD);
}

INLINE __m512i small_sigma0(__m512i w)
{
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(w, 7), _mm512_ror_epi32(w, 18),
                                     _mm512_srli_epi32(w, 3), ODD);
}

INLINE __m512i small_sigma1(__m512i w)
{
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(w, 17), _mm512_ror_epi32(w, 19),
                                     _mm512_srli_epi32(w, 10), ODD);
}

/* Turns sixteen rows of sixteen words into columns: pairs of words, then of pairs, within quarters
 * of the registers, then the quarters themselves. */
INLINE void transpose(__m512i r[16])
{
    __m512i t[16];

#pragma GCC unroll 4
    for (unsigned i = 0; i < 16; i += 4) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        t[i + 2] = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]);
        t[i + 3] = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* Loads the blocks at data[i] + offset, word by word. */
INLINE void load_blocks(__m512i words[16], const uint8_t *const data[SHA256_WIDE], size_t offset)
{
    const __m512i order = _mm512_broadcast_i32x4(
        _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));

#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++) {
        words[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[i] + offset), order);
    }
    transpose(words);
}

/* Round `round` of the standard. The state turns instead of being moved: its word a is the one at
 * -round mod 8. */
INLINE void one_round(__m512i s[8], __m512i words[16], unsigned round)
{
    __m512i *w = &words[round % 16];
    __m512i *h = &s[(7 - round) & 7];
    __m512i e = s[(4 - round) & 7];
    __m512i a = s[(0 - round) & 7];
    __m512i k = _mm512_set1_epi32((int)sha256_round_constants[round]);
    __m512i choose = _mm512_ternarylogic_epi32(e, s[(5 - round) & 7], s[(6 - round) & 7], CHOOSE);
    __m512i majority = _mm512_ternarylogic_epi32(a, s[(1 - round) & 7], s[(2 - round) & 7],
                                                 MAJORITY);
    __m512i t1 = _mm512_add_epi32(_mm512_add_epi32(*h, _mm512_add_epi32(*w, k)),
                                  _mm512_add_epi32(big_sigma1(e), choose));

    s[(3 - round) & 7] = _mm512_add_epi32(s[(3 - round) & 7], t1);
    *h = _mm512_add_epi32(t1, _mm512_add_epi32(big_sigma0(a), majority));
    if (round < 48) {
        __m512i near = _mm512_add_epi32(*w, small_sigma0(words[(round + 1) % 16]));
        __m512i far = _mm512_add_epi32(words[(round + 9) % 16],
                                       small_sigma1(words[(round + 14) % 16]));

        *w = _mm512_add_epi32(near, far);
    }
}

TARGET static void avx512_blocks16(struct sha256_wide *states,
                                   const uint8_t *const data[SHA256_WIDE], size_t count)
{
    __m512i s[8];
    __m512i words[16];

    for (unsigned i = 0; i < 8; i++) {
        s[i] = _mm512_load_si512(states->words[i]);
    }
    for (size_t n = 0; n < count; n++) {
        __m512i before[8];

        memcpy(before, s, sizeof before);
        load_blocks(words, data, n * SHA256_BLOCK_LEN);
#pragma GCC unroll 64
        for (unsigned round = 0; round < 64; round++) {
            one_round(s, words, round);
        }
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; i++) {
            s[i] = _mm512_add_epi32(s[i], before[i]);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        _mm512_store_si512(states->words[i], s[i]);
    }
}

static void avx512_nodes(const struct hash *pairs, size_t n, struct hash *out)
{
    uint8_t messages[SHA256_WIDE][2 * SHA256_BLOCK_LEN];
    const uint8_t *at[SHA256_WIDE];
    size_t done = 0;

    if (n >= SHA256_WIDE) {
        for (unsigned i = 0; i < SHA256_WIDE; i++) {
            messages[i][0] = 0x01;
            (void)sha256_pad(messages[i], 1 + 2 * SHA256_LEN, 1 + 2 * SHA256_LEN); /* two blocks */
            at[i] = messages[i];
        }
    }
    for (; n - done >= SHA256_WIDE; done += SHA256_WIDE) {
        struct sha256_wide states;

        for (unsigned i = 0; i < SHA256_WIDE; i++) {
            memcpy(messages[i] + 1, &pairs[2 * (done + i)], 2 * sizeof *pairs);
        }
        sha256_wide_init(&states);
        avx512_blocks16(&states, at, 2);
        for (unsigned i = 0; i < SHA256_WIDE; i++) {
            sha256_wide_encode(&states, i, &out[done + i]);
        }
    }
    sha256_ni_nodes(pairs + 2 * done, n - done, out + done);
}

static const struct sha256_impl sha256_avx512_impl = {
    .name = "avx512",
    .interleaves = true,
    .blocks = sha256_ni_blocks,
    .blocks2 = sha256_ni_blocks2,
    .blocks16 = avx512_blocks16,
    .nodes = avx512_nodes,
};

/* The parts of the processor's state that the system saves. */
static unsigned saved_state(void)
{
    unsigned low;
    unsigned high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

const struct sha256_impl *sha256_avx512(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;

    if (sha256_ni() == NULL || !__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) ||
        (saved_state() & XCR0_WANTED) != XCR0_WANTED) {
        return NULL;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX512F) || !(b & bit_AVX512BW)) {
        return NULL;
    }
    return &sha256_avx512_impl;
}

#else

const struct sha256_impl *sha256_avx512(void)
{
    return NULL;
}

#endif
