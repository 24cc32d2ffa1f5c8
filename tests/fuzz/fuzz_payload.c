/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small formats: payloads of system entries, frontiers, names of tiles, entry bundles. What is
 * accepted encodes to the same bytes.
 *
 * Input: a byte that chooses the format, then its bytes.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "ledger/bundle.h"
#include "ledger/config_entry.h"
#include "ledger/epoch_entry.h"
#include "ledger/frontier.h"
#include "ledger/redaction.h"
#include "ledger/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_redaction(struct slice in)
{
    uint8_t again[REDACTION_LEN_MAX];
    struct redaction r;

    if (redaction_decode(in, &r) == BLOCKDB_OK) {
        ASSERT(redaction_len(&r) == in.len && in.len <= sizeof again);
        redaction_encode(&r, again);
        ASSERT(memcmp(again, in.data, in.len) == 0);
    }
}

static void try_epoch(struct slice in)
{
    uint8_t again[EPOCH_ENTRY_LEN_MAX];
    struct epoch_entry e;

    if (epoch_entry_decode(in, &e) == BLOCKDB_OK) {
        ASSERT(epoch_entry_len(&e) == in.len && in.len <= sizeof again);
        epoch_entry_encode(&e, again);
        ASSERT(memcmp(again, in.data, in.len) == 0);
    }
}

static void try_config(struct slice in)
{
    struct config_item items[CONFIG_ITEMS_MAX];
    AUTO(buf_deinit) struct buf again = {0};
    struct reader reader;
    size_t count;

    if (config_entry_decode(in, &reader, &count) == BLOCKDB_OK) {
        for (size_t i = 0; i < count; i++) {
            items[i] = config_entry_next(&reader);
        }
        ASSERT(reader_done(&reader));
        ASSERT(config_entry_append(&again, items, count) == BLOCKDB_OK);
        ASSERT(slice_equal(buf_slice(&again), in));
    }
}

static void try_frontier(struct slice in)
{
    uint8_t again[FRONTIER_LEN_MAX];
    struct frontier f;
    struct hash root;

    if (frontier_decode(in, &f) == BLOCKDB_OK) {
        ASSERT(frontier_len(&f) == in.len);
        frontier_encode(&f, again);
        ASSERT(memcmp(again, in.data, in.len) == 0);
        frontier_root(&f, &root);
    }
}

static void try_tile_path(struct slice in)
{
    char path[TILE_PATH_MAX];
    char again[TILE_PATH_MAX];
    struct tile tile;

    if (in.len >= sizeof path) {
        return;
    }
    memset(path, 0, sizeof path);
    if (in.len > 0) {
        memcpy(path, in.data, in.len);
    }
    if (tile_path_parse(path, &tile) == BLOCKDB_OK) {
        ASSERT(tile_path(&tile, again) == strlen(path));
        ASSERT(strcmp(path, again) == 0);
    }
}

static void try_bundle(struct slice in)
{
    AUTO(buf_deinit) struct buf again = {0};
    struct reader reader = reader_of(in);

    while (reader_left(&reader) > 0) {
        struct slice bytes;
        struct leaf leaf;

        if (bundle_next(&reader, &bytes) < 0 || leaf_decode(bytes, &leaf) < 0) {
            return;
        }
        ASSERT(bundle_append(&again, &leaf) == BLOCKDB_OK);
    }
    ASSERT(slice_equal(buf_slice(&again), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct slice) = {
        try_redaction, try_epoch, try_config, try_frontier, try_tile_path, try_bundle,
    };

    if (size > 0) {
        tries[data[0] % (sizeof tries / sizeof *tries)](slice_of(data + 1, size - 1));
    }
    return 0;
}
