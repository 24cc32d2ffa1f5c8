/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/declare.h"

#include "base/mem.h"
#include "engine/batch.h"
#include "engine/db.h"
#include "ledger/epoch_entry.h"

static int append_entry(struct blockdb *db, struct error *err)
{
    AUTO(batch_deinit) struct blockdb_batch batch;
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct epoch_entry entry = {.cause = EPOCH_RESTORE, .epoch = db->epoch_number};
    uint8_t payload[EPOCH_ENTRY_LEN_MAX];
    struct blockdb_head head;
    int rc;

    batch_init(&batch, db);
    rc = blockdb_head_get(db, &head, err);
    if (rc < 0) {
        return rc;
    }
    entry.tree_size = head.size;
    memcpy(entry.tree_root.bytes, head.root, BLOCKDB_HASH_LEN);
    epoch_entry_encode(&entry, payload);
    rc = batch_add_system(&batch, BLOCKDB_KIND_EPOCH, slice_of(payload, epoch_entry_len(&entry)),
                          err);
    options.durability = BLOCKDB_DURABILITY_GROUP;
    return rc < 0 ? rc : blockdb_write(db, &batch, &options, NULL, err);
}

int declare_epoch(struct blockdb *db, uint64_t declared_epoch, struct error *err)
{
    struct manifest_edit edit = {.set_epoch = true, .epoch = db->epoch_number};
    int rc;

    if (db->read_only || db->epoch_number <= declared_epoch) {
        return BLOCKDB_OK;
    }
    rc = append_entry(db, err);
    return rc < 0 ? rc : manifest_append(db->manifest, &edit, err);
}
