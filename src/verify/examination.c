/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/examination.h"

#include "ledger/commitment.h"
#include "ledger/merkle.h"
#include "ledger/redaction.h"
#include "verify/face.h"
#include "verify/value.h"

#include <inttypes.h>

int examination_check_path(const struct examination *x, enum evidence_tag tag, uint64_t seq,
                           const struct hash *leaf, struct hash_list path, struct error *err)
{
    struct inclusion claim = {
        .index = seq, .size = x->report.head.tree_size, .leaf = leaf, .root = &x->root};

    if (inclusion_verify(&claim, path.hashes, path.count) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section %s: its path does not lead from entry %" PRIu64
                         " to the root of the head of %" PRIu64 " entries",
                         evidence_tag_name(tag), seq, x->report.head.tree_size);
    }
    return BLOCKDB_OK;
}

/* ---- ENTRY ----------------------------------------------------------------------------------- */

static int check_leaf(struct examination *x, struct error *err)
{
    struct blockdb_proof_report *report = &x->report;
    int rc = face_decode_leaf(x->evidence.entry, "section ENTRY", &x->leaf, err);

    if (rc < 0) {
        return rc;
    }
    merkle_leaf(x->evidence.entry, &x->leaf_hash);
    rc = examination_check_path(x, EVIDENCE_ENTRY, x->text.index, &x->leaf_hash,
                                hash_list_of_proof(&x->text.proof), err);
    if (rc < 0) {
        return rc;
    }
    report->seq = x->text.index;
    report->leaf = face_bytes(x->evidence.entry);
    memcpy(report->leaf_hash, x->leaf_hash.bytes, SHA256_LEN);
    report->entry = face_entry(&x->leaf);
    return BLOCKDB_OK;
}

/* ---- VALUE and RANGE ------------------------------------------------------------------------- */

static int check_whole(struct examination *x, const struct value_claim *claim, struct error *err)
{
    int rc = value_check(claim, x->evidence.salt, x->evidence.value, err);

    if (rc < 0) {
        return error_wrap(err, rc, "section VALUE");
    }
    x->report.value_state = BLOCKDB_VALUE_WHOLE;
    x->report.value = face_bytes(x->evidence.value);
    return BLOCKDB_OK;
}

static int check_range(struct examination *x, const struct value_claim *claim, struct error *err)
{
    const struct evidence_range *range = &x->evidence.range;
    struct reader chunks = range->chunks;
    struct evidence_chunk chunk;
    uint64_t index = range->first_chunk;
    uint64_t len = 0;

    if (range->value_len != claim->len) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section RANGE: it is of a value of %" PRIu64
                         " bytes, that of the entry has %" PRIu64,
                         range->value_len, claim->len);
    }
    while (evidence_next_chunk(&chunks, &chunk)) {
        int rc = value_check_chunk(claim, index, &chunk, err);

        if (rc < 0) {
            return error_wrap(err, rc, "section RANGE");
        }
        len += chunk.bytes.len;
        index++;
    }
    x->report.value_state = BLOCKDB_VALUE_RANGE;
    x->report.range_offset = range->first_chunk * COMMITMENT_CHUNK_LEN;
    x->report.range_len = len;
    x->report.range = (struct blockdb_bytes){range->chunks.at, reader_left(&range->chunks)};
    return BLOCKDB_OK;
}

static int check_value(struct examination *x, struct error *err)
{
    bool is_range = evidence_has(&x->evidence, EVIDENCE_RANGE);
    struct value_claim claim = {0};
    int rc;

    if (!is_range && !evidence_has(&x->evidence, EVIDENCE_VALUE)) {
        return BLOCKDB_OK;
    }
    rc = value_claim_of(&x->leaf, &claim, err);
    if (rc < 0) {
        return error_wrap(err, rc, is_range ? "section RANGE" : "section VALUE");
    }
    return is_range ? check_range(x, &claim, err) : check_whole(x, &claim, err);
}

/* ---- BLOCK ----------------------------------------------------------------------------------- */

/* Whether the entry is in the block that the header seals. */
static int check_in_block(const struct examination *x, const struct block_header *header,
                          struct error *err)
{
    struct hash_list path = x->evidence.block.in_block;
    struct inclusion claim = {
        .index = x->text.index - header->first_seq,
        .size = header->count,
        .leaf = &x->leaf_hash,
        .root = &header->block_root,
    };

    if (x->text.index < header->first_seq || x->text.index >= header->tree_size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section BLOCK: block %" PRIu64 " does not hold entry %" PRIu64,
                         header->height, x->text.index);
    }
    if (inclusion_verify(&claim, path.hashes, path.count) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section BLOCK: its path does not lead from entry %" PRIu64
                         " to the root of block %" PRIu64,
                         x->text.index, header->height);
    }
    return BLOCKDB_OK;
}

static int check_block(struct examination *x, struct error *err)
{
    const struct evidence_block *block = &x->evidence.block;
    struct block_header header;
    struct hash hash;
    int rc;

    if (!evidence_has(&x->evidence, EVIDENCE_BLOCK)) {
        return BLOCKDB_OK;
    }
    rc = face_decode_header(block->header, "section BLOCK", &header, err);
    if (rc < 0) {
        return rc;
    }
    if (header.tree_size != block->header_seq) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "section BLOCK: the header of entry %" PRIu64
                         " is told to be entry %" PRIu64,
                         header.tree_size, block->header_seq);
    }
    merkle_leaf(block->header, &hash);
    rc = examination_check_path(x, EVIDENCE_BLOCK, block->header_seq, &hash, block->in_tree, err);
    if (rc == BLOCKDB_OK) {
        rc = check_in_block(x, &header, err);
    }
    if (rc < 0) {
        return rc;
    }
    x->report.has_block = true;
    x->report.block = face_header(&header, &hash);
    x->report.block_position = x->text.index - header.first_seq;
    return BLOCKDB_OK;
}

/* ---- REDACTION ------------------------------------------------------------------------------- */

static int decode_redaction(const struct evidence_redaction *section, struct leaf *leaf,
                            struct redaction *out, struct error *err)
{
    int rc = face_decode_leaf(section->leaf, "section REDACTION", leaf, err);

    if (rc < 0) {
        return rc;
    }
    rc = leaf->kind == BLOCKDB_KIND_REDACT ? redaction_decode(leaf->payload, out)
                                           : BLOCKDB_ECORRUPT;
    if (rc < 0) {
        return error_set(err, rc, "section REDACTION: entry %" PRIu64 " is no redaction",
                         section->seq);
    }
    return BLOCKDB_OK;
}

static int check_target(const struct examination *x, const struct redaction *redaction,
                        struct error *err)
{
    const char *reason = NULL;

    if (x->leaf.kind != BLOCKDB_KIND_PUT) {
        reason = "has no value that could be erased";
    } else if (x->evidence.redaction.seq <= x->text.index) {
        reason = "is later than it";
    } else if (redaction->target_seq != x->text.index ||
               !hash_equal(&redaction->target_leaf, &x->leaf_hash)) {
        reason = "is not its target";
    }
    if (reason == NULL) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_ETAMPERED,
                     "section REDACTION: redaction %" PRIu64 " does not fit entry %" PRIu64
                     ", which %s",
                     x->evidence.redaction.seq, x->text.index, reason);
}

static int check_redaction(struct examination *x, struct error *err)
{
    const struct evidence_redaction *section = &x->evidence.redaction;
    struct redaction redaction;
    struct leaf leaf;
    struct hash hash;
    int rc;

    if (!evidence_has(&x->evidence, EVIDENCE_REDACTION)) {
        return BLOCKDB_OK;
    }
    rc = decode_redaction(section, &leaf, &redaction, err);
    if (rc == BLOCKDB_OK) {
        rc = check_target(x, &redaction, err);
    }
    if (rc < 0) {
        return rc;
    }
    merkle_leaf(section->leaf, &hash);
    rc = examination_check_path(x, EVIDENCE_REDACTION, section->seq, &hash, section->in_tree, err);
    if (rc < 0) {
        return rc;
    }
    x->report.has_redaction = true;
    x->report.redaction = face_redaction(&redaction);
    x->report.redaction.seq = section->seq;
    x->report.redaction.time_ms = leaf.time_ms;
    x->report.redaction.actor = face_bytes(leaf.actor);
    return BLOCKDB_OK;
}

int examination_check_entry(struct examination *x, struct error *err)
{
    int rc = check_leaf(x, err);

    if (rc == BLOCKDB_OK) {
        rc = check_value(x, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_block(x, err);
    }
    return rc < 0 ? rc : check_redaction(x, err);
}
