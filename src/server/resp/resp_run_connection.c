/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the connection itself: HELLO, AUTH, CLIENT and their kin. */
#include "base/mem.h"
#include "base/text.h"
#include "server/resp/resp_auth.h"
#include "server/resp/resp_info.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"
#include "server/resp/resp_session.h"

#include <inttypes.h>
#include <stdio.h>

void resp_reply_syntax_error(struct resp_run *r)
{
    resp_write_error(&r->out, "ERR", "syntax error");
}

int resp_number_of(struct slice text, uint64_t max, uint64_t *out, struct error *err)
{
    uint64_t number;

    if (text_parse_decimal(text, &number) < 0 || number > max) {
        return error_set(err, BLOCKDB_EINVAL, "value is not an integer or out of range");
    }
    *out = number;
    return BLOCKDB_OK;
}

bool resp_parse_number(struct resp_run *r, struct slice text, uint64_t max, uint64_t *out)
{
    if (resp_number_of(text, max, out, NULL) < 0) {
        resp_write_error(&r->out, "ERR", "value is not an integer or out of range");
        return false;
    }
    return true;
}

/* PING [message] */
void resp_run_ping(struct resp_run *r)
{
    if (r->arg_count > 2) {
        resp_write_error(&r->out, "ERR", "wrong number of arguments for 'ping' command");
    } else if (r->arg_count == 2) {
        resp_write_bulk(&r->out, r->args[1]);
    } else {
        resp_write_simple(&r->out, "PONG");
    }
}

/* ECHO message */
void resp_run_echo(struct resp_run *r)
{
    resp_write_bulk(&r->out, r->args[1]);
}

/* SELECT 0: there is one database */
void resp_run_select(struct resp_run *r)
{
    uint64_t index = 0;

    if (!resp_parse_number(r, r->args[1], INT32_MAX, &index)) {
        return;
    }
    if (index != 0) {
        resp_write_error(&r->out, "ERR", "DB index is out of range: BlockDB has database 0 only");
        return;
    }
    resp_write_ok(&r->out);
}

/* QUIT */
void resp_run_quit(struct resp_run *r)
{
    resp_write_ok(&r->out);
    resp_session_wrote(r->session, &r->out);
    resp_session_end(r->session);
}

/* RESET */
void resp_run_reset(struct resp_run *r)
{
    resp_write_simple(&r->out, "RESET");
    resp_session_reset(r->session);
    resp_auth_nothing(r->session);
}

/* ---- HELLO --------------------------------------------------------------------------------- */

/* Whether bytes can be the name of a client: printable, no spaces, so that lists stay lists. */
static bool is_name(struct slice name)
{
    if (name.len > RESP_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Replaces *text by a copy of name; answers with the error when that cannot be. */
static bool set_text(struct resp_writer *out, char **text, struct slice name, const char *what)
{
    char *copy = NULL;

    if (!is_name(name)) {
        resp_write_error(out, "ERR",
                         "%s cannot contain spaces, newlines or special characters, and has at "
                         "most %d bytes",
                         what, RESP_NAME_MAX);
        return false;
    }
    if (name.len > 0) {
        copy = mem_alloc(name.len + 1);
        if (copy == NULL) {
            resp_write_status(out, BLOCKDB_ENOMEM, NULL);
            return false;
        }
        memcpy(copy, name.data, name.len);
        copy[name.len] = '\0';
    }
    mem_free(*text);
    *text = copy;
    return true;
}

void resp_hello_reply(struct resp_session *s, struct resp_writer *out,
                      const struct resp_hello *hello)
{
    if (hello->name.data != NULL && !set_text(out, &s->name, hello->name, "Client names")) {
        return;
    }
    if (hello->version != 0) {
        s->version = hello->version;
        out->version = hello->version;
    }
    resp_write_map(out, 7);
    resp_write_text(out, "server");
    resp_write_text(out, "redis");
    resp_write_text(out, "version");
    resp_write_text(out, RESP_REDIS_VERSION);
    resp_write_text(out, "proto");
    resp_write_integer(out, s->version);
    resp_write_text(out, "id");
    resp_write_integer(out, (int64_t)conn_id(s->conn));
    resp_write_text(out, "mode");
    resp_write_text(out, "standalone");
    resp_write_text(out, "role");
    resp_write_text(out, "master");
    resp_write_text(out, "modules");
    resp_write_array(out, 0);
}

/* HELLO [version [AUTH name password] [SETNAME name]] */
void resp_run_hello(struct resp_run *r)
{
    struct resp_hello hello = {0};
    struct slice user = {0};
    struct slice password = {0};
    uint64_t version = 0;
    size_t i = 2;

    if (r->arg_count > 1) {
        if (resp_number_of(r->args[1], INT32_MAX, &version, NULL) < 0) {
            resp_write_error(&r->out, "ERR", "Protocol version is not an integer or out of range");
            return;
        }
        if (version != 2 && version != 3) {
            resp_write_error(&r->out, "NOPROTO", "unsupported protocol version");
            return;
        }
    }
    hello.version = (unsigned)version;
    while (i < r->arg_count) {
        if (resp_word_is(r->args[i], "auth") && i + 2 < r->arg_count) {
            user = r->args[i + 1];
            password = r->args[i + 2];
            i += 3;
        } else if (resp_word_is(r->args[i], "setname") && i + 1 < r->arg_count) {
            hello.name = r->args[i + 1];
            i += 2;
        } else {
            resp_write_error(&r->out, "ERR", "Syntax error in HELLO option");
            return;
        }
    }
    if (user.data != NULL) {
        resp_auth_try(r, user, password, &hello);
    } else if (r->session->principal == NULL) {
        resp_write_error(&r->out, "NOAUTH",
                         "HELLO must be called with the client already authenticated, otherwise "
                         "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate "
                         "the client and select the RESP protocol version at the same time");
    } else {
        resp_hello_reply(r->session, &r->out, &hello);
    }
}

/* AUTH [name] password */
void resp_run_auth(struct resp_run *r)
{
    if (r->arg_count > 3) {
        resp_reply_syntax_error(r);
    } else if (r->arg_count == 3) {
        resp_auth_try(r, r->args[1], r->args[2], NULL);
    } else {
        resp_auth_try(r, slice_of(NULL, 0), r->args[1], NULL);
    }
}

/* ---- CLIENT -------------------------------------------------------------------------------- */

static void client_info(struct resp_run *r)
{
    struct resp_session *s = r->session;
    const struct conn_peer *peer = conn_peer(s->conn);
    char line[2048];
    int len = snprintf(
        line, sizeof(line),
        "id=%" PRIu64 " addr=%s:%u name=%s user=%s db=0 resp=%u lib-name=%s "
        "lib-ver=%s multi=%d watch=%u tot-net-in=%" PRIu64 " tot-net-out=%" PRIu64 "\n",
        conn_id(s->conn), peer->address, peer->port, s->name != NULL ? s->name : "",
        principal_name(s->principal), s->version, s->library != NULL ? s->library : "",
        s->library_version != NULL ? s->library_version : "",
        s->is_queueing ? (int)s->tx->command_count : -1, s->watch_count,
        conn_received_bytes(s->conn), conn_sent_bytes(s->conn));

    len = len < (int)sizeof(line) ? len : (int)sizeof(line) - 1;
    resp_write_verbatim(&r->out, slice_of(line, (size_t)len));
}

static void client_setinfo(struct resp_run *r)
{
    struct resp_session *s = r->session;
    bool is_set;

    if (resp_word_is(r->args[2], "lib-name")) {
        is_set = set_text(&r->out, &s->library, r->args[3], "lib-name");
    } else if (resp_word_is(r->args[2], "lib-ver")) {
        is_set = set_text(&r->out, &s->library_version, r->args[3], "lib-ver");
    } else {
        resp_write_error(&r->out, "ERR", "Unrecognized option: LIB-NAME and LIB-VER are known");
        return;
    }
    if (is_set) {
        resp_write_ok(&r->out);
    }
}

static void client_setname(struct resp_run *r)
{
    if (set_text(&r->out, &r->session->name, r->args[2], "Client names")) {
        resp_write_ok(&r->out);
    }
}

static void client_getname(struct resp_run *r)
{
    if (r->session->name != NULL) {
        resp_write_text(&r->out, r->session->name);
    } else {
        resp_write_null(&r->out);
    }
}

static void client_id(struct resp_run *r)
{
    resp_write_integer(&r->out, (int64_t)conn_id(r->session->conn));
}

/* NO-EVICT and NO-TOUCH: nothing is ever evicted, and nothing remembers being touched. */
static void client_on_off(struct resp_run *r)
{
    if (resp_word_is(r->args[2], "on") || resp_word_is(r->args[2], "off")) {
        resp_write_ok(&r->out);
    } else {
        resp_reply_syntax_error(r);
    }
}

static void client_reply(struct resp_run *r)
{
    if (resp_word_is(r->args[2], "on")) {
        resp_write_ok(&r->out);
    } else {
        resp_write_error(&r->out, "ERR", "CLIENT REPLY takes ON only: every command is answered");
    }
}

static const struct {
    const char *name;
    size_t arg_count;
    void (*run)(struct resp_run *r);
} client_commands[] = {
    {"id", 2, client_id},           {"getname", 2, client_getname}, {"setname", 3, client_setname},
    {"setinfo", 4, client_setinfo}, {"info", 2, client_info},       {"list", 2, client_info},
    {"no-evict", 3, client_on_off}, {"no-touch", 3, client_on_off}, {"reply", 3, client_reply},
};

/* CLIENT ID | GETNAME | SETNAME | SETINFO | INFO | LIST | NO-EVICT | NO-TOUCH | REPLY */
void resp_run_client(struct resp_run *r)
{
    for (size_t i = 0; i < sizeof(client_commands) / sizeof(client_commands[0]); i++) {
        if (!resp_word_is(r->args[1], client_commands[i].name)) {
            continue;
        }
        if (r->arg_count != client_commands[i].arg_count) {
            resp_write_error(&r->out, "ERR", "wrong number of arguments for 'client|%s' command",
                             client_commands[i].name);
            return;
        }
        client_commands[i].run(r);
        return;
    }
    resp_write_error(&r->out, "ERR",
                     "unknown subcommand; CLIENT has ID, GETNAME, SETNAME, SETINFO, INFO, LIST, "
                     "NO-EVICT, NO-TOUCH and REPLY");
}
