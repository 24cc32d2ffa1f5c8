/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs of the map: hostile encodings. What is decoded encodes to the same bytes; what verifies
 * does not verify with a changed sibling, under another root, or with one step less.
 *
 * Input: a root, the place that is asked for, the encoded proof.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "ledger/map_proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_encoding(const struct map_proof *proof, struct slice bytes)
{
    static uint8_t again[MAP_PROOF_LEN_MAX];

    ASSERT(map_proof_len(proof) == bytes.len);
    map_proof_encode(proof, again);
    ASSERT(memcmp(again, bytes.data, bytes.len) == 0);
}

static void check_changed(struct map_proof *proof, struct hash *root, const struct hash *place)
{
    enum map_answer answer;

    root->bytes[3] ^= 4;
    ASSERT(map_proof_verify(proof, root, place, &answer) == BLOCKDB_ETAMPERED);
    root->bytes[3] ^= 4;
    if (proof->is_empty) {
        return;
    }
    proof->leaf.seq++;
    ASSERT(map_proof_verify(proof, root, place, &answer) == BLOCKDB_ETAMPERED);
    proof->leaf.seq--;
    if (proof->count > 0) {
        proof->steps[proof->count / 2].sibling.bytes[9] ^= 1;
        ASSERT(map_proof_verify(proof, root, place, &answer) == BLOCKDB_ETAMPERED);
        proof->steps[proof->count / 2].sibling.bytes[9] ^= 1;
        proof->count--;
        ASSERT(map_proof_verify(proof, root, place, &answer) == BLOCKDB_ETAMPERED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_of(slice_of(data, size));
    struct map_proof proof;
    enum map_answer answer;
    struct slice encoded;
    struct hash root;
    struct hash place;

    reader_copy(&in, &root, sizeof(root));
    reader_copy(&in, &place, sizeof(place));
    if (!reader_ok(&in)) {
        return 0;
    }
    encoded = reader_bytes(&in, reader_left(&in));
    if (map_proof_decode(encoded, &proof) < 0) {
        return 0;
    }
    check_encoding(&proof, encoded);
    if (map_proof_verify(&proof, &root, &place, &answer) == BLOCKDB_OK) {
        check_changed(&proof, &root, &place);
    }
    return 0;
}
