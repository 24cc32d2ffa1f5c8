/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/frontier.h"

#include "base/assert.h"
#include "base/with_evidence.h"
#include "ledger/merkle.h"
#include "ledger/tile.h"

void frontier_init(struct frontier *f)
{
    memset(f, 0, sizeof *f);
}

size_t frontier_tile_hash_count(const struct frontier *f, size_t n)
{
    uint64_t end = f->size + n;
    size_t count = 0;

    for (unsigned shift = TILE_HEIGHT; shift < 64; shift += TILE_HEIGHT) {
        count += (size_t)((end >> shift) - (f->size >> shift));
    }
    return count;
}

/* The hashes of one height that an append brings, in order; the first is hash `index` of its
 * height. There is room for one more in front, where a waiting peak goes. */
struct row {
    struct hash *hashes;
    size_t count;
    uint64_t index;
    unsigned height;
};

/* Replaces a row by the one above it. A hash that finds no partner becomes the peak. */
static void row_rise(struct row *row, struct frontier *f)
{
    struct hash *peak = &f->peaks[row->height];
    struct hash *pairs = row->hashes;
    size_t count = row->count;

    if (row->index & 1) {
        pairs--;
        count++;
        *pairs = *peak;
        memset(peak, 0, sizeof *peak);
    }
    if (count & 1) {
        *peak = pairs[count - 1];
    }
    /* The next row begins where this one did, so that the room in front of it stays. */
    sha256_nodes(pairs, count / 2, row->hashes);
    row->count = count / 2;
    row->index >>= 1;
    row->height++;
}

static struct tile_hash *row_emit(const struct row *row, struct tile_hash *out)
{
    for (size_t i = 0; i < row->count; i++) {
        *out++ = (struct tile_hash){
            .level = row->height / TILE_HEIGHT, .index = row->index + i, .hash = row->hashes[i]};
    }
    return out;
}

/* Appends at most TILE_WIDTH leaves; returns where the next tile hashes go. */
static struct tile_hash *append_some(struct frontier *f, const struct hash *leaves, size_t n,
                                     struct tile_hash *out_tiles)
{
    struct hash memory[1 + TILE_WIDTH];
    struct row row = {.hashes = memory + 1, .count = n, .index = f->size};

    memcpy(row.hashes, leaves, n * sizeof *leaves);
    while (row.count > 0) {
        if (out_tiles != NULL && row.height > 0 && row.height % TILE_HEIGHT == 0) {
            out_tiles = row_emit(&row, out_tiles);
        }
        row_rise(&row, f);
    }
    f->size += n;
    return out_tiles;
}

void frontier_append_many(struct frontier *f, const struct hash *leaves, size_t n,
                          struct tile_hash *out_tiles)
{
    ASSERT(n <= UINT64_MAX - f->size);
    if (!WITH_EVIDENCE) {
        f->size += n;
        return;
    }
    while (n > 0) {
        size_t room = TILE_WIDTH - f->size % TILE_WIDTH;
        size_t count = n < room ? n : room;

        out_tiles = append_some(f, leaves, count, out_tiles);
        leaves += count;
        n -= count;
    }
}

void frontier_append(struct frontier *f, const struct hash *leaf)
{
    frontier_append_many(f, leaf, 1, NULL);
}

void frontier_root(const struct frontier *f, struct hash *out)
{
    uint64_t left = f->size;
    struct hash root;

    if (left == 0) {
        merkle_empty_root(out);
        return;
    }
    root = f->peaks[__builtin_ctzll(left)];
    for (left &= left - 1; left != 0; left &= left - 1) {
        merkle_node(&f->peaks[__builtin_ctzll(left)], &root, &root);
    }
    *out = root;
}

size_t frontier_len(const struct frontier *f)
{
    return 8 + (size_t)__builtin_popcountll(f->size) * SHA256_LEN;
}

void frontier_encode(const struct frontier *f, uint8_t *out)
{
    put_be64(out, f->size);
    out += 8;
    for (unsigned h = FRONTIER_PEAKS_MAX; h-- > 0;) {
        if ((f->size >> h) & 1) {
            memcpy(out, f->peaks[h].bytes, SHA256_LEN);
            out += SHA256_LEN;
        }
    }
}

int frontier_decode(struct slice bytes, struct frontier *out)
{
    struct reader in = reader_of(bytes);
    struct frontier f;

    frontier_init(&f);
    f.size = reader_be64(&in);
    for (unsigned h = FRONTIER_PEAKS_MAX; h-- > 0;) {
        if ((f.size >> h) & 1) {
            reader_copy(&in, f.peaks[h].bytes, SHA256_LEN);
        }
    }
    if (!reader_done(&in)) {
        return BLOCKDB_ECORRUPT;
    }
    *out = f;
    return BLOCKDB_OK;
}
