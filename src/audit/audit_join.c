/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_join.h"

#include "audit/audit_grow.h"
#include "base/mem.h"
#include "base/text.h"
#include "ledger/merkle.h"

#include <inttypes.h>

int audit_join_init(struct audit_join *j, const struct audit_source *source,
                    const struct audit_state *state, bool with_map)
{
    *j = (struct audit_join){
        .source = source,
        .frontier = state->frontier,
        .sealed = state->frontier,
        .counts = state->counts,
        .sealed_counts = state->counts,
        .epoch = state->epoch,
        .sealed_epoch = state->epoch,
        .has_header = state->frontier.size > 0,
        .last_header = state->last_header,
        .order = {.time_ms = state->last_header.time_ms},
    };
    frontier_init(&j->block);
    return with_map ? audit_map_new(&j->map) : BLOCKDB_OK;
}

void audit_join_deinit(struct audit_join *j)
{
    audit_map_free(j->map);
    mem_free(j->pending);
}

/* ---- Where a stretch begins ---------------------------------------------------------------- */

/* The number of the block that comes after the last header. */
static uint64_t open_height(const struct audit_join *j)
{
    return j->has_header ? j->last_header.height + 1 : 0;
}

/* Something is wrong between the entries before a stretch and its first. */
static int begin_wrong(const struct audit_join *j, const struct stretch *s, const char *what,
                       struct error *err)
{
    struct tile tile = {.level = TILE_LEVEL_ENTRIES,
                        .index = s->begin / TILE_WIDTH,
                        .width = (unsigned)(s->end - s->begin / TILE_WIDTH * TILE_WIDTH < TILE_WIDTH
                                                ? s->end % TILE_WIDTH
                                                : TILE_WIDTH)};
    char name[AUDIT_NAME_MAX];

    audit_source_name(j->source, &tile, name);
    return error_set(err, BLOCKDB_ETAMPERED, "%s: block %" PRIu64 ": entry %" PRIu64 ": %s", name,
                     open_height(j), s->begin, what);
}

/* STRETCH-1: names the tile hash that is not what the entries below it gave. */
static int check_frontier(const struct audit_join *j, const struct stretch *s, struct error *err)
{
    uint64_t first = 0;

    for (unsigned height = FRONTIER_PEAKS_MAX; height-- > 0;) {
        unsigned level = height / TILE_HEIGHT;
        uint64_t hash = first >> (TILE_HEIGHT * level);
        struct tile tile = {.level = level, .index = hash / TILE_WIDTH, .width = TILE_WIDTH};
        char name[AUDIT_NAME_MAX];

        if ((s->begin >> height & 1) == 0) {
            continue;
        }
        if (!hash_equal(&j->frontier.peaks[height], &s->before.peaks[height])) {
            audit_source_name(j->source, &tile, name);
            return error_set(
                err, BLOCKDB_ETAMPERED,
                "%s (or a partial one) at offset %" PRIu64 ": the hashes of entries %" PRIu64
                " to %" PRIu64 " are not those that were audited",
                name, hash % TILE_WIDTH * SHA256_LEN, first, first + (UINT64_C(1) << height) - 1);
        }
        first += UINT64_C(1) << height;
    }
    return BLOCKDB_OK;
}

static int check_begin(const struct audit_join *j, const struct stretch *s, struct error *err)
{
    int rc = check_frontier(j, s, err);

    if (rc < 0) {
        return rc;
    }
    if (s->from.time_ms < j->order.time_ms) {
        return begin_wrong(j, s, "its time is before that of the entry before it", err);
    }
    if (s->from.next != j->order.next || (j->order.next != 0 && s->from.count != j->order.count)) {
        return begin_wrong(j, s, "its batch is not whole", err);
    }
    if (s->first_epoch != 0 && s->first_epoch <= j->epoch) {
        return begin_wrong(j, s, "an epoch that is declared behind it is not above the one before",
                           err);
    }
    return BLOCKDB_OK;
}

/* ---- The block that ends with the stretch's first header ----------------------------------- */

static int header_wrong(const struct audit_join *j, const struct stretch *s, const char *what,
                        struct error *err)
{
    uint64_t seq = s->first_header.tree_size;
    struct tile tile = {
        .level = TILE_LEVEL_ENTRIES, .index = seq / TILE_WIDTH, .width = TILE_WIDTH};
    char name[AUDIT_NAME_MAX];

    if (s->end - tile.index * TILE_WIDTH < TILE_WIDTH) {
        tile.width = (unsigned)(s->end % TILE_WIDTH);
    }
    audit_source_name(j->source, &tile, name);
    return error_set(err, BLOCKDB_ETAMPERED,
                     "%s at offset %" PRIu32 ": block %" PRIu64 ": entry %" PRIu64 ": %s", name,
                     s->first_header_offset, open_height(j), seq, what);
}

static int check_first_header(const struct audit_join *j, const struct stretch *s,
                              struct error *err)
{
    struct error reason;
    struct hash root;

    if (block_header_follows(j->has_header ? &j->last_header : NULL, &s->first_header, &reason) <
        0) {
        return header_wrong(j, s, reason.message, err);
    }
    if (s->first_header.count != j->block.size) {
        return header_wrong(j, s, "the header counts other entries than the block has", err);
    }
    frontier_root(&j->block, &root);
    if (!hash_equal(&root, &s->first_header.block_root)) {
        return header_wrong(j, s, "the entries of the block do not match its root", err);
    }
    return BLOCKDB_OK;
}

/* ---- The map ------------------------------------------------------------------------------- */

static int add_pending(struct audit_join *j, const struct stretch *s)
{
    size_t left = j->pending_count - j->pending_begin;

    if (j->pending_begin > 0) {
        memmove(j->pending, j->pending + j->pending_begin, left * sizeof(*j->pending));
        j->pending_begin = 0;
        j->pending_count = left;
    }
    if (s->change_count == 0) {
        return BLOCKDB_OK;
    }
    if (audit_grow(&j->pending, &j->pending_cap, left + s->change_count, sizeof(*j->pending)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    memcpy(j->pending + left, s->changes, s->change_count * sizeof(*j->pending));
    j->pending_count += s->change_count;
    return BLOCKDB_OK;
}

/* Applies what the first `size` entries did. */
static int apply_until(struct audit_join *j, uint64_t size)
{
    size_t end = j->pending_begin;
    int rc;

    while (end < j->pending_count && j->pending[end].seq < size) {
        end++;
    }
    rc = audit_map_apply(j->map, j->pending + j->pending_begin, end - j->pending_begin);
    j->pending_begin = end;
    j->map_size = size;
    return rc;
}

static int check_claim(struct audit_join *j, const struct map_claim *claim, struct error *err)
{
    struct hash root;
    int rc;

    if (claim->size == 0) {
        return BLOCKDB_OK; /* it says nothing */
    }
    j->has_map = true;
    rc = apply_until(j, claim->size);
    if (rc == BLOCKDB_OK) {
        rc = audit_map_root(j->map, &root);
    }
    if (rc < 0) {
        return error_set(
            err, rc, "the map of %" PRIu64 " keys does not fit into memory; audit with --no-map",
            audit_map_key_count(j->map));
    }
    if (!hash_equal(&root, &claim->root)) {
        struct tile tile = {.level = TILE_LEVEL_ENTRIES,
                            .index = claim->header_seq / TILE_WIDTH,
                            .width = TILE_WIDTH};
        char name[AUDIT_NAME_MAX];

        audit_source_name(j->source, &tile, name);
        return error_set(err, BLOCKDB_ETAMPERED,
                         "%s (or a partial one): entry %" PRIu64
                         ": the block header's map of %" PRIu64
                         " entries is not the one that these entries make",
                         name, claim->header_seq, claim->size);
    }
    return BLOCKDB_OK;
}

static int check_map(struct audit_join *j, const struct stretch *s, struct error *err)
{
    int rc;

    if (j->map == NULL) {
        return BLOCKDB_OK;
    }
    if (add_pending(j, s) < 0) {
        return error_set_no_memory(err);
    }
    rc = BLOCKDB_OK;
    for (size_t i = 0; rc == BLOCKDB_OK && i < s->claim_count; i++) {
        rc = check_claim(j, &s->claims[i], err);
    }
    return rc;
}

/* ---- Joining ------------------------------------------------------------------------------- */

static void add_counts(struct audit_counts *out, const struct audit_counts *before,
                       const struct audit_counts *more)
{
    out->blocks = before->blocks + more->blocks;
    out->puts = before->puts + more->puts;
    out->deletes = before->deletes + more->deletes;
    out->redactions = before->redactions + more->redactions;
    out->epochs = before->epochs + more->epochs;
    out->configs = before->configs + more->configs;
}

/* Takes over where the stretch ended. */
static void advance(struct audit_join *j, const struct stretch *s)
{
    if (s->has_header) {
        j->block = s->trailing;
        j->has_header = true;
        j->last_header = s->last_header;
        j->sealed = s->sealed;
        add_counts(&j->sealed_counts, &j->counts, &s->sealed_counts);
        j->sealed_epoch = s->sealed_epoch != 0 ? s->sealed_epoch : j->epoch;
    }
    add_counts(&j->counts, &j->counts, &s->counts);
    j->epoch = s->last_epoch != 0 ? s->last_epoch : j->epoch;
    j->frontier = s->after;
    j->order = s->to;
}

/* What the stretch itself failed with, told with its block. */
static int forward_failure(const struct audit_join *j, const struct stretch *s, struct error *err)
{
    uint64_t height = s->has_header ? s->last_header.height + 1 : open_height(j);

    if (s->status != BLOCKDB_ETAMPERED) {
        return error_set(err, s->status, "%s", s->error.message);
    }
    return error_set(err, s->status, "block %" PRIu64 ": %s", height, s->error.message);
}

int audit_join_add(struct audit_join *j, const struct stretch *s, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (s->status == BLOCKDB_OK || s->after.size > s->begin) {
        rc = check_begin(j, s, err);
        frontier_append_many(&j->block, s->leading, s->leading_count, NULL);
    }
    if (rc == BLOCKDB_OK && s->has_header) {
        rc = check_first_header(j, s, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_map(j, s, err);
    }
    if (rc == BLOCKDB_OK && s->status < 0) {
        rc = forward_failure(j, s, err);
    }
    if (rc == BLOCKDB_OK) {
        advance(j, s);
    }
    return rc;
}

int audit_join_finish(struct audit_join *j, const struct audit_head *head, struct error *err)
{
    struct hash root;
    char made[2 * SHA256_LEN + 1];
    char told[2 * SHA256_LEN + 1];

    frontier_root(&j->frontier, &root);
    if (j->frontier.size != head->size || !hash_equal(&root, &head->root)) {
        text_format_hex(made, root.bytes, SHA256_LEN);
        text_format_hex(told, head->root.bytes, SHA256_LEN);
        return error_set(err, BLOCKDB_ETAMPERED,
                         "'%.300s': its %" PRIu64
                         " entries have the root %s, but the head says %s: entries were changed "
                         "and everything above them recomputed",
                         j->source->place, j->frontier.size, made, told);
    }
    if (j->sealed.size != head->size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "'%.300s': entry %" PRIu64
                         ", the last under the head, is not a block header",
                         j->source->place, head->size - 1);
    }
    return BLOCKDB_OK;
}
