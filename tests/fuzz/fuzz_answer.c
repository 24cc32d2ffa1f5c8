/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of HTTP servers, in pieces, and what is read from their bodies: entries, outcomes,
 * refusals, events. The first byte gives the length of the pieces and what is read.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "client/answer.h"
#include "client/event_stream.h"
#include "client/refusal.h"
#include "client/shape.h"
#include "client/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX 4096

static void feed(struct answer *a, const uint8_t *data, size_t size, size_t step)
{
    struct error err;
    size_t at = 0;

    while (at < size && !answer_is_done(a)) {
        size_t room = 0;
        void *to = answer_room(a, &room);
        size_t n = size - at < step ? size - at : step;

        if (to == NULL) {
            return;
        }
        n = n < room ? n : room;
        memcpy(to, data + at, n);
        if (answer_received(a, n, &err) < 0) {
            ASSERT(err.message[0] != '\0');
            return;
        }
        at += n;
    }
    ASSERT(a->body.len <= BODY_MAX);
    IGNORE_RESULT(answer_ended(a, &err)); /* either outcome is fine */
}

static void read_events(struct slice body)
{
    AUTO(buf_deinit) struct buf scratch = {0};
    struct stream_event event;
    int status = 0;
    size_t len;

    while ((len = stream_event_next(body, &scratch, &event, &status)) > 0) {
        ASSERT(len <= body.len);
        body = slice_of(body.data + len, body.len - len);
    }
}

static void read_body(const struct answer *a)
{
    AUTO(shape_entry_deinit) struct shape_entry entry = {0};
    struct blockdb_write_result written;
    struct slice body = answer_body(a);
    struct json_reader r = json_reader_of(body);
    struct url url;
    struct error err;

    IGNORE_RESULT(shape_entry_parse(body, &entry, &err)); /* all of these may fail */
    IGNORE_RESULT(shape_written_parse(body, &written, &err));
    ASSERT(refusal_of(a, "http://h", &err) < 0);
    IGNORE_RESULT(url_parse(slice_of_text(a->leader), &url, &err));
    json_reader_skip(&r);
    (void)json_reader_done(&r);
    read_events(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(answer_deinit) struct answer a = {0};

    if (size == 0) {
        return 0;
    }
    answer_reset(&a, BODY_MAX, (data[0] & 0x80) != 0);
    feed(&a, data + 1, size - 1, (data[0] & 0x7F) + 1u);
    if (answer_is_done(&a)) {
        read_body(&a);
    }
    return 0;
}
