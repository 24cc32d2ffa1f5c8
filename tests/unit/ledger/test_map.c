/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and proofs of the map of newest versions, against vectors that another program made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "ledger/map_proof.h"
#include "ledger/merkle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES 200

static struct map_leaf leaves[LEAVES];
static struct map_item items[LEAVES];

static void entry_hash(uint64_t seq, struct hash *out)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "entry %llu", (unsigned long long)seq);
    merkle_leaf(slice_of_text(text), out);
}

static struct hash place_of(unsigned i)
{
    char text[16];
    struct hash place;

    (void)snprintf(text, sizeof(text), "k%u", i);
    map_place(0, slice_of_text(text), &place);
    return place;
}

/* As map_leaves() of tools/ledger_vectors.py. */
static void make_leaf(unsigned i, struct map_leaf *out)
{
    *out = (struct map_leaf){.place = place_of(i)};
    for (unsigned v = 0; v < 1 + i % 3; v++) {
        out->seq = 1000 * i + v;
        entry_hash(out->seq, &out->entry);
        map_chain(&out->chain, out->seq, &out->entry, &out->chain);
        out->versions++;
    }
    out->flags = i % 5 == 4 ? MAP_LEAF_DELETED : i % 7 == 6 ? MAP_LEAF_REDACTED : 0;
}

static int compare_items(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_LEN);
}

/* The items of the first n leaves, sorted. */
static void make_items(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        items[i].place = leaves[i].place;
        map_leaf_hash(&leaves[i], &items[i].hash);
    }
    qsort(items, n, sizeof(*items), compare_items);
}

/* A proof by the definition, from the sorted items. */
static void prove(size_t n, const struct hash *place, struct map_proof *out)
{
    size_t low = 0;
    size_t high = n;

    out->count = 0;
    out->is_empty = n == 0;
    while (high - low > 1) {
        unsigned bit = map_first_difference(&items[low].place, &items[high - 1].place);
        bool right = map_bit(place, bit);
        size_t middle = low;

        while (!map_bit(&items[middle].place, bit)) {
            middle++;
        }
        out->steps[out->count].bit = (uint8_t)bit;
        map_root(right ? items + low : items + middle, right ? middle - low : high - middle,
                 &out->steps[out->count].sibling);
        out->count++;
        low = right ? middle : low;
        high = right ? high : middle;
    }
    for (size_t i = 0; n > 0 && i < n; i++) {
        if (hash_equal(&leaves[i].place, &items[low].place)) {
            out->leaf = leaves[i];
        }
    }
}

static int setup(void **state)
{
    (void)state;
    golden_open();
    for (unsigned i = 0; i < LEAVES; i++) {
        make_leaf(i, &leaves[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    golden_close();
    return 0;
}

static void assert_hash(const struct hash *hash, const char *name)
{
    struct hash expected = golden_hash(name);

    assert_memory_equal(hash, &expected, SHA256_LEN);
}

static void test_hashes(void **state)
{
    static const unsigned some[] = {0, 1, 2, 4, 6};
    struct hash hash;

    (void)state;
    map_place(0, slice_of_text("key"), &hash);
    assert_hash(&hash, "map.place.key");
    map_place(0x01020304, slice_of_text("account/42"), &hash);
    assert_hash(&hash, "map.place.account");
    for (size_t i = 0; i < 5; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "map.leaf.%u.hash", some[i]);
        map_leaf_hash(&leaves[some[i]], &hash);
        assert_hash(&hash, name);
    }
}

static void test_roots(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 10, 50, 200};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        struct hash place = place_of(7);
        struct map_proof proof;
        struct hash root;
        struct slice expected = golden_at("map.proof.%llu.k7", sizes[i]);
        uint8_t bytes[MAP_PROOF_LEN_MAX];
        char name[32];

        (void)snprintf(name, sizeof(name), "map.root.%zu", sizes[i]);
        make_items(sizes[i]);
        map_root(items, sizes[i], &root);
        assert_hash(&root, name);
        prove(sizes[i], &place, &proof);
        assert_int_equal(map_proof_len(&proof), expected.len);
        map_proof_encode(&proof, bytes);
        assert_memory_equal(bytes, expected.data, expected.len);
    }
}

static void test_proofs(void **state)
{
    struct sha256 all;
    struct map_proof proof;
    struct hash root;
    struct hash hash;
    uint8_t bytes[MAP_PROOF_LEN_MAX];

    (void)state;
    sha256_init(&all);
    make_items(LEAVES);
    map_root(items, LEAVES, &root);
    for (unsigned i = 0; i < 2 * LEAVES; i++) {
        struct hash place = place_of(i);
        enum map_answer answer;

        prove(LEAVES, &place, &proof);
        assert_int_equal(map_proof_verify(&proof, &root, &place, &answer), BLOCKDB_OK);
        assert_int_equal(answer, i < LEAVES ? MAP_PRESENT : MAP_ABSENT);
        map_proof_encode(&proof, bytes);
        sha256_update(&all, bytes, map_proof_len(&proof));
    }
    sha256_final(&all, &hash);
    assert_hash(&hash, "map.proofs");
}

/* Every changed or missing byte is refused, by decoding or by verification. */
static void test_tampering(void **state)
{
    struct hash place = place_of(7);
    struct slice good = golden("map.proof.50.k7");
    struct hash root = golden_hash("map.root.50");
    struct map_proof proof;
    enum map_answer answer;
    uint8_t *bytes = malloc(good.len + 1);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, good.data, good.len);
    bytes[good.len] = 0;
    assert_int_equal(map_proof_decode(good, &proof), BLOCKDB_OK);
    assert_int_equal(map_proof_verify(&proof, &root, &place, &answer), BLOCKDB_OK);
    assert_int_equal(map_proof_decode(slice_of(bytes, good.len + 1), &proof), BLOCKDB_ECORRUPT);
    for (size_t i = 0; i < good.len; i++) {
        assert_int_equal(map_proof_decode(slice_of(bytes, i), &proof), BLOCKDB_ECORRUPT);
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            if (map_proof_decode(slice_of(bytes, good.len), &proof) == BLOCKDB_OK) {
                assert_int_equal(map_proof_verify(&proof, &root, &place, &answer),
                                 BLOCKDB_ETAMPERED);
            }
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    free(bytes);
}

/* A walk that ends at another's leaf does not show that a key is absent which goes elsewhere. */
static void test_wrong_walk(void **state)
{
    struct hash root;
    struct hash place = place_of(3);
    struct hash other = place_of(250);
    struct map_proof proof;
    enum map_answer answer = MAP_PRESENT;
    unsigned wrong = 0;

    (void)state;
    make_items(LEAVES);
    map_root(items, LEAVES, &root);
    for (unsigned i = 0; i < LEAVES; i++) {
        struct hash mine = place_of(i);

        prove(LEAVES, &mine, &proof);
        wrong += map_proof_verify(&proof, &root, &other, &answer) == BLOCKDB_ETAMPERED;
        if (i != 3) {
            assert_int_equal(map_proof_verify(&proof, &root, &place, &answer), BLOCKDB_ETAMPERED);
        }
    }
    assert_int_equal(wrong, LEAVES - 1);
    proof.is_empty = true;
    assert_int_equal(map_proof_verify(&proof, &root, &place, &answer), BLOCKDB_ETAMPERED);
    proof.is_empty = false;
    proof.count = MAP_PROOF_STEPS_MAX + 1;
    assert_int_equal(map_proof_verify(&proof, &root, &place, &answer), BLOCKDB_ETAMPERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),     cmocka_unit_test(test_roots),
        cmocka_unit_test(test_proofs),     cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_wrong_walk),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
