/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Redis protocol keeps for each loop: memory that its connections share.
 *
 * Threads:   the loop's thread.
 * Ownership: belongs to the loop (loop_local), borrows dispatch, server and os.
 */
#pragma once

#include "server/conn.h"
#include "server/dispatch.h"
#include "server/loop.h"
#include "server/resp/resp_parser.h"

#include <stdbool.h>

struct os;
struct resp_gather;
struct resp_op;
struct server;

struct resp_worker_options {
    struct loop *loop;
    struct dispatch *dispatch;
    struct os *os;
    struct server *server; /* NULL: in tests */
};

struct resp_worker {
    struct loop_local local;
    /* constant */
    struct loop *loop;
    struct dispatch *dispatch;
    struct os *os;
    struct server *server;
    bool gathers; /* whether writes of several commands may share one batch */

    /* loop thread only */
    struct resp_args args;       /* of the command that is being looked at */
    struct resp_gather *filling; /* takes the writes of this turn; NULL: none yet */
    struct resp_gather *spare_gathers;
    unsigned gathers_in_flight;
    bool is_commit_set; /* the task is deferred */
    struct loop_task commit;
    struct loop_timer retry; /* of a commit that would have had to wait */
    struct resp_op *spare_ops;
    unsigned spare_op_count;
};

/* Makes the worker of a loop, which has none. ENOMEM. */
RESULT_MUST_BE_USED int resp_worker_new(const struct resp_worker_options *options,
                                        struct resp_worker **out);
/* The worker of the connection's loop, made when there is none; NULL when out of memory. */
struct resp_worker *resp_worker_of(const struct conn *c);
