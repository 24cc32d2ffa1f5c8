/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest version of a key, by the map of newest versions and the entries behind it.
 */
#include "ledger/map_proof.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"
#include "verify/examination.h"
#include "verify/face.h"

#include <inttypes.h>

/* What the map says, once it is known to belong to the head. */
struct map_word {
    struct block_header header;
    bool is_present;
    struct map_leaf leaf;
};

static bool is_of_key(const struct examination *x, const struct leaf *leaf)
{
    return (leaf->kind == BLOCKDB_KIND_PUT || leaf->kind == BLOCKDB_KIND_DELETE) &&
           leaf->collection == x->evidence.collection && slice_equal(leaf->key, x->evidence.key);
}

/* ---- MAP ------------------------------------------------------------------------------------- */

/* The header is the last entry of the head, and has a map. */
static int check_header(const struct examination *x, struct block_header *out, struct error *err)
{
    const struct evidence_map *map = &x->evidence.map;
    uint64_t last = x->report.head.tree_size - 1; /* the entry is in the tree, so it is not empty */
    struct block_header header;
    struct hash hash;
    int rc = face_decode_header(map->header, "section MAP", &header, err);

    if (rc < 0) {
        return rc;
    }
    if (header.tree_size != last || header.map_size == 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section MAP: block header %" PRIu64
                         " is not the last entry of the head, or says nothing of a map",
                         header.tree_size);
    }
    merkle_leaf(map->header, &hash);
    rc = examination_check_path(x, EVIDENCE_MAP, last, &hash, map->in_tree, err);
    if (rc == BLOCKDB_OK) {
        *out = header;
    }
    return rc;
}

static int check_map(const struct examination *x, struct map_word *out, struct error *err)
{
    struct map_proof proof;
    struct hash place;
    enum map_answer answer;
    int rc = check_header(x, &out->header, err);

    if (rc < 0) {
        return rc;
    }
    if (map_proof_decode(x->evidence.map.map_proof, &proof) < 0) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "section MAP: the proof of the map breaks the format");
    }
    map_place(x->evidence.collection, x->evidence.key, &place);
    rc = map_proof_verify(&proof, &out->header.map_root, &place, &answer);
    if (rc < 0) {
        return error_set(
            err, rc,
            "section MAP: the proof leads to another root than the map of block header "
            "%" PRIu64 " has, or past the key",
            out->header.tree_size);
    }
    out->is_present = answer == MAP_PRESENT;
    if (out->is_present) {
        out->leaf = proof.leaf;
    }
    return BLOCKDB_OK;
}

/* ---- GAP ------------------------------------------------------------------------------------- */

/* Whether a leaf behind the map changes what the map says of the key. */
static bool changes_word(const struct examination *x, const struct map_word *word,
                         const struct leaf *leaf)
{
    struct redaction redaction;

    if (leaf->kind == BLOCKDB_KIND_REDACT) {
        return word->is_present && redaction_decode(leaf->payload, &redaction) == BLOCKDB_OK &&
               redaction.target_seq == word->leaf.seq;
    }
    return is_of_key(x, leaf);
}

/* Appends the leaves of the gap to the tree before it. */
static int check_gap_leaves(const struct examination *x, const struct map_word *word,
                            struct frontier *tree, struct error *err)
{
    struct reader leaves = x->evidence.gap.leaves;
    struct slice bytes;
    struct hash hash;

    while (evidence_next_leaf(&leaves, &bytes)) {
        struct leaf leaf;
        int rc = face_decode_leaf(bytes, "section GAP", &leaf, err);

        if (rc < 0) {
            return rc;
        }
        if (changes_word(x, word, &leaf)) {
            return error_set(err, BLOCKDB_ETAMPERED,
                             "section GAP: entry %" PRIu64
                             " changes the key behind the map; a proof against a newer head is "
                             "needed",
                             tree->size);
        }
        merkle_leaf(bytes, &hash);
        frontier_append(tree, &hash);
    }
    return BLOCKDB_OK;
}

static int check_gap(const struct examination *x, const struct map_word *word, struct error *err)
{
    const struct evidence_gap *gap = &x->evidence.gap;
    bool is_shown = evidence_has(&x->evidence, EVIDENCE_GAP);
    uint64_t map_size = word->header.map_size;
    struct frontier tree;
    struct hash root;
    int rc;

    if (is_shown != (map_size < word->header.tree_size)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section GAP is %s, but the map of %" PRIu64
                         " entries is of a head of %" PRIu64,
                         is_shown ? "there" : "missing", map_size, x->report.head.tree_size);
    }
    if (!is_shown) {
        return BLOCKDB_OK;
    }
    if (gap->leaf_count != x->report.head.tree_size - map_size ||
        evidence_gap_frontier(gap, map_size, &tree) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section GAP: %" PRIu64 " entries and %zu peaks are not what is between a "
                         "map of %" PRIu64 " and a head of %" PRIu64 " entries",
                         gap->leaf_count, gap->peaks.count, map_size, x->report.head.tree_size);
    }
    rc = check_gap_leaves(x, word, &tree, err);
    if (rc < 0) {
        return rc;
    }
    frontier_root(&tree, &root);
    if (!hash_equal(&root, &x->root)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section GAP: its entries do not lead to the root of the head");
    }
    return BLOCKDB_OK;
}

/* ---- What follows for the key ---------------------------------------------------------------- */

static int check_newest(struct examination *x, const struct map_word *word, struct error *err)
{
    bool is_deleted = (word->leaf.flags & MAP_LEAF_DELETED) != 0;
    const char *reason = NULL;

    if (word->leaf.seq != x->text.index || !hash_equal(&word->leaf.entry, &x->leaf_hash)) {
        reason = "the map names another entry as the newest version";
    } else if (!is_of_key(x, &x->leaf)) {
        reason = "the entry is not of that key";
    } else if (is_deleted != (x->leaf.kind == BLOCKDB_KIND_DELETE)) {
        reason = "map and entry do not agree whether it is deleted";
    }
    if (reason != NULL) {
        return error_set(err, BLOCKDB_ETAMPERED, "section KEY: %s", reason);
    }
    x->report.key_state = is_deleted ? BLOCKDB_KEY_DELETED : BLOCKDB_KEY_LIVE;
    x->report.version_count = word->leaf.versions;
    x->report.is_redacted = (word->leaf.flags & MAP_LEAF_REDACTED) != 0;
    return BLOCKDB_OK;
}

static int check_absent(struct examination *x, struct error *err)
{
    const uint32_t others = 1u << EVIDENCE_VALUE | 1u << EVIDENCE_RANGE | 1u << EVIDENCE_BLOCK |
                            1u << EVIDENCE_HISTORY | 1u << EVIDENCE_REDACTION;

    if (x->text.index != x->report.head.tree_size - 1) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section KEY: the map does not know the key, yet the file is about entry "
                         "%" PRIu64,
                         x->text.index);
    }
    if ((x->evidence.present & others) != 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section KEY: the map does not know the key, yet more is told of it");
    }
    x->report.key_state = BLOCKDB_KEY_ABSENT;
    return BLOCKDB_OK;
}

static int check_version(const struct examination *x, const struct evidence_version *version,
                         struct hash *chain, struct error *err)
{
    struct leaf leaf;
    struct hash hash;
    int rc = face_decode_leaf(version->leaf, "section HISTORY", &leaf, err);

    if (rc < 0) {
        return rc;
    }
    if (!is_of_key(x, &leaf)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section HISTORY: entry %" PRIu64 " is no version of the key",
                         version->seq);
    }
    merkle_leaf(version->leaf, &hash);
    map_chain(chain, version->seq, &hash, chain);
    return BLOCKDB_OK;
}

static int check_history(struct examination *x, const struct map_word *word, struct error *err)
{
    const struct evidence_history *history = &x->evidence.history;
    struct reader versions = history->versions;
    struct evidence_version version;
    struct hash chain = {{0}};
    uint64_t next = 0; /* the lowest seq that may follow */
    bool ascends = true;

    if (!evidence_has(&x->evidence, EVIDENCE_HISTORY)) {
        return BLOCKDB_OK;
    }
    while (evidence_next_version(&versions, &version)) {
        int rc = check_version(x, &version, &chain, err);

        if (rc < 0) {
            return rc;
        }
        ascends = ascends && version.seq >= next && version.seq < x->report.head.tree_size;
        next = version.seq + 1;
    }
    if (history->version_count != word->leaf.versions || !ascends || next != word->leaf.seq + 1 ||
        !hash_equal(&chain, &word->leaf.chain)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section HISTORY: its %" PRIu64 " versions are not the %" PRIu64
                         " that the map has of the key",
                         history->version_count, word->leaf.versions);
    }
    x->report.is_history_complete = true;
    x->report.history = (struct blockdb_bytes){history->versions.at,
                                               reader_left(&history->versions)};
    return BLOCKDB_OK;
}

int examination_check_key(struct examination *x, struct error *err)
{
    struct map_word word = {0};
    int rc;

    if (!evidence_has(&x->evidence, EVIDENCE_MAP)) {
        return BLOCKDB_OK;
    }
    rc = check_map(x, &word, err);
    if (rc == BLOCKDB_OK) {
        rc = check_gap(x, &word, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = word.is_present ? check_newest(x, &word, err) : check_absent(x, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_history(x, &word, err);
    }
    if (rc < 0) {
        return rc;
    }
    x->report.collection = x->evidence.collection;
    x->report.key = face_bytes(x->evidence.key);
    x->report.as_of_ms = word.header.time_ms;
    return BLOCKDB_OK;
}
