/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/config_entry.h"

#include "ledger/record.h"

#include <assert.h>

#define VERSION 1
#define HEAD_LEN 4
#define ITEM_HEAD_LEN 4

static_assert(SYSTEM_PAYLOAD_MAX <= UINT16_MAX,
              "a value that fits the payload has a 16-bit length");

static bool name_is_legal(struct slice name, struct slice before)
{
    return name.len >= 1 && name.len <= CONFIG_NAME_MAX && slice_compare(before, name) < 0;
}

/* Finds the length of the payload. */
static int measure(const struct config_item *items, size_t count, size_t *out_len)
{
    struct slice before = {0};
    size_t len = HEAD_LEN;

    if (count == 0 || count > CONFIG_ITEMS_MAX) {
        return BLOCKDB_EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!name_is_legal(items[i].name, before)) {
            return BLOCKDB_EINVAL;
        }
        if (items[i].value.len > SYSTEM_PAYLOAD_MAX) {
            return BLOCKDB_ELIMIT;
        }
        before = items[i].name;
        len += ITEM_HEAD_LEN + items[i].name.len + items[i].value.len;
    }
    *out_len = len;
    return len <= SYSTEM_PAYLOAD_MAX ? BLOCKDB_OK : BLOCKDB_ELIMIT;
}

static uint8_t *put_text(uint8_t *at, struct slice text)
{
    put_be16(at, (uint16_t)text.len);
    if (text.len > 0) {
        memcpy(at + 2, text.data, text.len);
    }
    return at + 2 + text.len;
}

int config_entry_append(struct buf *out, const struct config_item *items, size_t count)
{
    size_t len;
    uint8_t *at;
    int rc = measure(items, count, &len);

    if (rc < 0) {
        return rc;
    }
    rc = buf_reserve(out, len);
    if (rc < 0) {
        return rc;
    }
    at = out->data + out->len;
    at[0] = VERSION;
    at[1] = 0;
    put_be16(at + 2, (uint16_t)count);
    at += HEAD_LEN;
    for (size_t i = 0; i < count; i++) {
        at = put_text(at, items[i].name);
        at = put_text(at, items[i].value);
    }
    out->len += len;
    return BLOCKDB_OK;
}

struct config_item config_entry_next(struct reader *items)
{
    struct config_item item;

    item.name = reader_bytes(items, reader_be16(items));
    item.value = reader_bytes(items, reader_be16(items));
    return item;
}

int config_entry_decode(struct slice payload, struct reader *out_items, size_t *out_count)
{
    struct reader in = reader_of(payload);
    uint8_t version = reader_u8(&in);
    uint8_t reserved = reader_u8(&in);
    uint16_t count = reader_be16(&in);
    struct slice before = {0};
    struct reader items;

    if (!reader_ok(&in) || version == 0) {
        return BLOCKDB_ECORRUPT;
    }
    if (version > VERSION || reserved != 0) {
        return BLOCKDB_EVERSION;
    }
    if (count == 0 || count > CONFIG_ITEMS_MAX || payload.len > SYSTEM_PAYLOAD_MAX) {
        return BLOCKDB_ECORRUPT;
    }
    items = in;
    for (uint16_t i = 0; i < count; i++) {
        struct config_item item = config_entry_next(&in);

        if (!reader_ok(&in) || !name_is_legal(item.name, before)) {
            return BLOCKDB_ECORRUPT;
        }
        before = item.name;
    }
    if (!reader_done(&in)) {
        return BLOCKDB_ECORRUPT;
    }
    *out_items = items;
    *out_count = count;
    return BLOCKDB_OK;
}
