/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/add_checkpoint.h"

#include "base/base64.h"
#include "base/lines.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

#define OLD_WORD "old "

static int append_body(struct buf *out, const struct add_checkpoint *request)
{
    int rc = buf_appendf(out, OLD_WORD "%" PRIu64 "\n", request->old_size);
    size_t i;

    for (i = 0; rc == BLOCKDB_OK && i < request->proof_count; i++) {
        rc = base64_append(out, slice_of(request->proof[i].bytes, SHA256_LEN));
        rc = rc == BLOCKDB_OK ? buf_append_u8(out, '\n') : rc;
    }
    rc = rc == BLOCKDB_OK ? buf_append_u8(out, '\n') : rc;
    return rc == BLOCKDB_OK ? buf_append_slice(out, request->note) : rc;
}

int add_checkpoint_append(struct buf *out, const struct add_checkpoint *request)
{
    size_t before = out->len;
    int rc;

    if (request->proof_count > ADD_CHECKPOINT_HASHES_MAX) {
        return BLOCKDB_EINVAL;
    }
    rc = request->note.len <= ADD_CHECKPOINT_LEN_MAX ? append_body(out, request) : BLOCKDB_ELIMIT;
    if (rc == BLOCKDB_OK && out->len - before > ADD_CHECKPOINT_LEN_MAX) {
        rc = BLOCKDB_ELIMIT;
    }
    if (rc < 0) {
        out->len = before;
    }
    return rc;
}

static int wrong_line(struct error *err, size_t number, const char *what)
{
    return error_set(err, BLOCKDB_ECORRUPT, "line %zu of the request: %s", number, what);
}

static int decode_old_size(struct slice line, uint64_t *out, struct error *err)
{
    struct slice word = slice_of_text(OLD_WORD);

    if (!slice_has_prefix(line, word) ||
        text_parse_decimal(slice_of(line.data + word.len, line.len - word.len), out) < 0) {
        return wrong_line(err, 1, "must be 'old' and a size");
    }
    return BLOCKDB_OK;
}

int add_checkpoint_decode(struct slice body, struct add_checkpoint *out, struct error *err)
{
    struct lines lines = lines_of(body);
    struct slice line;
    int rc;

    if (body.len > ADD_CHECKPOINT_LEN_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the request is longer than %d bytes",
                         ADD_CHECKPOINT_LEN_MAX);
    }
    if (!lines_next(&lines, &line)) {
        return wrong_line(err, 1, "is missing or has no newline");
    }
    rc = decode_old_size(line, &out->old_size, err);
    if (rc < 0) {
        return rc;
    }
    for (out->proof_count = 0;; out->proof_count++) {
        if (!lines_next(&lines, &line)) {
            return wrong_line(err, lines.number + 1,
                              "an empty line and the checkpoint must follow");
        }
        if (line.len == 0) {
            out->note = lines.left;
            return BLOCKDB_OK;
        }
        if (out->proof_count == ADD_CHECKPOINT_HASHES_MAX) {
            return wrong_line(err, lines.number, "more than 63 hashes");
        }
        if (base64_decode(line, out->proof[out->proof_count].bytes, SHA256_LEN) < 0) {
            return wrong_line(err, lines.number, "is not the base64 of a hash");
        }
    }
}

size_t add_checkpoint_size_format(char out[ADD_CHECKPOINT_SIZE_LEN_MAX + 1], uint64_t size)
{
    return (size_t)snprintf(out, ADD_CHECKPOINT_SIZE_LEN_MAX + 1, "%" PRIu64 "\n", size);
}

int add_checkpoint_size_parse(struct slice body, uint64_t *out)
{
    if (body.len == 0 || body.data[body.len - 1] != '\n' ||
        text_parse_decimal(slice_of(body.data, body.len - 1), out) < 0) {
        return BLOCKDB_EINVAL;
    }
    return BLOCKDB_OK;
}
