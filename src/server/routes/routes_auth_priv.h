/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the routes for users and tokens share: bodies, answers, and the frame of a change.
 *
 * Threads:   on the pool, but for auth_change_run(), which is the loop's.
 * Ownership: values of a body borrow from it.
 */
#pragma once

#include "base/json_writer.h"
#include "server/auth_store.h"
#include "server/http/exchange.h"
#include "shim/json.h"

#define AUTH_BODY_MAX 65536
#define AUTH_TARGET_BYTES 112 /* of "token/..." in the audit log */

/* The members of a body; a value without document is one that is absent. A zeroed one is valid to
 * deinit. */
struct auth_body {
    struct json *json;
    struct json_value name;
    struct json_value password;
    struct json_value roles;
    struct json_value disabled;
    struct json_value expires;
};

void auth_body_deinit(struct auth_body *body);
static inline bool auth_body_has(struct json_value value)
{
    return value.document != NULL;
}
/* Parses a body with members of a user, or of a token. EINVAL: others, or no object; ENOMEM. */
RESULT_MUST_BE_USED int auth_body_read(struct auth_body *body, struct slice text, bool of_token,
                                       struct error *err);
/* A member that is text without zero bytes. EINVAL names it. */
RESULT_MUST_BE_USED int auth_body_text(struct json_value value, const char *name, struct slice *out,
                                       struct error *err);
/* The member roles, added to an empty list. EINVAL, ELIMIT, ENOMEM. */
RESULT_MUST_BE_USED int auth_body_roles(struct json_value value, struct role_list *out,
                                        struct error *err);

/* Begins {"success":true ... in exchange_out(), and ends it. ENOMEM. */
void auth_answer_begin(struct json_writer *w, struct exchange *x);
RESULT_MUST_BE_USED int auth_answer_end(struct json_writer *w, struct exchange *x,
                                        struct error *err);
/* Both: nothing more is to say. */
RESULT_MUST_BE_USED int auth_answer_done(struct exchange *x, struct error *err);

/* Runs fn on the pool and keeps what auth_change_finish() needs to know of the connection. */
void auth_change_run(struct exchange *x, exchange_run_fn fn);
/* The writer for who asks; borrows from x. */
struct auth_writer auth_change_writer(struct exchange *x, struct blockdb *db);
/* Puts a change in force, if status says that it was made, and tells the audit log of it. Returns
 * status, or why it could not be put in force. */
RESULT_MUST_BE_USED int auth_change_finish(struct exchange *x, const char *action,
                                           const char *subject, int status, struct error *err);
/* A parameter of the path as text. ENOTFOUND: it is too long to be of anything. */
RESULT_MUST_BE_USED int auth_param_text(struct exchange *x, const char *name, char *out,
                                        size_t out_bytes, struct error *err);

/* Where who asks comes from, without port; in a function that auth_change_run() runs. */
const char *auth_change_address(const struct exchange *x);

/* The handlers, by method and path. */
void route_password(struct exchange *x); /* routes_password.c */
void route_users_get(struct exchange *x);
void route_user_get(struct exchange *x);
void route_user_post(struct exchange *x);
void route_user_put(struct exchange *x);
void route_user_delete(struct exchange *x);
void route_tokens_get(struct exchange *x);
void route_token_get(struct exchange *x);
void route_token_post(struct exchange *x);
void route_token_delete(struct exchange *x);
