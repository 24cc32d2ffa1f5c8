/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_reader.h"

#include "base/assert.h"
#include "base/mem.h"
#include "ledger/frontier.h"

#include <inttypes.h>

int audit_reader_open(struct audit_reader *r, struct audit_source *source, uint64_t size,
                      struct error *err)
{
    *r = (struct audit_reader){.source = source, .size = size};
    return source->ops->connect(source, &r->connection, err);
}

void audit_reader_close(struct audit_reader *r)
{
    if (r->source == NULL) {
        return;
    }
    r->source->ops->disconnect(r->source, r->connection);
    buf_deinit(&r->bytes);
    buf_deinit(&r->bundle);
    for (unsigned level = 0; level < AUDIT_LEVELS; level++) {
        mem_free(r->tiles[level]);
    }
    *r = (struct audit_reader){0};
}

/* Reads a tile or bundle into out; when the partial one is gone, the full one, which *tile then
 * names. */
static int read_any(struct audit_reader *r, struct tile *tile, struct buf *out, struct error *err)
{
    int rc = r->source->ops->read_tile(r->source, r->connection, tile, out, err);

    if (rc == BLOCKDB_ENOTFOUND && tile->width < TILE_WIDTH) {
        struct tile full = {.level = tile->level, .index = tile->index, .width = TILE_WIDTH};
        struct error full_err = {0};
        int full_rc = r->source->ops->read_tile(r->source, r->connection, &full, out, &full_err);

        if (full_rc == BLOCKDB_OK) {
            *tile = full;
            rc = BLOCKDB_OK;
        } else if (full_rc != BLOCKDB_ENOTFOUND && full_rc != BLOCKDB_ELIMIT) {
            /* That it could not be read does not say that it is not there. */
            return error_set(err, full_rc, "%s", full_err.message);
        }
    }
    if (rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_ELIMIT) {
        char name[AUDIT_NAME_MAX];

        audit_source_name(r->source, tile, name);
        return error_set(err, BLOCKDB_ETAMPERED, "%s %s, which a log of %" PRIu64 " entries has",
                         name, rc == BLOCKDB_ELIMIT ? "is larger than any" : "is missing", r->size);
    }
    if (rc == BLOCKDB_OK) {
        r->bytes_read += out->len;
    }
    return rc;
}

int audit_reader_tile(struct audit_reader *r, unsigned level, uint64_t index,
                      const struct audit_tile **out, struct error *err)
{
    struct audit_tile *t = r->tiles[level];
    struct tile tile = {.level = level, .index = index};
    unsigned width = tile_width_at(level, index, r->size);
    char name[AUDIT_NAME_MAX];
    int rc;

    ASSERT(level < AUDIT_LEVELS && width > 0);
    if (t != NULL && t->width > 0 && t->tile.index == index) {
        *out = t;
        return BLOCKDB_OK;
    }
    if (t == NULL) {
        t = mem_calloc(1, sizeof(*t));
        if (t == NULL) {
            return error_set_no_memory(err);
        }
        r->tiles[level] = t;
    }
    t->width = 0; /* nothing, should this fail */
    tile.width = width;
    rc = read_any(r, &tile, &r->bytes, err);
    if (rc < 0) {
        return rc;
    }
    if (r->bytes.len != (size_t)tile.width * SHA256_LEN) {
        audit_source_name(r->source, &tile, name);
        return error_set(err, BLOCKDB_ETAMPERED, "%s has %zu bytes, not %zu", name, r->bytes.len,
                         (size_t)tile.width * SHA256_LEN);
    }
    memcpy(t->hashes, r->bytes.data, r->bytes.len);
    t->tile = tile;
    t->width = width;
    *out = t;
    return BLOCKDB_OK;
}

int audit_reader_bundle(struct audit_reader *r, uint64_t index, struct audit_bundle *out,
                        struct error *err)
{
    unsigned width = tile_width_at(0, index, r->size);
    struct tile tile = {.level = TILE_LEVEL_ENTRIES, .index = index, .width = width};
    int rc;

    ASSERT(width > 0);
    rc = read_any(r, &tile, &r->bundle, err);
    if (rc < 0) {
        return rc;
    }
    *out = (struct audit_bundle){
        .tile = tile,
        .width = width,
        .is_longer = tile.width > width,
        .data = r->bundle.data,
        .len = r->bundle.len,
    };
    return BLOCKDB_OK;
}

static int read_hashes(void *context, unsigned level, uint64_t index, size_t count,
                       struct hash *out, struct error *err)
{
    struct audit_reader *r = context;
    const struct audit_tile *tile;
    int rc = audit_reader_tile(r, level, index / TILE_WIDTH, &tile, err);

    if (rc < 0) {
        return rc;
    }
    ASSERT(index % TILE_WIDTH + count <= tile->width);
    memcpy(out, &tile->hashes[index % TILE_WIDTH], count * sizeof(*out));
    return BLOCKDB_OK;
}

struct hash_source audit_reader_hashes(struct audit_reader *r)
{
    return (struct hash_source){.read = read_hashes, .context = r};
}

int audit_reader_frontier(struct audit_reader *r, uint64_t size, struct frontier *out,
                          struct error *err)
{
    struct hash_source source = audit_reader_hashes(r);
    struct frontier f;
    uint64_t first = 0;

    ASSERT(size <= r->size);
    frontier_init(&f);
    for (unsigned height = FRONTIER_PEAKS_MAX; height-- > 0;) {
        int rc;

        if ((size >> height & 1) == 0) {
            continue;
        }
        rc = proof_subtree(&source, height, first >> height, &f.peaks[height], err);
        if (rc < 0) {
            return rc;
        }
        first += UINT64_C(1) << height;
    }
    f.size = size;
    *out = f;
    return BLOCKDB_OK;
}
