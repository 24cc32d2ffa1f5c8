/* SPDX-License-Identifier: Apache-2.0 */
/* Watching: an answer that never ends, on a connection of its own. */
#include "base/mem.h"
#include "base/text.h"
#include "client/ask.h"
#include "client/event_stream.h"
#include "client/shape.h"

#include <string.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
/* A server says something at least every 15 s; after this long it is not there any more. */
#define SILENCE_MAX_NS (60 * NS_PER_S)
#define DOUBLINGS_MAX 5 /* of the pause between attempts */
#define SCAN_STEP ((size_t)64 << 10)

struct blockdb_client_watch {
    struct blockdb_client *client;
    struct buf prefix;
    bool has_prefix;
    uint64_t position; /* the seq wanted next; BLOCKDB_SEQ_NONE: whatever comes */
    struct slot slot;  /* its own, not the pool's: for the link and the memory of the answer */
    struct shape_entry entry;
    unsigned failures; /* in a row */
    uint64_t again_ns; /* after a failure: not before this is the next attempt */
    uint64_t heard_ns; /* when the server last said something */
    size_t searched;   /* bytes of the body without an event's end */
};

int blockdb_client_watch_new(struct blockdb_client *client,
                             const struct blockdb_client_watch_options *options,
                             struct blockdb_client_watch **out_watch, struct error *err)
{
    struct blockdb_client_watch *watch = mem_calloc(1, sizeof(*watch));

    if (watch == NULL || (options != NULL && options->prefix != NULL &&
                          buf_append(&watch->prefix, options->prefix, options->prefix_len) < 0)) {
        mem_free(watch);
        return error_set_no_memory(err);
    }
    watch->client = client;
    watch->has_prefix = options != NULL && options->prefix_len > 0;
    watch->position = options != NULL ? options->from_seq : BLOCKDB_SEQ_NONE;
    watch->slot.link.fd = -1;
    *out_watch = watch;
    return BLOCKDB_OK;
}

void blockdb_client_watch_free(struct blockdb_client_watch *watch)
{
    if (watch != NULL) {
        client_slot_deinit(watch->client, &watch->slot);
        shape_entry_deinit(&watch->entry);
        buf_deinit(&watch->prefix);
        mem_free(watch);
    }
}

uint64_t blockdb_client_watch_position(const struct blockdb_client_watch *watch)
{
    return watch->position;
}

/* ---- Connection ---------------------------------------------------------------------------- */

static int stream_open(struct blockdb_client_watch *watch, struct error *err)
{
    struct blockdb_client *c = watch->client;
    struct ask ask = {.client = c, .slot = &watch->slot, .method = "GET", .repeatable = true};
    unsigned endpoint = (client_preferred(c) + watch->failures) % client_endpoint_count(c);

    buf_reset(&watch->slot.target);
    watch->searched = 0;
    ask.accept = "text/event-stream";
    ask_path(&ask, "/api/v1/watch");
    if (watch->position != BLOCKDB_SEQ_NONE) {
        ask_parameter_u64(&ask, "from", watch->position);
    }
    if (watch->has_prefix) {
        ask_parameter_text(&ask, "prefix", buf_slice(&watch->prefix));
    }
    watch->heard_ns = os_monotonic_ns(c->os);
    return ask_stream(&ask, endpoint, &watch->slot.link, err);
}

/* One failure more: the pause before the next attempt begins, however short the calls are during
 * which it passes. */
static void stream_failed(struct blockdb_client_watch *watch)
{
    const struct blockdb_client *c = watch->client;
    uint64_t pause = c->retry_delay_ns
                     << (watch->failures < DOUBLINGS_MAX ? watch->failures : DOUBLINGS_MAX);

    watch->failures++;
    watch->again_ns = os_monotonic_ns(c->os) +
                      (pause < c->retry_delay_max_ns ? pause : c->retry_delay_max_ns);
}

/* Opens the stream, after a pause when that failed before. ETIMEDOUT: deadline_ns came first. */
static int stream_ensure(struct blockdb_client_watch *watch, uint64_t deadline_ns,
                         struct error *err)
{
    struct blockdb_client *c = watch->client;
    int rc;

    if (link_is_open(&watch->slot.link)) {
        return BLOCKDB_OK;
    }
    if (watch->failures > 0) {
        uint64_t until = watch->again_ns < deadline_ns ? watch->again_ns : deadline_ns;
        uint64_t now = os_monotonic_ns(c->os);

        os_sleep_ns(c->os, until > now ? until - now : 0);
        if (watch->again_ns > deadline_ns) {
            return error_set(err, BLOCKDB_ETIMEDOUT, "no connection to the server within the time");
        }
    }
    rc = stream_open(watch, err);
    if (rc < 0) {
        stream_failed(watch);
    } else {
        watch->failures = 0;
    }
    return rc;
}

/* Receives some more; the link is closed when it broke, which is no error of the watch. */
static int stream_receive(struct blockdb_client_watch *watch, uint64_t deadline_ns,
                          struct error *err)
{
    struct answer *answer = &watch->slot.answer;
    uint64_t silent_by = watch->heard_ns + SILENCE_MAX_NS;
    size_t room = 0;
    void *at = answer_room(answer, &room);
    size_t len = 0;
    int rc = at == NULL ? error_set_no_memory(err)
                        : link_receive(&watch->slot.link, at, room, &len,
                                       deadline_ns < silent_by ? deadline_ns : silent_by, err);

    if (rc == BLOCKDB_ETIMEDOUT && deadline_ns < silent_by) {
        return rc;
    }
    if (rc == BLOCKDB_OK && len > 0) {
        watch->heard_ns = os_monotonic_ns(watch->client->os);
        rc = answer_received(answer, len, err);
    }
    if (rc < 0 || len == 0 || answer_is_done(answer)) {
        client_close_link(watch->client, &watch->slot.link);
        stream_failed(watch);
    }
    return rc == BLOCKDB_ENOMEM || rc == BLOCKDB_ELIMIT ? rc : BLOCKDB_OK;
}

/* ---- Events -------------------------------------------------------------------------------- */

static int event_take(struct blockdb_client_watch *watch, const struct stream_event *event,
                      bool *out_taken, struct error *err)
{
    uint64_t seq;
    int rc = BLOCKDB_OK;

    if (event->has_data) {
        rc = shape_entry_parse(event->data, &watch->entry, err);
        *out_taken = rc == BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK && text_parse_decimal(event->id, &seq) == BLOCKDB_OK) {
        watch->position = seq + 1;
    } else if (*out_taken) {
        watch->position = watch->entry.version.seq + 1;
    }
    return rc;
}

/* Takes events that came until one has an entry. */
static int events_take(struct blockdb_client_watch *watch, bool *out_taken, struct error *err)
{
    struct answer *answer = &watch->slot.answer;
    int rc = BLOCKDB_OK;

    *out_taken = false;
    while (!*out_taken && rc == BLOCKDB_OK) {
        struct slice body = answer_body(answer);
        struct stream_event event;
        size_t len;

        /* A long event is not searched from its start with each piece of it that comes. */
        if (body.len < watch->searched + (watch->searched > SCAN_STEP ? SCAN_STEP : 0)) {
            break;
        }
        len = stream_event_next(body, &watch->slot.scratch, &event, &rc);
        watch->searched = len > 0 ? 0 : body.len;
        if (len == 0) {
            break;
        }
        if (rc < 0) {
            return error_set_no_memory(err);
        }
        rc = event_take(watch, &event, out_taken, err);
        answer_drop(answer, len);
    }
    return rc;
}

static void event_show(const struct blockdb_client_watch *watch, struct blockdb_client_event *out)
{
    const struct shape_entry *entry = &watch->entry;

    *out = (struct blockdb_client_event){
        .key = entry->key.data,
        .key_len = entry->key.len,
        .value = entry->value.data,
        .value_len = entry->value.len,
        .version = entry->version,
    };
}

int blockdb_client_watch_next(struct blockdb_client_watch *watch, uint32_t timeout_ms,
                              struct blockdb_client_event *out_event, struct error *err)
{
    uint64_t deadline_ns = os_monotonic_ns(watch->client->os) + timeout_ms * NS_PER_MS;

    while (true) {
        bool taken = false;
        bool was_open;
        int rc = events_take(watch, &taken, err); /* also when the stream has ended behind them */

        if (taken) {
            event_show(watch, out_event);
        }
        if (rc < 0 || taken) {
            return rc;
        }
        was_open = link_is_open(&watch->slot.link);
        rc = stream_ensure(watch, deadline_ns, err);
        if (rc == BLOCKDB_EIO && watch->failures <= watch->client->retry_attempts) {
            continue;
        }
        if (rc == BLOCKDB_OK && was_open) { /* the first events may have come with the head */
            rc = stream_receive(watch, deadline_ns, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
}
