/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files: what is accepted is written as the same bytes.
 */
#include "base/assert.h"
#include "base/base64.h"
#include "base/mem.h"
#include "ledger/tlog_proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_deinit) struct buf extra = {0};
    AUTO(buf_deinit) struct buf again = {0};
    struct tlog_proof proof;
    struct error err;

    if (tlog_proof_parse(slice_of(data, size), &proof, &err) < 0) {
        return 0;
    }
    ASSERT(proof.proof.count <= PROOF_HASHES_MAX);
    ASSERT(proof.note.len > 0);
    ASSERT(base64_parse(&extra, proof.extra) == BLOCKDB_OK);
    ASSERT(tlog_proof_append(&again, buf_slice(&extra), proof.index, &proof.proof, proof.note) ==
           BLOCKDB_OK);
    ASSERT(slice_equal(buf_slice(&again), slice_of(data, size)));
    return 0;
}
