/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp.h"

#include "base/mem.h"
#include "server/request_metrics.h"
#include "server/resp/resp_auth.h"
#include "server/resp/resp_command.h"
#include "server/resp/resp_execute.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_session.h"
#include "server/server.h"

/* The protocol of one server; conn_protocol() of a connection leads to it. */
struct resp {
    struct conn_protocol protocol; /* first */
    struct request_metrics *metrics;
    struct metrics_labels *kinds; /* a command each, and one for unknown ones */
};

#define PROGRESS_BYTES 65536 /* what an incomplete command must bring to be waited for again */

static const struct resp_parser_limits limits_known = {
    .args_max = RESP_ARGS_MAX,
    .bulk_max = RESP_BULK_MAX,
    .inline_max = RESP_INLINE_MAX,
    .command_max = RESP_COMMAND_BYTES_MAX,
};

static const struct resp_parser_limits limits_unknown = {
    .args_max = RESP_ARGS_MAX_UNKNOWN,
    .bulk_max = RESP_BULK_MAX_UNKNOWN,
    .inline_max = RESP_COMMAND_BYTES_MAX_UNKNOWN,
    .command_max = RESP_COMMAND_BYTES_MAX_UNKNOWN,
};

static const struct resp_parser_limits *limits_of(const struct resp_session *s)
{
    return s->principal != NULL ? &limits_known : &limits_unknown;
}

/* ---- Deadlines ----------------------------------------------------------------------------- */

/* Waits for the next command for as long as an idle client may stay, and for the rest of one only
 * while it keeps coming. */
static void set_deadline(struct resp_session *s, bool is_partial)
{
    const struct server_config *config;
    uint64_t received = conn_received_bytes(s->conn);

    if (s->worker->server == NULL) {
        return;
    }
    config = server_config(s->worker->server);
    if (!is_partial) {
        s->is_partial = false;
        conn_set_deadline(s->conn, config->max_idle_time);
    } else if (!s->is_partial || received - s->partial_from_bytes >= PROGRESS_BYTES) {
        s->is_partial = true;
        s->partial_from_bytes = received;
        conn_set_deadline(s->conn, config->connection_timeout);
    }
}

static void deadline(struct conn *c)
{
    struct resp_session *s = conn_state(c);

    if (resp_session_is_busy(s)) {
        set_deadline(s, false);
    } else {
        resp_session_end(s);
    }
}

/* ---- Input --------------------------------------------------------------------------------- */

/* What was sent is no command: says so and closes. */
static void refuse(struct resp_session *s)
{
    struct resp_writer w = resp_session_writer(s);

    resp_write_error(&w, "ERR", "%s", s->parser.problem);
    resp_session_wrote(s, &w);
    s->is_ending = true;
    conn_close_lingering(s->conn);
}

static bool may_go_on(const struct resp_session *s)
{
    return !s->is_ending && !s->is_waiting && s->op == NULL && !s->is_authenticating &&
           !conn_output_is_high(s->conn);
}

/* Runs the commands at the start of data; returns how many bytes are done with. */
static size_t take_commands(struct resp_session *s, struct slice data)
{
    struct resp_args *args = &s->worker->args;
    size_t taken = 0;

    while (may_go_on(s)) {
        struct slice rest = slice_of(data.data + taken, data.len - taken);
        size_t used = 0;

        switch (resp_parser_next(&s->parser, limits_of(s), rest, args, &used)) {
        case RESP_PARSED_MORE:
            return taken;
        case RESP_PARSED_REFUSED:
            if (s->first_ticket != NULL) {
                resp_session_wait(s, 1);
            } else {
                refuse(s);
            }
            return taken;
        case RESP_PARSED_COMMAND:
            if (!resp_execute(s, args->items, args->count)) {
                return taken;
            }
            break;
        case RESP_PARSED_EMPTY:
            break;
        }
        taken += used;
    }
    return taken;
}

static void input(struct conn *c)
{
    struct resp_session *s = conn_state(c);
    struct slice data = conn_input(c);
    size_t taken;

    s->ended_ns = 0;
    taken = take_commands(s, data);
    if (taken > 0) {
        conn_consume(c, taken);
    }
    if (s->is_ending) {
        return;
    }
    if (conn_output_is_high(c) && !resp_session_is_busy(s) && taken < data.len) {
        conn_pause_input(c); /* until output_low() */
    }
    set_deadline(s, taken < data.len && !resp_session_is_busy(s));
    if (conn_is_draining(c) && !resp_session_is_busy(s)) {
        resp_session_end(s);
    }
}

static void output_low(struct conn *c)
{
    struct resp_session *s = conn_state(c);

    if (!s->is_waiting && s->op == NULL && !s->is_authenticating && conn_input_is_paused(c)) {
        conn_resume_input(c);
    }
}

static void input_end(struct conn *c)
{
    struct resp_session *s = conn_state(c);

    s->input_ended = true;
    if (!resp_session_is_busy(s) && !s->is_ending) {
        resp_session_end(s);
    }
}

/* ---- Beginning and end --------------------------------------------------------------------- */

static const struct conn_protocol protocol;

/* The figures of the protocol that speaks on c; NULL: nobody counts. */
static struct request_metrics *metrics_of(const struct conn *c)
{
    const struct conn_protocol *spoken = conn_protocol(c);

    return spoken == &protocol ? NULL : ((const struct resp *)(const void *)spoken)->metrics;
}

static int open_session(struct conn *c)
{
    struct resp_worker *worker = resp_worker_of(c);
    struct resp_session *s;
    int rc;

    if (worker == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = resp_session_new(c, worker, &s);
    if (rc < 0) {
        return rc;
    }
    s->metrics = metrics_of(c);
    conn_set_state(c, s);
    conn_set_input_max(c, RESP_COMMAND_BYTES_MAX);
    resp_auth_nothing(s);
    set_deadline(s, false);
    return BLOCKDB_OK;
}

static void close_session(struct conn *c)
{
    struct resp_session *s = conn_state(c);

    conn_set_state(c, NULL);
    resp_session_closed(s);
}

static void drain(struct conn *c)
{
    struct resp_session *s = conn_state(c);

    if (!resp_session_is_busy(s) && !s->is_ending) {
        resp_session_end(s);
    }
}

static const char refusal_text[] = "-ERR max number of clients reached\r\n";

static const struct conn_protocol protocol = {
    .name = "resp",
    .refusal = {.data = (const uint8_t *)refusal_text, .len = sizeof(refusal_text) - 1},
    .open = open_session,
    .input = input,
    .input_end = input_end,
    .output_low = output_low,
    .deadline = deadline,
    .close = close_session,
    .drain = drain,
};

const struct conn_protocol *resp_protocol(void)
{
    return &protocol;
}

/* ---- Of one server ------------------------------------------------------------------------- */

int resp_new(struct resp **out)
{
    struct resp *resp = mem_calloc(1, sizeof(*resp));

    if (resp == NULL) {
        return BLOCKDB_ENOMEM;
    }
    resp->protocol = protocol;
    *out = resp;
    return BLOCKDB_OK;
}

void resp_free(struct resp *resp)
{
    if (resp != NULL) {
        request_metrics_free(resp->metrics);
        mem_free(resp->kinds);
        mem_free(resp);
    }
}

const struct conn_protocol *resp_server_protocol(const struct resp *resp)
{
    return &resp->protocol;
}

int resp_count_commands(struct resp *resp, unsigned loop_count)
{
    static const char *const outcomes[] = {"ok", "error"};
    size_t count;
    const struct resp_command *table = resp_command_table(&count);
    struct request_metrics_options options = {
        .shard_count = loop_count,
        .kind_count = count + 1,
        .outcome_label = "outcome",
        .outcomes = outcomes,
        .outcome_count = 2,
        .count_name = "blockdb_redis_commands_total",
        .count_help = "Commands of the Redis protocol that were answered.",
        .duration_name = "blockdb_redis_command_duration_seconds",
        .duration_help = "Time from a whole command, its turn having come, to its answer.",
    };

    resp->kinds = mem_calloc(count + 1, sizeof(*resp->kinds));
    if (resp->kinds == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (size_t i = 0; i <= count; i++) {
        resp->kinds[i].at[0] = (struct metrics_label){"command",
                                                      i < count ? table[i].name : "other"};
    }
    options.kinds = resp->kinds;
    return request_metrics_new(&options, &resp->metrics);
}

void resp_metrics_write(const struct resp *resp, struct metrics_writer *w)
{
    if (resp->metrics != NULL) {
        request_metrics_write(resp->metrics, w);
    }
}
