/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of signed heads: refused, or what is found holds together. */
#include "base/assert.h"
#include "base/checksum.h"
#include "base/mem.h"
#include "engine/heads_file.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"

#define RECORD_HEAD_LEN 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_file(struct slice bytes)
{
    struct heads_file_id id = {.epoch = 3};
    struct heads_state state = {0};
    uint64_t len = 0;

    memset(id.ledger_id, 7, LEDGER_ID_LEN);
    if (heads_file_decode(bytes, &id, "input", &state, &len, NULL) < 0) {
        return;
    }
    ASSERT(len >= HEADS_FILE_HEADER_LEN && len <= bytes.len);
    if (state.note.len > 0) {
        struct checkpoint checkpoint;
        struct note note;

        ASSERT(state.has_intent && state.note_size <= state.size);
        ASSERT(checkpoint_parse_note(buf_slice(&state.note), &note, &checkpoint, NULL) ==
               BLOCKDB_OK);
        ASSERT(checkpoint.size == state.note_size);
        ASSERT(hash_equal(&checkpoint.root, &state.note_root));
    }
    heads_state_deinit(&state);
}

/* Makes the checksums right, so that the bytes under them are looked at. */
static void seal(uint8_t *bytes, size_t len)
{
    size_t at = HEADS_FILE_HEADER_LEN;

    if (len < at) {
        return;
    }
    put_le64(bytes + at - 8, checksum(bytes, at - 8, 0));
    while (len - at >= RECORD_HEAD_LEN + 8) {
        size_t body = get_le32(bytes + at + 8);

        if (body > len - at - RECORD_HEAD_LEN - 8) {
            break;
        }
        put_le64(bytes + at + RECORD_HEAD_LEN + body,
                 checksum(bytes + at, RECORD_HEAD_LEN + body, at));
        at += RECORD_HEAD_LEN + body + 8;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_deinit) struct buf copy = {0};

    try_file(slice_of(data, size));
    if (buf_append(&copy, data, size) == BLOCKDB_OK && size > 0) {
        seal(copy.data, copy.len);
        try_file(buf_slice(&copy));
    }
    return 0;
}
