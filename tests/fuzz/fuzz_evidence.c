/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files: hostile text and evidence. The head in the file is taken as verified, so that inputs
 * get beyond its signature; whatever is accepted then must hang together.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "ledger/checkpoint.h"
#include "ledger/tlog_proof.h"

#include <blockdb/verify.h>

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = {
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"};

/* The head that the text claims, whoever signed it. */
static bool head_of(struct slice bytes, struct blockdb_checkpoint *out)
{
    static struct note note;
    static struct tlog_proof text;
    struct checkpoint head;

    if (tlog_proof_parse(bytes, &text, NULL) < 0 ||
        checkpoint_parse_note(text.note, &note, &head, NULL) < 0) {
        return false;
    }
    *out = (struct blockdb_checkpoint){.origin = {head.origin.data, head.origin.len},
                                       .tree_size = head.size};
    memcpy(out->root, head.root.bytes, sizeof out->root);
    return true;
}

static void check_lists(const struct blockdb_proof_report *report)
{
    struct blockdb_bytes rest = report->history;
    struct blockdb_proof_version version;
    struct blockdb_bytes piece;
    uint64_t count = 0;
    uint64_t len = 0;

    while (blockdb_proof_next_version(&rest, &version)) {
        ASSERT(version.seq <= report->seq);
        count++;
    }
    ASSERT(report->is_history_complete ? count == report->version_count : count == 0);
    rest = report->range;
    while (blockdb_proof_next_chunk(&rest, &piece)) {
        len += piece.len;
    }
    ASSERT(len == report->range_len);
}

static void check_report(const struct blockdb_proof_report *report)
{
    uint8_t hash[BLOCKDB_HASH_LEN];

    ASSERT(report->seq < report->head.tree_size);
    blockdb_hash_leaf(report->leaf.data, report->leaf.len, hash);
    ASSERT(memcmp(hash, report->leaf_hash, sizeof hash) == 0);
    ASSERT(report->value_state == BLOCKDB_VALUE_NOT_SHOWN ||
           report->entry.kind == BLOCKDB_KIND_PUT);
    ASSERT(report->value_state != BLOCKDB_VALUE_WHOLE ||
           report->value.len == report->entry.value_len);
    ASSERT(report->key_state != BLOCKDB_KEY_LIVE || report->entry.kind == BLOCKDB_KIND_PUT);
    ASSERT(!report->has_redaction || report->redaction.target_seq == report->seq);
    ASSERT(!report->has_block || report->block_position < report->block.count);
    check_lists(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t scratch[BLOCKDB_PROOF_SCRATCH_LEN(INPUT_MAX)];
    struct blockdb_proof_file file = {data, size, scratch, sizeof scratch};
    struct blockdb_proof_report report = BLOCKDB_PROOF_REPORT_INIT;
    struct blockdb_expectations expect = BLOCKDB_EXPECTATIONS_INIT;
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    struct blockdb_checkpoint known;

    trust.keys = keys;
    trust.key_count = 1;
    if (size > INPUT_MAX || !head_of(slice_of(data, size), &known)) {
        return 0;
    }
    expect.known_head = &known;
    if (blockdb_verify_proof_file(&file, &trust, &expect, &report, NULL) == BLOCKDB_OK) {
        check_report(&report);
    }
    /* Without that help nobody can sign for the key. */
    ASSERT(blockdb_verify_proof_file(&file, &trust, NULL, &report, NULL) < 0);
    return 0;
}
