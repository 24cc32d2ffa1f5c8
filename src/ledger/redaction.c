/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/redaction.h"

#include "base/assert.h"
#include "ledger/record.h"

#include <assert.h>

#define VERSION 1

static_assert(REDACTION_LEN_MAX <= SYSTEM_PAYLOAD_MAX, "a redaction fits its entry");

size_t redaction_len(const struct redaction *redaction)
{
    return 48 + redaction->reason.len + redaction->authority.len;
}

static uint8_t *put_text(uint8_t *at, struct slice text)
{
    ASSERT(text.len <= REDACTION_TEXT_MAX);
    put_be16(at, (uint16_t)text.len);
    if (text.len > 0) {
        memcpy(at + 2, text.data, text.len);
    }
    return at + 2 + text.len;
}

void redaction_encode(const struct redaction *redaction, uint8_t *out)
{
    uint8_t *at = out + 44;

    ASSERT(redaction->scope == REDACTION_VALUE);
    out[0] = VERSION;
    out[1] = redaction->scope;
    put_be16(out + 2, redaction->reason_code);
    put_be64(out + 4, redaction->target_seq);
    memcpy(out + 12, redaction->target_leaf.bytes, SHA256_LEN);
    at = put_text(at, redaction->reason);
    at = put_text(at, redaction->authority);
    ASSERT((size_t)(at - out) == redaction_len(redaction));
}

int redaction_decode(struct slice payload, struct redaction *out)
{
    struct reader in = reader_of(payload);
    struct redaction r;
    uint8_t version = reader_u8(&in);

    r.scope = reader_u8(&in);
    if (!reader_ok(&in) || version == 0 || r.scope == 0) {
        return BLOCKDB_ECORRUPT;
    }
    if (version > VERSION || r.scope > REDACTION_VALUE) {
        return BLOCKDB_EVERSION;
    }
    r.reason_code = reader_be16(&in);
    r.target_seq = reader_be64(&in);
    reader_copy(&in, r.target_leaf.bytes, SHA256_LEN);
    r.reason = reader_bytes(&in, reader_be16(&in));
    r.authority = reader_bytes(&in, reader_be16(&in));
    if (!reader_done(&in) || r.reason.len > REDACTION_TEXT_MAX ||
        r.authority.len > REDACTION_TEXT_MAX) {
        return BLOCKDB_ECORRUPT;
    }
    *out = r;
    return BLOCKDB_OK;
}
