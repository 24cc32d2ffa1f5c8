/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_op.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_session.h"

#include <stddef.h>

#define SPARE_OPS_MAX 32
#define SPARE_BYTES_MAX ((size_t)256 * 1024)
#define TAKE_REPLIES_BYTES ((size_t)16 * 1024)
#define READS_A_TURN 1000
#define ATTEMPTS_MAX 256
#define WAITS_MAX 50 /* of LOOP_TICK_MS and more */

#define OP_OF(member_pointer, member)                                                              \
    ((struct resp_op *)(void *)((char *)(member_pointer)-offsetof(struct resp_op, member)))

static void on_done(struct call *call);
static void on_yield(struct loop_task *task);
static void on_retry(struct loop_timer *timer);

/* ---- Life ---------------------------------------------------------------------------------- */

/* An op that belongs to nobody yet. */
static struct resp_op *op_take(struct resp_worker *w)
{
    struct resp_op *op = w->spare_ops;

    if (op != NULL) {
        w->spare_ops = op->next;
        w->spare_op_count--;
        return op;
    }
    op = mem_calloc(1, sizeof(*op));
    if (op == NULL) {
        return NULL;
    }
    op->worker = w;
    op->yield.run = on_yield;
    op->retry.fire = on_retry;
    arena_init(&op->arena, NULL);
    call_init(&op->call, w->dispatch, w->loop, NULL, on_done);
    return op;
}

static void op_destroy(struct resp_op *op)
{
    call_deinit(&op->call);
    arena_deinit(&op->arena);
    buf_deinit(&op->key);
    buf_deinit(&op->replies);
    mem_free(op);
}

static void buf_trim(struct buf *b)
{
    if (b->cap > SPARE_BYTES_MAX) {
        buf_deinit(b);
    }
    buf_reset(b);
}

/* The reverse of op_take(). */
static void op_give_back(struct resp_op *op)
{
    struct resp_worker *w = op->worker;

    call_reset(&op->call, NULL);
    if (w->spare_op_count == SPARE_OPS_MAX) {
        op_destroy(op);
        return;
    }
    if (op->call.value.cap > SPARE_BYTES_MAX) {
        blockdb_value_deinit(&op->call.value);
    }
    op->next = w->spare_ops;
    w->spare_ops = op;
    w->spare_op_count++;
}

struct resp_op *resp_op_new(struct resp_session *s)
{
    struct resp_op *op = op_take(s->worker);

    if (op == NULL) {
        return NULL;
    }
    call_reset(&op->call, principal_ref(s->principal));
    op->version = s->version;
    op->is_begun = false;
    op->is_tx = false;
    atomic_store_explicit(&op->is_gone, false, memory_order_relaxed);
    op->first = NULL;
    op->tail = &op->first;
    op->command_count = 0;
    op->bytes = 0;
    op->reads = NULL;
    op->read_count = 0;
    op->watches = NULL;
    op->watch_count = 0;
    op->attempts = 0;
    op->waits = 0;
    return op;
}

void resp_op_free(struct resp_op *op)
{
    if (op == NULL) {
        return;
    }
    principal_unref(op->call.principal);
    resp_watch_free_all(op->watches);
    op->watches = NULL;
    arena_reset(&op->arena);
    buf_trim(&op->replies);
    op_give_back(op);
}

void resp_op_free_spares(struct resp_worker *w)
{
    while (w->spare_ops != NULL) {
        struct resp_op *op = w->spare_ops;

        w->spare_ops = op->next;
        op_destroy(op);
    }
    w->spare_op_count = 0;
}

int resp_op_add(struct resp_op *op, const struct resp_command *command, const struct slice *args,
                size_t arg_count)
{
    struct resp_op_command *item = arena_alloc(&op->arena, sizeof(*item));
    struct slice *copies = arena_alloc(&op->arena, arg_count * sizeof(*copies));
    size_t bytes = sizeof(*item);

    if (item == NULL || copies == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (size_t i = 0; i < arg_count; i++) {
        void *copy = arena_copy(&op->arena, args[i].data, args[i].len);

        if (copy == NULL) {
            return BLOCKDB_ENOMEM;
        }
        copies[i] = slice_of(copy, args[i].len);
        bytes += sizeof(*copies) + args[i].len;
    }
    *item = (struct resp_op_command){.command = command, .args = copies, .arg_count = arg_count};
    *op->tail = item;
    op->tail = &item->next;
    op->command_count++;
    op->bytes += bytes;
    return BLOCKDB_OK;
}

/* ---- The end ------------------------------------------------------------------------------- */

static void send_replies(struct resp_op *op, struct resp_session *s)
{
    int rc;

    if (op->replies.len > TAKE_REPLIES_BYTES) {
        rc = conn_output_take(s->conn, &op->replies);
    } else {
        rc = buf_append_slice(conn_output(s->conn), buf_slice(&op->replies));
    }
    if (rc < 0) {
        conn_abort(s->conn);
    }
}

/* Sends the replies and forgets the op. */
static void finish(struct resp_op *op)
{
    struct resp_session *s = op->session;
    bool is_begun = op->is_begun;

    s->has_error = op->replies.len > 0 && op->replies.data[0] == '-';
    if (!s->is_closed) {
        send_replies(op, s);
    }
    op->session = NULL;
    resp_op_free(op);
    if (is_begun) {
        resp_session_finish(s);
    }
    resp_session_unref(s);
}

/* Ends with one error in place of all replies. */
static void fail(struct resp_op *op, int status, const struct error *err)
{
    struct resp_writer w = resp_writer_of(&op->replies, op->version);

    buf_reset(&op->replies);
    resp_write_status(&w, status, err);
    if (w.failed) {
        conn_abort(op->session->conn);
    }
    finish(op);
}

/* From now on the session waits for op. */
static void begin(struct resp_op *op)
{
    if (!op->is_begun) {
        op->is_begun = true;
        resp_session_begin(op->session, op);
    }
}

void resp_op_client_gone(struct resp_op *op)
{
    atomic_store_explicit(&op->is_gone, true, memory_order_relaxed);
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* Makes the table of what is to be read: first the watched keys, then those of each command. */
static int plan_reads(struct resp_op *op)
{
    size_t count = op->watch_count;
    struct resp_read *r;

    for (struct resp_op_command *c = op->first; c != NULL; c = c->next) {
        if (resp_command_reads(c->command, c->arg_count)) {
            count += resp_command_keys(c->command, c->arg_count).count;
        }
    }
    op->read_count = count;
    if (count == 0) {
        return BLOCKDB_OK;
    }
    op->reads = arena_alloc(&op->arena, count * sizeof(*op->reads));
    if (op->reads == NULL) {
        return BLOCKDB_ENOMEM;
    }
    r = op->reads;
    for (struct resp_watch *w = op->watches; w != NULL; w = w->next) {
        *r++ = (struct resp_read){.key = slice_of(w->key, w->key_len)};
    }
    for (struct resp_op_command *c = op->first; c != NULL; c = c->next) {
        struct resp_keys keys = resp_command_keys(c->command, c->arg_count);
        bool wants_value = (c->command->flags & RESP_VALUES) != 0;

        if (!resp_command_reads(c->command, c->arg_count)) {
            continue;
        }
        for (size_t i = keys.first; i < keys.end; i += keys.step) {
            *r++ = (struct resp_read){.key = c->args[i], .wants_value = wants_value};
        }
    }
    return BLOCKDB_OK;
}

/* Starts over with the newest state. */
static void begin_reads(struct resp_op *op)
{
    uint64_t seq_count = blockdb_seq_count(dispatch_db(op->worker->dispatch));

    op->stage = RESP_OP_READ;
    op->reads_done = 0;
    op->read_bytes = 0;
    op->failed = BLOCKDB_OK;
    op->overlay = (struct resp_overlay){0};
    buf_reset(&op->replies);
    /* One key needs no common moment. */
    op->at_seq = op->read_count > 1 && seq_count > 0 ? seq_count - 1 : BLOCKDB_SEQ_NONE;
}

static void keep_value(struct resp_op *op, struct resp_read *r)
{
    const struct blockdb_value *value = &op->call.value;
    void *copy;

    op->read_bytes += value->len;
    if (op->read_bytes > RESP_READ_BYTES_MAX) {
        r->status = BLOCKDB_ELIMIT;
        r->message = "the values of one command or transaction are at most 64 MiB together; read "
                     "fewer keys at once";
        return;
    }
    copy = arena_copy(&op->arena, value->data, value->len);
    if (copy == NULL) {
        op->failed = BLOCKDB_ENOMEM;
        return;
    }
    r->value = slice_of(copy, value->len);
}

/* The call has read the next key. */
static void take_read(struct resp_op *op)
{
    struct resp_read *r = &op->reads[op->reads_done++];
    const struct call *call = &op->call;

    r->status = call->status;
    r->message = NULL;
    r->version = call->value.version;
    r->len = call->status == BLOCKDB_OK ? call->value.len : 0;
    r->value = slice_of(NULL, 0);
    if (call->status == BLOCKDB_OK && r->wants_value) {
        keep_value(op, r);
    } else if (call->status < 0 && call->status != BLOCKDB_ENOTFOUND &&
               call->status != BLOCKDB_EREDACTED) {
        r->version = (struct blockdb_version_info){0};
        r->message = arena_copy(&op->arena, call->error.message, strlen(call->error.message) + 1);
    }
}

/* Reads on; false: it goes on later. */
static bool read_keys(struct resp_op *op)
{
    size_t last = op->reads_done + READS_A_TURN;

    while (op->reads_done < op->read_count) {
        struct call_get get = {.key = op->reads[op->reads_done].key, .at_seq = op->at_seq};

        if (op->reads_done == last) {
            loop_post(op->worker->loop, &op->yield);
            return false;
        }
        if (dispatch_get(&op->call, &get) == CALL_PENDING) {
            return false;
        }
        take_read(op);
    }
    return true;
}

struct resp_read resp_op_next_read(struct resp_op *op)
{
    struct resp_read r = op->reads[op->next_read++];
    const struct resp_overlay_entry *e = resp_overlay_find(&op->overlay, r.key);

    DASSERT(op->next_read <= op->read_count);
    if (e != NULL) {
        r.status = e->is_deleted ? BLOCKDB_ENOTFOUND : BLOCKDB_OK;
        r.value = e->value;
        r.len = e->value.len;
    }
    return r;
}

/* ---- Running ------------------------------------------------------------------------------- */

int resp_op_put(struct resp_op *op, struct slice key, struct slice value, struct error *err)
{
    int rc = dispatch_put(&op->call, key, value, err);

    if (rc == BLOCKDB_OK && resp_overlay_set(&op->overlay, &op->arena, key, value, false) < 0) {
        op->failed = BLOCKDB_ENOMEM;
    }
    return rc;
}

int resp_op_delete(struct resp_op *op, struct slice key, struct error *err)
{
    int rc = dispatch_delete(&op->call, key, err);

    if (rc == BLOCKDB_OK &&
        resp_overlay_set(&op->overlay, &op->arena, key, slice_of(NULL, 0), true) < 0) {
        op->failed = BLOCKDB_ENOMEM;
    }
    return rc;
}

static uint64_t seq_of(const struct resp_read *r)
{
    return r->version.kind == 0 ? BLOCKDB_SEQ_NONE : r->version.seq;
}

/* Whether all watched keys are as WATCH saw them. */
static bool watches_hold(const struct resp_op *op)
{
    const struct resp_watch *w = op->watches;

    for (size_t i = 0; i < op->watch_count; i++, w = w->next) {
        if (seq_of(&op->reads[i]) != w->seq) {
            return false;
        }
    }
    return true;
}

static void run_commands(struct resp_op *op)
{
    struct resp_run run = {
        .session = op->session, .op = op, .out = resp_writer_of(&op->replies, op->version)};

    op->next_read = op->watch_count;
    if (op->is_tx) {
        resp_write_array(&run.out, op->command_count);
    }
    for (struct resp_op_command *c = op->first; c != NULL; c = c->next) {
        run.command = c->command;
        run.args = c->args;
        run.arg_count = c->arg_count;
        c->command->run(&run);
    }
    if (run.out.failed) {
        op->failed = BLOCKDB_ENOMEM;
    }
}

/* OP-2. What could not be read at all decides nothing. */
static int add_conditions(struct resp_op *op, struct error *err)
{
    int rc = BLOCKDB_OK;

    for (size_t i = 0; i < op->read_count && rc == BLOCKDB_OK; i++) {
        const struct resp_read *r = &op->reads[i];

        if (r->status != BLOCKDB_OK && r->status != BLOCKDB_ENOTFOUND &&
            r->status != BLOCKDB_EREDACTED) {
            continue;
        }
        rc = seq_of(r) == BLOCKDB_SEQ_NONE
                 ? dispatch_require_absent(&op->call, r->key, err)
                 : dispatch_require_seq(&op->call, r->key, r->version.seq, err);
    }
    return rc;
}

/* ---- Committing ---------------------------------------------------------------------------- */

static void advance(struct resp_op *op);

/* The commit is answered. */
static void committed(struct resp_op *op)
{
    switch (op->call.status) {
    case BLOCKDB_OK:
        finish(op);
        return;
    case BLOCKDB_ECONFLICT:
        if (++op->attempts < ATTEMPTS_MAX && op->read_count > 0) {
            call_reset(&op->call, op->call.principal);
            begin_reads(op);
            advance(op);
            return;
        }
        break;
    case BLOCKDB_EWOULDBLOCK:
        if (++op->waits < WAITS_MAX) {
            begin(op);
            loop_timer_set(op->worker->loop, &op->retry, 0);
            return;
        }
        break;
    default:
        break;
    }
    fail(op, op->call.status, &op->call.error);
}

static void commit(struct resp_op *op)
{
    op->stage = RESP_OP_COMMIT;
    if (dispatch_commit(&op->call, NULL) == CALL_PENDING) {
        begin(op);
        return;
    }
    committed(op);
}

/* All is read: runs the commands, commits what they wrote. */
static void run(struct resp_op *op)
{
    struct error err;
    int rc = op->failed;

    if (rc == BLOCKDB_OK && op->is_tx && !watches_hold(op)) {
        struct resp_writer w = resp_writer_of(&op->replies, op->version);

        resp_write_null_array(&w);
        rc = w.failed ? BLOCKDB_ENOMEM : BLOCKDB_OK;
    } else if (rc == BLOCKDB_OK) {
        run_commands(op);
        rc = op->failed;
    }
    if (rc < 0) {
        fail(op, rc, NULL);
        return;
    }
    if (dispatch_batch_count(&op->call) == 0) {
        finish(op);
        return;
    }
    rc = add_conditions(op, &err);
    if (rc < 0) {
        fail(op, rc, &err);
        return;
    }
    commit(op);
}

static void advance(struct resp_op *op)
{
    if (read_keys(op)) {
        run(op);
    } else {
        begin(op);
    }
}

static void on_yield(struct loop_task *task)
{
    advance(OP_OF(task, yield));
}

static void on_retry(struct loop_timer *timer)
{
    commit(OP_OF(timer, retry));
}

void resp_op_start(struct resp_op *op, struct resp_session *s)
{
    op->session = resp_session_ref(s);
    if (plan_reads(op) < 0) {
        fail(op, BLOCKDB_ENOMEM, NULL);
        return;
    }
    begin_reads(op);
    advance(op);
}

/* ---- Jobs ---------------------------------------------------------------------------------- */

static int run_job(struct call *call, struct blockdb *db, struct error *err)
{
    struct resp_op *op = OP_OF(call, call);
    struct resp_run run = {.op = op,
                           .command = op->first->command,
                           .args = op->first->args,
                           .arg_count = op->first->arg_count,
                           .out = resp_writer_of(&op->replies, op->version)};
    int rc = run.command->job(&run, db, err);

    return rc == BLOCKDB_OK && run.out.failed ? error_set_no_memory(err) : rc;
}

void resp_op_start_job(struct resp_op *op, struct resp_session *s)
{
    bool is_long = (op->first->command->flags & RESP_LONG) != 0;

    op->session = resp_session_ref(s);
    op->stage = RESP_OP_JOB;
    if (dispatch_run(&op->call, is_long ? POOL_LONG : POOL_READ, run_job) == CALL_DONE) {
        fail(op, op->call.status, &op->call.error);
        return;
    }
    begin(op);
}

/* ---- GET ----------------------------------------------------------------------------------- */

static void write_value(struct resp_writer *w, const struct call *call)
{
    if (call->status == BLOCKDB_OK) {
        resp_write_bulk(w, slice_of(call->value.data, call->value.len));
    } else if (call->status == BLOCKDB_ENOTFOUND) {
        resp_write_null(w);
    } else {
        resp_write_status(w, call->status, &call->error);
    }
}

void resp_op_get(struct resp_session *s, struct slice key)
{
    struct resp_op *op = op_take(s->worker);
    struct resp_writer w = resp_session_writer(s);
    struct call_get get = {.at_seq = BLOCKDB_SEQ_NONE};

    if (op != NULL) {
        buf_reset(&op->key);
    }
    if (op == NULL || buf_append_slice(&op->key, key) < 0) {
        if (op != NULL) {
            op_give_back(op);
        }
        resp_write_status(&w, BLOCKDB_ENOMEM, NULL);
        resp_session_wrote(s, &w);
        return;
    }
    call_reset(&op->call, s->principal);
    get.key = buf_slice(&op->key);
    if (dispatch_get(&op->call, &get) == CALL_DONE) {
        write_value(&w, &op->call);
        resp_session_wrote(s, &w);
        op_give_back(op);
        return;
    }
    (void)principal_ref(s->principal);
    op->stage = RESP_OP_GET;
    op->version = s->version;
    op->session = resp_session_ref(s);
    op->is_begun = false;
    begin(op);
}

static void got(struct resp_op *op)
{
    struct resp_writer w = resp_writer_of(&op->replies, op->version);

    write_value(&w, &op->call);
    if (w.failed) {
        conn_abort(op->session->conn);
    }
    finish(op);
}

/* ---- What was waited for has come ---------------------------------------------------------- */

static void on_done(struct call *call)
{
    struct resp_op *op = OP_OF(call, call);

    switch (op->stage) {
    case RESP_OP_GET:
        got(op);
        break;
    case RESP_OP_READ:
        take_read(op);
        advance(op);
        break;
    case RESP_OP_COMMIT:
        committed(op);
        break;
    case RESP_OP_JOB:
        if (call->status < 0) {
            fail(op, call->status, &call->error);
        } else {
            finish(op);
        }
        break;
    }
}
