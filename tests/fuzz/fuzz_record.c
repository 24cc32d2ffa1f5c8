/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored records: what is accepted encodes to the same bytes, and has a leaf that does so too.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_encoding(const struct record *r, struct slice want)
{
    uint8_t *bytes = mem_alloc(want.len);

    ASSERT(record_len(r) == want.len);
    if (bytes != NULL) {
        record_encode(r, bytes);
        ASSERT(memcmp(bytes, want.data, want.len) == 0);
        mem_free(bytes);
    }
}

/* The leaf of a record, in memory and as hashed without memory. */
static void check_leaf(const struct record *r, const struct hash *commitment)
{
    struct leaf leaf = leaf_of_record(r, commitment);
    size_t len = leaf_len(&leaf);
    uint8_t *bytes = mem_alloc(1 + len);
    struct leaf decoded;
    struct hash want;
    struct hash got;

    ASSERT(len <= LEAF_LEN_MAX);
    if (bytes == NULL) {
        return;
    }
    bytes[0] = 0x00;
    leaf_encode(&leaf, bytes + 1);
    ASSERT(leaf_decode(slice_of(bytes + 1, len), &decoded) == BLOCKDB_OK);
    sha256_once(bytes, 1 + len, &want);
    leaf_hash(r, commitment, &got);
    ASSERT(memcmp(&want, &got, sizeof got) == 0);
    mem_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record r;
    struct record redacted;
    struct hash commitment = {{0}};

    if (record_parse(slice_of(data, size), &r) < 0) {
        return 0;
    }
    check_encoding(&r, slice_of(data, size));
    if (r.kind == BLOCKDB_KIND_PUT && !(r.flags & RECORD_REDACTED)) {
        commitment_compute(r.salt, r.value, &commitment);
        redacted = record_redacted(&r, &commitment, 77);
        check_leaf(&redacted, NULL);
    }
    check_leaf(&r, &commitment);
    return 0;
}
