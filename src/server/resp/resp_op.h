/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation: commands that read keys, and may write what depends on what they read.
 *
 *   read all keys, as of one entry --> run the commands in memory --> commit what they wrote, on
 * the ^                                                              condition that nothing read
 *      '------------------- something had changed -------------------- has changed --> answer
 *
 * So a single DEL or SETNX and a whole MULTI ... EXEC with WATCH are the same thing. Nothing is
 * locked; who loses a race begins again.
 *
 * OP-1  Commands see one state of the database, and what commands before them wrote.
 * OP-2  Writes are committed together, and only if no key that was read changed since.
 * OP-3  Replies leave only when the commit is as durable as wal_sync_mode says.
 * OP-4  What the client sent is copied, so the connection may go away meanwhile.
 *
 * Threads:   the loop's thread; a job's handler runs on a thread of the pool, alone with the op.
 * Ownership: an op that was started frees itself; references session and principal meanwhile.
 */
#pragma once

#include "base/arena.h"
#include "server/dispatch.h"
#include "server/resp/resp_command.h"
#include "server/resp/resp_overlay.h"

#include <stdatomic.h>
#include <stdbool.h>

struct resp_watch;
struct resp_worker;

/* A key as it was read. */
struct resp_read {
    struct slice key;
    int status;          /* 0, ENOTFOUND, EREDACTED, or what went wrong */
    const char *message; /* what went wrong, or NULL */
    bool wants_value;
    struct blockdb_version_info version; /* kind 0: it never existed */
    uint64_t len;                        /* of the value */
    struct slice value;                  /* when it was wanted */
};

struct resp_op_command {
    struct resp_op_command *next;
    const struct resp_command *command;
    const struct slice *args;
    size_t arg_count;
};

/* What an op waits for. */
enum resp_op_stage {
    RESP_OP_GET,    /* the one key of a GET */
    RESP_OP_READ,   /* the keys of all commands */
    RESP_OP_COMMIT, /* what they wrote */
    RESP_OP_JOB,
};

struct resp_op {
    struct call call;
    struct resp_worker *worker;
    struct resp_session *session; /* referenced while it is under way */
    struct resp_op *next;         /* of the spares */
    enum resp_op_stage stage;
    unsigned version;       /* of the protocol */
    bool is_begun;          /* the session knows that it is busy with it */
    bool is_tx;             /* answers as EXEC does */
    atomic_bool is_gone;    /* the client; a job that takes long may stop */
    struct loop_task yield; /* lets others have a turn */
    struct loop_timer retry;

    struct arena arena; /* what the client sent, and what was read */
    struct resp_op_command *first;
    struct resp_op_command **tail;
    size_t command_count;
    size_t bytes;   /* of what the client sent */
    struct buf key; /* of a GET */

    struct resp_read *reads;
    size_t read_count;
    struct resp_watch *watches; /* owned: of the session, since EXEC */
    size_t watch_count;         /* the first of the reads are of those */
    size_t reads_done;
    size_t next_read; /* of the commands that run */
    uint64_t read_bytes;
    uint64_t at_seq;
    unsigned attempts; /* commits that lost a race */
    unsigned waits;    /* commits for which there was no room */
    int failed;        /* memory was short: nothing is committed */
    struct resp_overlay overlay;
    struct buf replies;
};

/* An op for the session's principal; NULL when out of memory. */
struct resp_op *resp_op_new(struct resp_session *s);
/* Of an op that was not started; NULL is fine. */
void resp_op_free(struct resp_op *op);
void resp_op_free_spares(struct resp_worker *w);
/* Adds a command, copying its arguments. ENOMEM leaves the op as it was. */
RESULT_MUST_BE_USED int resp_op_add(struct resp_op *op, const struct resp_command *command,
                                    const struct slice *args, size_t arg_count);

/* Takes op. The session has no tickets and no op; the replies come at once or later. */
void resp_op_start(struct resp_op *op, struct resp_session *s);
/* The same for the one command of op, which has a job. */
void resp_op_start_job(struct resp_op *op, struct resp_session *s);
/* The client of an op that is under way has gone. */
void resp_op_client_gone(struct resp_op *op);
/* GET, from memory at once where it can. */
void resp_op_get(struct resp_session *s, struct slice key);

/* ---- For handlers, while their command runs ------------------------------------------------- */

/* The next key of the command, as it is after what ran before; in the order of the arguments. */
struct resp_read resp_op_next_read(struct resp_op *op);
/* Adds to what will be committed. A negative code: nothing was added; err says why. */
RESULT_MUST_BE_USED int resp_op_put(struct resp_op *op, struct slice key, struct slice value,
                                    struct error *err);
RESULT_MUST_BE_USED int resp_op_delete(struct resp_op *op, struct slice key, struct error *err);
