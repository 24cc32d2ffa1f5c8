/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merkle hashes and frontiers: published roots, and FRO-2 (grouping does not matter).
 */
#include "common/test_env.h"
#include "golden.h"
#include "ledger/frontier.h"
#include "ledger/merkle.h"
#include "ledger/tile.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LARGE 70000
#define LEVELS 3
#define SMALL 33

static struct hash large[LARGE]; /* leaf i: "entry <i>" and a newline */
static struct hash small[SMALL]; /* leaf i: the byte i */

static void assert_hash(const struct hash *got, const struct hash *want)
{
    assert_memory_equal(got, want, sizeof *got);
}

/* Reads a hash written in hex. */
static struct hash hash_of_hex(const char *hex)
{
    struct hash h;

    for (size_t i = 0; i < SHA256_LEN; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        h.bytes[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return h;
}

static void published_hashes(void **state)
{
    static const char *const leaves[][2] = {
        {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"L123456", "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"},
    };
    struct hash got;
    struct hash want;

    for (size_t i = 0; i < 2; i++) {
        merkle_leaf(slice_of_text(leaves[i][0]), &got);
        want = hash_of_hex(leaves[i][1]);
        assert_hash(&got, &want);
    }
    merkle_empty_root(&got);
    want = hash_of_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash(&got, &want);
}

static void published_roots(void **state)
{
    static const char *const data[] = {
        "",
        "\x00",
        "\x10",
        "\x20\x21",
        "\x30\x31",
        "\x40\x41\x42\x43",
        "\x50\x51\x52\x53\x54\x55\x56\x57",
        "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"};
    static const size_t lens[] = {0, 1, 1, 2, 2, 4, 8, 16};
    static const char *const roots[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    };
    struct hash leaves[8];

    for (size_t i = 0; i < 8; i++) {
        merkle_leaf(slice_of(data[i], lens[i]), &leaves[i]);
    }
    for (size_t n = 0; n <= 8; n++) {
        struct hash want = hash_of_hex(roots[n]);
        struct hash got;

        merkle_root(leaves, n, &got);
        assert_hash(&got, &want);
    }
}

static void node_in_place(void **state)
{
    struct hash left = small[0];
    struct hash right = small[1];
    struct hash want;

    merkle_node(&left, &right, &want);
    merkle_node(&left, &right, &left);
    assert_hash(&left, &want);
    left = small[0];
    merkle_node(&left, &right, &right);
    assert_hash(&right, &want);
    assert_true(hash_equal(&want, &right));
    assert_false(hash_equal(&want, &left));
    memset(&left, 0, sizeof left);
    assert_true(hash_is_zero(&left));
    left.bytes[31] = 1;
    assert_false(hash_is_zero(&left));
}

static void complete_roots(void **state)
{
    for (unsigned height = 0; height <= TILE_HEIGHT; height++) {
        struct hash hashes[TILE_WIDTH];
        struct hash want;
        struct hash got;

        memcpy(hashes, large, sizeof hashes);
        merkle_root(large, (size_t)1 << height, &want);
        merkle_complete_root(hashes, height, &got);
        assert_hash(&got, &want);
        merkle_complete_root(hashes, height, &hashes[0]);
        assert_hash(&hashes[0], &want);
    }
}

static void small_roots_and_frontiers(void **state)
{
    struct frontier f;

    frontier_init(&f);
    for (size_t n = 0; n <= SMALL; n++) {
        struct hash want = golden_hash_at("merkle.root.%llu", n);
        struct slice encoded = golden_at("frontier.%llu", n);
        uint8_t bytes[FRONTIER_LEN_MAX];
        struct frontier decoded;
        struct hash got;

        merkle_root(small, n, &got);
        assert_hash(&got, &want);
        frontier_root(&f, &got);
        assert_hash(&got, &want);
        assert_int_equal(frontier_len(&f), encoded.len);
        frontier_encode(&f, bytes);
        assert_memory_equal(bytes, encoded.data, encoded.len);
        assert_int_equal(frontier_decode(encoded, &decoded), BLOCKDB_OK);
        assert_memory_equal(&decoded, &f, sizeof f);
        if (n < SMALL) {
            frontier_append(&f, &small[n]);
        }
    }
}

static void broken_frontiers(void **state)
{
    for (size_t n = 0; n <= SMALL; n++) {
        struct slice encoded = golden_at("frontier.%llu", n);
        uint8_t bytes[FRONTIER_LEN_MAX + 1] = {0};
        struct frontier untouched;
        struct frontier f;

        memset(&f, 0xee, sizeof f);
        untouched = f;
        memcpy(bytes, encoded.data, encoded.len);
        for (size_t len = 0; len <= encoded.len + 1; len++) {
            if (len != encoded.len) {
                assert_int_equal(frontier_decode(slice_of(bytes, len), &f), BLOCKDB_ECORRUPT);
                assert_memory_equal(&f, &untouched, sizeof f);
            }
        }
    }
}

static void the_longest_frontier(void **state)
{
    struct frontier f = {.size = UINT64_MAX};
    struct frontier decoded;
    uint8_t bytes[FRONTIER_LEN_MAX];

    memcpy(f.peaks, large, sizeof f.peaks);
    assert_int_equal(frontier_len(&f), FRONTIER_LEN_MAX);
    frontier_encode(&f, bytes);
    assert_int_equal(frontier_decode(slice_of(bytes, sizeof bytes), &decoded), BLOCKDB_OK);
    assert_memory_equal(&decoded, &f, sizeof f);
}

static void large_roots(void **state)
{
    static const size_t sizes[] = {255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 70000};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct hash want = golden_hash_at("tree.root.%llu", sizes[i]);
        struct hash got;

        merkle_root(large, sizes[i], &got);
        assert_hash(&got, &want);
    }
}

/* All tiles of the large tree, filled by appends. */
struct tiles {
    struct hash hashes[LEVELS][LARGE];
    size_t counts[LEVELS];
};

/* Appends n leaves and enters the tile hashes, checking that each comes next in its level. */
static void grow(struct frontier *f, struct tiles *tiles, size_t n)
{
    size_t count = frontier_tile_hash_count(f, n);
    struct tile_hash *out = calloc(count + 1, sizeof *out);
    const struct hash *leaves = &large[f->size];

    assert_non_null(out);
    out[count].level = 99;
    memcpy(&tiles->hashes[0][f->size], leaves, n * sizeof *leaves);
    tiles->counts[0] += n;
    frontier_append_many(f, leaves, n, out);
    for (size_t i = 0; i < count; i++) {
        unsigned level = out[i].level;

        assert_in_range(level, 1, LEVELS - 1);
        assert_true(out[i].index == tiles->counts[level]);
        tiles->hashes[level][tiles->counts[level]++] = out[i].hash;
    }
    assert_int_equal(out[count].level, 99);
    free(out);
}

static void assert_tiles(const struct tiles *tiles)
{
    for (size_t i = 0; i < golden_count("tile."); i++) {
        const char *name = golden_name("tile.", i);
        char path[TILE_PATH_MAX] = "tile/";
        struct hash want = golden_hash(name);
        struct tile tile;
        struct hash got;

        (void)snprintf(path + 5, sizeof path - 5, "%s", name + 5);
        assert_int_equal(tile_path_parse(path, &tile), BLOCKDB_OK);
        if (tile.level == TILE_LEVEL_ENTRIES) {
            continue;
        }
        assert_int_equal(tile_width_at(tile.level, tile.index, LARGE), tile.width);
        sha256_once(&tiles->hashes[tile.level][tile.index * TILE_WIDTH], tile.width * SHA256_LEN,
                    &got);
        assert_hash(&got, &want);
    }
}

static void appends_in_any_groups(void **state)
{
    static struct tiles tiles;
    struct hash want = golden_hash("tree.root.70000");

    for (int round = 0; round < 6; round++) {
        struct slice encoded = golden("tree.frontier");
        uint8_t bytes[FRONTIER_LEN_MAX];
        struct frontier f;
        struct hash got;

        memset(&tiles, 0, sizeof tiles);
        frontier_init(&f);
        while (f.size < LARGE) {
            size_t limit = round == 0 ? 1 : round == 1 ? LARGE : (size_t)1 << (2 * round);
            size_t n = round < 2 ? limit : (size_t)rand() % limit;

            grow(&f, &tiles, n < LARGE - f.size ? n : LARGE - f.size);
        }
        frontier_root(&f, &got);
        assert_hash(&got, &want);
        assert_tiles(&tiles);
        assert_int_equal(frontier_len(&f), encoded.len);
        frontier_encode(&f, bytes);
        assert_memory_equal(bytes, encoded.data, encoded.len);
    }
}

static void tile_roots_are_the_level_above(void **state)
{
    static struct tiles tiles;
    struct frontier f;

    memset(&tiles, 0, sizeof tiles);
    frontier_init(&f);
    grow(&f, &tiles, LARGE);
    for (unsigned level = 0; level + 1 < LEVELS; level++) {
        assert_true(tiles.counts[level] == tile_hash_count(level, LARGE));
        for (size_t i = 0; i < tiles.counts[level + 1]; i++) {
            struct hash root;

            tile_root(&tiles.hashes[level][i * TILE_WIDTH], &root);
            assert_hash(&root, &tiles.hashes[level + 1][i]);
        }
    }
}

static int set_up(void **state)
{
    golden_open();
    for (size_t i = 0; i < LARGE; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "entry %zu\n", i);

        merkle_leaf(slice_of(text, (size_t)len), &large[i]);
    }
    for (size_t i = 0; i < SMALL; i++) {
        uint8_t byte = (uint8_t)i;

        merkle_leaf(slice_of(&byte, 1), &small[i]);
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
        cmocka_unit_test(published_hashes),
        cmocka_unit_test(published_roots),
        cmocka_unit_test(node_in_place),
        cmocka_unit_test(complete_roots),
        cmocka_unit_test(small_roots_and_frontiers),
        cmocka_unit_test(broken_frontiers),
        cmocka_unit_test(the_longest_frontier),
        cmocka_unit_test(large_roots),
        cmocka_unit_test(appends_in_any_groups),
        cmocka_unit_test(tile_roots_are_the_level_above),
    };

    srand((unsigned)test_seed());
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
