/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: hostile claims and hashes. An accepted proof must not be accepted with a hash more, with
 * one less, or with a changed one.
 *
 * Input: a byte (even: inclusion, odd: consistency), two numbers of 64 bits, two hashes, the proof.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "ledger/proof.h"

#define HASHES_MAX 80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct claim {
    bool consistency;
    uint64_t a;
    uint64_t b;
    struct hash first;
    struct hash second;
};

static int verify(const struct claim *claim, const struct hash *proof, size_t count)
{
    if (claim->consistency) {
        struct consistency c = {claim->a, claim->b, &claim->first, &claim->second};

        return consistency_verify(&c, proof, count);
    } else {
        struct inclusion i = {claim->a, claim->b, &claim->first, &claim->second};

        return inclusion_verify(&i, proof, count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_of(slice_of(data, size));
    struct claim claim;
    struct hash proof[HASHES_MAX + 1] = {{{0}}};
    size_t count = 0;

    claim.consistency = reader_u8(&in) & 1;
    claim.a = reader_be64(&in);
    claim.b = reader_be64(&in);
    reader_copy(&in, &claim.first, sizeof claim.first);
    reader_copy(&in, &claim.second, sizeof claim.second);
    while (count < HASHES_MAX && reader_left(&in) >= SHA256_LEN) {
        reader_copy(&in, &proof[count++], sizeof *proof);
    }
    if (!reader_ok(&in) || verify(&claim, proof, count) < 0) {
        return 0;
    }
    ASSERT(count <= PROOF_HASHES_MAX);
    ASSERT(verify(&claim, proof, count + 1) == BLOCKDB_ETAMPERED);
    if (count > 0) {
        ASSERT(verify(&claim, proof, count - 1) == BLOCKDB_ETAMPERED);
        proof[count / 2].bytes[7] ^= 0x20;
        ASSERT(verify(&claim, proof, count) == BLOCKDB_ETAMPERED);
    }
    return 0;
}
