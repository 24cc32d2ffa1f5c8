/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of transactions: MULTI, EXEC, WATCH. */
#include "base/mem.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"
#include "server/resp/resp_session.h"

/* MULTI */
void resp_run_multi(struct resp_run *r)
{
    struct resp_session *s = r->session;

    if (s->is_queueing) {
        resp_write_error(&r->out, "ERR", "MULTI calls can not be nested");
        return;
    }
    s->tx = resp_op_new(s);
    if (s->tx == NULL) {
        resp_write_status(&r->out, BLOCKDB_ENOMEM, NULL);
        return;
    }
    s->tx->is_tx = true;
    s->is_queueing = true;
    s->tx_failed = false;
    resp_write_ok(&r->out);
}

/* DISCARD */
void resp_run_discard(struct resp_run *r)
{
    if (!r->session->is_queueing) {
        resp_write_error(&r->out, "ERR", "DISCARD without MULTI");
        return;
    }
    resp_session_forget_tx(r->session);
    resp_session_forget_watches(r->session);
    resp_write_ok(&r->out);
}

/* EXEC: r->out is not used when the operation begins */
void resp_run_exec(struct resp_run *r)
{
    struct resp_session *s = r->session;
    struct resp_op *op = s->tx;

    if (!s->is_queueing) {
        resp_write_error(&r->out, "ERR", "EXEC without MULTI");
        return;
    }
    if (s->tx_failed) {
        resp_session_forget_tx(s);
        resp_session_forget_watches(s);
        resp_write_error(&r->out, "EXECABORT", "Transaction discarded because of previous errors.");
        return;
    }
    s->tx = NULL;
    s->is_queueing = false;
    op->version = s->version;
    op->watches = s->watches;
    op->watch_count = s->watch_count;
    s->watches = NULL;
    s->watch_count = 0;
    resp_op_start(op, s);
}

static bool is_watched(const struct resp_session *s, struct slice key)
{
    for (const struct resp_watch *w = s->watches; w != NULL; w = w->next) {
        if (slice_equal(slice_of(w->key, w->key_len), key)) {
            return true;
        }
    }
    return false;
}

static struct resp_watch *watch_new(const struct resp_read *read)
{
    struct resp_watch *w = mem_alloc(sizeof(*w) + read->key.len);

    if (w != NULL) {
        w->seq = read->version.kind == 0 ? BLOCKDB_SEQ_NONE : read->version.seq;
        w->key_len = read->key.len;
        memcpy(w->key, read->key.data, read->key.len);
    }
    return w;
}

/* Watches a key as it was read; answers with the error when that cannot be. */
static bool watch(struct resp_run *r, const struct resp_read *read)
{
    struct resp_session *s = r->session;
    struct resp_watch *w;

    if (read->message != NULL) {
        resp_reply_read(&r->out, read);
        return false;
    }
    if (is_watched(s, read->key)) {
        return true;
    }
    if (s->watch_count == RESP_WATCHED_MAX) {
        resp_write_error(&r->out, "ERR", "at most %d keys are watched at a time", RESP_WATCHED_MAX);
        return false;
    }
    w = watch_new(read);
    if (w == NULL) {
        resp_write_status(&r->out, BLOCKDB_ENOMEM, NULL);
        return false;
    }
    w->next = s->watches;
    s->watches = w;
    s->watch_count++;
    return true;
}

/* WATCH key ... */
void resp_run_watch(struct resp_run *r)
{
    for (size_t i = 1; i < r->arg_count; i++) {
        struct resp_read read = resp_op_next_read(r->op);

        if (!watch(r, &read)) {
            return;
        }
    }
    resp_write_ok(&r->out);
}

/* UNWATCH */
void resp_run_unwatch(struct resp_run *r)
{
    resp_session_forget_watches(r->session);
    resp_write_ok(&r->out);
}
