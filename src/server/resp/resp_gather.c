/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_gather.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/os.h"
#include "server/resp/resp_session.h"

#include <stddef.h>

#define ENTRY_OVERHEAD_BYTES 64 /* of an entry in a batch, beyond key and value */

static void on_committed(struct call *call);

static void gather_free(struct resp_gather *g)
{
    if (g != NULL) {
        call_deinit(&g->call);
        mem_free(g);
    }
}

void resp_gather_free_all(struct resp_worker *w)
{
    ASSERT(w->gathers_in_flight == 0);
    loop_timer_cancel(w->loop, &w->retry);
    gather_free(w->filling);
    w->filling = NULL;
    while (w->spare_gathers != NULL) {
        struct resp_gather *g = w->spare_gathers;

        w->spare_gathers = g->next;
        gather_free(g);
    }
}

static struct resp_gather *gather_take(struct resp_worker *w, const struct principal *principal)
{
    struct resp_gather *g = w->spare_gathers;

    if (g != NULL) {
        w->spare_gathers = g->next;
    } else {
        g = mem_alloc(sizeof(*g));
        if (g == NULL) {
            return NULL;
        }
        call_init(&g->call, w->dispatch, w->loop, NULL, on_committed);
        g->worker = w;
    }
    call_reset(&g->call, principal_ref(principal));
    g->next = NULL;
    g->bytes = 0;
    g->entries = 0;
    g->ticket_count = 0;
    g->answered = 0;
    g->is_done = false;
    return g;
}

/* All is answered: the next turn may have it. */
static void gather_give_back(struct resp_gather *g)
{
    struct resp_worker *w = g->worker;

    principal_unref(g->call.principal);
    call_reset(&g->call, NULL);
    g->next = w->spare_gathers;
    w->spare_gathers = g;
}

/* Tells all who have a part in it. Their sessions answer, which may give the gather back. */
static void gather_done(struct resp_gather *g)
{
    uint32_t count = g->ticket_count;

    g->is_done = true;
    if (count == 0) {
        gather_give_back(g);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct resp_session *s = g->tickets[i].session;

        if (s == NULL) {
            continue; /* answered with another ticket of its session */
        }
        resp_session_ref(s);
        resp_session_written(s);
        resp_session_unref(s);
    }
}

/* Commits what fills now; false when the engine has no room, and it stays. */
static bool gather_commit(struct resp_gather *g)
{
    struct resp_worker *w = g->worker;

    ASSERT(w->filling == g);
    if (dispatch_commit(&g->call, NULL) == CALL_PENDING) {
        w->filling = NULL;
        w->gathers_in_flight++;
        return true;
    }
    if (g->call.status == BLOCKDB_EWOULDBLOCK) {
        loop_timer_set(w->loop, &w->retry, 0);
        return false;
    }
    w->filling = NULL;
    gather_done(g);
    return true;
}

static void on_committed(struct call *call)
{
    struct resp_gather *g = (struct resp_gather *)(void *)((char *)call -
                                                           offsetof(struct resp_gather, call));
    struct resp_worker *w = g->worker;

    w->gathers_in_flight--;
    if (w->filling != NULL && !w->is_commit_set) {
        (void)gather_commit(w->filling); /* else the timer tries again */
    }
    gather_done(g);
}

void resp_gather_turn_ended(struct resp_worker *w)
{
    w->is_commit_set = false;
    if (w->filling != NULL && w->gathers_in_flight < RESP_GATHERS_IN_FLIGHT) {
        (void)gather_commit(w->filling); /* else the timer tries again */
    }
}

void resp_gather_answered(struct resp_ticket *ticket)
{
    struct resp_gather *g = ticket->gather;
    struct resp_session *s = ticket->session;

    g->answered++;
    ticket->session = NULL;
    if (g->answered == g->ticket_count) {
        gather_give_back(g);
    }
    resp_session_unref(s);
}

/* ---- Adding -------------------------------------------------------------------------------- */

static size_t bytes_of(const struct slice *pairs, size_t pair_count)
{
    size_t bytes = pair_count * ENTRY_OVERHEAD_BYTES;

    for (size_t i = 0; i < 2 * pair_count; i++) {
        bytes += pairs[i].len;
    }
    return bytes;
}

/* The gather that takes so much more of this session's; NULL: none now. */
static struct resp_gather *gather_for(struct resp_session *s, size_t kind, size_t pair_count,
                                      size_t bytes)
{
    struct resp_worker *w = s->worker;
    struct resp_gather *g = w->filling;

    if (g != NULL) {
        bool has_ticket = s->last_ticket != NULL && s->last_ticket->gather == g &&
                          s->last_ticket->kind == kind;
        bool has_room = g->entries + pair_count <= RESP_GATHER_ENTRIES &&
                        g->bytes + bytes <= RESP_GATHER_BYTES &&
                        (has_ticket || g->ticket_count < RESP_GATHER_TICKETS);

        if (g->call.principal == s->principal && (has_room || g->entries == 0)) {
            return g;
        }
        if (w->gathers_in_flight >= RESP_GATHERS_IN_FLIGHT_MAX || !gather_commit(g)) {
            return NULL;
        }
    }
    if (w->filling == NULL) {
        w->filling = gather_take(w, s->principal);
    }
    return w->filling;
}

/* Half a command must not stay in the batch: the gather fails as a whole, and its principal's
 * commands are answered that memory is short. */
static void gather_spoil(struct resp_gather *g, int status)
{
    struct resp_worker *w = g->worker;

    w->filling = NULL;
    call_reset(&g->call, g->call.principal);
    g->call.status = status;
    gather_done(g);
}

static bool gather_put(struct resp_gather *g, const struct slice *pairs, size_t pair_count)
{
    int rc = BLOCKDB_OK;

    for (size_t i = 0; i < pair_count && rc == BLOCKDB_OK; i++) {
        rc = dispatch_put(&g->call, pairs[2 * i], pairs[2 * i + 1], NULL);
        if (rc < 0 && i > 0) {
            gather_spoil(g, rc);
        }
    }
    return rc == BLOCKDB_OK;
}

static void ticket_add(struct resp_gather *g, struct resp_session *s, size_t kind)
{
    struct resp_ticket *ticket = s->last_ticket;

    if (ticket != NULL && ticket->gather == g && ticket->kind == kind) {
        ticket->count++;
        return;
    }
    ticket = &g->tickets[g->ticket_count++];
    *ticket = (struct resp_ticket){
        .session = resp_session_ref(s), .gather = g, .kind = kind, .count = 1};
    if (s->metrics != NULL) {
        ticket->began_ns = os_monotonic_ns(s->worker->os);
    }
    if (s->last_ticket != NULL) {
        s->last_ticket->next = ticket;
    } else {
        s->first_ticket = ticket;
    }
    s->last_ticket = ticket;
}

bool resp_gather_add(struct resp_session *s, size_t kind, const struct slice *pairs,
                     size_t pair_count)
{
    struct resp_worker *w = s->worker;
    size_t bytes = bytes_of(pairs, pair_count);
    struct resp_gather *g = gather_for(s, kind, pair_count, bytes);

    if (g == NULL || !gather_put(g, pairs, pair_count)) {
        return false;
    }
    g->entries += (uint32_t)pair_count;
    g->bytes += bytes;
    ticket_add(g, s, kind);
    s->unanswered++;
    if (!w->is_commit_set) {
        w->is_commit_set = true;
        loop_defer(w->loop, &w->commit);
    }
    return true;
}
