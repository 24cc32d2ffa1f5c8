/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each entry of a log must fulfil by itself, and what block headers say of the entries before
 * them: see audit_check.h.
 */
#include "audit/audit_check.h"

#include "audit/audit_grow.h"
#include "ledger/bundle.h"
#include "ledger/config_entry.h"
#include "ledger/epoch_entry.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Order --------------------------------------------------------------------------------- */

static int check_order(struct stretch_checker *c, size_t i, const struct leaf *leaf)
{
    struct stretch *s = c->stretch;
    struct entry_order *order = &s->to;

    if (c->first_seq + i == s->begin) {
        /* What came before is not known here: the join compares. */
        s->from = (struct entry_order){leaf->time_ms, leaf->batch_position, leaf->batch_count};
        s->first_is_header = leaf->kind == BLOCKDB_KIND_BLOCK_HEADER;
        *order = s->from;
    }
    if (leaf->time_ms < order->time_ms) {
        return entry_wrong(c, i, "its time is before that of the entry before it");
    }
    if (leaf->batch_position != order->next ||
        (order->next != 0 && leaf->batch_count != order->count)) {
        return entry_wrong(c, i, "its batch is not whole");
    }
    order->time_ms = leaf->time_ms;
    order->count = leaf->batch_count;
    order->next = leaf->batch_position + 1 == leaf->batch_count ? 0 : leaf->batch_position + 1;
    return BLOCKDB_OK;
}

/* ---- Changes of the map -------------------------------------------------------------------- */

/* Notes what an entry does to the map; its key is hashed later, with others. */
static int add_change(struct stretch_checker *c, size_t i, const struct leaf *leaf)
{
    struct stretch *s = c->stretch;
    size_t n = s->change_count - c->change_begin;

    if (!s->wants_changes) {
        return BLOCKDB_OK;
    }
    if (audit_grow(&s->changes, &s->change_cap, s->change_count + 1, sizeof(*s->changes)) < 0) {
        return error_set_no_memory(&s->error);
    }
    s->changes[s->change_count++] = (struct map_change){
        .leaf = c->hashes[i], .seq = c->first_seq + i, .kind = leaf->kind};
    c->places[n] = (struct map_place_job){.collection = leaf->collection, .key = leaf->key};
    return BLOCKDB_OK;
}

void entry_hash_keys(struct stretch_checker *c)
{
    struct stretch *s = c->stretch;
    size_t n = s->change_count - c->change_begin;
    size_t jobs = 0;

    for (size_t i = 0; i < n; i++) {
        struct map_change *change = &s->changes[c->change_begin + i];

        if (change->kind != BLOCKDB_KIND_REDACT) {
            c->places[jobs] = c->places[i];
            s->bytes_hashed += 12 + c->places[jobs].key.len;
            c->places[jobs++].out = &change->key;
        }
    }
    map_place_many(c->places, jobs);
    c->change_begin = s->change_count;
}

/* ---- Redactions ---------------------------------------------------------------------------- */

/* Whether entry `seq` with that hash is in the tree of the head. */
static int check_included(struct stretch_checker *c, uint64_t seq, const struct hash *leaf,
                          struct error *err)
{
    struct hash_source source = audit_reader_hashes(&c->lookup);
    struct inclusion claim = {
        .index = seq, .size = c->head->size, .leaf = leaf, .root = &c->head->root};
    struct proof proof;
    int rc = proof_inclusion(&source, seq, c->head->size, &proof, err);

    return rc < 0 ? rc : inclusion_verify(&claim, proof.hashes, proof.count);
}

/* The leaf of an entry anywhere in the log, borrowed until the next lookup. */
static int lookup_leaf(struct stretch_checker *c, uint64_t seq, struct slice *out,
                       struct error *err)
{
    struct audit_bundle bundle;
    struct reader in;
    int rc = audit_reader_bundle(&c->lookup, seq / TILE_WIDTH, &bundle, err);

    if (rc < 0) {
        return rc;
    }
    in = reader_of(slice_of(bundle.data, bundle.len));
    for (uint64_t i = 0; rc == BLOCKDB_OK && i <= seq % TILE_WIDTH; i++) {
        rc = bundle_next(&in, out);
    }
    return rc < 0 ? error_set(err, rc, "the bundle of entry %" PRIu64 " is damaged", seq) : rc;
}

/* Notes a redaction for the map. target is the leaf that it names. */
static int add_redaction(struct stretch_checker *c, size_t i, const struct redaction *redaction,
                         const struct leaf *target)
{
    struct stretch *s = c->stretch;
    struct leaf self = {.kind = BLOCKDB_KIND_REDACT};
    struct map_change *change;
    int rc;

    if (!s->wants_changes) {
        return BLOCKDB_OK;
    }
    rc = add_change(c, i, &self);
    if (rc < 0) {
        return rc;
    }
    change = &s->changes[s->change_count - 1];
    change->leaf = redaction->target_leaf;
    change->target = redaction->target_seq;
    map_place(target->collection, target->key, &change->key);
    return BLOCKDB_OK;
}

/* The entry that entry i redacts does not lead to the head: by its own fault or that of a tile. */
static int target_wrong(struct stretch_checker *c, size_t i, uint64_t target_seq)
{
    struct tile tile = {.level = 0, .index = target_seq / TILE_WIDTH};
    char name[AUDIT_NAME_MAX];
    char what[AUDIT_NAME_MAX + 160];

    tile.width = tile_width_at(0, tile.index, c->head->size);
    audit_source_name(c->reader.source, &tile, name);
    (void)snprintf(what, sizeof(what),
                   "the entry that it redacts, %" PRIu64
                   ", is not in the log as it says: it was changed, or %s, or a tile above that",
                   target_seq, name);
    return entry_wrong(c, i, what);
}

static int check_redaction(struct stretch_checker *c, size_t i, const struct leaf *leaf)
{
    struct redaction redaction;
    struct leaf target;
    struct slice bytes;
    struct hash hash;
    struct error err;
    int rc;

    if (redaction_decode(leaf->payload, &redaction) < 0) {
        return entry_wrong(c, i, "it is not a valid redaction");
    }
    if (redaction.target_seq >= c->first_seq + i) {
        return entry_wrong(c, i, "it redacts an entry that does not come before it");
    }
    rc = lookup_leaf(c, redaction.target_seq, &bytes, &err);
    if (rc == BLOCKDB_OK) {
        merkle_leaf(bytes, &hash);
        if (!hash_equal(&hash, &redaction.target_leaf)) {
            return entry_wrong(c, i,
                               "it names another leaf hash than that of the entry it redacts");
        }
        if (leaf_decode(bytes, &target) < 0 || target.kind != BLOCKDB_KIND_PUT) {
            return entry_wrong(c, i, "it redacts an entry that is not a put");
        }
        rc = check_included(c, redaction.target_seq, &hash, &err);
    }
    if (rc == BLOCKDB_ETAMPERED || rc == BLOCKDB_ECORRUPT) {
        return target_wrong(c, i, redaction.target_seq);
    }
    if (rc < 0) {
        return error_set(&c->stretch->error, rc, "%s", err.message);
    }
    c->stretch->counts.redactions++;
    return add_redaction(c, i, &redaction, &target);
}

/* ---- Epochs and settings ------------------------------------------------------------------- */

static int check_epoch(struct stretch_checker *c, size_t i, const struct leaf *leaf)
{
    struct stretch *s = c->stretch;
    struct epoch_entry epoch;
    struct hash root;
    int rc;

    if (epoch_entry_decode(leaf->payload, &epoch) < 0) {
        return entry_wrong(c, i, "it is not a valid declaration of an epoch");
    }
    rc = stretch_end_run(c, i);
    if (rc < 0) {
        return rc;
    }
    frontier_root(&s->after, &root);
    if (epoch.tree_size != c->first_seq + i || !hash_equal(&epoch.tree_root, &root)) {
        return entry_wrong(c, i, "it declares an epoch behind another log than the one before it");
    }
    if (s->last_epoch != 0 && epoch.epoch <= s->last_epoch) {
        return entry_wrong(c, i, "its epoch is not above the one before");
    }
    if (s->first_epoch == 0) {
        s->first_epoch = epoch.epoch;
    }
    s->last_epoch = epoch.epoch;
    s->counts.epochs++;
    return BLOCKDB_OK;
}

/* Copies a name for people: what is not printable becomes a question mark. */
static void printable(char *out, size_t cap, struct slice name)
{
    size_t n = name.len < cap - 1 ? name.len : cap - 1;

    for (size_t i = 0; i < n; i++) {
        out[i] = name.data[i] >= 0x20 && name.data[i] < 0x7f ? (char)name.data[i] : '?';
    }
    out[n] = '\0';
}

static int check_config(struct stretch_checker *c, size_t i, const struct leaf *leaf)
{
    struct stretch *s = c->stretch;
    struct audit_config *place;
    struct reader items;
    size_t count;

    if (config_entry_decode(leaf->payload, &items, &count) < 0) {
        return entry_wrong(c, i, "it does not hold valid settings");
    }
    s->counts.configs++;
    if (s->config_count >= AUDIT_CONFIGS_MAX) {
        return BLOCKDB_OK; /* counted, but not listed */
    }
    if (audit_grow(&s->configs, &s->config_cap, s->config_count + 1, sizeof(*place)) < 0) {
        return error_set_no_memory(&s->error);
    }
    place = &s->configs[s->config_count++];
    *place = (struct audit_config){.seq = c->first_seq + i, .item_count = count};
    printable(place->name, sizeof(place->name), config_entry_next(&items).name);
    return BLOCKDB_OK;
}

/* ---- Block headers ------------------------------------------------------------------------- */

/* A header behind another one of the same stretch. */
static int check_block(struct stretch_checker *c, size_t i, const struct block_header *header)
{
    struct stretch *s = c->stretch;
    struct error reason;
    struct hash root;

    if (block_header_follows(&s->last_header, header, &reason) < 0) {
        return entry_wrong(c, i, reason.message);
    }
    if (header->count != s->trailing.size) {
        return entry_wrong(c, i, "the header counts other entries than the block has");
    }
    frontier_root(&s->trailing, &root);
    if (!hash_equal(&root, &header->block_root)) {
        return entry_wrong(c, i, "the entries of the block do not match its root");
    }
    return BLOCKDB_OK;
}

/* Takes a header into account that was found good. */
static int add_header(struct stretch_checker *c, size_t i, const struct block_header *header)
{
    struct stretch *s = c->stretch;

    if (!s->has_header) {
        s->first_header = *header;
        s->first_header_offset = c->offsets[i];
        s->has_header = true;
    }
    s->last_header = *header;
    s->counts.blocks++;
    s->sealed_counts = s->counts;
    s->sealed_epoch = s->last_epoch;
    frontier_init(&s->trailing);
    if (!s->wants_changes) {
        return BLOCKDB_OK;
    }
    if (audit_grow(&s->claims, &s->claim_cap, s->claim_count + 1, sizeof(*s->claims)) < 0) {
        return error_set_no_memory(&s->error);
    }
    s->claims[s->claim_count++] = (struct map_claim){
        .header_seq = c->first_seq + i, .size = header->map_size, .root = header->map_root};
    return BLOCKDB_OK;
}

/* The header's own leaf belongs to the log's tree alone, not to a block. */
static int append_header(struct stretch_checker *c, size_t i)
{
    struct stretch *s = c->stretch;
    int rc;

    /* The new block's tree takes it in, and is emptied again. */
    rc = stretch_end_run(c, i + 1);
    frontier_init(&s->trailing);
    s->sealed = s->after;
    return rc;
}

static int check_header(struct stretch_checker *c, size_t i, const struct leaf *leaf)
{
    struct stretch *s = c->stretch;
    struct block_header header;
    struct hash root;
    int rc = block_header_decode(leaf->payload, &header);

    if (rc < 0 || header.time_ms != leaf->time_ms) {
        return entry_wrong(c, i,
                           rc == BLOCKDB_EVERSION
                               ? "its block header was written by a newer version"
                               : "it is not a valid block header");
    }
    rc = stretch_end_run(c, i);
    if (rc < 0) {
        return rc;
    }
    frontier_root(&s->after, &root);
    if (header.tree_size != c->first_seq + i || !hash_equal(&header.tree_root, &root)) {
        return entry_wrong(c, i, "the log does not match the size and root in the header");
    }
    if (s->has_header) {
        rc = check_block(c, i, &header);
    }
    if (rc == BLOCKDB_OK) {
        rc = add_header(c, i, &header);
    }
    return rc < 0 ? rc : append_header(c, i);
}

/* ---- Entries ------------------------------------------------------------------------------- */

int entry_check(struct stretch_checker *c, size_t i)
{
    struct stretch *s = c->stretch;
    struct leaf leaf;
    int rc = leaf_decode(c->leaves[i], &leaf);

    if (rc == BLOCKDB_EVERSION) {
        return entry_wrong(c, i,
                           "it was written by a newer version of BlockDB, or is no entry of "
                           "BlockDB at all");
    }
    if (rc < 0) {
        return entry_wrong(c, i,
                           "it is not an entry of BlockDB; this is the log of another "
                           "program, or it was forged");
    }
    rc = check_order(c, i, &leaf);
    if (rc < 0) {
        return rc;
    }
    switch ((enum blockdb_kind)leaf.kind) {
    case BLOCKDB_KIND_PUT:
        s->counts.puts++;
        return add_change(c, i, &leaf);
    case BLOCKDB_KIND_DELETE:
        s->counts.deletes++;
        return add_change(c, i, &leaf);
    case BLOCKDB_KIND_BLOCK_HEADER:
        return check_header(c, i, &leaf);
    case BLOCKDB_KIND_REDACT:
        return check_redaction(c, i, &leaf);
    case BLOCKDB_KIND_EPOCH:
        return check_epoch(c, i, &leaf);
    case BLOCKDB_KIND_CONFIG:
        return check_config(c, i, &leaf);
    }
    return entry_wrong(c, i, "its kind is unknown");
}
