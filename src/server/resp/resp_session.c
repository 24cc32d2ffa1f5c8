/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_session.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/os.h"
#include "server/request_metrics.h"
#include "server/resp/resp_command.h"
#include "server/resp/resp_gather.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/server.h"
#include "server/slow_log.h"

int resp_session_new(struct conn *c, struct resp_worker *worker, struct resp_session **out)
{
    struct resp_session *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return BLOCKDB_ENOMEM;
    }
    s->conn = conn_ref(c);
    s->worker = worker;
    s->version = 2;
    s->refs = 1;
    *out = s;
    return BLOCKDB_OK;
}

struct resp_session *resp_session_ref(struct resp_session *s)
{
    s->refs++;
    return s;
}

void resp_session_unref(struct resp_session *s)
{
    ASSERT(s->refs > 0);
    s->refs--;
    if (s->refs > 0) {
        return;
    }
    ASSERT(s->is_closed && s->first_ticket == NULL && s->op == NULL);
    resp_session_reset(s);
    auth_session_deinit(&s->auth);
    resp_parser_deinit(&s->parser);
    mem_free(s->library);
    mem_free(s->library_version);
    conn_unref(s->conn);
    mem_free(s);
}

void resp_session_closed(struct resp_session *s)
{
    s->is_closed = true;
    s->is_ending = true;
    if (s->op != NULL) {
        resp_op_client_gone(s->op);
    }
    resp_session_forget_tx(s);
    resp_session_forget_watches(s);
    resp_session_unref(s);
}

struct resp_writer resp_session_writer(struct resp_session *s)
{
    return resp_writer_of(conn_output(s->conn), s->version);
}

void resp_session_wrote(struct resp_session *s, const struct resp_writer *w)
{
    s->has_error = s->has_error || w->has_error;
    if (w->failed) {
        conn_abort(s->conn);
    }
}

void resp_session_count_begin(struct resp_session *s, const struct resp_command *command)
{
    size_t count;
    const struct resp_command *table = resp_command_table(&count);

    s->has_error = false;
    if (s->metrics != NULL) {
        s->kind = command != NULL ? (size_t)(command - table) : count;
        s->began_ns = s->ended_ns != 0 ? s->ended_ns : os_monotonic_ns(s->worker->os);
    }
}

/* Tells the slow log of a command that took too long. */
static void tell_slow(const struct resp_session *s, size_t kind, bool has_error,
                      uint64_t duration_ns)
{
    struct slow_log *slow_log = s->worker->server != NULL ? server_slow_log(s->worker->server)
                                                          : NULL;
    size_t count;
    const struct resp_command *table = resp_command_table(&count);

    if (slow_log == NULL || !slow_log_wants(slow_log, duration_ns)) {
        return;
    }
    slow_log_add(slow_log,
                 &(struct slow_request){.protocol = "redis",
                                        .what = kind < count ? table[kind].name : "other",
                                        .who = s->principal != NULL ? principal_name(s->principal)
                                                                    : "anonymous",
                                        .from = conn_peer(s->conn)->address,
                                        .id = "",
                                        .outcome = has_error ? BLOCKDB_EINVAL : BLOCKDB_OK,
                                        .stage_ns = {[SLOW_ENGINE] = duration_ns}});
}

void resp_session_count_end(struct resp_session *s)
{
    uint64_t duration_ns;

    if (s->metrics != NULL) {
        s->ended_ns = os_monotonic_ns(s->worker->os);
        duration_ns = s->ended_ns - s->began_ns;
        request_metrics_record(s->metrics, loop_index(s->worker->loop), s->kind, s->has_error,
                               duration_ns);
        tell_slow(s, s->kind, s->has_error, duration_ns);
    }
}

/* The commands of a ticket were answered together. */
static void count_ticket(const struct resp_session *s, const struct resp_ticket *ticket,
                         uint64_t now_ns)
{
    bool has_error = ticket->gather->call.status != BLOCKDB_OK;

    for (uint32_t i = 0; i < ticket->count; i++) {
        request_metrics_record(s->metrics, loop_index(s->worker->loop), ticket->kind, has_error,
                               now_ns - ticket->began_ns);
    }
    tell_slow(s, ticket->kind, has_error, now_ns - ticket->began_ns);
}

bool resp_session_is_busy(const struct resp_session *s)
{
    return s->first_ticket != NULL || s->op != NULL || s->is_authenticating;
}

void resp_session_end(struct resp_session *s)
{
    s->is_ending = true;
    conn_close_after_output(s->conn);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

void resp_session_wait(struct resp_session *s, uint32_t below)
{
    ASSERT(s->first_ticket != NULL && !s->is_waiting);
    s->is_waiting = true;
    s->resume_below = below;
    conn_pause_input(s->conn);
}

void resp_session_begin(struct resp_session *s, struct resp_op *op)
{
    ASSERT(s->op == NULL && s->first_ticket == NULL);
    s->op = op;
    conn_pause_input(s->conn);
}

/* Goes on with what was received meanwhile, or ends when that was ordered. */
static void go_on(struct resp_session *s)
{
    if (s->is_closed || s->is_ending) {
        return;
    }
    if (s->input_ended && !resp_session_is_busy(s)) {
        resp_session_end(s);
        return;
    }
    if (conn_input_is_paused(s->conn)) {
        conn_resume_input(s->conn);
    } else if (conn_is_draining(s->conn) && !resp_session_is_busy(s)) {
        resp_session_end(s);
    }
}

void resp_session_finish(struct resp_session *s)
{
    ASSERT(s->op != NULL);
    s->op = NULL;
    resp_session_count_end(s);
    go_on(s);
}

void resp_session_authenticate(struct resp_session *s)
{
    s->is_authenticating = true;
    conn_pause_input(s->conn);
}

void resp_session_authenticated(struct resp_session *s)
{
    s->is_authenticating = false;
    resp_session_count_end(s);
    go_on(s);
}

static void answer_ticket(struct resp_session *s, const struct resp_ticket *ticket)
{
    const struct call *call = &ticket->gather->call;
    struct resp_writer w = resp_session_writer(s);

    for (uint32_t i = 0; i < ticket->count; i++) {
        if (call->status == BLOCKDB_OK) {
            resp_write_ok(&w);
        } else {
            resp_write_status(&w, call->status, &call->error);
        }
    }
    resp_session_wrote(s, &w);
}

void resp_session_written(struct resp_session *s)
{
    while (s->first_ticket != NULL && s->first_ticket->gather->is_done) {
        struct resp_ticket *ticket = s->first_ticket;

        if (!s->is_closed) {
            answer_ticket(s, ticket);
        }
        if (s->metrics != NULL) {
            count_ticket(s, ticket, os_monotonic_ns(s->worker->os));
        }
        s->unanswered -= ticket->count;
        s->first_ticket = ticket->next;
        if (s->first_ticket == NULL) {
            s->last_ticket = NULL;
        }
        resp_gather_answered(ticket);
    }
    if (s->is_waiting && s->unanswered < s->resume_below) {
        s->is_waiting = false;
        go_on(s);
    } else if (s->first_ticket == NULL) {
        go_on(s);
    }
}

/* ---- Forgetting ---------------------------------------------------------------------------- */

void resp_watch_free_all(struct resp_watch *first)
{
    while (first != NULL) {
        struct resp_watch *next = first->next;

        mem_free(first);
        first = next;
    }
}

void resp_session_forget_watches(struct resp_session *s)
{
    resp_watch_free_all(s->watches);
    s->watches = NULL;
    s->watch_count = 0;
}

void resp_session_forget_tx(struct resp_session *s)
{
    if (s->tx != NULL) {
        resp_op_free(s->tx);
        s->tx = NULL;
    }
    s->is_queueing = false;
    s->tx_failed = false;
}

void resp_session_reset(struct resp_session *s)
{
    resp_session_forget_tx(s);
    resp_session_forget_watches(s);
    mem_free(s->name);
    s->name = NULL;
    s->version = 2;
}
