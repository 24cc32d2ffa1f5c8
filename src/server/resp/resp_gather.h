/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers writes: what SET and MSET of all connections of a loop put in one turn goes into one
 * batch, one submit, one completion.
 *
 *   SET, SET, MSET ... --> filling --(end of the turn, room in flight)--> in flight --> answered
 *      each connection has a ticket in the gather, with how many of its commands it stands for
 *
 * While RESP_GATHERS_IN_FLIGHT gathers are under way the next one keeps filling: the slower the
 * disk, the larger the batches, and nothing queues up without end. When the engine has too much
 * queued, a gather stays with its worker and is committed a moment later.
 *
 * GATHER-1  A gather holds commands of one principal only.
 * GATHER-2  All entries of one command are in one gather.
 * GATHER-3  Its batch is atomic: all its commands are answered alike.
 *
 * Threads:   the loop's thread.
 * Ownership: the worker owns gathers; a gather holds a reference on its sessions and principal.
 */
#pragma once

#include "server/dispatch.h"
#include "server/resp/resp_worker.h"

#define RESP_GATHER_TICKETS 1024
#define RESP_GATHER_ENTRIES 4096
#define RESP_GATHER_BYTES ((size_t)1024 * 1024)
#define RESP_GATHERS_IN_FLIGHT 4      /* while the next one still has room */
#define RESP_GATHERS_IN_FLIGHT_MAX 16 /* full ones */

struct resp_session;

/* Commands of one connection in a gather, answered together and in their place. */
struct resp_ticket {
    struct resp_session *session; /* referenced */
    struct resp_ticket *next;     /* of the session */
    struct resp_gather *gather;
    uint64_t began_ns; /* when the first of its commands had come; for metrics */
    size_t kind;       /* the row of its commands in their table */
    uint32_t count;    /* commands */
};

struct resp_gather {
    struct call call;
    struct resp_worker *worker;
    struct resp_gather *next; /* of the spares */
    size_t bytes;
    uint32_t entries;
    uint32_t ticket_count;
    uint32_t answered; /* tickets whose commands were answered */
    bool is_done;
    struct resp_ticket tickets[RESP_GATHER_TICKETS];
};

/* Adds the puts of one command of a kind (its row in the table): pairs are key, value, key, value
 * ... The caller has checked the rights and the limits of keys and values. False: there is no room
 * now, or it failed; nothing was added, and the command has to wait or to find out in another way
 * what is wrong. */
bool resp_gather_add(struct resp_session *s, size_t kind, const struct slice *pairs,
                     size_t pair_count);
/* Called at the end of a turn in which something was added. */
void resp_gather_turn_ended(struct resp_worker *w);
/* The session has answered this ticket, its oldest. */
void resp_gather_answered(struct resp_ticket *ticket);
/* For the end of the worker: nothing is in flight. */
void resp_gather_free_all(struct resp_worker *w);
