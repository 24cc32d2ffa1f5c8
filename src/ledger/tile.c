/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/tile.h"

#include "base/assert.h"
#include "ledger/merkle.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define GROUP 1000u /* values of three digits */
#define GROUPS_MAX 6

/* Writes index in groups of three digits, each but the last behind an x. */
static void write_index(uint64_t index, char *out, size_t out_len)
{
    unsigned groups[GROUPS_MAX];
    unsigned count = 0;
    size_t at = 0;

    do {
        groups[count++] = (unsigned)(index % GROUP);
        index /= GROUP;
    } while (index > 0);
    while (count > 1) {
        at += (size_t)snprintf(out + at, out_len - at, "x%03u/", groups[--count]);
    }
    (void)snprintf(out + at, out_len - at, "%03u", groups[0]);
}

size_t tile_path(const struct tile *tile, char out[TILE_PATH_MAX])
{
    char level[16] = "entries";
    char index[5 * GROUPS_MAX];
    char partial[8] = "";

    ASSERT(tile->level <= TILE_LEVEL_MAX || tile->level == TILE_LEVEL_ENTRIES);
    ASSERT(tile->index <= TILE_INDEX_MAX);
    ASSERT(tile->width >= 1 && tile->width <= TILE_WIDTH);
    if (tile->level != TILE_LEVEL_ENTRIES) {
        (void)snprintf(level, sizeof level, "%u", tile->level);
    }
    write_index(tile->index, index, sizeof index);
    if (tile->width < TILE_WIDTH) {
        (void)snprintf(partial, sizeof partial, ".p/%u", tile->width);
    }
    return (size_t)snprintf(out, TILE_PATH_MAX, "tile/%s/%s%s", level, index, partial);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes a word from the front of text. */
static bool take_word(const char **text, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(*text, word, len) != 0) {
        return false;
    }
    *text += len;
    return true;
}

/* Takes a decimal number of at most max from the front of text, without leading zeros. */
static bool take_number(const char **text, unsigned max, unsigned *out)
{
    const char *at = *text;
    unsigned number = 0;

    if (!is_digit(*at) || (at[0] == '0' && is_digit(at[1]))) {
        return false;
    }
    for (; is_digit(*at); at++) {
        number = number * 10 + (unsigned)(*at - '0');
        if (number > max) {
            return false;
        }
    }
    *text = at;
    *out = number;
    return true;
}

static bool take_group(const char **text, unsigned *out)
{
    const char *at = *text;

    if (!is_digit(at[0]) || !is_digit(at[1]) || !is_digit(at[2])) {
        return false;
    }
    *out = (unsigned)(at[0] - '0') * 100 + (unsigned)(at[1] - '0') * 10 + (unsigned)(at[2] - '0');
    *text = at + 3;
    return true;
}

static bool take_index(const char **text, uint64_t *out)
{
    uint64_t index = 0;
    unsigned groups = 0;
    bool more = true;

    while (more) {
        unsigned group;

        more = take_word(text, "x");
        if (++groups > GROUPS_MAX || !take_group(text, &group)) {
            return false;
        }
        if (more && ((groups == 1 && group == 0) || !take_word(text, "/"))) {
            return false; /* a needless group in front, or nothing behind */
        }
        index = index * GROUP + group;
    }
    *out = index;
    return true;
}

static bool take_level(const char **text, unsigned *out)
{
    if (take_word(text, "entries")) {
        *out = TILE_LEVEL_ENTRIES;
        return true;
    }
    return take_number(text, TILE_LEVEL_MAX, out);
}

int tile_path_parse(const char *text, struct tile *out)
{
    struct tile tile = {.width = TILE_WIDTH};

    if (!take_word(&text, "tile/") || !take_level(&text, &tile.level) || !take_word(&text, "/") ||
        !take_index(&text, &tile.index)) {
        return BLOCKDB_EINVAL;
    }
    if (take_word(&text, ".p/") &&
        (!take_number(&text, TILE_WIDTH - 1, &tile.width) || tile.width == 0)) {
        return BLOCKDB_EINVAL;
    }
    if (*text != '\0') {
        return BLOCKDB_EINVAL;
    }
    *out = tile;
    return BLOCKDB_OK;
}

uint64_t tile_hash_count(unsigned level, uint64_t size)
{
    if (level == TILE_LEVEL_ENTRIES) {
        level = 0;
    }
    return level * TILE_HEIGHT < 64 ? size >> (level * TILE_HEIGHT) : 0;
}

unsigned tile_width_at(unsigned level, uint64_t index, uint64_t size)
{
    uint64_t hashes = tile_hash_count(level, size);
    uint64_t full = hashes / TILE_WIDTH;

    if (index < full) {
        return TILE_WIDTH;
    }
    return index == full ? (unsigned)(hashes % TILE_WIDTH) : 0;
}

void tile_root(const struct hash hashes[TILE_WIDTH], struct hash *out)
{
    merkle_complete_root(hashes, TILE_HEIGHT, out);
}
