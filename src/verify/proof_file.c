/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files as a whole: unpack, examine, compare with what was expected.
 */
#include "base/base64.h"
#include "ledger/merkle.h"
#include "verify/examination.h"
#include "verify/face.h"
#include "verify/trust.h"

#include <inttypes.h>

/* ---- Plain tlog-proofs ----------------------------------------------------------------------- */

int blockdb_verify_tlog_proof(const void *file, size_t len, const struct blockdb_trust *trust,
                              const uint8_t leaf_hash[BLOCKDB_HASH_LEN],
                              struct blockdb_tlog_result *out_result, struct blockdb_error *err)
{
    struct blockdb_trust demand = {0};
    struct blockdb_tlog_result result = {0};
    struct tlog_proof text;
    struct inclusion claim;
    int rc = face_copy_in(&demand, sizeof demand, trust, err);

    if (rc == BLOCKDB_OK) {
        rc = tlog_proof_parse(slice_of(file, len), &text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = trust_check_head(&demand, text.note, &result.head, err);
    }
    if (rc < 0) {
        return rc;
    }
    claim = (struct inclusion){text.index, result.head.tree_size, face_hash(leaf_hash),
                               face_hash(result.head.root)};
    if (inclusion_verify(&claim, text.proof.hashes, text.proof.count) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the proof does not lead from leaf %" PRIu64
                         " to the root of the head of %" PRIu64 " entries",
                         text.index, result.head.tree_size);
    }
    result.index = text.index;
    result.extra = face_bytes(text.extra);
    *out_result = result;
    return BLOCKDB_OK;
}

/* ---- Expectations ---------------------------------------------------------------------------- */

static int unmet(struct error *err, const char *what)
{
    return error_set(err, BLOCKDB_ETAMPERED, "%s", what);
}

static int expect_key(const struct blockdb_expectations *expect,
                      const struct blockdb_proof_report *report, struct error *err)
{
    bool is_told = report->key_state != BLOCKDB_KEY_NOT_SHOWN;
    struct slice key = face_slice(is_told ? report->key : report->entry.key);
    uint32_t collection = is_told ? report->collection : report->entry.collection;

    if (expect->key == NULL) {
        return BLOCKDB_OK;
    }
    if (key.len == 0) {
        return unmet(err, "the proof is of an entry without a key, not of the expected key");
    }
    if (collection != expect->collection ||
        !slice_equal(key, slice_of(expect->key, expect->key_len))) {
        return unmet(err, "the proof is of another key than the expected one");
    }
    return BLOCKDB_OK;
}

/* Whether the pieces of a range, one behind the other, are these bytes. */
static bool pieces_are(const struct blockdb_proof_report *report, struct slice expected)
{
    struct blockdb_bytes range = report->range;
    struct blockdb_bytes piece;
    size_t at = 0;

    while (blockdb_proof_next_chunk(&range, &piece)) {
        if (piece.len > expected.len - at ||
            !slice_equal(face_slice(piece), slice_of(expected.data + at, piece.len))) {
            return false;
        }
        at += piece.len;
    }
    return at == expected.len;
}

static int expect_value(const struct blockdb_expectations *expect,
                        const struct blockdb_proof_report *report, struct error *err)
{
    bool is_whole = report->value_state == BLOCKDB_VALUE_WHOLE;
    bool is_range = report->value_state == BLOCKDB_VALUE_RANGE;
    struct slice expected = slice_of(expect->value, expect->value_len);

    if (expect->value == NULL && !(expect->require & BLOCKDB_REQUIRE_VALUE)) {
        return BLOCKDB_OK;
    }
    if (!is_whole && (!is_range || report->range_len != report->entry.value_len)) {
        return unmet(err, is_range ? "the proof shows a part of the value only"
                                   : "the proof shows no value");
    }
    if (expect->value != NULL && !(is_whole ? slice_equal(face_slice(report->value), expected)
                                            : pieces_are(report, expected))) {
        return unmet(err, "the proof is of another value than the expected one");
    }
    return BLOCKDB_OK;
}

static int expect_sections(const struct blockdb_expectations *expect,
                           const struct blockdb_proof_report *report, struct error *err)
{
    if ((expect->require & BLOCKDB_REQUIRE_BLOCK) && !report->has_block) {
        return unmet(err, "the proof does not show the entry's block");
    }
    if ((expect->require & BLOCKDB_REQUIRE_NEWEST) && report->key_state == BLOCKDB_KEY_NOT_SHOWN) {
        return unmet(err,
                     "the proof does not show that the entry is the newest version of its key");
    }
    if ((expect->require & BLOCKDB_REQUIRE_HISTORY) && !report->is_history_complete &&
        report->key_state != BLOCKDB_KEY_ABSENT) {
        return unmet(err, "the proof does not show all versions of the key");
    }
    return BLOCKDB_OK;
}

static int check_expectations(const struct blockdb_expectations *expect,
                              const struct blockdb_proof_report *report, struct error *err)
{
    int rc;

    if (expect->seq != BLOCKDB_SEQ_NONE && expect->seq != report->seq) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the proof is of entry %" PRIu64 ", not of entry %" PRIu64, report->seq,
                         expect->seq);
    }
    rc = expect_key(expect, report, err);
    if (rc == BLOCKDB_OK) {
        rc = expect_value(expect, report, err);
    }
    return rc < 0 ? rc : expect_sections(expect, report, err);
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Reads text and evidence. */
static int read_file(const struct blockdb_proof_file *file, struct examination *x,
                     struct error *err)
{
    size_t len = 0;
    int rc = tlog_proof_parse(slice_of(file->text, file->len), &x->text, err);

    if (rc < 0) {
        return rc;
    }
    if (x->text.extra.len == 0 || base64_check(x->text.extra, &len) < 0) {
        return error_set(
            err, BLOCKDB_ECORRUPT,
            "the proof has no line 'extra' with the evidence of BlockDB: it only shows "
            "that some leaf %" PRIu64 " is in a log",
            x->text.index);
    }
    if (len > file->scratch_len) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "the evidence of the proof needs %zu bytes of scratch, there are %zu", len,
                         file->scratch_len);
    }
    rc = base64_decode(x->text.extra, file->scratch, len);
    if (rc < 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the line 'extra' of the proof is not base64");
    }
    return evidence_decode(slice_of(file->scratch, len), &x->evidence, err);
}

static int examine(const struct blockdb_proof_file *file, const struct blockdb_trust *trust,
                   const struct blockdb_checkpoint *known, struct examination *x, struct error *err)
{
    int rc = read_file(file, x, err);

    if (rc == BLOCKDB_OK) {
        rc = trust_check_head_again(trust, known, x->text.note, &x->report.head, err);
    }
    if (rc < 0) {
        return rc;
    }
    x->root = *face_hash(x->report.head.root);
    rc = examination_check_entry(x, err);
    return rc < 0 ? rc : examination_check_key(x, err);
}

int blockdb_verify_proof_file(const struct blockdb_proof_file *file,
                              const struct blockdb_trust *trust,
                              const struct blockdb_expectations *expect,
                              struct blockdb_proof_report *out_report, struct blockdb_error *err)
{
    struct blockdb_expectations wanted = BLOCKDB_EXPECTATIONS_INIT;
    struct blockdb_trust demand = {0};
    struct examination x = {0};
    int rc = face_copy_in(&demand, sizeof demand, trust, err);

    if (rc == BLOCKDB_OK && expect != NULL) {
        rc = face_copy_in(&wanted, sizeof wanted, expect, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = examine(file, &demand, wanted.known_head, &x, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_expectations(&wanted, &x.report, err);
    }
    return rc < 0 ? rc : face_copy_out(out_report, &x.report, sizeof x.report, err);
}

bool blockdb_proof_next_version(struct blockdb_bytes *history,
                                struct blockdb_proof_version *out_version)
{
    struct reader versions = reader_of(face_slice(*history));
    struct evidence_version version;
    struct leaf leaf;

    if (!evidence_next_version(&versions, &version) || leaf_decode(version.leaf, &leaf) < 0) {
        return false;
    }
    *out_version = (struct blockdb_proof_version){
        .seq = version.seq,
        .leaf = face_bytes(version.leaf),
        .entry = face_entry(&leaf),
    };
    *history = (struct blockdb_bytes){versions.at, reader_left(&versions)};
    return true;
}

bool blockdb_proof_next_chunk(struct blockdb_bytes *range, struct blockdb_bytes *out_piece)
{
    struct reader chunks = reader_of(face_slice(*range));
    struct evidence_chunk chunk;

    if (!evidence_next_chunk(&chunks, &chunk)) {
        return false;
    }
    *out_piece = face_bytes(chunk.bytes);
    *range = (struct blockdb_bytes){chunks.at, reader_left(&chunks)};
    return true;
}
