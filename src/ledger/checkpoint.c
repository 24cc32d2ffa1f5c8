/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/checkpoint.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/lines.h"
#include "base/text.h"
#include "ledger/merkle.h"

#include <inttypes.h>

#define ROOT_TEXT_LEN 44

static int bad_line(struct error *err, size_t number, const char *what)
{
    return error_set(err, BLOCKDB_ECORRUPT, "line %zu of the checkpoint: %s", number, what);
}

/* Checks what follows the three lines: more lines, none of them empty. */
static int check_extensions(struct lines *lines, struct error *err)
{
    struct slice line;

    while (lines_left(lines)) {
        if (!lines_next(lines, &line) || line.len == 0) {
            return bad_line(err, lines->number, "an extension line is empty or incomplete");
        }
    }
    return BLOCKDB_OK;
}

int checkpoint_parse(struct slice text, struct checkpoint *out, struct error *err)
{
    struct lines lines = lines_of(text);
    struct checkpoint checkpoint;
    struct slice size;
    struct slice root;
    int rc;

    if (text.len > CHECKPOINT_TEXT_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the checkpoint is longer than %d bytes",
                         CHECKPOINT_TEXT_MAX);
    }
    if (!lines_next(&lines, &checkpoint.origin) || checkpoint.origin.len == 0) {
        return bad_line(err, 1, "the origin is missing");
    }
    if (!lines_next(&lines, &size) || text_parse_decimal(size, &checkpoint.size) < 0) {
        return bad_line(err, 2, "the number of entries must stand here, without leading zeros");
    }
    if (!lines_next(&lines, &root) ||
        base64_decode(root, checkpoint.root.bytes, sizeof checkpoint.root.bytes) < 0) {
        return bad_line(err, 3, "base64 of a root of 32 bytes must stand here");
    }
    checkpoint.extensions = lines.left;
    rc = check_extensions(&lines, err);
    if (rc == BLOCKDB_OK) {
        *out = checkpoint;
    }
    return rc;
}

int checkpoint_parse_note(struct slice bytes, struct note *out_note, struct checkpoint *out,
                          struct error *err)
{
    int rc = note_parse(bytes, out_note, err);

    return rc < 0 ? rc : checkpoint_parse(out_note->text, out, err);
}

int checkpoint_append(struct buf *out, const struct checkpoint *checkpoint)
{
    char root[ROOT_TEXT_LEN];

    ASSERT(checkpoint->extensions.len == 0);
    if (!note_name_valid(checkpoint->origin) || checkpoint->origin.len > NOTE_NAME_MAX) {
        return BLOCKDB_EINVAL;
    }
    base64_format(root, slice_of(checkpoint->root.bytes, sizeof checkpoint->root.bytes));
    return buf_appendf(out, "%.*s\n%" PRIu64 "\n%.*s\n", (int)checkpoint->origin.len,
                       (const char *)checkpoint->origin.data, checkpoint->size, ROOT_TEXT_LEN,
                       root);
}

bool checkpoint_equal(const struct checkpoint *a, const struct checkpoint *b)
{
    return a->size == b->size && slice_equal(a->origin, b->origin) &&
           hash_equal(&a->root, &b->root);
}
