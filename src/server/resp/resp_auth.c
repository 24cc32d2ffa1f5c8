/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_auth.h"

#include "base/mem.h"
#include "server/auth.h"
#include "server/limit.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_session.h"
#include "server/server.h"

#include <stddef.h>

/* One attempt that waits for its verdict. */
struct attempt {
    struct auth_job job;
    struct loop_task task;
    struct resp_session *session; /* referenced */
    bool is_hello;
    unsigned version;
    size_t name_len;
    bool has_name;
    uint8_t name[RESP_NAME_MAX];
};

static struct auth *auth_of(const struct resp_session *s)
{
    return s->worker->server != NULL ? server_auth(s->worker->server) : NULL;
}

static struct auth_client client_of(const struct resp_session *s)
{
    const struct conn_peer *peer = conn_peer(s->conn);

    return (struct auth_client){
        .address = peer->address, .cert_name = peer->cert_name, .cert_san = peer->cert_san};
}

/* Takes over what auth decided. */
static void become(struct resp_session *s, struct auth_session *session)
{
    auth_session_deinit(&s->auth);
    s->auth = *session;
    *session = (struct auth_session){0};
    s->principal = s->auth.principal;
}

void resp_auth_nothing(struct resp_session *s)
{
    struct auth *auth = auth_of(s);
    struct auth_client client = client_of(s);
    struct auth_job job = {0};

    auth_session_deinit(&s->auth);
    s->auth = (struct auth_session){0};
    s->principal = NULL;
    if (auth == NULL) {
        s->principal = principal_everyone();
    } else if (auth_nothing(auth, &client, &job) == AUTH_OK) {
        become(s, &job.session);
    }
}

void resp_auth_renew(struct resp_session *s)
{
    struct auth *auth = auth_of(s);

    if (auth == NULL || s->principal == NULL || auth_is_current(auth, &s->auth)) {
        return;
    }
    if (auth_renew(auth, &s->auth)) {
        s->principal = s->auth.principal;
    } else {
        resp_session_forget_tx(s);
        resp_auth_nothing(s);
    }
}

static void reply_refusal(struct resp_writer *out, const struct auth_job *job)
{
    switch (job->verdict) {
    case AUTH_OK:
    case AUTH_LATER:
        break;
    case AUTH_REFUSED:
    case AUTH_MISSING:
    case AUTH_MALFORMED:
        resp_write_error(out, "WRONGPASS", "invalid username-password pair or user is disabled.");
        break;
    case AUTH_LIMITED:
        resp_write_error(out, "ERR", "too many failed attempts; try again in %u s",
                         limit_retry_after(job->wait_ms));
        break;
    case AUTH_BUSY:
        resp_write_error(out, "BUSY", "too many passwords are being verified; try again in %u s",
                         limit_retry_after(job->wait_ms));
        break;
    case AUTH_UNAVAILABLE:
        resp_write_error(out, "ERR", "users cannot be read; the server's log says why");
        break;
    }
}

/* The verdict is there: becomes who it is, and answers. */
static void answer(struct attempt *a, struct resp_writer *out)
{
    struct resp_session *s = a->session;
    struct resp_hello hello = {.version = a->version,
                               .name = slice_of(a->has_name ? a->name : NULL, a->name_len)};

    if (a->job.verdict != AUTH_OK) {
        reply_refusal(out, &a->job);
        return;
    }
    become(s, &a->job.session);
    if (a->is_hello) {
        resp_hello_reply(s, out, &hello);
    } else {
        resp_write_ok(out);
    }
}

static void attempt_free(struct attempt *a)
{
    auth_session_deinit(&a->job.session);
    mem_free(a);
}

static void on_loop(struct loop_task *task)
{
    struct attempt *a = (struct attempt *)(void *)((char *)task - offsetof(struct attempt, task));
    struct resp_session *s = a->session;

    if (!s->is_closed) {
        struct resp_writer w = resp_session_writer(s);

        answer(a, &w);
        resp_session_wrote(s, &w);
    }
    attempt_free(a);
    resp_session_authenticated(s);
    resp_session_unref(s);
}

static void on_verdict(struct auth_job *job)
{
    struct attempt *a = (struct attempt *)(void *)((char *)job - offsetof(struct attempt, job));

    loop_post(a->session->worker->loop, &a->task);
}

/* Where authentication is off there is one user, whose password does not matter. */
static void answer_without_auth(struct resp_run *r, struct slice name,
                                const struct resp_hello *hello)
{
    if (hello == NULL && name.len == 0) {
        resp_write_error(&r->out, "ERR",
                         "AUTH <password> called without any password configured for the default "
                         "user. Are you sure your configuration is correct?");
    } else if (name.len > 0 && !resp_word_is(name, "default")) {
        resp_write_error(&r->out, "WRONGPASS",
                         "invalid username-password pair or user is disabled.");
    } else if (hello != NULL) {
        resp_hello_reply(r->session, &r->out, hello);
    } else {
        resp_write_ok(&r->out);
    }
}

void resp_auth_try(struct resp_run *r, struct slice name, struct slice password,
                   const struct resp_hello *hello)
{
    struct resp_session *s = r->session;
    struct auth *auth = auth_of(s);
    struct auth_client client = client_of(s);
    struct attempt *a;

    if (auth == NULL || !auth_enabled(auth)) {
        answer_without_auth(r, name, hello);
        return;
    }
    a = mem_calloc(1, sizeof(*a));
    if (a == NULL || (hello != NULL && hello->name.len > sizeof(a->name))) {
        resp_write_status(&r->out, a == NULL ? BLOCKDB_ENOMEM : BLOCKDB_ELIMIT, NULL);
        mem_free(a);
        return;
    }
    a->job.done = on_verdict;
    a->task.run = on_loop;
    a->session = s;
    if (hello != NULL) {
        a->is_hello = true;
        a->version = hello->version;
        a->has_name = hello->name.data != NULL;
        a->name_len = hello->name.len;
        if (a->name_len > 0) {
            memcpy(a->name, hello->name.data, a->name_len);
        }
    }
    if (auth_password(auth, &client, name, password, &a->job) != AUTH_LATER) {
        answer(a, &r->out);
        attempt_free(a);
        return;
    }
    (void)resp_session_ref(s); /* until on_loop() */
    resp_session_authenticate(s);
}
