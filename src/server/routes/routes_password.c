/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users change their own password: who shows the old one, whatever else was shown, gets a new one.
 *
 * The old one is verified as every password is (auth.h), so wrong ones count as failed logins do.
 * It is verified against the very record that is replaced: its entry is looked at before, the table
 * of auth is brought up to it, and the change is made only while it is still that entry.
 */
#include "base/mem.h"
#include "base/waiter.h"
#include "crypto/secret.h"
#include "server/auth.h"
#include "server/conn.h"
#include "server/limit.h"
#include "server/routes/json_reply.h"
#include "server/routes/json_request.h"
#include "server/routes/routes_auth_priv.h"
#include "server/server.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define RETRY_BYTES 16

struct password_body {
    struct slice old_password;
    struct slice new_password;
};

static const struct json_field password_fields[] = {
    {.name = "old_password",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct password_body, old_password),
     .is_required = true},
    {.name = "new_password",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct password_body, new_password),
     .is_required = true},
};

/* ---- The old password ---------------------------------------------------------------------- */

/* One verification that a thread of the pool sleeps for. */
struct attempt {
    struct auth_job job;
    struct waiter waiter;
};

static void verified(struct auth_job *job)
{
    struct attempt *attempt = (struct attempt *)(void *)((char *)job -
                                                         offsetof(struct attempt, job));

    waiter_wake(&attempt->waiter);
}

static enum auth_verdict verify(struct exchange *x, const char *name, struct slice password,
                                struct attempt *attempt)
{
    const struct auth_client client = {.address = auth_change_address(x)};
    enum auth_verdict verdict;

    attempt->job = (struct auth_job){.done = verified};
    waiter_init(&attempt->waiter);
    verdict = auth_password(server_auth(exchange_server(x)), &client, slice_of_text(name), password,
                            &attempt->job);
    if (verdict == AUTH_LATER) {
        waiter_wait(&attempt->waiter);
        verdict = attempt->job.verdict;
    }
    /* A token in place of a password lets somebody else in. */
    if (verdict == AUTH_OK && strcmp(principal_name(attempt->job.session.principal), name) != 0) {
        verdict = AUTH_REFUSED;
    }
    auth_session_deinit(&attempt->job.session);
    return verdict;
}

/* EDENIED: it is another one; EBUSY: ask later. *out_wait_ms is set when there were too many wrong
 * ones. */
static int check_old(struct exchange *x, const char *name, struct slice password,
                     uint32_t *out_wait_ms, struct error *err)
{
    struct attempt attempt;

    switch (verify(x, name, password, &attempt)) {
    case AUTH_OK:
        return BLOCKDB_OK;
    case AUTH_LIMITED:
        *out_wait_ms = attempt.job.wait_ms > 0 ? attempt.job.wait_ms : 1;
        return error_set(err, BLOCKDB_EBUSY, "%s", attempt.job.reason);
    case AUTH_BUSY:
    case AUTH_UNAVAILABLE:
        return error_set(err, BLOCKDB_EBUSY, "%s", attempt.job.reason);
    case AUTH_LATER:
    case AUTH_REFUSED:
    case AUTH_MISSING:
    case AUTH_MALFORMED:
        break;
    }
    return error_set(err, BLOCKDB_EDENIED,
                     "the old password of '%s' is another one; nothing was changed", name);
}

/* ---- The change ---------------------------------------------------------------------------- */

/* The entry of the record of who asks. */
static int find_user(struct exchange *x, struct blockdb *db, const char *name, uint64_t *out_seq,
                     struct error *err)
{
    AUTO(user_record_deinit) struct user_record user = {0};
    struct blockdb_version_info version = {0};
    int rc;

    if (!auth_enabled(server_auth(exchange_server(x)))) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "nobody has a password here: [security] enable_auth is off");
    }
    rc = auth_store_user(db, name, &user, &version, err);
    if (rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_EINVAL) {
        return error_set(err, BLOCKDB_EDENIED,
                         "'%s' is no user and has no password: show name and password of a user",
                         name);
    }
    if (rc == BLOCKDB_OK && user.password[0] == '\0') {
        return error_set(err, BLOCKDB_ECONFLICT,
                         "user '%s' has no password that could be changed; an admin sets one",
                         name);
    }
    *out_seq = version.seq;
    return rc;
}

static int change(struct exchange *x, struct blockdb *db, const struct password_body *body,
                  uint32_t *out_wait_ms, struct error *err)
{
    const char *name = principal_name(exchange_principal(x));
    const struct auth_writer writer = auth_change_writer(x, db);
    struct user_change user = {
        .name = name, .sets_password = true, .password = body->new_password, .has_if_seq = true};
    int rc = find_user(x, db, name, &user.if_seq, err);

    if (rc == BLOCKDB_OK) {
        rc = user_password_check(body->new_password, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_refresh(server_auth(exchange_server(x)), err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_old(x, name, body->old_password, out_wait_ms, err);
    }
    return rc < 0 ? rc : auth_store_user_set(&writer, &user, err);
}

/* 429, which no code of the library stands for. */
static int answer_limited(struct exchange *x, uint32_t wait_ms, struct error *err)
{
    char *text = arena_alloc(exchange_arena(x), RETRY_BYTES);
    struct json_writer w;

    if (text == NULL) {
        return error_set_no_memory(err);
    }
    (void)snprintf(text, RETRY_BYTES, "%u", limit_retry_after(wait_ms));
    exchange_set_header(x, "Retry-After", text);
    exchange_prepare(x, 429, HTTP_TYPE_JSON);
    json_writer_init(&w, exchange_out(x));
    json_writer_begin_object(&w);
    json_writer_member_bool(&w, "success", false);
    json_writer_member_text(&w, "error", "TooManyRequests");
    json_writer_member_text(&w, "message", err->message);
    return auth_answer_end(&w, x, err);
}

static void wipe(struct slice secret)
{
    secret_wipe((void *)(uintptr_t)secret.data, secret.len);
}

static int run_change(struct exchange *x, struct blockdb *db, struct error *err)
{
    struct password_body body = {.old_password = {0}};
    struct json_request q;
    char subject[AUTH_TARGET_BYTES];
    uint32_t wait_ms = 0;
    int rc;

    json_request_init(&q, exchange_body(x), exchange_arena(x), err);
    rc = json_request_read(&q, password_fields,
                           sizeof(password_fields) / sizeof(password_fields[0]), &body, NULL);
    if (rc == BLOCKDB_OK && memchr(body.new_password.data, 0, body.new_password.len) != NULL) {
        rc = json_request_refuse(&q, "member 'new_password' must not contain a zero");
    }
    if (rc == BLOCKDB_OK) {
        rc = change(x, db, &body, &wait_ms, err);
    }
    wipe(body.old_password);
    wipe(body.new_password);
    wipe(exchange_body(x));
    (void)snprintf(subject, sizeof subject, "user/%s", principal_name(exchange_principal(x)));
    rc = auth_change_finish(x, "user.password", subject, rc, err);
    if (rc < 0 && wait_ms > 0) {
        return answer_limited(x, wait_ms, err);
    }
    return rc < 0 ? rc : auth_answer_done(x, err);
}

void route_password(struct exchange *x)
{
    auth_change_run(x, run_change);
}
