/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking the tiles of a stretch one after the other: see audit_stretch.h. What single entries of
 * system kinds must fulfil is in audit_entry.c.
 */
#include "audit/audit_stretch.h"

#include "audit/audit_check.h"
#include "audit/audit_grow.h"
#include "base/assert.h"
#include "base/mem.h"
#include "ledger/bundle.h"
#include "ledger/merkle.h"

#include <inttypes.h>

/* ---- Making and freeing -------------------------------------------------------------------- */

int stretch_checker_new(struct audit_source *source, const struct audit_head *head,
                        struct stretch_checker **out, struct error *err)
{
    struct stretch_checker *c = mem_calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    c->head = head;
    rc = audit_reader_open(&c->reader, source, head->size, err);
    if (rc == BLOCKDB_OK) {
        rc = audit_reader_open(&c->lookup, source, head->size, err);
    }
    if (rc < 0) {
        stretch_checker_free(c);
        return rc;
    }
    *out = c;
    return BLOCKDB_OK;
}

void stretch_checker_free(struct stretch_checker *c)
{
    if (c != NULL) {
        audit_reader_close(&c->reader);
        audit_reader_close(&c->lookup);
        mem_free(c);
    }
}

void stretch_deinit(struct stretch *s)
{
    mem_free(s->leading);
    mem_free(s->changes);
    mem_free(s->claims);
    mem_free(s->configs);
}

/* ---- Failures ------------------------------------------------------------------------------ */

int entry_wrong(struct stretch_checker *c, size_t i, const char *what)
{
    char name[AUDIT_NAME_MAX];

    audit_source_name(c->reader.source, &c->bundle.tile, name);
    return error_set(&c->stretch->error, BLOCKDB_ETAMPERED,
                     "%s at offset %" PRIu32 ": entry %" PRIu64 ": %s", name, c->offsets[i],
                     c->first_seq + i, what);
}

/* ---- One bundle ---------------------------------------------------------------------------- */

/* Finds the leaves of the bundle; returns how many there are before it breaks. */
static size_t split_bundle(struct stretch_checker *c)
{
    struct reader in = reader_of(slice_of(c->bundle.data, c->bundle.len));
    size_t n = 0;

    while (n < c->bundle.width) {
        c->offsets[n] = (uint32_t)(c->bundle.len - reader_left(&in));
        if (bundle_next(&in, &c->leaves[n]) < 0) {
            return n;
        }
        n++;
    }
    c->end_offset = (uint32_t)(c->bundle.len - reader_left(&in));
    return n;
}

/* Hashes n leaves in place: the last byte of each length, which has been read, becomes the prefix
 * that leaves are hashed with. */
static void hash_leaves(struct stretch_checker *c, size_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t *prefix = c->bundle.data + c->offsets[i] + 1;

        *prefix = 0x00;
        c->jobs[i] = (struct sha256_job){NULL, 0, prefix, c->leaves[i].len + 1, &c->hashes[i]};
        bytes += c->leaves[i].len + 1;
    }
    sha256_many(c->jobs, n);
    c->stretch->bytes_hashed += bytes;
}

/* Which of bundle and tile is wrong, as far as the tiles above and the head tell. */
static const char *blame(struct stretch_checker *c, const struct audit_tile *tile)
{
    struct hash_source source = audit_reader_hashes(&c->reader);
    struct hash root;
    struct error ignored;

    if (tile->width == TILE_WIDTH && tile_hash_count(1, c->head->size) > tile->tile.index) {
        struct hash above;

        tile_root(tile->hashes, &root);
        if (source.read(source.context, 1, tile->tile.index, 1, &above, &ignored) < 0) {
            return "";
        }
        return hash_equal(&above, &root) ? "; the tile fits the tiles above, so the bundle is wrong"
                                         : "; the tile does not fit the tiles above";
    }
    if (proof_root(&source, c->head->size, &root, &ignored) < 0) {
        return "";
    }
    return hash_equal(&root, &c->head->root) ? "; the tile fits the head, so the bundle is wrong"
                                             : "; the tiles do not fit the head";
}

/* The leaf of entry i is not the one in its tile. */
static int leaf_differs(struct stretch_checker *c, size_t i, const struct audit_tile *tile)
{
    struct audit_tile seen = *tile; /* blame() may read others into its place */
    char tile_name[AUDIT_NAME_MAX];
    char bundle_name[AUDIT_NAME_MAX];

    audit_source_name(c->reader.source, &c->bundle.tile, bundle_name);
    audit_source_name(c->reader.source, &seen.tile, tile_name);
    return error_set(&c->stretch->error, BLOCKDB_ETAMPERED,
                     "%.400s at offset %" PRIu32 ": entry %" PRIu64
                     " does not match its leaf hash in %.400s at offset %zu%s",
                     bundle_name, c->offsets[i], c->first_seq + i, tile_name, i * SHA256_LEN,
                     blame(c, &seen));
}

static int bundle_broken(struct stretch_checker *c, size_t i)
{
    char name[AUDIT_NAME_MAX];

    audit_source_name(c->reader.source, &c->bundle.tile, name);
    return error_set(&c->stretch->error, BLOCKDB_ETAMPERED,
                     "%s at offset %" PRIu32 ": entry %" PRIu64
                     " is cut off or has an impossible length; this is not a bundle of BlockDB's "
                     "entries, or it is damaged",
                     name, c->offsets[i], c->first_seq + i);
}

/* Nothing may follow the last entry of a bundle that is not longer than the tree. */
static int check_bundle_end(struct stretch_checker *c)
{
    char name[AUDIT_NAME_MAX];

    if (c->bundle.is_longer || c->end_offset == c->bundle.len) {
        return BLOCKDB_OK;
    }
    audit_source_name(c->reader.source, &c->bundle.tile, name);
    return error_set(&c->stretch->error, BLOCKDB_ETAMPERED,
                     "%s at offset %" PRIu32 ": %zu bytes follow its last entry %" PRIu64, name,
                     c->end_offset, c->bundle.len - c->end_offset,
                     c->first_seq + c->bundle.width - 1);
}

/* ---- The tree ------------------------------------------------------------------------------ */

/* A hash that the entries give for a tile above level 0 against the one that is there. */
static int check_tile_hash(struct stretch_checker *c, const struct tile_hash *made)
{
    const struct audit_tile *tile;
    size_t at = (size_t)(made->index % TILE_WIDTH);
    unsigned shift = TILE_HEIGHT * made->level;
    char name[AUDIT_NAME_MAX];
    int rc = audit_reader_tile(&c->reader, made->level, made->index / TILE_WIDTH, &tile,
                               &c->stretch->error);

    if (rc < 0 || hash_equal(&tile->hashes[at], &made->hash)) {
        return rc;
    }
    audit_source_name(c->reader.source, &tile->tile, name);
    return error_set(&c->stretch->error, BLOCKDB_ETAMPERED,
                     "%s at offset %zu: it is not the root of entries %" PRIu64 " to %" PRIu64
                     ", which fit the tiles below",
                     name, at * SHA256_LEN, made->index << shift, ((made->index + 1) << shift) - 1);
}

/* Appends leaves [run_begin, i) to the trees that they belong to. */
int stretch_end_run(struct stretch_checker *c, size_t i)
{
    struct stretch *s = c->stretch;
    const struct hash *run = c->hashes + c->run_begin;
    size_t n = i - c->run_begin;
    struct tile_hash made[AUDIT_LEVELS];
    size_t count = frontier_tile_hash_count(&s->after, n);
    int rc = BLOCKDB_OK;

    ASSERT(count <= AUDIT_LEVELS);
    if (n == 0) {
        return BLOCKDB_OK;
    }
    c->run_begin = i;
    if (s->has_header) {
        frontier_append_many(&s->trailing, run, n, NULL);
    } else {
        if (audit_grow(&s->leading, &s->leading_cap, s->leading_count + n, sizeof(*run)) < 0) {
            return error_set_no_memory(&s->error);
        }
        memcpy(s->leading + s->leading_count, run, n * sizeof(*run));
        s->leading_count += n;
    }
    frontier_append_many(&s->after, run, n, made);
    s->bytes_hashed += 2 * n * (1 + 2 * SHA256_LEN);
    for (size_t k = 0; rc == BLOCKDB_OK && k < count; k++) {
        rc = check_tile_hash(c, &made[k]);
    }
    return rc;
}

/* ---- One tile ------------------------------------------------------------------------------ */

/* Judges entries [first, end) of the bundle, whose hashes are those of the tile. */
static int check_entries(struct stretch_checker *c, size_t first, size_t end)
{
    int rc = BLOCKDB_OK;
    size_t i;

    c->run_begin = first;
    for (i = first; rc == BLOCKDB_OK && i < end; i++) {
        rc = entry_check(c, i);
    }
    if (rc == BLOCKDB_OK) {
        rc = stretch_end_run(c, end);
    }
    entry_hash_keys(c); /* what came before a failure is still judged */
    return rc;
}

/* How many hashes at the front are the same. */
static size_t count_equal(const struct hash *a, const struct hash *b, size_t n)
{
    size_t i = 0;

    if (memcmp(a, b, n * sizeof(*a)) == 0) {
        return n;
    }
    while (hash_equal(&a[i], &b[i])) {
        i++;
    }
    return i;
}

/* Checks the entries from `seq` on that lie in its tile. */
static int check_tile(struct stretch_checker *c, uint64_t seq)
{
    struct stretch *s = c->stretch;
    uint64_t index = seq / TILE_WIDTH;
    size_t first = (size_t)(seq % TILE_WIDTH);
    const struct audit_tile *tile;
    size_t found;
    size_t good;
    int rc = audit_reader_tile(&c->reader, 0, index, &tile, &s->error);

    if (rc == BLOCKDB_OK) {
        rc = audit_reader_bundle(&c->reader, index, &c->bundle, &s->error);
    }
    if (rc < 0) {
        return rc;
    }
    c->first_seq = index * TILE_WIDTH;
    found = split_bundle(c);
    hash_leaves(c, found);
    good = count_equal(c->hashes, tile->hashes, found);
    if (good > first) {
        rc = check_entries(c, first, good);
    }
    if (rc == BLOCKDB_OK && good < found) {
        rc = leaf_differs(c, good, tile);
    }
    if (rc == BLOCKDB_OK && found < c->bundle.width) {
        rc = bundle_broken(c, found);
    }
    return rc < 0 ? rc : check_bundle_end(c);
}

/* ---- The stretch --------------------------------------------------------------------------- */

static int start_at(struct stretch_checker *c, const struct frontier *start)
{
    struct stretch *s = c->stretch;
    int rc = BLOCKDB_OK;

    if (start != NULL) {
        ASSERT(start->size == s->begin);
        s->before = *start;
    } else {
        rc = audit_reader_frontier(&c->reader, s->begin, &s->before, &s->error);
    }
    s->after = s->before;
    return rc;
}

static int check_tiles(struct stretch_checker *c, _Atomic uint64_t *progress,
                       const atomic_bool *stop)
{
    struct stretch *s = c->stretch;
    uint64_t seq = s->begin;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && seq < s->end) {
        uint64_t left = TILE_WIDTH - seq % TILE_WIDTH;
        uint64_t n = s->end - seq < left ? s->end - seq : left;

        if (atomic_load_explicit(stop, memory_order_relaxed)) {
            return error_set(&s->error, BLOCKDB_ECANCELED, "interrupted");
        }
        rc = check_tile(c, seq);
        seq += n;
        if (rc == BLOCKDB_OK) {
            s->entries += n;
            (void)atomic_fetch_add_explicit(progress, n, memory_order_relaxed);
        }
    }
    return rc;
}

int stretch_check(struct stretch_checker *c, struct stretch *s, const struct frontier *start,
                  _Atomic uint64_t *progress, const atomic_bool *stop)
{
    uint64_t bytes_read = c->reader.bytes_read + c->lookup.bytes_read;

    ASSERT(s->begin < s->end && (s->end % TILE_WIDTH == 0 || s->end == c->head->size));
    c->stretch = s;
    c->change_begin = 0;
    s->status = start_at(c, start);
    if (s->status == BLOCKDB_OK) {
        s->status = check_tiles(c, progress, stop);
    }
    s->bytes_read = c->reader.bytes_read + c->lookup.bytes_read - bytes_read;
    return s->status;
}
