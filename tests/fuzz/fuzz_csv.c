/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: however the input is cut into pieces, the records are the same, and written they read back.
 */
#include "base/assert.h"
#include "bin/cli/csv.h"

#include <stdlib.h>

#define LEN_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the fields of a row and reads them again. */
static void check_written(const struct csv_row *row)
{
    struct csv_row *again = NULL;
    struct buf text = {0};
    size_t used;
    size_t i;

    again = calloc(1, sizeof(*again));
    ASSERT(again != NULL);
    for (i = 0; i < row->count; i++) {
        ASSERT(i == 0 || buf_append(&text, ",", 1) == BLOCKDB_OK);
        ASSERT(csv_append_field(&text, csv_field(row, i)) == BLOCKDB_OK);
    }
    ASSERT(csv_parse(again, buf_slice(&text), true, &used) == BLOCKDB_OK);
    ASSERT(used == text.len && again->count == row->count);
    for (i = 0; i < row->count; i++) {
        ASSERT(slice_equal(csv_field(row, i), csv_field(again, i)));
    }
    csv_deinit(again);
    free(again);
    buf_deinit(&text);
}

/* A prefix of a record is incomplete, or the record ends there, or it is a fault. */
static void check_prefix(struct slice record, size_t len)
{
    struct csv_row *row = calloc(1, sizeof(*row));
    size_t used = 0;

    ASSERT(row != NULL);
    ASSERT(csv_parse(row, slice_of(record.data, len), false, &used) != BLOCKDB_OK || used == 0);
    csv_deinit(row);
    free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv_row *row;
    size_t at = 0;

    if (size > LEN_MAX) {
        return 0;
    }
    row = calloc(1, sizeof(*row));
    ASSERT(row != NULL);
    while (at < size) {
        struct slice rest = slice_of(data + at, size - at);
        size_t used = 0;

        if (csv_parse(row, rest, true, &used) < 0) {
            ASSERT(row->fault != NULL);
            break;
        }
        ASSERT(used > 0 && used <= rest.len);
        check_written(row);
        check_prefix(slice_of(rest.data, used), used - 1);
        at += used;
    }
    csv_deinit(row);
    free(row);
    return 0;
}
