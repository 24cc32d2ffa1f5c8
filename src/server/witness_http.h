/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves a witness over HTTP/1.1, on a few threads that share a listening socket.
 *
 * Glue, and nothing else: it moves bytes between sockets and witness_conn.h. Each thread looks
 * after its own connections; answering a request waits for the disk, so several threads do. A
 * witness needs no event loop, so the program that holds it links none. TLS is the affair of a
 * proxy in front.
 *
 * WHTTP-1  Connections, connections of one address, headers, bodies and silent times have limits.
 * WHTTP-2  Once stopping began, no new connection is taken; requests that had begun are answered.
 *
 * Threads:   start and stop by one thread; requests are answered by threads named witness-N.
 * Ownership: borrows witness, os and logger until stopped.
 */
#pragma once

#include "base/logger.h"
#include "os/os.h"
#include "server/witness.h"

#define WITNESS_HTTP_CONNECTIONS_MAX 256
#define WITNESS_HTTP_CONNECTIONS_OF_ADDRESS_MAX 32
#define WITNESS_HTTP_SILENCE_S 15  /* then a connection is closed */
#define WITNESS_HTTP_REQUEST_S 30  /* a request that takes longer to come is given up */
#define WITNESS_HTTP_DRAIN_MS 5000 /* how long stopping waits for requests that had begun */

/* "127.0.0.1:8090", "[::1]:8090", "[::]:8090", "witness.example:8090", ":8090" (all addresses);
 * port 0 lets the system choose. */
struct witness_http_options {
    const struct witness *witness;
    struct os *os;
    const char *listen;
    struct logger *logger; /* may be NULL */
};

struct witness_http;

/* Listens and serves. EINVAL: listen has not that form, or no such address; EDENIED, EBUSY or EIO:
 * the address cannot be had, or there are limits on threads or files; ENOMEM. */
RESULT_MUST_BE_USED int witness_http_start(const struct witness_http_options *options,
                                           struct witness_http **out, struct error *err);
/* The address that is listened to, as "127.0.0.1:8090" or "[::1]:8090"; borrowed until stopped. */
const char *witness_http_address(const struct witness_http *h);
/* Ends as WHTTP-2 says and frees h. NULL does nothing. */
void witness_http_stop(struct witness_http *h);
/* For AUTO(witness_http_stop_ptr). */
void witness_http_stop_ptr(struct witness_http **h);
