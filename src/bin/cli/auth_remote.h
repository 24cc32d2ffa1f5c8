/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and tokens of a server, by its HTTP API: the same operations as those on a database
 * (server/auth_store.h), so that commands print the same of both.
 *
 * A record that comes from a server never has a password hash: one that has a password shows "*".
 *
 * Threads:   one thread.
 * Ownership: as auth_store.h.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "base/error.h"
#include "server/auth_store.h"

struct blockdb_client;

/* Errors of all: those that the server's refusals mean, and of asking; EIO: an answer of another
 * form; ENOMEM. */

/* Visits all users, or all tokens. */
RESULT_MUST_BE_USED int auth_remote_users(struct blockdb_client *client, auth_record_fn visit,
                                          void *context, struct error *err);
RESULT_MUST_BE_USED int auth_remote_tokens(struct blockdb_client *client, auth_record_fn visit,
                                           void *context, struct error *err);
RESULT_MUST_BE_USED int auth_remote_user(struct blockdb_client *client, const char *name,
                                         struct user_record *out,
                                         struct blockdb_version_info *out_version,
                                         struct error *err);
RESULT_MUST_BE_USED int auth_remote_user_add(struct blockdb_client *client,
                                             const struct user_change *user, struct error *err);
RESULT_MUST_BE_USED int auth_remote_user_set(struct blockdb_client *client,
                                             const struct user_change *change, struct error *err);
RESULT_MUST_BE_USED int auth_remote_user_remove(struct blockdb_client *client, const char *name,
                                                struct error *err);
/* Changes the password of who asks. EDENIED: the old one is wrong, or there is none; EBUSY: too
 * many wrong ones. */
RESULT_MUST_BE_USED int auth_remote_password(struct blockdb_client *client,
                                             struct slice old_password, struct slice new_password,
                                             struct error *err);
/* Fills id and text of *out. */
RESULT_MUST_BE_USED int auth_remote_token_create(struct blockdb_client *client,
                                                 const struct token_wish *wish, struct token *out,
                                                 struct error *err);
RESULT_MUST_BE_USED int auth_remote_token_revoke(struct blockdb_client *client, const char *id,
                                                 struct error *err);
