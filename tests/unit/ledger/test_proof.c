/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: published ones, all of small trees, PRF-1 and PRF-2, and everything that must be refused.
 */
#include "golden.h"
#include "ledger/frontier.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "ledger/tile.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LARGE 70000
#define SMALL 33
#define RANGES 130
#define LEVELS 3

/* The tiles of a tree whose first leaf is leaf `first` of the hashes; checks what it is asked. */
struct tiles {
    struct hash hashes[LEVELS][LARGE];
    uint64_t size;
    uint64_t first;
    size_t reads;
    size_t fail_at; /* this read fails; 0: none */
};

static struct tiles large; /* leaf i: "entry <i>" and a newline */
static struct tiles small; /* leaf i: the byte i */

static int read_tiles(void *context, unsigned level, uint64_t index, size_t count, struct hash *out,
                      struct error *err)
{
    struct tiles *tiles = context;

    assert_true(count >= 1 && count <= TILE_WIDTH && (count & (count - 1)) == 0);
    assert_true(index % count == 0);
    assert_true(index / TILE_WIDTH == (index + count - 1) / TILE_WIDTH);
    assert_true(index + count <= tile_hash_count(level, tiles->size));
    if (++tiles->reads == tiles->fail_at) {
        return error_set(err, BLOCKDB_EIO, "read of tile level %u failed", level);
    }
    assert_in_range(level, 0, LEVELS - 1);
    memcpy(out, &tiles->hashes[level][tiles->first + index], count * sizeof *out);
    return BLOCKDB_OK;
}

static struct hash_source source_of(struct tiles *tiles, uint64_t size)
{
    tiles->size = size;
    tiles->reads = 0;
    tiles->fail_at = 0;
    return (struct hash_source){.read = read_tiles, .context = tiles};
}

static void fill_levels(struct tiles *tiles, size_t n)
{
    for (unsigned level = 1; level < LEVELS; level++) {
        for (size_t i = 0; i < tile_hash_count(level, n); i++) {
            tile_root(&tiles->hashes[level - 1][i * TILE_WIDTH], &tiles->hashes[level][i]);
        }
    }
}

/* The root of the first n leaves of the small tree, without the code under test. */
static struct hash small_root(size_t n)
{
    return golden_hash_at("merkle.root.%llu", n);
}

static int check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf,
                           const struct proof *proof, const struct hash *root)
{
    struct inclusion claim = {index, size, leaf, root};

    return inclusion_verify(&claim, proof->hashes, proof->count);
}

static int check_consistency(uint64_t old_size, uint64_t new_size, const struct proof *proof,
                             const struct hash *old_root, const struct hash *new_root)
{
    struct consistency claim = {old_size, new_size, old_root, new_root};

    return consistency_verify(&claim, proof->hashes, proof->count);
}

static void proofs_of_the_large_tree(void **state)
{
    static const uint64_t indexes[] = {0, 65535, 65536, 69999};
    static const uint64_t old_sizes[] = {1, 255, 256, 257, 65536, 69999};
    struct hash_source source = source_of(&large, LARGE);
    struct hash root = golden_hash("tree.root.70000");
    struct hash got;
    struct proof proof;

    assert_int_equal(proof_root(&source, LARGE, &got, NULL), BLOCKDB_OK);
    assert_memory_equal(&got, &root, sizeof got);
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        struct hash want = golden_hash_at("tree.inclusion.%llu", indexes[i]);

        assert_int_equal(proof_inclusion(&source, indexes[i], LARGE, &proof, NULL), BLOCKDB_OK);
        sha256_once(proof.hashes, proof.count * SHA256_LEN, &got);
        assert_memory_equal(&got, &want, sizeof got);
        assert_int_equal(
            check_inclusion(indexes[i], LARGE, &large.hashes[0][indexes[i]], &proof, &root), 0);
    }
    for (size_t i = 0; i < sizeof old_sizes / sizeof *old_sizes; i++) {
        struct hash want = golden_hash_at("tree.consistency.%llu", old_sizes[i]);
        struct hash old_root;

        assert_int_equal(proof_consistency(&source, old_sizes[i], LARGE, &proof, NULL), BLOCKDB_OK);
        sha256_once(proof.hashes, proof.count * SHA256_LEN, &got);
        assert_memory_equal(&got, &want, sizeof got);
        merkle_root(large.hashes[0], old_sizes[i], &old_root);
        assert_int_equal(check_consistency(old_sizes[i], LARGE, &proof, &old_root, &root), 0);
    }
}

static void all_proofs_of_small_trees(void **state)
{
    struct hash want_inclusion = golden_hash("merkle.inclusion.all");
    struct hash want_consistency = golden_hash("merkle.consistency.all");
    struct sha256 inclusion;
    struct sha256 consistency;
    struct hash got;
    struct proof proof;

    sha256_init(&inclusion);
    sha256_init(&consistency);
    for (size_t n = 1; n <= SMALL; n++) {
        struct hash_source source = source_of(&small, n);
        struct hash root = small_root(n);

        for (size_t m = 0; m < n; m++) {
            struct hash old_root = small_root(m + 1);

            assert_int_equal(proof_inclusion(&source, m, n, &proof, NULL), 0);
            assert_int_equal(check_inclusion(m, n, &small.hashes[0][m], &proof, &root), 0);
            sha256_update(&inclusion, proof.hashes, proof.count * SHA256_LEN);
            assert_int_equal(proof_consistency(&source, m + 1, n, &proof, NULL), 0);
            assert_int_equal(check_consistency(m + 1, n, &proof, &old_root, &root), 0);
            sha256_update(&consistency, proof.hashes, proof.count * SHA256_LEN);
        }
    }
    sha256_final(&inclusion, &got);
    assert_memory_equal(&got, &want_inclusion, sizeof got);
    sha256_final(&consistency, &got);
    assert_memory_equal(&got, &want_consistency, sizeof got);
}

static void digest_hex(struct sha256 *digest, const struct hash *hash)
{
    char text[2 * SHA256_LEN + 1];

    for (size_t i = 0; i < SHA256_LEN; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", hash->bytes[i]);
    }
    sha256_update(digest, text, 2 * SHA256_LEN);
}

/* Adds "[start, end) root" to roots, and "index [start, end) proof" of each index to proofs. */
static void digest_range(uint64_t start, uint64_t end, struct sha256 *roots, struct sha256 *proofs)
{
    struct hash_source source = source_of(&small, end - start);
    char text[64];
    struct hash root;

    small.first = start;
    assert_int_equal(proof_root(&source, end - start, &root, NULL), 0);
    sha256_update(roots, text, (size_t)sprintf(text, "[%" PRIu64 ", %" PRIu64 ") ", start, end));
    digest_hex(roots, &root);
    sha256_update(roots, "\n", 1);
    for (uint64_t index = start; index < end; index++) {
        struct proof proof;

        assert_int_equal(proof_inclusion(&source, index - start, end - start, &proof, NULL), 0);
        sha256_update(
            proofs, text,
            (size_t)sprintf(text, "%" PRIu64 " [%" PRIu64 ", %" PRIu64 ")", index, start, end));
        for (size_t i = 0; i < proof.count; i++) {
            sha256_update(proofs, " ", 1);
            digest_hex(proofs, &proof.hashes[i]);
        }
        sha256_update(proofs, "\n", 1);
    }
    small.first = 0;
}

static void accumulated_ranges(void **state)
{
    struct hash want_roots = golden_hash("merkle.ranges.roots");
    struct hash want_proofs = golden_hash("merkle.ranges.inclusion");
    struct sha256 roots;
    struct sha256 proofs;
    struct hash got;

    sha256_init(&roots);
    sha256_init(&proofs);
    for (uint64_t end = 0; end <= RANGES; end++) {
        for (uint64_t start = 0; start <= end; start++) {
            uint64_t aligned = 1;

            while (aligned < end - start) {
                aligned *= 2;
            }
            if (start % aligned == 0) {
                digest_range(start, end, &roots, &proofs);
            }
        }
    }
    sha256_final(&roots, &got);
    assert_memory_equal(&got, &want_roots, sizeof got);
    sha256_final(&proofs, &got);
    assert_memory_equal(&got, &want_proofs, sizeof got);
}

static void no_proof_of_nonsense(void **state)
{
    struct hash_source source = source_of(&small, SMALL);
    struct proof proof = {.count = 77};
    struct error err;

    assert_int_equal(proof_inclusion(&source, 0, 0, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(proof_inclusion(&source, 5, 5, &proof, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "entry 5"));
    assert_int_equal(proof_inclusion(&source, UINT64_MAX, 5, &proof, NULL), BLOCKDB_EINVAL);
    assert_int_equal(proof_consistency(&source, 0, 5, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(proof_consistency(&source, 0, 0, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(proof_consistency(&source, 6, 5, &proof, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "6 entries"));
    assert_int_equal(proof.count, 77);
    assert_int_equal(large.size, LARGE);
}

static void the_empty_tree_has_a_root(void **state)
{
    struct hash_source source = source_of(&small, 0);
    struct hash want = small_root(0);
    struct hash got;

    assert_int_equal(proof_root(&source, 0, &got, NULL), BLOCKDB_OK);
    assert_memory_equal(&got, &want, sizeof got);
    assert_int_equal(small.reads, 0);
}

/* Fails the n-th read, for all n. */
static void every_failing_read_is_passed_on(void **state)
{
    struct proof untouched;
    struct proof proof;
    struct hash root;
    struct error err;
    int rc = BLOCKDB_EIO;

    memset(&proof, 0xee, sizeof proof);
    untouched = proof;
    for (size_t n = 1; rc == BLOCKDB_EIO; n++) {
        struct hash_source source = source_of(&large, LARGE);

        large.fail_at = n;
        rc = proof_inclusion(&source, 1000, LARGE, &proof, &err);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_EIO);
        assert_int_equal(memcmp(&proof, &untouched, sizeof proof) == 0, rc != BLOCKDB_OK);
    }
    rc = BLOCKDB_EIO;
    proof = untouched;
    for (size_t n = 1; rc == BLOCKDB_EIO; n++) {
        struct hash_source source = source_of(&large, LARGE);

        large.fail_at = n;
        rc = proof_consistency(&source, 1000, LARGE, &proof, &err);
        assert_int_equal(memcmp(&proof, &untouched, sizeof proof) == 0, rc != BLOCKDB_OK);
    }
    rc = BLOCKDB_EIO;
    for (size_t n = 1; rc == BLOCKDB_EIO; n++) {
        struct hash_source source = source_of(&large, LARGE);

        large.fail_at = n;
        rc = proof_root(&source, LARGE, &root, &err);
    }
    assert_int_equal(rc, BLOCKDB_OK);
}

/* A proof changed in one of many ways; false when there are no more. Way i of what count allows:
 * a flipped bit in each hash, a cut at either end, a hash more at either end, none at all. */
static bool spoil(const struct proof *good, size_t way, const struct hash *extra, struct proof *out)
{
    *out = *good;
    if (way < good->count) {
        out->hashes[way].bytes[way % SHA256_LEN] ^= 0x10;
        return true;
    }
    switch (way - good->count) {
    case 0:
        out->hashes[out->count++] = *extra;
        return true;
    case 1:
        memmove(&out->hashes[1], &out->hashes[0], good->count * sizeof *out->hashes);
        out->hashes[0] = *extra;
        out->count++;
        return true;
    case 2:
        memset(&out->hashes[out->count++], 0, sizeof *out->hashes);
        return true;
    case 3:
        out->count -= good->count > 0;
        return good->count > 0;
    case 4:
        memmove(&out->hashes[0], &out->hashes[1], (good->count - 1) * sizeof *out->hashes);
        out->count--;
        return true;
    case 5:
        out->count = 0;
        return true;
    case 6:
        for (size_t i = 0; i < good->count; i++) {
            out->hashes[i] = good->hashes[good->count - 1 - i];
        }
        return good->count > 1 && !hash_equal(&good->hashes[0], &good->hashes[good->count - 1]);
    default:
        return false;
    }
}

static void assert_no_other_inclusion(uint64_t index, uint64_t size, const struct proof *proof)
{
    const struct hash *leaf = &small.hashes[0][index];
    const struct hash *other = &small.hashes[0][(index + 1) % SMALL];
    struct hash root = small_root(size);
    struct hash other_root = small_root(size - 1);
    struct proof bad;

    for (size_t way = 0; spoil(proof, way, &root, &bad); way++) {
        assert_int_equal(check_inclusion(index, size, leaf, &bad, &root), BLOCKDB_ETAMPERED);
    }
    for (uint64_t i = 0; i <= 2 * size; i++) {
        if (i != index) {
            assert_int_equal(check_inclusion(i, size, leaf, proof, &root), BLOCKDB_ETAMPERED);
        }
    }
    assert_int_equal(check_inclusion(index, size, other, proof, &root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_inclusion(index, size, leaf, proof, &other_root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_inclusion(index, 0, leaf, proof, &root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_inclusion(index, index, leaf, proof, &root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_inclusion(UINT64_MAX, UINT64_MAX, leaf, proof, &root),
                     BLOCKDB_ETAMPERED);
}

static void spoiled_inclusion_proofs(void **state)
{
    for (size_t n = 1; n <= SMALL; n++) {
        for (size_t m = 0; m < n; m++) {
            struct hash_source source = source_of(&small, n);
            struct proof proof;

            assert_int_equal(proof_inclusion(&source, m, n, &proof, NULL), 0);
            assert_no_other_inclusion(m, n, &proof);
        }
    }
}

/* Whether a proof for index of size has the length and turns of one for index of other. Such a
 * claim is about the same path and rightly accepted; the root then says which tree it is. */
static bool same_path(uint64_t index, uint64_t size, uint64_t other)
{
    uint64_t last = size - 1;
    uint64_t other_last = other - 1;

    while (last > 0 || other_last > 0) {
        if ((last > 0) != (other_last > 0) || (index == last) != (index == other_last)) {
            return false;
        }
        index >>= 1;
        last >>= 1;
        other_last >>= 1;
    }
    return true;
}

static void other_sizes(void **state)
{
    for (size_t n = 1; n <= SMALL; n++) {
        for (size_t m = 0; m < n; m++) {
            struct hash_source source = source_of(&small, n);
            struct hash root = small_root(n);
            struct proof proof;

            assert_int_equal(proof_inclusion(&source, m, n, &proof, NULL), 0);
            for (size_t other = m + 1; other <= 2 * n; other++) {
                if (!same_path(m, n, other)) {
                    assert_int_equal(check_inclusion(m, other, &small.hashes[0][m], &proof, &root),
                                     BLOCKDB_ETAMPERED);
                }
            }
        }
    }
}

static void assert_no_other_consistency(uint64_t m, uint64_t n, const struct proof *proof)
{
    struct hash old_root = small_root(m);
    struct hash new_root = small_root(n);
    struct hash other = small_root(0);
    struct proof bad;

    for (size_t way = 0; spoil(proof, way, &new_root, &bad); way++) {
        if (m != n || bad.count > 0) {
            assert_int_equal(check_consistency(m, n, &bad, &old_root, &new_root),
                             BLOCKDB_ETAMPERED);
        }
    }
    assert_int_equal(check_consistency(m, n, proof, &other, &new_root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_consistency(m, n, proof, &old_root, &other), BLOCKDB_ETAMPERED);
    assert_int_equal(check_consistency(0, n, proof, &old_root, &new_root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_consistency(0, 0, proof, &old_root, &old_root), BLOCKDB_ETAMPERED);
    assert_int_equal(check_consistency(n + 1, n, proof, &old_root, &new_root), BLOCKDB_ETAMPERED);
    if (m != n) {
        assert_int_equal(check_consistency(m, n, proof, &new_root, &old_root), BLOCKDB_ETAMPERED);
        assert_int_equal(check_consistency(n, m, proof, &new_root, &old_root), BLOCKDB_ETAMPERED);
        assert_int_equal(check_consistency(n, n, proof, &new_root, &new_root), BLOCKDB_ETAMPERED);
        assert_int_equal(check_consistency(m, m, proof, &old_root, &old_root), BLOCKDB_ETAMPERED);
    }
}

static void spoiled_consistency_proofs(void **state)
{
    for (size_t n = 1; n <= SMALL; n++) {
        for (size_t m = 1; m <= n; m++) {
            struct hash_source source = source_of(&small, n);
            struct proof proof;

            assert_int_equal(proof_consistency(&source, m, n, &proof, NULL), 0);
            assert_no_other_consistency(m, n, &proof);
        }
    }
}

static void the_root_a_proof_leads_to(void **state)
{
    struct hash_source source = source_of(&small, 21);
    struct hash want = small_root(21);
    struct inclusion claim = {.index = 13, .size = 21, .leaf = &small.hashes[0][13]};
    struct proof proof;
    struct hash got;

    assert_int_equal(proof_inclusion(&source, 13, 21, &proof, NULL), 0);
    assert_int_equal(inclusion_root(&claim, proof.hashes, proof.count, &got), 0);
    assert_memory_equal(&got, &want, sizeof got);
    memset(&got, 0, sizeof got);
    assert_int_equal(inclusion_root(&claim, proof.hashes, proof.count - 1, &got),
                     BLOCKDB_ETAMPERED);
    assert_true(hash_is_zero(&got));
}

/* The largest sizes must neither overflow nor read beyond the proof. */
static void sizes_at_the_limit(void **state)
{
    struct proof proof = {.count = 0};
    struct hash root = small_root(1);

    for (proof.count = 0; proof.count < PROOF_HASHES_MAX; proof.count++) {
        proof.hashes[proof.count] = small_root(2);
        assert_int_equal(check_inclusion(UINT64_MAX - 1, UINT64_MAX, &root, &proof, &root),
                         BLOCKDB_ETAMPERED);
        assert_int_equal(check_inclusion(0, UINT64_MAX, &root, &proof, &root), BLOCKDB_ETAMPERED);
        assert_int_equal(check_consistency(UINT64_MAX - 1, UINT64_MAX, &proof, &root, &root),
                         BLOCKDB_ETAMPERED);
        assert_int_equal(check_consistency(UINT64_C(1) << 63, UINT64_MAX, &proof, &root, &root),
                         BLOCKDB_ETAMPERED);
    }
}

static int set_up(void **state)
{
    golden_open();
    for (size_t i = 0; i < LARGE; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "entry %zu\n", i);

        merkle_leaf(slice_of(text, (size_t)len), &large.hashes[0][i]);
    }
    fill_levels(&large, LARGE);
    for (size_t i = 0; i < RANGES; i++) {
        uint8_t byte = (uint8_t)i;

        merkle_leaf(slice_of(&byte, 1), &small.hashes[0][i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    golden_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proofs_of_the_large_tree),
        cmocka_unit_test(all_proofs_of_small_trees),
        cmocka_unit_test(accumulated_ranges),
        cmocka_unit_test(no_proof_of_nonsense),
        cmocka_unit_test(the_empty_tree_has_a_root),
        cmocka_unit_test(every_failing_read_is_passed_on),
        cmocka_unit_test(spoiled_inclusion_proofs),
        cmocka_unit_test(other_sizes),
        cmocka_unit_test(spoiled_consistency_proofs),
        cmocka_unit_test(the_root_a_proof_leads_to),
        cmocka_unit_test(sizes_at_the_limit),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
