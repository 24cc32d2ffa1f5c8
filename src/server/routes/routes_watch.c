/* SPDX-License-Identifier: Apache-2.0 */
/* Watch: a stream of server-sent events, one for each entry that the client may see. */
#include "base/text.h"
#include "server/conn.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"

#include <inttypes.h>
#include <stddef.h>

struct watch_stream {
    struct watcher watcher;
    struct exchange *x;
    struct slice prefix;
    enum shown_as shown_as;
};

static struct watch_stream *stream_of(struct watcher *w)
{
    return (struct watch_stream *)(void *)((char *)w - offsetof(struct watch_stream, watcher));
}

/* ---- Events -------------------------------------------------------------------------------- */

/* "id: SEQ", "data: ENTRY", an empty line. */
static int write_event(struct buf *out, const struct watch_entry *entry, enum shown_as shown_as)
{
    const struct reply_entry shown = {
        .key = entry->key, .value = entry->value, .version = entry->version};
    struct json_writer w;

    if (buf_appendf(out, "id: %" PRIu64 "\ndata: ", entry->version.seq) < 0) {
        return BLOCKDB_ENOMEM;
    }
    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    (void)reply_entry_members(&w, &shown, shown_as); /* always shown: never SHOWN_UTF8 */
    json_writer_end_object(&w);
    return json_writer_finish(&w) < 0 ? BLOCKDB_ENOMEM : buf_append(out, "\n\n", 2);
}

static bool is_wanted(const struct watch_stream *stream, const struct watch_entry *entry)
{
    enum blockdb_kind kind = entry->version.kind;

    return (kind == BLOCKDB_KIND_PUT || kind == BLOCKDB_KIND_DELETE) &&
           slice_has_prefix(entry->key, stream->prefix) &&
           principal_may_key(exchange_principal(stream->x), RIGHT_READ, entry->key);
}

static bool show(struct watcher *w, const struct watch_entry *entry)
{
    struct watch_stream *stream = stream_of(w);
    bool is_base64 = stream->shown_as == SHOWN_BASE64;
    struct buf *text = is_base64 ? entry->text_base64 : entry->text;

    if (!is_wanted(stream, entry)) {
        return true;
    }
    if (text->len == 0 && write_event(text, entry, stream->shown_as) < 0) {
        /* Half an event is worse than none: the client comes again and resumes. */
        buf_reset(text);
        conn_abort(exchange_conn(stream->x));
        return false;
    }
    return exchange_stream_write(stream->x, buf_slice(text));
}

static void end_stream(struct watch_stream *stream, const char *event)
{
    (void)exchange_stream_write(stream->x, slice_of_text(event));
    exchange_stream_end(stream->x);
}

/* Keeps the stream alive, unless who asked for it may not have it any more. */
static void beat(struct watcher *w, bool is_idle)
{
    struct watch_stream *stream = stream_of(w);

    if (!exchange_renew(stream->x) || !principal_may(exchange_principal(stream->x), RIGHT_READ)) {
        watch_leave(w);
        end_stream(stream, "event: error\ndata: {\"error\":\"Unauthorized\"}\n\n");
        return;
    }
    if (is_idle) {
        /* Whether the client takes it shows when the next entry comes. */
        (void)exchange_stream_write(stream->x, slice_of_text(":\n\n"));
    }
}

static void failed(struct watcher *w, const struct error *err)
{
    (void)err; /* whoever reads the entry by its number is told */
    end_stream(stream_of(w), "event: error\ndata: {\"error\":\"Corrupt\"}\n\n");
}

static void on_writable(struct exchange *x)
{
    struct watch_stream *stream = exchange_state(x);

    watch_resume(&stream->watcher);
}

static void on_gone(struct exchange *x)
{
    struct watch_stream *stream = exchange_state(x);

    watch_leave(&stream->watcher);
    end_stream(stream, "event: end\ndata: {}\n\n");
}

/* ---- The request --------------------------------------------------------------------------- */

static int parse_from(const struct exchange *x, uint64_t *out, struct error *err)
{
    struct slice id = exchange_header(x, "last-event-id");
    uint64_t seen;

    if (id.len == 0) {
        return exchange_query_u64(x, "from", out, err);
    }
    if (text_parse_decimal(id, &seen) < 0 || seen == UINT64_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "header 'Last-Event-ID' must be the id of an event");
    }
    *out = seen + 1;
    return BLOCKDB_OK;
}

static int watch_parse(struct exchange *x, struct watch_stream *out, struct error *err)
{
    static const char *const names[] = {"prefix", "from", "encoding", NULL};
    int rc = exchange_query_check(x, names, err);

    /* What is absent stays empty: all keys. */
    (void)exchange_query(x, "prefix", &out->prefix);
    if (rc == BLOCKDB_OK) {
        rc = parse_from(x, &out->watcher.next_seq, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = query_encoding(x, &out->shown_as, err);
    }
    /* A stream cannot be refused in its middle, so what is no text is base64 then. */
    out->shown_as = out->shown_as == SHOWN_UTF8 ? SHOWN_AUTO : out->shown_as;
    return rc;
}

static void watch_begin(struct exchange *x, struct watch_stream *stream)
{
    static const struct exchange_stream face = {.writable = on_writable, .gone = on_gone};
    struct dispatch *dispatch = exchange_call(x)->dispatch;

    exchange_set_header(x, "Cache-Control", "no-store");
    exchange_set_header(x, "X-Accel-Buffering", "no");
    if (exchange_request(x)->method == HTTP_HEAD) {
        exchange_reply(x, 200, HTTP_TYPE_EVENTS, slice_of(NULL, 0));
        return;
    }
    exchange_stream_begin(x, 200, HTTP_TYPE_EVENTS, &face);
    (void)exchange_stream_write(x, slice_of_text(":\n\n")); /* the first bytes always fit */
    if (watch_join(routes_of(x)->watch, dispatch, conn_loop(exchange_conn(x)), &stream->watcher) <
        0) {
        end_stream(stream, "event: error\ndata: {\"error\":\"OutOfMemory\"}\n\n");
    }
}

void route_watch(struct exchange *x)
{
    struct watch_stream *stream = exchange_state_new(x, sizeof(*stream));
    struct error err;
    int rc;

    if (stream == NULL) {
        exchange_error(x, error_set_no_memory(&err), &err);
        return;
    }
    stream->x = x;
    stream->watcher = (struct watcher){.next_seq = blockdb_seq_count(routes_of(x)->db),
                                       .show = show,
                                       .beat = beat,
                                       .failed = failed};
    rc = watch_parse(x, stream, &err);
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    watch_begin(x, stream);
}
