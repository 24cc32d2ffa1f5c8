/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles, bundles and proofs of an open database, each compared with what follows from its leaves
 * alone: small logs in full, a log with tiles of three levels by samples, a log that grows, after a
 * power cut, with failing reads and allocations, and with bytes that were changed.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine_fixture.h"
#include "ledger/bundle.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "ledger/tile.h"
#include "os/os_crash.h"
#include "os/os_fault.h"

#include <blockdb/evidence.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LEAVES_MAX 80000
#define SMALL 90
#define LARGE 70000

static uint64_t seed;
static uint64_t rng;
static struct hash leaves[LEAVES_MAX]; /* of the database under test, by read_leaves() */

static uint64_t pick(uint64_t below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (rng >> 33) % below;
}

static const struct fixture_option small_blocks[] = {
    {"blockchain_batch_size", "7"}, {"block_interval", "1h"}, {NULL, NULL}};

/* Writes puts of `count` keys in batches, and seals all of them. */
static void grow(struct blockdb *db, unsigned count)
{
    struct blockdb_batch *batch = blockdb_batch_new(db);
    struct error err;
    unsigned i;

    assert_non_null(batch);
    for (i = 0; i < count; i++) {
        char key[32];
        int len = snprintf(key, sizeof(key), "key%llu", (unsigned long long)pick(100000));

        fixture_must(blockdb_batch_put(batch, key, (size_t)len, key, pick(9), &err), &err);
        if (blockdb_batch_count(batch) == 1 + pick(60) || i + 1 == count) {
            fixture_must(blockdb_write(db, batch, NULL, NULL, &err), &err);
            blockdb_batch_reset(batch);
        }
    }
    blockdb_batch_free(batch);
    fixture_must(sealer_seal_all(db, &err), &err);
}

static uint64_t sealed_size(struct blockdb *db)
{
    struct blockdb_head head;
    struct error err;

    fixture_must(blockdb_head_get(db, &head, &err), &err);
    return head.size;
}

/* All leaf hashes into `leaves`, through tiles of level 0. */
static uint64_t read_leaves(struct blockdb *db)
{
    uint64_t size = sealed_size(db);
    uint64_t at;
    struct error err;

    assert_true(size <= LEAVES_MAX);
    for (at = 0; at < size; at += TILE_WIDTH) {
        unsigned width = size - at < TILE_WIDTH ? (unsigned)(size - at) : TILE_WIDTH;

        fixture_must(blockdb_tile_read(db, 0, at / TILE_WIDTH, width, leaves[at].bytes, &err),
                     &err);
    }
    return size;
}

static const struct hash *leaf_at(uint64_t seq)
{
    assert_true(seq < LEAVES_MAX);
    return &leaves[seq % LEAVES_MAX];
}

static struct hash root_of(uint64_t size)
{
    struct hash root;

    merkle_root(leaves, size, &root);
    return root;
}

static const struct hash *hashes_of(const struct blockdb_proof *proof)
{
    return (const struct hash *)(const void *)proof->hashes;
}

static int try_inclusion(struct blockdb *db, uint64_t index, uint64_t size, const struct hash *root,
                         struct error *err)
{
    struct inclusion claim = {.index = index, .size = size, .root = root};
    struct blockdb_proof proof;
    int rc = blockdb_prove_inclusion(db, index, size, &proof, err);

    if (rc == BLOCKDB_OK) {
        claim.leaf = leaf_at(index);
        assert_int_equal(inclusion_verify(&claim, hashes_of(&proof), proof.count), BLOCKDB_OK);
    }
    return rc;
}

static void check_inclusion(struct blockdb *db, uint64_t index, uint64_t size,
                            const struct hash *root)
{
    struct error err;

    fixture_must(try_inclusion(db, index, size, root, &err), &err);
}

static void check_consistency(struct blockdb *db, uint64_t old_size, uint64_t new_size,
                              const struct hash *old_root, const struct hash *new_root)
{
    struct consistency claim = {
        .old_size = old_size, .new_size = new_size, .old_root = old_root, .new_root = new_root};
    struct blockdb_proof proof;
    struct error err;

    fixture_must(blockdb_prove_consistency(db, old_size, new_size, &proof, &err), &err);
    assert_int_equal(consistency_verify(&claim, hashes_of(&proof), proof.count), BLOCKDB_OK);
}

/* Proofs of random leaves and sizes, many of them at the edges of tiles and groups. */
static void check_samples(struct blockdb *db, uint64_t size, unsigned count)
{
    static const uint64_t edges[] = {1, 2, 15, 16, 17, 255, 256, 257, 4096, 65535, 65536, 65537};
    unsigned i;

    for (i = 0; i < count; i++) {
        uint64_t tree = 1 + pick(size);
        uint64_t part;
        struct hash root;
        struct hash part_root;

        if (i % 4 == 0) {
            tree = size;
        } else if (i % 4 == 1 && edges[i / 4 % 12] <= size) {
            tree = edges[i / 4 % 12];
        }
        part = 1 + pick(tree);
        root = root_of(tree);
        part_root = root_of(part);
        check_inclusion(db, pick(tree), tree, &root);
        check_inclusion(db, part - 1, tree, &root);
        check_inclusion(db, tree - 1, tree, &root);
        check_consistency(db, part, tree, &part_root, &root);
    }
}

/* ---- Small and large logs ------------------------------------------------------------------ */

static void test_all_proofs_of_a_small_log(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    static struct hash roots[2 * SMALL];
    uint64_t size;
    uint64_t n;
    uint64_t i;

    (void)state;
    grow(db, SMALL);
    size = read_leaves(db);
    assert_true(size >= SMALL && size < 2 * SMALL);
    for (n = 1; n <= size; n++) {
        roots[n] = root_of(n);
        for (i = 0; i < n; i++) {
            check_inclusion(db, i, n, &roots[n]);
            check_consistency(db, i + 1, n, &roots[i + 1], &roots[n]);
        }
    }
    fixture_close(db);
    os_crash_free(disk);
}

/* Every tile above level 0 follows from the one below. */
static void check_tiles(struct blockdb *db, uint64_t size)
{
    static struct hash row[LEAVES_MAX];
    uint64_t count = size;
    unsigned level;
    struct error err;

    memcpy(row, leaves, size * sizeof(row[0]));
    for (level = 0; count > 0; level++) {
        struct hash tile[TILE_WIDTH];
        uint64_t i;

        for (i = 0; i * TILE_WIDTH < count; i++) {
            unsigned width = tile_width_at(level, i, size);
            unsigned less = width > 1 ? 1 + (unsigned)pick(width) : 1;

            fixture_must(blockdb_tile_read(db, level, i, width, tile[0].bytes, &err), &err);
            assert_memory_equal(tile, &row[i * TILE_WIDTH], width * sizeof(tile[0]));
            fixture_must(blockdb_tile_read(db, level, i, less, tile[0].bytes, &err), &err);
            assert_memory_equal(tile, &row[i * TILE_WIDTH], less * sizeof(tile[0]));
            if (width < TILE_WIDTH) {
                assert_int_equal(blockdb_tile_read(db, level, i, width + 1, tile[0].bytes, &err),
                                 BLOCKDB_ENOTFOUND);
            }
            if (width == TILE_WIDTH) {
                tile_root(&row[i * TILE_WIDTH], &row[i]);
            }
        }
        assert_int_equal(blockdb_tile_read(db, level, i, 1, tile[0].bytes, &err),
                         BLOCKDB_ENOTFOUND);
        count /= TILE_WIDTH;
    }
    assert_int_equal(blockdb_tile_read(db, level, 0, 1, row[0].bytes, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_tile_read(db, 63, 0, 1, row[0].bytes, &err), BLOCKDB_ENOTFOUND);
}

static void test_a_log_of_three_levels(void **state)
{
    static const struct fixture_option options[] = {{"blockchain_batch_size", "1000"},
                                                    {"wal_sync_mode", "none"},
                                                    {"block_interval", "1h"},
                                                    {NULL, NULL}};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", options, BLOCKDB_OPEN_CREATE);
    uint64_t size;

    (void)state;
    grow(db, LARGE);
    size = read_leaves(db);
    check_tiles(db, size);
    check_samples(db, size, (unsigned)test_rounds(40, 4000));
    fixture_close(db);
    db = fixture_open(os_crash_os(disk), "/db", options, BLOCKDB_OPEN_READ_ONLY);
    check_samples(db, size, 10);
    fixture_close(db);
    os_crash_free(disk);
}

/* Digests of tiles that were not full yet must not outlive their growth (SUBTREE-1). */
static void test_a_log_that_grows(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    unsigned step;

    (void)state;
    for (step = 0; step < 60; step++) {
        grow(db, 1 + (unsigned)pick(20));
        check_samples(db, read_leaves(db), 12);
    }
    fixture_close(db);
    os_crash_free(disk);
}

/* Proves and checks against heads, until it is told to stop. */
struct prover {
    struct blockdb *db;
    atomic_bool *stop;
    uint64_t rng;
    uint64_t proofs;
};

static void prove_newest(struct prover *p)
{
    struct blockdb_head head;
    struct blockdb_proof proof;
    struct inclusion claim;
    struct hash root;
    struct hash tile[TILE_WIDTH];
    struct error err;
    unsigned at;

    fixture_must(blockdb_head_get(p->db, &head, &err), &err);
    p->rng = p->rng * 6364136223846793005u + 1442695040888963407u;
    claim = (struct inclusion){.index = (p->rng >> 33) % head.size, .size = head.size};
    at = (unsigned)(claim.index % TILE_WIDTH);
    fixture_must(blockdb_tile_read(p->db, 0, claim.index / TILE_WIDTH, at + 1, tile[0].bytes, &err),
                 &err);
    fixture_must(blockdb_prove_inclusion(p->db, claim.index, head.size, &proof, &err), &err);
    memcpy(root.bytes, head.root, sizeof(root.bytes));
    claim.leaf = &tile[at];
    claim.root = &root;
    if (inclusion_verify(&claim, hashes_of(&proof), proof.count) < 0) {
        fixture_fail("a wrong proof of entry %llu", (unsigned long long)claim.index);
    }
    p->proofs++;
}

static void prover_main(void *arg)
{
    struct prover *p = arg;

    do {
        prove_newest(p);
    } while (!atomic_load(p->stop));
}

static void test_proofs_beside_a_writer(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    struct prover provers[2];
    struct os_thread *threads[2];
    atomic_bool stop = false;
    struct error err;
    unsigned i;

    (void)state;
    grow(db, 10);
    for (i = 0; i < 2; i++) {
        provers[i] = (struct prover){.db = db, .stop = &stop, .rng = seed + i};
        fixture_must(
            os_thread_start(os_real(), "prover", prover_main, &provers[i], &threads[i], &err),
            &err);
    }
    for (i = 0; i < test_rounds(60, 1000); i++) {
        grow(db, 30);
    }
    atomic_store(&stop, true);
    for (i = 0; i < 2; i++) {
        os_thread_join(os_real(), threads[i]);
        assert_true(provers[i].proofs > 0);
    }
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- Bundles ------------------------------------------------------------------------------- */

/* The leaves of a bundle hash to the tile. */
static int try_bundle(struct blockdb *db, uint64_t index, unsigned width, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value bundle = {0};
    struct reader r;
    unsigned i;
    int rc = blockdb_bundle_read(db, index, width, &bundle, err);

    if (rc < 0) {
        return rc;
    }
    r = reader_of(slice_of(bundle.data, bundle.len));
    for (i = 0; i < width; i++) {
        struct slice bytes;
        struct leaf leaf;
        struct hash hash;

        assert_int_equal(bundle_next(&r, &bytes), BLOCKDB_OK);
        assert_int_equal(leaf_decode(bytes, &leaf), BLOCKDB_OK);
        merkle_leaf(bytes, &hash);
        assert_memory_equal(&hash, leaf_at(index * TILE_WIDTH + i), sizeof(hash));
    }
    assert_true(reader_done(&r));
    return BLOCKDB_OK;
}

static void check_bundles(struct blockdb *db, uint64_t size)
{
    uint64_t at;
    unsigned width;
    struct error err;

    for (at = 0; at < size; at += TILE_WIDTH) {
        width = tile_width_at(0, at / TILE_WIDTH, size);
        fixture_must(try_bundle(db, at / TILE_WIDTH, width, &err), &err);
        fixture_must(try_bundle(db, at / TILE_WIDTH, 1 + (unsigned)pick(width), &err), &err);
    }
}

static void put_sized(struct blockdb *db, const char *key, size_t len)
{
    uint8_t *value = mem_calloc(1, len);

    assert_non_null(value);
    value[0] = (uint8_t)pick(256);
    fixture_put(db, key, value, len);
    mem_free(value);
}

static void test_bundles(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    struct error err;
    unsigned i;
    uint64_t size;

    (void)state;
    for (i = 0; i < 600; i++) {
        put_sized(db, "a key", i % 50 == 0 ? 1 + pick(200000) : pick(700));
        if (i % 20 == 3) {
            fixture_must(blockdb_delete(db, "a key", 5, NULL, NULL, &err), &err);
        }
    }
    fixture_must(sealer_seal_all(db, &err), &err);
    size = read_leaves(db);
    check_bundles(db, size);
    for (i = 1; i <= tile_width_at(0, size / TILE_WIDTH, size); i++) {
        fixture_must(try_bundle(db, size / TILE_WIDTH, i, &err), &err);
    }
    assert_int_equal(try_bundle(db, size / TILE_WIDTH, TILE_WIDTH, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(try_bundle(db, UINT64_MAX, 1, &err), BLOCKDB_ENOTFOUND);
    fixture_close(db);
    db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_READ_ONLY);
    check_bundles(db, size); /* from disk */
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- Blocks -------------------------------------------------------------------------------- */

static int try_in_block(struct blockdb *db, uint64_t seq, struct error *err)
{
    struct blockdb_block block;
    struct blockdb_proof proof;
    struct inclusion claim;
    struct hash root;
    int rc = blockdb_prove_in_block(db, seq, &block, &proof, err);

    if (rc < 0) {
        return rc;
    }
    memcpy(root.bytes, block.block_root, sizeof(root.bytes));
    claim = (struct inclusion){
        .index = seq - block.first_seq, .size = block.count, .leaf = leaf_at(seq), .root = &root};
    assert_int_equal(inclusion_verify(&claim, hashes_of(&proof), proof.count), BLOCKDB_OK);
    return BLOCKDB_OK;
}

static void test_in_block(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    struct blockdb_block block;
    struct error err;
    uint64_t size;
    uint64_t seq = 0;
    uint64_t height;

    (void)state;
    grow(db, SMALL);
    size = read_leaves(db);
    for (height = 0; seq < size; height++) {
        fixture_must(blockdb_block_get(db, height, &block, &err), &err);
        for (; seq < block.header_seq; seq++) {
            fixture_must(try_in_block(db, seq, &err), &err);
        }
        assert_int_equal(try_in_block(db, seq, &err), BLOCKDB_EINVAL);
        seq++;
    }
    fixture_put(db, "open", "block", 5);
    assert_int_equal(try_in_block(db, size, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(try_in_block(db, UINT64_MAX, &err), BLOCKDB_ENOTFOUND);
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- What must be refused ------------------------------------------------------------------ */

static void test_arguments(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    struct blockdb_proof proof = {.count = 77};
    struct error err;
    uint8_t tile[BLOCKDB_TILE_LEN];
    uint64_t size;

    (void)state;
    assert_int_equal(blockdb_prove_inclusion(db, 0, 1, &proof, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_tile_read(db, 0, 0, 1, tile, &err), BLOCKDB_ENOTFOUND);
    grow(db, 10);
    size = sealed_size(db);
    fixture_put(db, "not", "sealed", 6);
    assert_int_equal(blockdb_prove_inclusion(db, 0, 0, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_prove_inclusion(db, size, size, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_prove_inclusion(db, 0, size + 1, &proof, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_prove_consistency(db, 0, size, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_prove_consistency(db, 0, size + 1, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_prove_consistency(db, size, size - 1, &proof, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_prove_consistency(db, 1, size + 1, &proof, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(blockdb_tile_read(db, 0, 0, 0, tile, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_tile_read(db, 0, 0, 257, tile, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_tile_read(db, 64, 0, 1, tile, &err), BLOCKDB_EINVAL);
    assert_int_equal(blockdb_tile_read(db, 0, UINT64_MAX, 1, tile, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(proof.count, 77); /* outputs are untouched on failure */
    fixture_close(db);
    os_crash_free(disk);
}

/* Changes a byte of a leaf in the tiles. */
static void test_changed_tile(void **state)
{
    static const struct fixture_option unchecked[] = {{"blockchain_batch_size", "7"},
                                                      {"block_interval", "1h"},
                                                      {"enable_blockchain_verification", "false"},
                                                      {NULL, NULL}};
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db = fixture_open(os_crash_os(disk), "/db", unchecked, BLOCKDB_OPEN_CREATE);
    struct error err;

    (void)state;
    grow(db, SMALL);
    (void)read_leaves(db);
    fixture_close(db);
    assert_int_equal(
        os_crash_flip(disk, "/db/ledger/tile/0/000000.tiles", 4096 + 32 * 3, 0x40, &err),
        BLOCKDB_OK);
    db = fixture_open(os_crash_os(disk), "/db", unchecked, BLOCKDB_OPEN_READ_ONLY);
    assert_int_equal(try_bundle(db, 0, 4, &err), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(err.message, "entry 3"));
    assert_int_equal(try_in_block(db, 0, &err), BLOCKDB_ETAMPERED);
    fixture_must(try_bundle(db, 0, 3, &err), &err);
    fixture_close(db);
    os_crash_free(disk);
}

/* ---- Power cuts ---------------------------------------------------------------------------- */

static void test_after_a_power_cut(void **state)
{
    unsigned round;

    (void)state;
    for (round = 0; round < test_rounds(4, 60); round++) {
        struct os_crash *disk = os_crash_new(seed + round);
        struct blockdb *db = fixture_open(os_crash_os(disk), "/db", small_blocks,
                                          BLOCKDB_OPEN_CREATE);
        struct error err;

        grow(db, 100 + (unsigned)pick(300));
        grow(db, 30);
        os_crash_power_off(disk);
        (void)blockdb_close(db, &err);
        assert_int_equal(os_crash_restart(disk, seed * 7 + round), BLOCKDB_OK);
        db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
        check_samples(db, read_leaves(db), 10);
        check_bundles(db, sealed_size(db));
        grow(db, 50);
        check_samples(db, read_leaves(db), 10);
        fixture_close(db);
        os_crash_free(disk);
    }
}

/* ---- Failures ------------------------------------------------------------------------------ */

/* Everything once; the first failure. */
static int use_all(struct blockdb *db, uint64_t size, const struct hash *root, struct error *err)
{
    int rc = try_inclusion(db, 3, size, root, err);

    if (rc == BLOCKDB_OK) {
        rc = try_inclusion(db, size - 1, size, root, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = try_in_block(db, 0, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = try_bundle(db, 0, TILE_WIDTH, err);
    }
    return rc;
}

static const struct fixture_option no_caches[] = {{"blockchain_batch_size", "7"},
                                                  {"block_interval", "1h"},
                                                  {"block_cache_size", "0"},
                                                  {"index_cache_size", "0"},
                                                  {NULL, NULL}};

static void test_reads_fail(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct os_fault *fault = os_fault_new(os_crash_os(disk));
    struct blockdb *db = fixture_open(os_fault_os(fault), "/db", no_caches, BLOCKDB_OPEN_CREATE);
    struct os_fault_plan plan = {.classes = OS_FAULT_READ, .nth = 1};
    struct error err;
    struct hash root;
    uint64_t size;
    bool fired = true;

    (void)state;
    grow(db, 400);
    size = read_leaves(db);
    root = root_of(size);
    for (; fired; plan.nth++) {
        os_fault_arm(fault, &plan);
        if (use_all(db, size, &root, &err) < 0) {
            assert_int_equal(err.code, BLOCKDB_EIO);
            assert_true(strlen(err.message) > 0);
        }
        fired = os_fault_fired(fault);
        os_fault_arm(fault, NULL);
        fixture_must(use_all(db, size, &root, &err), &err);
    }
    assert_true(plan.nth > 5);
    fixture_close(db);
    os_fault_free(fault);
    os_crash_free(disk);
}

static _Atomic int64_t allocations_left;

static bool fail_allocation(void *context)
{
    (void)context;
    return atomic_fetch_sub(&allocations_left, 1) == 1;
}

static void test_allocations_fail(void **state)
{
    struct os_crash *disk = os_crash_new(seed);
    struct blockdb *db;
    struct error err;
    struct hash root;
    uint64_t size;
    int64_t nth;
    bool fired = true;

    (void)state;
    db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_CREATE);
    grow(db, 400);
    size = read_leaves(db);
    root = root_of(size);
    fixture_close(db);
    for (nth = 1; fired; nth++) {
        int rc;

        /* Each time with empty caches. */
        db = fixture_open(os_crash_os(disk), "/db", small_blocks, BLOCKDB_OPEN_READ_ONLY);
        atomic_store(&allocations_left, nth);
        mem_set_fail_hook(fail_allocation, NULL);
        rc = use_all(db, size, &root, &err);
        mem_set_fail_hook(NULL, NULL);
        fired = atomic_load(&allocations_left) <= 0;
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
        fixture_must(use_all(db, size, &root, &err), &err);
        fixture_close(db);
    }
    assert_true(nth > 5);
    os_crash_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_proofs_of_a_small_log),
        cmocka_unit_test(test_a_log_of_three_levels),
        cmocka_unit_test(test_a_log_that_grows),
        cmocka_unit_test(test_proofs_beside_a_writer),
        cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_in_block),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_changed_tile),
        cmocka_unit_test(test_after_a_power_cut),
        cmocka_unit_test(test_reads_fail),
        cmocka_unit_test(test_allocations_fail),
    };

    seed = test_seed();
    rng = seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
