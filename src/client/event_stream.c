/* SPDX-License-Identifier: Apache-2.0 */
#include "client/event_stream.h"

/* Cuts a line off *rest; false when its end has not come. */
static bool take_line(struct slice *rest, struct slice *out)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t len;

    if (end == NULL) {
        return false;
    }
    len = (size_t)(end - rest->data);
    *out = slice_of(rest->data, len > 0 && end[-1] == '\r' ? len - 1 : len);
    *rest = slice_of(end + 1, rest->len - len - 1);
    return true;
}

/* Splits "name: value"; one space behind the colon is not of the value. */
static void split(struct slice line, struct slice *out_name, struct slice *out_value)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    size_t len = colon != NULL ? (size_t)(colon - line.data) : line.len;
    size_t skip = colon != NULL ? len + 1 : len;

    skip += skip < line.len && line.data[skip] == ' ';
    *out_name = slice_of(line.data, len);
    *out_value = slice_of(line.data + skip, line.len - skip);
}

static bool is_named(struct slice name, const char *text)
{
    return slice_equal(name, slice_of_text(text));
}

static int add_line(struct slice line, struct buf *scratch, struct stream_event *event)
{
    struct slice name;
    struct slice value;
    int rc = BLOCKDB_OK;

    split(line, &name, &value);
    if (is_named(name, "id")) {
        event->id = value;
    } else if (is_named(name, "event")) {
        event->type = value;
    } else if (is_named(name, "data")) {
        if (event->has_data) {
            rc = buf_append_u8(scratch, '\n');
        }
        if (rc == BLOCKDB_OK) {
            rc = buf_append_slice(scratch, value);
        }
        event->has_data = true;
    }
    return rc;
}

size_t stream_event_next(struct slice bytes, struct buf *scratch, struct stream_event *out,
                         int *out_status)
{
    struct slice rest = bytes;
    struct slice line;
    int rc = BLOCKDB_OK;

    *out = (struct stream_event){0};
    buf_reset(scratch);
    while (take_line(&rest, &line)) {
        if (line.len == 0) {
            out->data = buf_slice(scratch);
            *out_status = rc;
            return bytes.len - rest.len;
        }
        if (rc == BLOCKDB_OK) {
            rc = add_line(line, scratch, out);
        }
    }
    return 0;
}
