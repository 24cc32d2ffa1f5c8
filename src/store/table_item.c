/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table_item.h"

int table_item_encode(struct buf *out, const struct table_item *item, uint64_t base_seq,
                      uint64_t base_time)
{
    uint8_t bytes[1 + 6 * VARINT_BYTES_MAX];
    size_t len = 0;

    bytes[len++] = (uint8_t)(item->kind | (item->value_inline ? TABLE_TAG_INLINE : 0) |
                             (unsigned)item->older << TABLE_TAG_OLDER_SHIFT);
    len += put_varint(bytes + len, table_zigzag(item->seq - base_seq));
    len += put_varint(bytes + len, table_zigzag(item->time_ms - base_time));
    len += put_varint(bytes + len, item->value_len);
    if (item->older != TABLE_OLDER_NONE) {
        len += put_varint(bytes + len, item->older_count);
    }
    if (item->older == TABLE_OLDER_BESIDE) {
        len += put_varint(bytes + len, item->run.len);
    } else if (item->older != TABLE_OLDER_NONE) {
        len += put_varint(bytes + len, item->link);
    }
    if (item->older == TABLE_OLDER_PAGE) {
        len += put_varint(bytes + len, item->position);
    }
    if (buf_append(out, bytes, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return item->older == TABLE_OLDER_BESIDE ? buf_append_slice(out, item->run) : BLOCKDB_OK;
}

/* Whether the run descends from seq, `count` times, and fills its bytes. */
static bool run_good(struct slice run, uint64_t count, uint64_t seq)
{
    struct reader r = reader_of(run);

    while (count-- > 0) {
        uint64_t delta = reader_varint(&r);

        if (!reader_ok(&r) || delta >= seq) {
            return false;
        }
        seq -= delta + 1;
    }
    return reader_done(&r);
}

static bool older_good(const struct keyed_page *page, struct reader *r, unsigned older,
                       uint64_t seq)
{
    uint64_t count = reader_varint(r);

    if (count == 0 || count > seq) {
        return false;
    }
    if (older == TABLE_OLDER_BESIDE) {
        uint64_t len = reader_varint(r);

        return run_good(reader_bytes(r, len), count, seq);
    }
    if (reader_varint(r) >= page->link_count) {
        return false;
    }
    return older != TABLE_OLDER_PAGE || reader_varint(r) < TABLE_PAGE_RAW_MAX;
}

bool table_item_good(const struct keyed_page *page, struct slice body)
{
    struct reader r = reader_of(body);
    unsigned tag = reader_u8(&r);
    unsigned kind = tag & TABLE_TAG_KIND_MASK;
    unsigned older = tag >> TABLE_TAG_OLDER_SHIFT;
    uint64_t seq = page->base_seq + table_unzigzag(reader_varint(&r));
    uint64_t value_len;

    (void)reader_varint(&r); /* any time is good */
    value_len = reader_varint(&r);
    if (!reader_ok(&r) || tag > TABLE_TAG_MAX || seq == BLOCKDB_SEQ_NONE ||
        value_len > BLOCKDB_VALUE_MAX ||
        (kind != BLOCKDB_KIND_PUT && kind != BLOCKDB_KIND_DELETE) ||
        (kind == BLOCKDB_KIND_DELETE && (value_len > 0 || (tag & TABLE_TAG_INLINE) != 0))) {
        return false;
    }
    if (older != TABLE_OLDER_NONE && !older_good(page, &r, older, seq)) {
        return false;
    }
    return reader_ok(&r) && reader_left(&r) == ((tag & TABLE_TAG_INLINE) != 0 ? value_len : 0);
}

void table_item_decode(const struct keyed_page *page, struct slice body, struct table_item *out)
{
    const uint8_t *at = body.data;
    const uint8_t *end = body.data + body.len;
    unsigned tag = *at++;

    *out = (struct table_item){
        .kind = tag & TABLE_TAG_KIND_MASK,
        .value_inline = (tag & TABLE_TAG_INLINE) != 0,
        .older = (uint8_t)(tag >> TABLE_TAG_OLDER_SHIFT),
    };
    out->seq = page->base_seq + table_unzigzag(trusted_varint(&at));
    out->time_ms = page->base_time + table_unzigzag(trusted_varint(&at));
    out->value_len = (uint32_t)trusted_varint(&at);
    if (out->older != TABLE_OLDER_NONE) {
        out->older_count = trusted_varint(&at);
    }
    if (out->older == TABLE_OLDER_BESIDE) {
        uint64_t len = trusted_varint(&at);

        out->run = slice_of(at, len);
        at += len;
    } else if (out->older != TABLE_OLDER_NONE) {
        out->link = (uint32_t)trusted_varint(&at);
    }
    if (out->older == TABLE_OLDER_PAGE) {
        out->position = (uint32_t)trusted_varint(&at);
    }
    out->value = slice_of(at, (size_t)(end - at));
}
