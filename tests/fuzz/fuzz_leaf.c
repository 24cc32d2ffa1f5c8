/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf entries: what is accepted encodes to the same bytes.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "ledger/leaf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leaf leaf;
    uint8_t *bytes;

    if (leaf_decode(slice_of(data, size), &leaf) < 0) {
        return 0;
    }
    ASSERT(leaf_len(&leaf) == size && size <= LEAF_LEN_MAX);
    bytes = mem_alloc(size);
    if (bytes != NULL) {
        leaf_encode(&leaf, bytes);
        ASSERT(memcmp(bytes, data, size) == 0);
        mem_free(bytes);
    }
    return 0;
}
