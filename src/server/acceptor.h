/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An acceptor: one listening socket on one loop, from which connections begin. For worker.c only.
 *
 * Threads:   the loop's thread, or before it runs.
 * Ownership: owns its socket and a reference to its TLS context.
 */
#pragma once

#include "server/worker.h"

struct acceptor;
struct server_config;

/* Takes listener->fd in any case; next is the acceptor that follows it in its worker's list.
 * ENOMEM, EIO. */
RESULT_MUST_BE_USED int acceptor_new(struct worker_team *team, struct worker *worker,
                                     const struct worker_listener *listener, struct acceptor *next,
                                     struct acceptor **out);
/* Closes the socket; the memory goes when the loop has let go of it. */
void acceptor_close(struct acceptor *acceptor);
struct acceptor *acceptor_next(const struct acceptor *acceptor);
/* Other settings for what is accepted from now on; NULL: as they are. */
void acceptor_set(struct acceptor *acceptor, const struct server_config *config, struct tls *tls);
