/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/epoch_entry.h"

#include "base/assert.h"
#include "ledger/record.h"

#include <assert.h>

#define VERSION 1
#define FIXED_LEN 54

static_assert(EPOCH_ENTRY_LEN_MAX <= SYSTEM_PAYLOAD_MAX, "an epoch payload fits its entry");

size_t epoch_entry_len(const struct epoch_entry *entry)
{
    return FIXED_LEN + entry->note.len;
}

void epoch_entry_encode(const struct epoch_entry *entry, uint8_t *out)
{
    ASSERT(entry->cause >= EPOCH_RESTORE && entry->cause <= EPOCH_OTHER && entry->epoch >= 1);
    ASSERT(entry->note.len <= EPOCH_NOTE_MAX);
    out[0] = VERSION;
    out[1] = entry->cause;
    put_be16(out + 2, 0);
    put_be64(out + 4, entry->epoch);
    put_be64(out + 12, entry->tree_size);
    memcpy(out + 20, entry->tree_root.bytes, SHA256_LEN);
    put_be16(out + 52, (uint16_t)entry->note.len);
    if (entry->note.len > 0) {
        memcpy(out + FIXED_LEN, entry->note.data, entry->note.len);
    }
}

int epoch_entry_decode(struct slice payload, struct epoch_entry *out)
{
    struct reader in = reader_of(payload);
    struct epoch_entry entry;
    uint8_t version = reader_u8(&in);
    uint16_t reserved;

    entry.cause = reader_u8(&in);
    reserved = reader_be16(&in);
    if (!reader_ok(&in) || version == 0 || entry.cause == 0) {
        return BLOCKDB_ECORRUPT;
    }
    if (version > VERSION || entry.cause > EPOCH_OTHER || reserved != 0) {
        return BLOCKDB_EVERSION;
    }
    entry.epoch = reader_be64(&in);
    entry.tree_size = reader_be64(&in);
    reader_copy(&in, entry.tree_root.bytes, SHA256_LEN);
    entry.note = reader_bytes(&in, reader_be16(&in));
    if (!reader_done(&in) || entry.epoch == 0 || entry.note.len > EPOCH_NOTE_MAX) {
        return BLOCKDB_ECORRUPT;
    }
    *out = entry;
    return BLOCKDB_OK;
}
