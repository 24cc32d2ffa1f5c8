/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The faces of a server: HTTP with the routes of the API, and the Redis protocol, put together.
 *
 *   faces_new --> server_new(faces_http, faces_resp) --> faces_attach --> server_start
 *   faces_stop --> server_stop --> faces_free, server_free
 *
 * Threads:   the owner's thread.
 * Ownership: borrows its options and the server.
 */
#pragma once

#include "base/error.h"

struct blockdb;
struct config;
struct conn_protocol;
struct faces;
struct logger;
struct os;
struct server;

struct faces_options {
    struct os *os;
    struct blockdb *db;
    struct logger *logger;       /* may be NULL */
    const struct config *config; /* read by faces_new() only */
};

/* ENOMEM, EIO. */
RESULT_MUST_BE_USED int faces_new(const struct faces_options *options, struct faces **out,
                                  struct error *err);
/* What server_options want. */
const struct conn_protocol *faces_http(const struct faces *faces);
const struct conn_protocol *faces_resp(const struct faces *faces);
/* Gives the faces the parts of a server that does not run yet, and the server its metrics. From now
 * on watchers hear of commits. */
void faces_attach(struct faces *faces, struct server *server);
/* Ends what would hold up a stop: jobs in the background. */
void faces_stop(struct faces *faces);
/* The server has stopped. NULL is fine. */
void faces_free(struct faces *faces);
