/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/map_proof.h"

#include "base/assert.h"
#include "ledger/merkle.h"

#define FORM_EMPTY 0
#define FORM_LEAF 1

static bool bits_grow(const struct map_proof *proof)
{
    for (unsigned i = 1; i < proof->count; i++) {
        if (proof->steps[i].bit <= proof->steps[i - 1].bit) {
            return false;
        }
    }
    return true;
}

/* Whether the leaf at the end lies where the walk of this place leads. */
static bool walk_fits(const struct map_proof *proof, const struct hash *place)
{
    for (unsigned i = 0; i < proof->count; i++) {
        unsigned bit = proof->steps[i].bit;

        if (map_bit(place, bit) != map_bit(&proof->leaf.place, bit)) {
            return false;
        }
    }
    return true;
}

static void root_of(const struct map_proof *proof, struct hash *out)
{
    struct hash root;

    map_leaf_hash(&proof->leaf, &root);
    for (unsigned i = proof->count; i > 0; i--) {
        const struct map_step *step = &proof->steps[i - 1];

        if (map_bit(&proof->leaf.place, step->bit)) {
            map_node(step->bit, &step->sibling, &root, &root);
        } else {
            map_node(step->bit, &root, &step->sibling, &root);
        }
    }
    *out = root;
}

static bool leaf_is_legal(const struct map_leaf *leaf)
{
    return leaf->versions > 0 && (leaf->flags & ~MAP_LEAF_FLAGS) == 0 &&
           leaf->flags != MAP_LEAF_FLAGS;
}

int map_proof_verify(const struct map_proof *proof, const struct hash *root,
                     const struct hash *place, enum map_answer *out_answer)
{
    struct hash found;

    if (proof->is_empty) {
        map_empty_root(&found);
        if (!hash_equal(&found, root)) {
            return BLOCKDB_ETAMPERED;
        }
        *out_answer = MAP_ABSENT;
        return BLOCKDB_OK;
    }
    if (proof->count > MAP_PROOF_STEPS_MAX || !bits_grow(proof) || !walk_fits(proof, place) ||
        !leaf_is_legal(&proof->leaf)) {
        return BLOCKDB_ETAMPERED;
    }
    root_of(proof, &found);
    if (!hash_equal(&found, root)) {
        return BLOCKDB_ETAMPERED;
    }
    *out_answer = hash_equal(&proof->leaf.place, place) ? MAP_PRESENT : MAP_ABSENT;
    return BLOCKDB_OK;
}

size_t map_proof_len(const struct map_proof *proof)
{
    if (proof->is_empty) {
        return 1;
    }
    return 1 + MAP_PROOF_LEAF_LEN + 2 + (size_t)proof->count * (1 + SHA256_LEN);
}

static uint8_t *put_hash(uint8_t *at, const struct hash *hash)
{
    memcpy(at, hash->bytes, SHA256_LEN);
    return at + SHA256_LEN;
}

void map_proof_encode(const struct map_proof *proof, uint8_t *out)
{
    const struct map_leaf *leaf = &proof->leaf;
    uint8_t *at = out;

    if (proof->is_empty) {
        *at = FORM_EMPTY;
        return;
    }
    ASSERT(proof->count <= MAP_PROOF_STEPS_MAX && bits_grow(proof) && leaf_is_legal(leaf));
    *at++ = FORM_LEAF;
    at = put_hash(at, &leaf->place);
    put_be64(at, leaf->seq);
    at = put_hash(at + 8, &leaf->entry);
    put_be64(at, leaf->versions);
    at = put_hash(at + 8, &leaf->chain);
    *at++ = leaf->flags;
    put_be16(at, (uint16_t)proof->count);
    at += 2;
    for (unsigned i = 0; i < proof->count; i++) {
        *at++ = proof->steps[i].bit;
        at = put_hash(at, &proof->steps[i].sibling);
    }
}

static void read_hash(struct reader *in, struct hash *out)
{
    reader_copy(in, out->bytes, SHA256_LEN);
}

static void read_leaf(struct reader *in, struct map_leaf *out)
{
    read_hash(in, &out->place);
    out->seq = reader_be64(in);
    read_hash(in, &out->entry);
    out->versions = reader_be64(in);
    read_hash(in, &out->chain);
    out->flags = reader_u8(in);
}

int map_proof_decode(struct slice bytes, struct map_proof *out)
{
    struct reader in = reader_of(bytes);
    uint8_t form = reader_u8(&in);

    out->is_empty = form == FORM_EMPTY;
    out->count = 0;
    if (form == FORM_EMPTY) {
        return reader_done(&in) ? BLOCKDB_OK : BLOCKDB_ECORRUPT;
    }
    read_leaf(&in, &out->leaf);
    out->count = reader_be16(&in);
    if (!reader_ok(&in) || form != FORM_LEAF || out->count > MAP_PROOF_STEPS_MAX ||
        !leaf_is_legal(&out->leaf)) {
        return BLOCKDB_ECORRUPT;
    }
    for (unsigned i = 0; i < out->count; i++) {
        out->steps[i].bit = reader_u8(&in);
        read_hash(&in, &out->steps[i].sibling);
    }
    return reader_done(&in) && bits_grow(out) ? BLOCKDB_OK : BLOCKDB_ECORRUPT;
}
