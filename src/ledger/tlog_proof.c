/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/tlog_proof.h"

#include "base/base64.h"
#include "base/lines.h"
#include "base/text.h"

#include <inttypes.h>

static int bad_line(struct error *err, const struct lines *lines, const char *what)
{
    return error_set(err, BLOCKDB_ECORRUPT, "line %zu of the proof: %s", lines->number, what);
}

/* Takes word and a space off the front of *line; false when it begins otherwise. */
static bool take_word(struct slice *line, const char *word)
{
    size_t len = strlen(word);

    if (line->len <= len || memcmp(line->data, word, len) != 0 || line->data[len] != ' ') {
        return false;
    }
    *line = slice_of(line->data + len + 1, line->len - len - 1);
    return true;
}

/* Parses the extra line, if *line is one, and moves to the next. */
static int parse_extra(struct lines *lines, struct slice *line, struct slice *out,
                       struct error *err)
{
    size_t len;

    *out = slice_of(NULL, 0);
    if (!take_word(line, "extra")) {
        return BLOCKDB_OK;
    }
    if (base64_check(*line, &len) < 0 || len == 0) {
        return bad_line(err, lines, "base64 must follow the word 'extra'");
    }
    *out = *line;
    if (!lines_next(lines, line)) {
        return bad_line(err, lines, "the file ends behind this line");
    }
    return BLOCKDB_OK;
}

/* Parses hashes up to the empty line. */
static int parse_hashes(struct lines *lines, struct proof *proof, struct error *err)
{
    struct slice line;

    proof->count = 0;
    for (;;) {
        if (!lines_next(lines, &line)) {
            return bad_line(err, lines, "the file ends behind this line, before the checkpoint");
        }
        if (line.len == 0) {
            return BLOCKDB_OK;
        }
        if (proof->count == PROOF_HASHES_MAX) {
            return error_set(err, BLOCKDB_ELIMIT, "the proof has more than %d hashes",
                             PROOF_HASHES_MAX);
        }
        if (base64_decode(line, proof->hashes[proof->count].bytes, SHA256_LEN) < 0) {
            return bad_line(err, lines,
                            "base64 of a hash of 32 bytes, or an empty line, must stand here");
        }
        proof->count++;
    }
}

int tlog_proof_parse(struct slice bytes, struct tlog_proof *out, struct error *err)
{
    struct lines lines = lines_of(bytes);
    struct slice line;
    int rc;

    if (!lines_next(&lines, &line) || !slice_equal(line, slice_of_text(TLOG_PROOF_FIRST_LINE))) {
        return error_set(err, BLOCKDB_ECORRUPT, "this is no proof: its first line is not '%s'",
                         TLOG_PROOF_FIRST_LINE);
    }
    if (!lines_next(&lines, &line)) {
        return bad_line(err, &lines, "the file ends behind this line");
    }
    rc = parse_extra(&lines, &line, &out->extra, err);
    if (rc < 0) {
        return rc;
    }
    if (!take_word(&line, "index") || text_parse_decimal(line, &out->index) < 0) {
        return bad_line(err, &lines, "'index' and a number without leading zeros must stand here");
    }
    rc = parse_hashes(&lines, &out->proof, err);
    if (rc < 0) {
        return rc;
    }
    if (!lines_left(&lines)) {
        return bad_line(err, &lines, "the checkpoint must follow");
    }
    out->note = lines.left;
    return BLOCKDB_OK;
}

static int append_hash(struct buf *out, const struct hash *hash)
{
    int rc = base64_append(out, slice_of(hash->bytes, sizeof hash->bytes));

    return rc < 0 ? rc : buf_append_u8(out, '\n');
}

static int append_lines(struct buf *out, struct slice extra, uint64_t index,
                        const struct proof *proof)
{
    int rc = buf_appendf(out, "%s\n", TLOG_PROOF_FIRST_LINE);
    size_t i;

    if (rc == BLOCKDB_OK && extra.len > 0) {
        rc = buf_appendf(out, "extra ");
        rc = rc < 0 ? rc : base64_append(out, extra);
        rc = rc < 0 ? rc : buf_append_u8(out, '\n');
    }
    rc = rc < 0 ? rc : buf_appendf(out, "index %" PRIu64 "\n", index);
    for (i = 0; i < proof->count && rc == BLOCKDB_OK; i++) {
        rc = append_hash(out, &proof->hashes[i]);
    }
    return rc < 0 ? rc : buf_append_u8(out, '\n');
}

int tlog_proof_append(struct buf *out, struct slice extra, uint64_t index,
                      const struct proof *proof, struct slice note)
{
    size_t start = out->len;
    int rc = append_lines(out, extra, index, proof);

    rc = rc < 0 ? rc : buf_append_slice(out, note);
    if (rc < 0) {
        out->len = start;
    }
    return rc;
}
