/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/verify_index.h"

#include "base/checksum.h"
#include "base/mem.h"

#define BITS_PER_WORD 64
#define FIELDS_LEN 24

int index_check_init(struct index_check *c, const uint64_t secret[2], uint64_t end_seq)
{
    size_t words = (size_t)(end_seq / BITS_PER_WORD + 1);

    *c = (struct index_check){.is_on = true, .secret = {secret[0], secret[1]}, .end_seq = end_seq};
    c->newest = mem_calloc(words, sizeof(*c->newest));
    c->inlined = mem_calloc(words, sizeof(*c->inlined));
    return c->newest != NULL && c->inlined != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

void index_check_deinit(struct index_check *c)
{
    mem_free(c->newest);
    mem_free(c->inlined);
}

static void bit_set(_Atomic uint64_t *bits, uint64_t seq)
{
    (void)atomic_fetch_or_explicit(&bits[seq / BITS_PER_WORD], 1ULL << (seq % BITS_PER_WORD),
                                   memory_order_relaxed);
}

static bool bit_get(_Atomic uint64_t *bits, uint64_t seq)
{
    return ((atomic_load_explicit(&bits[seq / BITS_PER_WORD], memory_order_relaxed) >>
             (seq % BITS_PER_WORD)) &
            1) != 0;
}

/* Spreads key hash and seq over 64 bits: the finaliser of SplitMix64, keyed by the secret. */
static uint64_t version_hash(const struct index_check *c, uint64_t key_hash, uint64_t seq)
{
    uint64_t x = (key_hash ^ c->secret[0]) + (seq ^ c->secret[1]) * 0x9e3779b97f4a7c15ULL;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static uint64_t key_hash(const struct index_check *c, struct slice key)
{
    return checksum(key.data, key.len, c->secret[1]);
}

/* Over what a table keeps of a newest version. value is empty when it is not inline. */
static uint64_t newest_hash(const struct index_check *c, uint64_t hash, const struct item *item)
{
    uint8_t fields[FIELDS_LEN];
    uint64_t value_hash = item->value_inline
                              ? checksum(item->value.data, item->value.len, c->secret[0])
                              : 0;

    put_le64(fields, item->time_ms);
    put_le32(fields + 8, item->value_len);
    put_le32(fields + 12, item->kind);
    put_le64(fields + 16, value_hash);
    return version_hash(c, checksum(fields, sizeof(fields), hash), item->seq);
}

/* A seq beyond the ledger would have no bit; it makes the sums differ all the same. */
static void mark(struct index_check *c, const struct item *item)
{
    if (item->seq < c->end_seq) {
        bit_set(c->newest, item->seq);
        if (item->value_inline) {
            bit_set(c->inlined, item->seq);
        }
    }
}

int index_check_item(struct index_check *c, const struct item *item, struct index_sums *sums,
                     struct error *err)
{
    AUTO(version_cursor_deinit) struct version_cursor cursor = {0};
    uint64_t hash = key_hash(c, item->key);
    uint64_t sum = version_hash(c, hash, item->seq);
    uint64_t seq = 0;
    int rc = version_cursor_init(&cursor, &item->older, VERSIONS_ALL, err);

    while (rc == BLOCKDB_OK) {
        rc = version_cursor_next(&cursor, &seq, err);
        if (rc == BLOCKDB_OK) {
            sum += version_hash(c, hash, seq);
        }
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    sums->versions += sum;
    sums->newest += newest_hash(c, hash, item);
    mark(c, item);
    return BLOCKDB_OK;
}

void index_check_record(const struct index_check *c, uint64_t seq, const struct record *record,
                        struct index_sums *sums)
{
    uint64_t hash;

    if (seq >= c->end_seq || kind_is_system(record->kind)) {
        return;
    }
    hash = key_hash(c, record->key);
    sums->versions -= version_hash(c, hash, seq);
    if (bit_get(c->newest, seq)) {
        struct item item = {
            .seq = seq,
            .time_ms = record->time_ms,
            .value_len = record->value_len,
            .kind = record->kind,
            .value_inline = bit_get(c->inlined, seq),
            .value = record->value,
        };

        sums->newest -= newest_hash(c, hash, &item);
    }
}

void index_check_add(struct index_check *c, struct index_sums *sums)
{
    (void)atomic_fetch_add_explicit(&c->versions_sum, sums->versions, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&c->newest_sum, sums->newest, memory_order_relaxed);
    *sums = (struct index_sums){0};
}

bool index_check_matches(const struct index_check *c)
{
    return atomic_load_explicit(&c->versions_sum, memory_order_acquire) == 0 &&
           atomic_load_explicit(&c->newest_sum, memory_order_acquire) == 0;
}
