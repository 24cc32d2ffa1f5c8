/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a manifest: header, marks, records, edits.
 *
 * Threads:   caller locks.
 * Format:    docs/format/manifest.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "store/identity.h"
#include "store/manifest_state.h"

#include <stddef.h>
#include <stdint.h>

#define MANIFEST_VERSION 1
#define MANIFEST_HEAD_BYTES 4096 /* header, marks, zeros */
#define MANIFEST_MARK_OFFSET 512
#define MANIFEST_MARK_BYTES 512 /* each of the two, in a sector of its own */
#define MANIFEST_RECORD_HEAD_BYTES 16
#define MANIFEST_PAYLOAD_MAX ((uint32_t)1 << 30)

struct manifest_head {
    uint8_t ledger_id[LEDGER_ID_LEN];
    uint64_t number;
    uint64_t synced; /* by the marks */
    unsigned mark;   /* which of the two says so: 0 or 1 */
};

/* The head of a file, both marks at head->synced. */
void manifest_head_encode(const struct manifest_head *head, uint8_t out[MANIFEST_HEAD_BYTES]);
/* bytes begin with the file; path is for messages. ECORRUPT, EFOREIGN, EVERSION. */
RESULT_MUST_BE_USED int manifest_head_decode(struct slice bytes, const char *path,
                                             struct manifest_head *out, struct error *err);
/* One mark of a manifest of that number. */
void manifest_mark_encode(uint64_t number, uint64_t synced, uint8_t out[MANIFEST_MARK_BYTES]);

/* Appends a whole record of edit, as it must stand at `offset` of manifest `number`. ELIMIT: over
 * MANIFEST_PAYLOAD_MAX. ENOMEM and ELIMIT leave out unchanged. */
RESULT_MUST_BE_USED int manifest_record_encode(const struct manifest_edit *edit, uint64_t number,
                                               uint64_t offset, struct buf *out);
/* Fills in the head of a record whose payload is in place behind it. */
void manifest_record_finish(uint8_t *record, size_t payload_len, uint64_t number, uint64_t offset);
/* The payload of the record at bytes[0], which stands at `offset`; an empty slice when the bytes
 * are not a whole, undamaged record. */
struct slice manifest_record_payload(struct slice bytes, uint64_t number, uint64_t offset);

/* An edit and the arrays it points to; keys and blobs are borrowed from the payload. */
struct manifest_edit_owned {
    struct manifest_edit edit;
    struct table_meta *tables;
    uint64_t *removed_tables;
    struct manifest_segment *segments;
    uint64_t *removed_segments;
};
/* ECORRUPT: not an edit (what, in err; without place); EVERSION: of a newer format; ENOMEM. */
RESULT_MUST_BE_USED int manifest_edit_decode(struct slice payload, struct manifest_edit_owned *out,
                                             struct error *err);
/* For AUTO(); a zeroed one is fine. */
void manifest_edit_owned_deinit(struct manifest_edit_owned *owned);
