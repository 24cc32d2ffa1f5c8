/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client: its slots, its endpoints and what it was told.
 *
 * A slot is a place in the pool: at most one connection, the memory of one call, and an identity
 * under which its writes are numbered. A call holds a slot from its first attempt to its last, so
 * the numbers of an identity never overlap (CLIENT-1), whichever node a retry goes to.
 *
 * Endpoints are the URLs of the options, and leaders that these named. They are only added.
 *
 * POOL-1  At most max_connections slots exist; who finds none waits, with a deadline.
 * POOL-2  A connection that was idle too long, or that the server closed, is not used again.
 *
 * Threads:   fields as grouped below; a slot in use belongs to the call that has it.
 * Ownership: a client owns its slots; copies options.
 */
#pragma once

#include "base/lock.h"
#include "client/answer.h"
#include "client/credentials.h"
#include "client/link.h"
#include "client/secure.h"
#include "client/url.h"
#include "os/os.h"

#include <blockdb/client.h>
#include <stdatomic.h>

#define ENDPOINTS_MAX (2 * BLOCKDB_CLIENT_URLS_MAX)

struct slot {
    struct slot *next_idle; /* guarded by the client's mu */
    /* The rest belongs to the call that has the slot. */
    struct link link;
    unsigned endpoint;      /* of the link */
    uint64_t idle_since_ns; /* when its link was last used */
    uint8_t client_id[BLOCKDB_CLIENT_ID_LEN];
    uint64_t request; /* the last number used */
    struct buf target;
    struct buf head;
    struct buf body;
    struct buf scratch;
    struct answer answer;
};

struct blockdb_client {
    /* Constant after blockdb_client_new(). */
    struct os *os;
    struct link_net net; /* without TLS: no https */
    unsigned slots_max;
    uint64_t connection_timeout_ns, idle_timeout_ns, request_timeout_ns, long_timeout_ns;
    unsigned retry_attempts;
    uint64_t retry_delay_ns, retry_delay_max_ns;
    size_t answer_bytes_max;
    char *authorization; /* a header line, or NULL; wiped */
    char *user_agent;
    uint8_t client_id[BLOCKDB_CLIENT_ID_LEN];

    struct mutex mu;
    struct cond released;
    /* Guarded by mu. */
    struct slot **slots; /* slots_max places */
    unsigned slot_count;
    struct slot *idle; /* the one used last is first */
    unsigned idle_count;
    struct url *endpoints[ENDPOINTS_MAX]; /* owned; those below endpoint_count never change */
    unsigned endpoint_count;
    unsigned preferred; /* where the next call goes first: the leader, as far as known */

    /* Counters, relaxed. */
    _Atomic uint64_t requests, retries, redirects, connects, failures;
    _Atomic int64_t connections;
};

/* Takes a slot, with its buffers empty. ETIMEDOUT: all were in use up to the deadline; ENOMEM. */
RESULT_MUST_BE_USED int client_take_slot(struct blockdb_client *client, uint64_t deadline_ns,
                                         struct slot **out, struct error *err);
void client_release_slot(struct blockdb_client *client, struct slot *slot);
/* Closes its link and frees what it owns, wiping what may hold credentials. */
void client_slot_deinit(struct blockdb_client *client, struct slot *slot);
/* Closes a slot's link. */
void client_close_link(struct blockdb_client *client, struct link *link);
/* Opens a link to an endpoint. */
RESULT_MUST_BE_USED int client_open_link(struct blockdb_client *client, unsigned endpoint,
                                         struct link *link, uint64_t deadline_ns,
                                         struct error *err);

/* Endpoints. Any thread. */
/* Adds a copy of url; there is room, and mu is held or nobody else has the client. ENOMEM. */
RESULT_MUST_BE_USED int client_add_endpoint(struct blockdb_client *client, const struct url *url);
unsigned client_preferred(struct blockdb_client *client);
/* Calls begin with this endpoint from now on. */
void client_prefer(struct blockdb_client *client, unsigned endpoint);
unsigned client_endpoint_count(struct blockdb_client *client);
struct url client_endpoint(struct blockdb_client *client, unsigned endpoint);
/* The endpoint of a URL that a node named, which is added when it is new. EINVAL: it is no URL, or
 * http where https was used; ELIMIT: there are too many; ENOMEM. */
RESULT_MUST_BE_USED int client_learn_endpoint(struct blockdb_client *client, struct slice text,
                                              unsigned from, unsigned *out);

/* Makes client->authorization. EINVAL, EDENIED: as blockdb_client_new(); ENOMEM. */
RESULT_MUST_BE_USED int client_set_credentials(struct blockdb_client *client,
                                               const struct blockdb_client_options *options,
                                               struct error *err);
