/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/group.h"

#include "ledger/record.h"

_Static_assert(GROUP_MARKER_LEN < RECORD_HEADER_LEN, "a marker cannot be taken for a record");

void group_marker_encode(uint64_t time_ms, uint8_t *out)
{
    put_le32(out, GROUP_MARKER_LEN);
    put_le64(out + GROUP_ITEM_HEADER_LEN, time_ms);
}

int group_next(struct reader *r, struct group_item *out)
{
    uint32_t len;
    struct slice bytes;

    if (reader_done(r)) {
        return BLOCKDB_ENOTFOUND;
    }
    len = reader_le32(r);
    bytes = reader_bytes(r, len);
    if (!reader_ok(r) || (len < RECORD_HEADER_LEN && len != GROUP_MARKER_LEN)) {
        return BLOCKDB_ECORRUPT;
    }
    *out = (struct group_item){.record = bytes, .is_marker = len == GROUP_MARKER_LEN};
    if (out->is_marker) {
        out->marker_time_ms = get_le64(bytes.data);
    }
    return BLOCKDB_OK;
}
