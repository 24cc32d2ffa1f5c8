/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: names (TILE-1) and geometry.
 */
#include "base/bytes.h"
#include "ledger/tile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void names_both_ways(void **state)
{
    static const struct {
        struct tile tile;
        const char *path;
    } cases[] = {
        {{.level = 0, .index = 0, .width = 256}, "tile/0/000"},
        {{.level = 0, .index = 0, .width = 1}, "tile/0/000.p/1"},
        {{.level = 0, .index = 0, .width = 255}, "tile/0/000.p/255"},
        {{.level = 1, .index = 999, .width = 256}, "tile/1/999"},
        {{.level = 0, .index = 1000, .width = 256}, "tile/0/x001/000"},
        {{.level = 0, .index = 1234067, .width = 8}, "tile/0/x001/x234/067.p/8"},
        {{.level = 15, .index = 455667, .width = 256}, "tile/15/x455/667"},
        {{.level = 63, .index = TILE_INDEX_MAX, .width = 255},
         "tile/63/x999/x999/x999/x999/x999/999.p/255"},
        {{.level = TILE_LEVEL_ENTRIES, .index = 0, .width = 256}, "tile/entries/000"},
        {{.level = TILE_LEVEL_ENTRIES, .index = 1, .width = 1}, "tile/entries/001.p/1"},
        {{.level = TILE_LEVEL_ENTRIES, .index = 123456789, .width = 256},
         "tile/entries/x123/x456/789"},
        {{.level = TILE_LEVEL_ENTRIES, .index = TILE_INDEX_MAX, .width = 255},
         "tile/entries/x999/x999/x999/x999/x999/999.p/255"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[TILE_PATH_MAX];
        struct tile tile;

        assert_int_equal(tile_path(&cases[i].tile, path), strlen(cases[i].path));
        assert_string_equal(path, cases[i].path);
        assert_int_equal(tile_path_parse(cases[i].path, &tile), BLOCKDB_OK);
        assert_int_equal(tile.level, cases[i].tile.level);
        assert_int_equal(tile.width, cases[i].tile.width);
        assert_true(tile.index == cases[i].tile.index);
    }
}

static void other_names_are_refused(void **state)
{
    static const char *const paths[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "Tile/0/000",
        "tile//000",
        "tile/64/000",
        "tile/-1/000",
        "tile/abc/000",
        "tile/00/000",
        "tile/01/000",
        "tile/+1/000",
        "tile/ 1/000",
        "tile/99999999999999999999/000",
        "tile/data/000",
        "tile/entriesx/000",
        "tile/entries",
        "tile/entries/",
        "tile/0/00",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/00a",
        "tile/0/x00",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/x001/x234",
        "tile/0/x001/x234/",
        "tile/0/001/002",
        "tile/0/x001/0002",
        "tile/0/x0001/002",
        "tile/0/X001/002",
        "tile/0/x000/001",
        "tile/0/x000/x001/002",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x234/067.p/",
        "tile/0/x001/x234/067.p",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1000",
        "tile/0/000.p/-1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1x",
        "tile/0/000.q/1",
        "tile/0/000/",
        "tile/0/000 ",
        " tile/0/000",
        "tile/0/000\n",
    };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct tile tile = {.level = 77, .width = 78, .index = 79};

        assert_int_equal(tile_path_parse(paths[i], &tile), BLOCKDB_EINVAL);
        assert_int_equal(tile.level, 77);
        assert_int_equal(tile.width, 78);
        assert_int_equal(tile.index, 79);
    }
}

/* Each changed byte of a name gives no name, or the name of the tile that it says. */
static void every_changed_byte(void **state)
{
    static const char good[] = "tile/1/x001/x234/067.p/8";

    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (int c = 1; c < 256; c++) {
            char path[sizeof good];
            char again[TILE_PATH_MAX];
            struct tile tile;

            memcpy(path, good, sizeof path);
            path[i] = (char)c;
            if (tile_path_parse(path, &tile) == BLOCKDB_OK) {
                (void)tile_path(&tile, again);
                assert_string_equal(again, path);
            }
        }
    }
}

static void geometry(void **state)
{
    assert_int_equal(tile_width_at(0, 0, 0), 0);
    assert_int_equal(tile_width_at(0, 0, 1), 1);
    assert_int_equal(tile_width_at(0, 0, 255), 255);
    assert_int_equal(tile_width_at(0, 0, 256), 256);
    assert_int_equal(tile_width_at(0, 1, 256), 0);
    assert_int_equal(tile_width_at(1, 0, 255), 0);
    assert_int_equal(tile_width_at(1, 0, 256), 1);
    assert_int_equal(tile_width_at(TILE_LEVEL_ENTRIES, 0, 257), 256);
    assert_int_equal(tile_width_at(TILE_LEVEL_ENTRIES, 1, 257), 1);
    assert_int_equal(tile_width_at(TILE_LEVEL_ENTRIES, 0, 255), 255);
    assert_int_equal(tile_width_at(0, 272, 70000), 256);
    assert_int_equal(tile_width_at(0, 273, 70000), 112);
    assert_int_equal(tile_width_at(0, 274, 70000), 0);
    assert_int_equal(tile_width_at(1, 0, 70000), 256);
    assert_int_equal(tile_width_at(1, 1, 70000), 17);
    assert_int_equal(tile_width_at(2, 0, 70000), 1);
    assert_int_equal(tile_width_at(3, 0, 70000), 0);
    assert_int_equal(tile_width_at(7, 0, UINT64_MAX), 255);
    assert_int_equal(tile_width_at(8, 0, UINT64_MAX), 0);
    assert_int_equal(tile_width_at(63, 0, UINT64_MAX), 0);
    assert_true(tile_hash_count(0, UINT64_MAX) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_both_ways),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(every_changed_byte),
        cmocka_unit_test(geometry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
