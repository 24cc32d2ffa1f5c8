/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block headers: what is accepted encodes to the same bytes, and its record gives the header back.
 */
#include "base/assert.h"
#include "ledger/block_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_header header;
    struct block_header again;
    struct record record;
    uint8_t bytes[BLOCK_HEADER_RECORD_LEN];

    if (block_header_decode(slice_of(data, size), &header) < 0) {
        return 0;
    }
    ASSERT(size == BLOCK_HEADER_LEN);
    block_header_encode(&header, bytes);
    ASSERT(memcmp(bytes, data, size) == 0);
    block_header_record(&header, bytes);
    ASSERT(record_parse(slice_of(bytes, sizeof bytes), &record) == BLOCKDB_OK);
    ASSERT(block_header_of_record(&record, &again) == BLOCKDB_OK);
    ASSERT(memcmp(&header, &again, sizeof again) == 0);
    ASSERT(block_header_follows(&header, &again, NULL) == BLOCKDB_ETAMPERED);
    return 0;
}
