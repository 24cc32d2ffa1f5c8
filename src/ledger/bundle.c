/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/bundle.h"

int bundle_append(struct buf *out, const struct leaf *leaf)
{
    size_t len = leaf_len(leaf);
    int rc = buf_reserve(out, 2 + len);

    if (rc < 0) {
        return rc;
    }
    put_be16(out->data + out->len, (uint16_t)len);
    leaf_encode(leaf, out->data + out->len + 2);
    out->len += 2 + len;
    return BLOCKDB_OK;
}

int bundle_next(struct reader *r, struct slice *out_leaf)
{
    uint16_t len = reader_be16(r);
    struct slice leaf = reader_bytes(r, len);

    if (!reader_ok(r) || len < LEAF_HEADER_LEN || len > LEAF_LEN_MAX) {
        return BLOCKDB_ECORRUPT;
    }
    *out_leaf = leaf;
    return BLOCKDB_OK;
}
