/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_execute.h"

#include "server/audit_log.h"
#include "server/limit.h"
#include "server/resp/resp_auth.h"
#include "server/resp/resp_gather.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"
#include "server/resp/resp_session.h"
#include "server/server.h"

#define PIPELINE_MAX_DEFAULT 1024

/* ---- Plain writes -------------------------------------------------------------------------- */

/* Whether the engine will take all of them: what is wrong with others is told elsewhere. */
static bool pairs_fit(const struct resp_session *s, const struct slice *pairs, size_t pair_count)
{
    for (size_t i = 0; i < pair_count; i++) {
        if (pairs[2 * i].len == 0 || pairs[2 * i].len > BLOCKDB_KEY_MAX ||
            pairs[2 * i + 1].len > BLOCKDB_VALUE_MAX ||
            !principal_may_key(s->principal, RIGHT_WRITE, pairs[2 * i])) {
            return false;
        }
    }
    return true;
}

static uint32_t pipeline_max(const struct resp_session *s)
{
    const struct server *server = s->worker->server;

    return server != NULL ? server_config(server)->pipeline_max : PIPELINE_MAX_DEFAULT;
}

/* Whether each write counts against a rate: then it is looked at on its own. */
static bool writes_are_limited(const struct resp_session *s)
{
    const struct server *server = s->worker->server;

    return server != NULL && (limit_is_on(server_limit(server), LIMIT_PRINCIPAL, LIMIT_WRITE) ||
                              limit_is_on(server_limit(server), LIMIT_ADDRESS, LIMIT_WRITE));
}

/* What resp_execute() has done about a command. */
enum outcome {
    OUTCOME_DONE,
    OUTCOME_WAIT,
    OUTCOME_OTHERWISE, /* it is no plain write, or cannot be one of many */
};

/* SET key value, MSET key value ...: goes with the others of this turn. */
static enum outcome gather(struct resp_session *s, const struct resp_command *command,
                           const struct slice *args, size_t arg_count)
{
    bool is_plain = (command->flags & RESP_GATHERS) != 0 && arg_count >= 3 && arg_count % 2 == 1 &&
                    !resp_command_reads(command, arg_count);
    uint32_t in_flight_max;
    size_t count;

    if (!is_plain || !s->worker->gathers || s->is_queueing || s->principal == NULL ||
        writes_are_limited(s) || !pairs_fit(s, args + 1, arg_count / 2)) {
        return OUTCOME_OTHERWISE;
    }
    in_flight_max = pipeline_max(s);
    if (s->unanswered >= in_flight_max) {
        resp_session_wait(s, in_flight_max / 2 + 1);
        return OUTCOME_WAIT;
    }
    return resp_gather_add(s, (size_t)(command - resp_command_table(&count)), args + 1,
                           arg_count / 2)
               ? OUTCOME_DONE
               : OUTCOME_OTHERWISE;
}

/* ---- Refusals ------------------------------------------------------------------------------ */

/* Writes of HTTP that a page in a browser was made to send here. */
static bool is_http(struct slice name)
{
    return resp_word_is(name, "post") || resp_word_is(name, "host:");
}

/* Answers with an error; between MULTI and EXEC that spoils the transaction. */
static void spoil(struct resp_session *s)
{
    if (s->is_queueing) {
        s->tx_failed = true;
    }
}

static void tell_audit(const struct resp_session *s, const struct resp_command *command,
                       const struct error *err)
{
    if (s->worker->server != NULL) {
        audit_write(server_audit(s->worker->server),
                    &(struct audit_event){.action = "request",
                                          .outcome = AUDIT_REFUSED,
                                          .who = principal_name(s->principal),
                                          .address = conn_peer(s->conn)->address,
                                          .target = command->name,
                                          .reason = err->message});
    }
}

/* Takes a token of the bucket of this client's name, or address. */
static bool take_token(const struct resp_session *s, enum limit_subject subject, const char *name,
                       unsigned rights, uint32_t *out_wait_ms)
{
    const struct limit_key key = {
        .subject = subject,
        .class = (rights & (RIGHT_OPERATE | RIGHT_ADMIN)) != 0 ? LIMIT_ADMIN
                 : (rights & RIGHT_WRITE) != 0                 ? LIMIT_WRITE
                                                               : LIMIT_READ,
        .name = slice_of_text(name),
        .now_ms = loop_now_ms(s->worker->loop),
    };
    struct limit *limit = server_limit(s->worker->server);

    return !limit_is_on(limit, subject, key.class) || limit_take(limit, &key, 1, out_wait_ms);
}

/* Whether the rates of the client's address and name allow one command more; what needs no right is
 * not limited. */
static bool is_in_time(const struct resp_session *s, const struct resp_command *command,
                       uint32_t *out_wait_ms)
{
    unsigned rights = command->rights;

    return s->worker->server == NULL || rights == 0 ||
           (take_token(s, LIMIT_ADDRESS, conn_peer(s->conn)->address, rights, out_wait_ms) &&
            (s->principal == NULL ||
             take_token(s, LIMIT_PRINCIPAL, principal_name(s->principal), rights, out_wait_ms)));
}

/* Whether the command may run now; answers with the error otherwise. */
static bool is_allowed(struct resp_session *s, const struct resp_command *command,
                       const struct slice *args, size_t arg_count)
{
    struct resp_writer w = resp_session_writer(s);
    uint32_t wait_ms = 0;
    struct error err;
    int rc;

    if (command == NULL) {
        resp_refuse_unknown(&w, args[0]);
    } else if (!resp_command_takes(command, arg_count)) {
        resp_write_error(&w, "ERR", "wrong number of arguments for '%s' command", command->name);
    } else if (s->principal == NULL && (command->flags & RESP_ANYBODY) == 0) {
        resp_write_error(&w, "NOAUTH", "Authentication required.");
    } else if (s->is_queueing && (command->flags & RESP_ALONE) != 0) {
        resp_write_error(&w, "ERR", "%s is not possible between MULTI and EXEC", command->name);
    } else if (!is_in_time(s, command, &wait_ms)) {
        resp_write_error(&w, "ERR", "rate limit reached; try again in %u s",
                         limit_retry_after(wait_ms));
    } else {
        rc = s->principal == NULL
                 ? BLOCKDB_OK
                 : resp_command_check(command, s->principal, args, arg_count, &err);
        if (rc == BLOCKDB_OK) {
            return true;
        }
        resp_write_status(&w, rc, &err);
        tell_audit(s, command, &err);
    }
    spoil(s);
    resp_session_wrote(s, &w);
    return false;
}

/* ---- Running ------------------------------------------------------------------------------- */

/* Runs what needs no operation. */
static void run_at_once(struct resp_session *s, const struct resp_command *command,
                        const struct slice *args, size_t arg_count)
{
    struct resp_run run = {.session = s,
                           .command = command,
                           .args = args,
                           .arg_count = arg_count,
                           .out = resp_session_writer(s)};

    command->run(&run);
    resp_session_wrote(s, &run.out);
}

static void reply_status(struct resp_session *s, int status)
{
    struct resp_writer w = resp_session_writer(s);

    resp_write_status(&w, status, NULL);
    resp_session_wrote(s, &w);
}

/* Keeps a command for EXEC. */
static void queue(struct resp_session *s, const struct resp_command *command,
                  const struct slice *args, size_t arg_count)
{
    struct resp_writer w = resp_session_writer(s);
    struct resp_op *tx = s->tx;
    size_t bytes = 0;

    for (size_t i = 0; i < arg_count; i++) {
        bytes += args[i].len;
    }
    if (tx->command_count == RESP_QUEUED_MAX || tx->bytes + bytes > RESP_QUEUED_BYTES_MAX) {
        resp_write_error(&w, "ERR",
                         "a transaction has at most %d commands and %u bytes; make it smaller",
                         RESP_QUEUED_MAX, RESP_QUEUED_BYTES_MAX);
        spoil(s);
    } else if (resp_op_add(tx, command, args, arg_count) < 0) {
        resp_write_status(&w, BLOCKDB_ENOMEM, NULL);
        spoil(s);
    } else {
        resp_write_simple(&w, "QUEUED");
    }
    resp_session_wrote(s, &w);
}

/* Runs a command with keys, or one that may wait. */
static void start(struct resp_session *s, const struct resp_command *command,
                  const struct slice *args, size_t arg_count)
{
    struct resp_op *op = resp_op_new(s);

    if (op == NULL || resp_op_add(op, command, args, arg_count) < 0) {
        resp_op_free(op);
        reply_status(s, BLOCKDB_ENOMEM);
    } else if (command->job != NULL) {
        resp_op_start_job(op, s);
    } else {
        resp_op_start(op, s);
    }
}

static void run(struct resp_session *s, const struct resp_command *command,
                const struct slice *args, size_t arg_count)
{
    if (s->is_queueing && (command->flags & RESP_AT_ONCE) == 0) {
        queue(s, command, args, arg_count);
    } else if (command->run == resp_run_get) {
        resp_op_get(s, args[1]);
    } else if (command->job != NULL || command->first_key > 0) {
        start(s, command, args, arg_count);
    } else {
        run_at_once(s, command, args, arg_count);
    }
}

/* Most clients send the same command again and again. */
static const struct resp_command *find(struct resp_session *s, struct slice name)
{
    const struct resp_command *last = s->last_command;

    if (last != NULL && resp_word_is(name, last->name)) {
        return last;
    }
    s->last_command = resp_command_find(name);
    return s->last_command;
}

bool resp_execute(struct resp_session *s, const struct slice *args, size_t arg_count)
{
    const struct resp_command *command = find(s, args[0]);

    if (command == NULL && is_http(args[0])) {
        conn_abort(s->conn);
        s->is_ending = true;
        return true;
    }
    resp_auth_renew(s);
    if (command != NULL) {
        enum outcome outcome = gather(s, command, args, arg_count);

        if (outcome != OUTCOME_OTHERWISE) {
            return outcome == OUTCOME_DONE;
        }
    }
    if (s->first_ticket != NULL) {
        resp_session_wait(s, 1);
        return false;
    }
    resp_session_count_begin(s, command);
    if (is_allowed(s, command, args, arg_count)) {
        run(s, command, args, arg_count);
    }
    if (!resp_session_is_busy(s)) {
        resp_session_count_end(s);
    }
    return true;
}
