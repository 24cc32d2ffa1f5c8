/* SPDX-License-Identifier: Apache-2.0 */
/* Text parsers: what they accept must be what their writers write, or come back to it. */
#include "base/assert.h"
#include "base/base64.h"
#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_base64(struct slice text)
{
    struct buf bytes = {0};
    struct buf back = {0};

    if (base64_parse(&bytes, text) == BLOCKDB_OK) {
        ASSERT(base64_append(&back, buf_slice(&bytes)) == BLOCKDB_OK);
        ASSERT(slice_equal(buf_slice(&back), text)); /* one text for each value */
    }
    buf_deinit(&bytes);
    buf_deinit(&back);
}

static void check_hex(struct slice text)
{
    struct buf bytes = {0};
    struct buf back = {0};

    if (text_decode_hex(text, &bytes) == BLOCKDB_OK) {
        ASSERT(text_append_hex(&back, buf_slice(&bytes)) == BLOCKDB_OK);
        ASSERT(back.len == text.len);
    }
    buf_deinit(&bytes);
    buf_deinit(&back);
}

static void check_time(struct slice text)
{
    char again[TEXT_TIME_BYTES];
    uint64_t back;
    uint64_t ms;

    if (text_parse_time(text, &ms) == BLOCKDB_OK && ms < 253402300800000) {
        text_format_time(again, ms);
        ASSERT(text_parse_time(slice_of_text(again), &back) == BLOCKDB_OK);
        ASSERT(back == ms);
    }
}

static void check_units(struct slice text)
{
    struct buf zero_ended = {0};
    char again[TEXT_SIZE_BYTES];
    const char *word;
    uint64_t value;
    uint64_t back;

    ASSERT(buf_append_slice(&zero_ended, text) == BLOCKDB_OK);
    ASSERT(buf_append_u8(&zero_ended, 0) == BLOCKDB_OK);
    word = (const char *)zero_ended.data;
    if (size_parse(word, &value, NULL) == BLOCKDB_OK) {
        text_format_size(again, value);
        ASSERT(size_parse(again, &back, NULL) == BLOCKDB_OK && back == value);
    }
    if (duration_parse(word, &value, NULL) == BLOCKDB_OK) {
        text_format_duration(again, value);
        ASSERT(duration_parse(again, &back, NULL) == BLOCKDB_OK && back == value);
    }
    buf_deinit(&zero_ended);
}

/* Well-formed text is well-formed characters one after the other. */
static void check_utf8(struct slice text)
{
    bool valid = utf8_valid(text);

    while (text.len > 0) {
        size_t len = utf8_character_len(text);

        if (len == 0) {
            break;
        }
        text = slice_of(text.data + len, text.len - len);
    }
    ASSERT(valid == (text.len == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct reader r = reader_of(text);
    uint64_t value;

    check_base64(text);
    check_hex(text);
    check_time(text);
    check_units(text);
    check_utf8(text);
    while (reader_left(&r) > 0 && reader_ok(&r)) {
        const uint8_t *start = r.at;

        value = reader_varint(&r);
        ASSERT(!reader_ok(&r) || varint_len(value) == (size_t)(r.at - start));
    }
    return 0;
}
