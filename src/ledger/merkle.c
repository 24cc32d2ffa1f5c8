/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/merkle.h"

#include "base/assert.h"
#include "ledger/frontier.h"
#include "ledger/tile.h"

void merkle_empty_root(struct hash *out)
{
    sha256_once(NULL, 0, out);
}

void merkle_leaf(struct slice data, struct hash *out)
{
    uint8_t prefix = 0x00;
    struct sha256_job job = {&prefix, 1, data.data, data.len, out};

    sha256_many(&job, 1);
}

void merkle_node(const struct hash *left, const struct hash *right, struct hash *out)
{
    struct hash pair[2] = {*left, *right};

    sha256_nodes(pair, 1, out);
}

void merkle_root(const struct hash *leaves, size_t n, struct hash *out)
{
    struct frontier f;

    frontier_init(&f);
    frontier_append_many(&f, leaves, n, NULL);
    frontier_root(&f, out);
}

void merkle_complete_root(const struct hash *hashes, unsigned height, struct hash *out)
{
    struct hash level[TILE_WIDTH / 2];
    size_t count = (size_t)1 << height;

    ASSERT(height <= TILE_HEIGHT);
    if (height == 0) {
        *out = hashes[0];
        return;
    }
    sha256_nodes(hashes, count / 2, level);
    for (count /= 2; count > 1; count /= 2) {
        sha256_nodes(level, count / 2, level);
    }
    *out = level[0];
}
