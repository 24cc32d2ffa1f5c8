/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: what is accepted, and could be ours, is written as the same bytes.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "ledger/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_deinit) struct buf again = {0};
    struct checkpoint checkpoint;
    struct checkpoint parsed_again;
    struct error err;

    if (checkpoint_parse(slice_of(data, size), &checkpoint, &err) < 0) {
        return 0;
    }
    ASSERT(size <= CHECKPOINT_TEXT_MAX);
    ASSERT(checkpoint.extensions.len < size);
    size -= checkpoint.extensions.len;
    checkpoint.extensions.len = 0;
    if (checkpoint_append(&again, &checkpoint) == BLOCKDB_OK) {
        ASSERT(slice_equal(buf_slice(&again), slice_of(data, size)));
        ASSERT(checkpoint_parse(buf_slice(&again), &parsed_again, NULL) == BLOCKDB_OK);
        ASSERT(checkpoint_equal(&checkpoint, &parsed_again));
    }
    return 0;
}
