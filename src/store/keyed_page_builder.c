/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keyed_page_builder.h"

#include "base/assert.h"
#include "store/keyed_page.h"

void keyed_page_builder_init(struct keyed_page_builder *b, uint32_t interval)
{
    *b = (struct keyed_page_builder){.interval = interval};
}

void keyed_page_builder_deinit(struct keyed_page_builder *b)
{
    buf_deinit(&b->entries);
    buf_deinit(&b->restarts);
    buf_deinit(&b->links);
    buf_deinit(&b->first_key);
    buf_deinit(&b->last_key);
}

static int set_key(struct buf *buf, struct slice key)
{
    buf_reset(buf);
    return buf_append_slice(buf, key);
}

static int append_entry(struct buf *out, size_t shared, struct slice suffix, size_t body_len)
{
    uint8_t lengths[3 * VARINT_BYTES_MAX];
    size_t len = 0;

    len += put_varint(lengths + len, shared);
    len += put_varint(lengths + len, suffix.len);
    len += put_varint(lengths + len, body_len);
    if (buf_reserve(out, len + suffix.len + body_len) < 0 || buf_append(out, lengths, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append_slice(out, suffix);
}

int keyed_page_builder_add(struct keyed_page_builder *b, struct slice key, struct slice head,
                           struct slice tail)
{
    bool restart = b->entry_count % b->interval == 0;
    size_t shared = restart ? 0 : keyed_page_common_len(buf_slice(&b->last_key), key);
    struct slice suffix = slice_of(key.data + shared, key.len - shared);
    int rc = BLOCKDB_OK;

    if (b->entry_count == 0) {
        rc = set_key(&b->first_key, key);
        b->prefix_len = key.len;
    } else if (!slice_has_prefix(key, slice_of(b->first_key.data, b->prefix_len))) {
        b->prefix_len = keyed_page_common_len(buf_slice(&b->first_key), key);
    }
    if (rc == BLOCKDB_OK && restart) {
        rc = buf_append_le32(&b->restarts, (uint32_t)b->entries.len);
    }
    if (rc == BLOCKDB_OK) {
        rc = append_entry(&b->entries, shared, suffix, head.len + tail.len);
    }
    if (rc == BLOCKDB_OK) {
        rc = buf_append_slice(&b->entries, head);
    }
    if (rc == BLOCKDB_OK) {
        rc = buf_append_slice(&b->entries, tail);
    }
    if (rc == BLOCKDB_OK) {
        rc = set_key(&b->last_key, key);
    }
    b->entry_count++;
    return rc;
}

int keyed_page_builder_link(struct keyed_page_builder *b, struct table_handle handle)
{
    uint8_t bytes[TABLE_HANDLE_BYTES];

    table_handle_encode(bytes, handle);
    return buf_append(&b->links, bytes, sizeof(bytes));
}

size_t keyed_page_builder_bytes(const struct keyed_page_builder *b)
{
    size_t restarts = b->restarts.len / KEYED_PAGE_RESTART_BYTES;

    return KEYED_PAGE_HEADER_BYTES + keyed_page_prefix_room(b->prefix_len) +
           restarts * KEYED_PAGE_HEAD_BYTES + b->restarts.len + b->links.len + b->entries.len;
}

/* Appends the heads of all restart points. */
static int append_heads(const struct keyed_page_builder *b, size_t prefix_len, struct buf *out)
{
    size_t i;

    for (i = 0; i < b->restarts.len; i += KEYED_PAGE_RESTART_BYTES) {
        const uint8_t *at = b->entries.data + get_le32(b->restarts.data + i);
        uint64_t key_len;
        int rc;

        (void)trusted_varint(&at); /* shared */
        key_len = trusted_varint(&at);
        (void)trusted_varint(&at); /* body length */
        rc = buf_append_le64(out, keyed_page_head(slice_of(at, key_len), prefix_len));
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static void put_header(const struct keyed_page_builder *b, size_t prefix_len, uint8_t *p)
{
    put_le32(p, b->entry_count);
    put_le32(p + 4, (uint32_t)(b->restarts.len / KEYED_PAGE_RESTART_BYTES));
    put_le32(p + 8, (uint32_t)prefix_len);
    put_le32(p + 12, (uint32_t)(b->links.len / TABLE_HANDLE_BYTES));
    put_le64(p + 16, b->base_seq);
    put_le64(p + 24, b->base_time);
}

int keyed_page_builder_finish(struct keyed_page_builder *b, struct buf *out)
{
    size_t prefix_len = b->prefix_len;
    uint8_t header[KEYED_PAGE_HEADER_BYTES];

    ASSERT(b->entry_count > 0);
    put_header(b, prefix_len, header);
    if (buf_reserve(out, keyed_page_builder_bytes(b)) < 0 ||
        buf_append(out, header, sizeof(header)) < 0 ||
        buf_append(out, b->last_key.data, prefix_len) < 0 ||
        buf_append_zeros(out, keyed_page_prefix_room(prefix_len) - prefix_len) < 0 ||
        append_heads(b, prefix_len, out) < 0 || buf_append_slice(out, buf_slice(&b->links)) < 0 ||
        buf_append_slice(out, buf_slice(&b->restarts)) < 0 ||
        buf_append_slice(out, buf_slice(&b->entries)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    b->entry_count = 0;
    b->base_seq = 0;
    b->base_time = 0;
    buf_reset(&b->entries);
    buf_reset(&b->restarts);
    buf_reset(&b->links);
    return BLOCKDB_OK;
}
