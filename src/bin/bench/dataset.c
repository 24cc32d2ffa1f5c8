/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/dataset.h"

#include "base/assert.h"
#include "base/mem.h"

#define POOL_BYTES (128U << 10) /* fits the cache of a core, so that comparing costs little */
#define PIECE_BYTES 100         /* the pool is made of pieces whose second half repeats the first */
#define STAMP_BYTES 8
#define GENERATION_SHIFT 56
#define INDEX_MASK ((1ULL << GENERATION_SHIFT) - 1)
#define SCATTER_ROUNDS 4
#define HEX_DIGITS 16

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

uint64_t dataset_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    return mix(*state);
}

static void fill_pool(uint8_t *pool, size_t len, uint64_t seed)
{
    size_t at;

    for (at = 0; at < len; at++) {
        size_t in_piece = at % PIECE_BYTES;

        pool[at] = in_piece < PIECE_BYTES / 2 ? (uint8_t)(' ' + dataset_random(&seed) % 95)
                                              : pool[at - PIECE_BYTES / 2];
    }
}

int dataset_init(struct dataset *data, uint64_t num, size_t key_len, size_t value_len,
                 uint64_t seed)
{
    size_t len = POOL_BYTES + value_len;

    ASSERT(num > 0 && num <= DATASET_NUM_MAX);
    ASSERT(key_len >= DATASET_KEY_LEN_MIN && key_len <= DATASET_KEY_LEN_MAX);
    *data = (struct dataset){.num = num, .key_len = key_len, .value_len = value_len, .seed = seed};
    data->half_bits = 1;
    while ((1ULL << (2 * data->half_bits)) < num) {
        data->half_bits++;
    }
    data->pool = mem_alloc(len);
    if (data->pool == NULL) {
        return BLOCKDB_ENOMEM;
    }
    fill_pool(data->pool, len, seed);
    return BLOCKDB_OK;
}

void dataset_deinit(struct dataset *data)
{
    mem_free(data->pool);
    data->pool = NULL;
}

void dataset_key(const struct dataset *data, uint64_t i, bool missing, uint8_t *out)
{
    uint64_t number = 2 * i + (missing ? 1 : 0);
    size_t at = data->key_len;
    size_t first = data->key_len > HEX_DIGITS ? data->key_len - HEX_DIGITS : 0;

    memset(out, '0', first);
    while (at > first) {
        out[--at] = (uint8_t) "0123456789abcdef"[number & 15];
        number >>= 4;
    }
}

void dataset_key_advance(const struct dataset *data, uint8_t *key)
{
    size_t at = data->key_len - 1;
    unsigned step = 2; /* of the last digit; 1 of those before it */

    while (at > 0) {
        unsigned digit = (unsigned)(key[at] <= '9' ? key[at] - '0' : key[at] - 'a' + 10) + step;

        key[at] = (uint8_t) "0123456789abcdef"[digit & 15];
        if (digit < 16) {
            return;
        }
        step = 1;
        at--;
    }
}

/* The stamp at the start of a value: generation and key. */
static void make_stamp(uint64_t i, unsigned generation, uint8_t out[STAMP_BYTES])
{
    put_le64(out, (uint64_t)generation << GENERATION_SHIFT | i);
}

static const uint8_t *value_body(const struct dataset *data, uint64_t i, unsigned generation)
{
    return data->pool + mix(i + ((uint64_t)generation << 40) + data->seed) % POOL_BYTES;
}

void dataset_value(const struct dataset *data, uint64_t i, unsigned generation, uint8_t *out)
{
    uint8_t stamp[STAMP_BYTES];
    size_t stamp_len = data->value_len < STAMP_BYTES ? data->value_len : STAMP_BYTES;

    /* A value too short for the stamp has no generation. */
    make_stamp(i, stamp_len < STAMP_BYTES ? 0 : generation, stamp);
    memcpy(out, value_body(data, i, generation), data->value_len);
    memcpy(out, stamp, stamp_len);
}

bool dataset_check(const struct dataset *data, uint64_t i, struct slice value)
{
    uint64_t stamp;
    unsigned generation;

    if (value.len != data->value_len) {
        return false;
    }
    if (value.len < STAMP_BYTES) {
        uint8_t expected[STAMP_BYTES];

        make_stamp(i, 0, expected);
        return memcmp(value.data, expected, value.len) == 0;
    }
    stamp = get_le64(value.data);
    generation = (unsigned)(stamp >> GENERATION_SHIFT);
    return (stamp & INDEX_MASK) == i && generation >= 1 && generation <= DATASET_GENERATION_MAX &&
           memcmp(value.data + STAMP_BYTES, value_body(data, i, generation) + STAMP_BYTES,
                  value.len - STAMP_BYTES) == 0;
}

/* A Feistel network is a permutation of all numbers of 2 * half_bits bits; numbers beyond num are
 * sent round again until they fall below. */
uint64_t dataset_scatter(const struct dataset *data, uint64_t i)
{
    uint64_t mask = (1ULL << data->half_bits) - 1;

    do {
        uint64_t left = i >> data->half_bits;
        uint64_t right = i & mask;
        unsigned round;

        for (round = 0; round < SCATTER_ROUNDS; round++) {
            uint64_t next = left ^ (mix(right + data->seed + ((uint64_t)round << 48)) & mask);

            left = right;
            right = next;
        }
        i = left << data->half_bits | right;
    } while (i >= data->num);
    return i;
}

uint64_t dataset_pick(const struct dataset *data, uint64_t *state)
{
    return (uint64_t)(((unsigned __int128)dataset_random(state) * data->num) >> 64);
}

uint64_t dataset_pick_hot(const struct dataset *data, uint64_t *state)
{
    double u = (double)(dataset_random(state) >> 11) * 0x1p-53;
    double u2 = u * u;
    double u4 = u2 * u2;

    return dataset_scatter(data, (uint64_t)(u4 * u4 * (double)data->num));
}
