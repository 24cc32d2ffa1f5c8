/* SPDX-License-Identifier: Apache-2.0 */
/* Asking: the attempts of a call, their pauses, and where each goes. See ask.h. */
#include "base/text.h"
#include "client/ask_priv.h"
#include "client/refusal.h"
#include "client/roundtrip.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define HOPS_MAX 4
#define URL_TEXT_BYTES (URL_HOST_LEN_MAX + URL_PATH_LEN_MAX + 32)

/* What is known after an attempt that brought no answer. */
enum arrival {
    ARRIVAL_NOT,       /* the request was never sent */
    ARRIVAL_UNCERTAIN, /* it may have been carried out */
};

/* ---- One attempt --------------------------------------------------------------------------- */

/* Sends the request on an open link and reads the answer. */
static int converse(struct ask *ask, struct link *link, bool head_only, uint64_t deadline_ns,
                    struct error *err)
{
    struct slot *slot = ask->slot;
    struct roundtrip trip = {.link = link,
                             .answer = &slot->answer,
                             .head = buf_slice(&slot->head),
                             .body = ask_body(ask),
                             .head_only = head_only};

    atomic_fetch_add_explicit(&ask->client->requests, 1, memory_order_relaxed);
    answer_reset(&slot->answer, ask->client->answer_bytes_max, strcmp(ask->method, "HEAD") == 0);
    return roundtrip_run(&trip, deadline_ns, err);
}

static bool can_reuse(const struct ask *ask, unsigned endpoint)
{
    const struct slot *slot = ask->slot;
    uint64_t idle_ns = os_monotonic_ns(ask->client->os) - slot->idle_since_ns;

    return link_is_open(&slot->link) && slot->endpoint == endpoint &&
           idle_ns < ask->client->idle_timeout_ns && link_is_fresh(&slot->link);
}

/* Makes sure that the slot has a link to endpoint; *out_reused when it was used before. */
static int connect_slot(struct ask *ask, unsigned endpoint, uint64_t deadline_ns, bool *out_reused,
                        struct error *err)
{
    struct slot *slot = ask->slot;

    *out_reused = can_reuse(ask, endpoint);
    if (*out_reused) {
        return BLOCKDB_OK;
    }
    client_close_link(ask->client, &slot->link);
    slot->endpoint = endpoint;
    return client_open_link(ask->client, endpoint, &slot->link, deadline_ns, err);
}

static int add_url(struct error *err, int rc, const struct url *url)
{
    return error_wrap(err, rc, url->is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u",
                      url->is_https ? "https" : "http", url->host, (unsigned)url->port);
}

static uint64_t limit_of(const struct ask *ask)
{
    return ask->is_long ? ask->client->long_timeout_ns : ask->client->request_timeout_ns;
}

/* One attempt at one endpoint. */
static int attempt(struct ask *ask, unsigned endpoint, enum arrival *out_arrival, struct error *err)
{
    struct slot *slot = ask->slot;
    uint64_t deadline_ns = os_monotonic_ns(ask->client->os) + limit_of(ask);
    struct url url = client_endpoint(ask->client, endpoint);
    bool reused = true;
    int rc = BLOCKDB_EIO;

    *out_arrival = ARRIVAL_NOT;
    if (ask->is_short || ask_head_build(ask, &url) < 0) {
        return error_set_no_memory(err);
    }
    /* A connection that was idle may break because the server closed it meanwhile; that says
     * nothing about the server, so it is tried on a new one at once. */
    while (rc == BLOCKDB_EIO && reused) {
        rc = connect_slot(ask, endpoint, deadline_ns, &reused, err);
        if (rc < 0) {
            return rc;
        }
        rc = converse(ask, &slot->link, false, deadline_ns, err);
        *out_arrival = rc < 0 ? ARRIVAL_UNCERTAIN : *out_arrival;
        if (rc < 0 || !slot->answer.keeps_alive) {
            client_close_link(ask->client, &slot->link);
        }
        if (!ask->repeatable || !answer_is_untouched(&slot->answer)) {
            break;
        }
    }
    return rc < 0 ? add_url(err, rc, &url) : rc;
}

/* ---- Attempts ------------------------------------------------------------------------------ */

/* The pause before retry n, from 0: doubled each time, shortened at random by up to a half. */
static uint64_t back_off(const struct blockdb_client *c, unsigned n)
{
    uint64_t delay = c->retry_delay_ns;
    uint64_t random = 0;
    struct error ignored;

    while (n-- > 0 && delay < c->retry_delay_max_ns) {
        delay *= 2;
    }
    delay = delay < c->retry_delay_max_ns ? delay : c->retry_delay_max_ns;
    if (os_random(c->os, &random, sizeof(random), &ignored) < 0 || delay == 0) {
        return delay;
    }
    return delay - random % (delay / 2 + 1);
}

static uint64_t pause_of(const struct ask *ask, bool is_answered, unsigned n)
{
    const struct blockdb_client *c = ask->client;
    uint64_t pause = back_off(c, n);
    uint32_t asked_s = is_answered ? ask->slot->answer.retry_after_s : ANSWER_NO_RETRY;

    if (asked_s != ANSWER_NO_RETRY && asked_s * NS_PER_S > pause) {
        pause = asked_s * NS_PER_S;
    }
    return pause < c->request_timeout_ns ? pause : c->request_timeout_ns;
}

/* The URL of the node that an answer names, "" when it names none. A Location has the path of the
 * request behind it; one that has another is not where the same request can go. */
static struct slice place_named(const struct ask *ask)
{
    const struct answer *answer = &ask->slot->answer;
    struct slice target = buf_slice(&ask->slot->target);
    struct slice place = slice_of_text(answer->location);

    if (answer->leader[0] != '\0') {
        return slice_of_text(answer->leader);
    }
    if (place.len <= target.len ||
        memcmp(place.data + place.len - target.len, target.data, target.len) != 0) {
        return slice_of(NULL, 0);
    }
    return slice_of(place.data, place.len - target.len);
}

/* Goes to the node that an answer names, if it is one. */
static bool moved_to(struct ask *ask, unsigned *endpoint)
{
    if (!refusal_is_elsewhere(&ask->slot->answer) ||
        client_learn_endpoint(ask->client, place_named(ask), *endpoint, endpoint) < 0) {
        return false;
    }
    atomic_fetch_add_explicit(&ask->client->redirects, 1, memory_order_relaxed);
    return true;
}

/* Whether an attempt's outcome is that of the call: rc of attempt(), and what is in the answer when
 * it is 0. ASK-1 */
static bool is_final(const struct ask *ask, int rc, enum arrival arrival)
{
    if (rc == BLOCKDB_OK) {
        return !refusal_is_for_now(&ask->slot->answer) ||
               (!ask->repeatable && !refusal_is_undone(&ask->slot->answer));
    }
    if (rc != BLOCKDB_EIO && (rc != BLOCKDB_ETIMEDOUT || ask->is_long)) {
        return true;
    }
    return arrival == ARRIVAL_UNCERTAIN && !ask->repeatable;
}

int ask_run_any(struct ask *ask, struct error *err)
{
    struct blockdb_client *c = ask->client;
    unsigned endpoint = client_preferred(c);
    unsigned first = endpoint;
    unsigned hops = 0;
    unsigned n = 0;
    struct error own;
    struct error *to = err != NULL ? err : &own;

    while (true) {
        enum arrival arrival;
        int rc = attempt(ask, endpoint, &arrival, to);
        bool is_answered = rc == BLOCKDB_OK;

        ask->attempts++;
        ask->endpoint = endpoint;
        if (is_answered && hops < HOPS_MAX && moved_to(ask, &endpoint)) {
            hops++;
            continue;
        }
        if (n == c->retry_attempts || is_final(ask, rc, arrival)) {
            if (is_answered && endpoint != first && ask->slot->answer.status < 400) {
                client_prefer(c, endpoint);
            }
            return rc;
        }
        os_sleep_ns(c->os, pause_of(ask, is_answered, n));
        n++;
        endpoint = (endpoint + 1) % client_endpoint_count(c);
        atomic_fetch_add_explicit(&c->retries, 1, memory_order_relaxed);
    }
}

int ask_refusal(struct ask *ask, struct error *err)
{
    struct url url = client_endpoint(ask->client, ask->endpoint);
    char text[URL_TEXT_BYTES];
    int rc;

    (void)snprintf(text, sizeof(text), url.is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u",
                   url.is_https ? "https" : "http", url.host, (unsigned)url.port);
    rc = refusal_of(&ask->slot->answer, text, err);
    if (rc == BLOCKDB_EIO) {
        atomic_fetch_add_explicit(&ask->client->failures, 1, memory_order_relaxed);
    }
    return rc;
}

int ask_run(struct ask *ask, struct error *err)
{
    int rc = ask_run_any(ask, err);

    if (rc == BLOCKDB_OK && ask->slot->answer.status / 100 != 2) {
        rc = ask_refusal(ask, err);
    }
    return rc;
}

int ask_stream(struct ask *ask, unsigned endpoint, struct link *link, struct error *err)
{
    uint64_t deadline_ns = os_monotonic_ns(ask->client->os) + ask->client->request_timeout_ns;
    struct url url = client_endpoint(ask->client, endpoint);
    struct error own;
    struct error *to = err != NULL ? err : &own;
    int rc;

    ask->endpoint = endpoint;
    if (ask->is_short || ask_head_build(ask, &url) < 0) {
        return error_set_no_memory(err);
    }
    client_close_link(ask->client, link);
    rc = client_open_link(ask->client, endpoint, link, deadline_ns, to);
    if (rc < 0) {
        return rc;
    }
    rc = converse(ask, link, true, deadline_ns, to);
    if (rc < 0) {
        client_close_link(ask->client, link);
        return add_url(to, rc, &url);
    }
    if (ask->slot->answer.status / 100 != 2) {
        /* The rest of a refusal's body holds the message; without it the status must do. */
        struct error ignored;

        struct roundtrip rest = {.link = link, .answer = &ask->slot->answer};

        IGNORE_RESULT(roundtrip_receive(&rest, deadline_ns, &ignored));
        client_close_link(ask->client, link);
        rc = ask_refusal(ask, err);
    }
    return rc;
}
