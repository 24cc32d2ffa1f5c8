/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tip.h"

#include "ledger/merkle.h"

#define TIP_VERSION 1

void tip_init(struct tip *tip)
{
    *tip = (struct tip){0};
    frontier_init(&tip->frontier);
}

size_t tip_tile_count(const struct tip *tip, size_t n)
{
    return frontier_tile_hash_count(&tip->frontier, n + 1);
}

void tip_seal(struct tip *tip, const struct tip_block *block, struct tile_hash *tiles)
{
    const struct hash *leaves = block->leaves;
    size_t n = block->count;
    struct block_header header = {
        .height = tip->block_count,
        .first_seq = tip_seq(tip),
        .count = n,
        .tree_size = tip_seq(tip) + n,
        .time_ms = block->time_ms,
        .map_size = block->map_size,
        .map_root = block->map_root,
        .previous = tip->last_hash,
    };
    size_t tile_count = frontier_tile_hash_count(&tip->frontier, n);

    merkle_root(leaves, n, &header.block_root);
    frontier_append_many(&tip->frontier, leaves, n, tiles);
    frontier_root(&tip->frontier, &header.tree_root);
    block_header_hash(&header, &tip->last_hash);
    frontier_append_many(&tip->frontier, &tip->last_hash, 1,
                         tiles != NULL ? tiles + tile_count : NULL);
    tip->last = header;
    tip->block_count++;
}

size_t tip_encode(const struct tip *tip, uint8_t *out)
{
    size_t len = 2;

    out[0] = TIP_VERSION;
    out[1] = tip->block_count > 0;
    if (tip->block_count > 0) {
        block_header_encode(&tip->last, out + len);
        len += BLOCK_HEADER_LEN;
    }
    frontier_encode(&tip->frontier, out + len);
    return len + frontier_len(&tip->frontier);
}

int tip_decode(struct slice bytes, struct tip *out, struct error *err)
{
    struct reader r = reader_of(bytes);
    struct tip tip;
    uint8_t version = reader_u8(&r);
    uint8_t has_last = reader_u8(&r);
    int rc = BLOCKDB_OK;

    tip_init(&tip);
    if (reader_ok(&r) && version != TIP_VERSION) {
        return error_set(err, BLOCKDB_EVERSION, "sealed point: version %u is not known", version);
    }
    if (has_last == 1) {
        rc = block_header_decode(reader_bytes(&r, BLOCK_HEADER_LEN), &tip.last);
        if (rc == BLOCKDB_OK) {
            tip.block_count = tip.last.height + 1;
            block_header_hash(&tip.last, &tip.last_hash);
        }
    }
    if (rc == BLOCKDB_OK) {
        rc = frontier_decode(reader_bytes(&r, reader_left(&r)), &tip.frontier);
    }
    if (rc < 0 || !reader_ok(&r) || has_last > 1 ||
        (has_last == 1 && tip_seq(&tip) != tip.last.tree_size + 1) ||
        (has_last == 0 && tip_seq(&tip) != 0)) {
        return error_set(err, BLOCKDB_ECORRUPT, "sealed point: %zu bytes are damaged", bytes.len);
    }
    *out = tip;
    return BLOCKDB_OK;
}
