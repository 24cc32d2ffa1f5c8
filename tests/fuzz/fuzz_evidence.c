/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files: hostile text and evidence. The head in the file is taken as verified, so that inputs
 * get beyond its signature; whatever is accepted then must hang together.
 *
 * Input: a proof file; or evidence as it is, followed by a proof file from the newline before its
 * index on.
 */
#include "base/assert.h"
#include "base/base64.h"
#include "base/bytes.h"
#include "ledger/checkpoint.h"
#include "ledger/evidence.h"
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

/* Makes the text of evidence and what follows it; false when nothing follows. */
static bool make_text(struct slice input, struct slice *out)
{
    static const char start[] = TLOG_PROOF_FIRST_LINE "\nextra ";
    static uint8_t text[sizeof start + INPUT_MAX * 2];
    static const char index[] = "\nindex ";
    const uint8_t *rest = memmem(input.data, input.len, index, sizeof index - 1);
    size_t len = sizeof start - 1;
    struct slice evidence;
    struct slice tail;

    if (rest == NULL) {
        return false;
    }
    evidence = slice_of(input.data, (size_t)(rest - input.data));
    tail = slice_of(rest, input.len - evidence.len);
    memcpy(text, start, len);
    base64_format((char *)text + len, evidence);
    len += base64_len(evidence.len);
    memcpy(text + len, tail.data, tail.len);
    *out = slice_of(text, len + tail.len);
    return true;
}

static void verify(struct slice text)
{
    static uint8_t scratch[INPUT_MAX * 2];
    struct blockdb_proof_file file = {text.data, text.len, scratch, sizeof scratch};
    struct blockdb_proof_report report = BLOCKDB_PROOF_REPORT_INIT;
    struct blockdb_expectations expect = BLOCKDB_EXPECTATIONS_INIT;
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    struct blockdb_checkpoint known;

    trust.keys = keys;
    trust.key_count = 1;
    if (!head_of(text, &known)) {
        return;
    }
    expect.known_head = &known;
    if (blockdb_verify_proof_file(&file, &trust, &expect, &report, NULL) == BLOCKDB_OK) {
        check_report(&report);
    }
    /* Without that help nobody can sign for the key. */
    ASSERT(blockdb_verify_proof_file(&file, &trust, NULL, &report, NULL) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);

    if (size > INPUT_MAX) {
        return 0;
    }
    if (!slice_has_prefix(input, slice_of_text(EVIDENCE_MAGIC)) || make_text(input, &input)) {
        verify(input);
    }
    return 0;
}
