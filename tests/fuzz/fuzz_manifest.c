/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a manifest file: they are refused, or make a state that writes and reads back. */
#include "base/assert.h"
#include "base/mem.h"
#include "store/manifest_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes as an edit, past checksums. */
static void try_as_edit(struct slice bytes)
{
    AUTO(manifest_edit_owned_deinit) struct manifest_edit_owned owned = {0};
    struct manifest_state state;

    manifest_state_init(&state);
    if (manifest_edit_decode(bytes, &owned, NULL) == BLOCKDB_OK &&
        manifest_state_apply(&state, &owned.edit, NULL) == BLOCKDB_OK) {
        AUTO(buf_deinit) struct buf again = {0};
        AUTO(manifest_edit_owned_deinit) struct manifest_edit_owned second = {0};
        struct manifest_state copy;
        struct manifest_edit edit;
        struct slice payload;

        manifest_state_init(&copy);
        manifest_state_as_edit(&state, &edit);
        ASSERT(manifest_record_encode(&edit, 9, 4096, &again) == BLOCKDB_OK);
        payload = manifest_record_payload(buf_slice(&again), 9, 4096);
        ASSERT(payload.len > 0);
        ASSERT(manifest_edit_decode(payload, &second, NULL) == BLOCKDB_OK);
        ASSERT(manifest_state_apply(&copy, &second.edit, NULL) == BLOCKDB_OK);
        ASSERT(copy.table_count == state.table_count);
        ASSERT(copy.segment_count == state.segment_count);
        manifest_state_deinit(&copy);
    }
    manifest_state_deinit(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_log log = {0};
    struct slice bytes = slice_of(data, size);

    if (manifest_log_parse(bytes, "input", NULL, NULL, &log, NULL) == BLOCKDB_OK) {
        ASSERT(log.end <= size);
        manifest_log_deinit(&log);
    }
    try_as_edit(bytes);
    return 0;
}
