/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of the Redis protocol has said about itself, and what it waits for.
 *
 * A session answers in order: its tickets are the writes under way (resp_gather.h), oldest first;
 * whatever is no such write begins when there are none, and while an operation of its own is under
 * way nothing else begins.
 *
 *   ready --write--> tickets ... --answered--> ready
 *         --other, with tickets--> waiting (input is paused) --all answered--> ready
 *         --operation--> busy (input is paused) --done--> ready
 *
 * SESSION-1  At most one of tickets and operation is there.
 * SESSION-2  Input is paused exactly while the session waits or is busy.
 *
 * Threads:   the loop's thread.
 * Ownership: counted: the connection, each ticket and the operation hold references.
 */
#pragma once

#include "server/auth.h"
#include "server/conn.h"
#include "server/principal.h"
#include "server/resp/resp_parser.h"
#include "server/resp/resp_worker.h"
#include "server/resp/resp_writer.h"

#include <stdbool.h>
#include <stdint.h>

struct request_metrics;
struct resp_command;
struct resp_op;
struct resp_ticket;

/* A key that WATCH named, as it was then. */
struct resp_watch {
    struct resp_watch *next;
    uint64_t seq; /* BLOCKDB_SEQ_NONE: it had no version */
    size_t key_len;
    uint8_t key[];
};

/* Frees a list of them. NULL is fine. */
void resp_watch_free_all(struct resp_watch *first);

struct resp_session {
    struct conn *conn; /* referenced */
    struct resp_worker *worker;
    struct auth_session auth;          /* holds the reference on principal */
    const struct principal *principal; /* NULL: has to authenticate */
    struct resp_parser parser;
    const struct resp_command *last_command; /* clients repeat themselves */

    unsigned refs;
    unsigned version; /* 2 or 3 */
    bool is_closed;   /* the connection is gone */
    bool is_ending;   /* the end was ordered, nothing more is read */
    bool is_waiting;  /* for its tickets */
    bool is_authenticating;
    bool input_ended;
    bool is_queueing; /* between MULTI and EXEC */
    bool tx_failed;   /* a command there was refused */

    struct resp_ticket *first_ticket; /* oldest */
    struct resp_ticket *last_ticket;
    /* The command that runs, when it is no gathered write; for metrics, NULL: nobody counts. */
    struct request_metrics *metrics;
    size_t kind; /* its row in the table of commands, or one more */
    uint64_t began_ns;
    /* When the command before it ended, where it begins at once: one look at the clock for each
     * command of a pipeline instead of two. 0: nobody looked in this turn. */
    uint64_t ended_ns;
    bool has_error; /* of its answer */

    uint32_t unanswered;   /* commands of all tickets */
    uint32_t resume_below; /* so few unanswered ones end the waiting */

    struct resp_op *op; /* under way */
    struct resp_op *tx; /* takes commands between MULTI and EXEC */
    struct resp_watch *watches;
    unsigned watch_count;

    bool is_partial;             /* the deadline is that of an incomplete command */
    uint64_t partial_from_bytes; /* received when that was set */
    char *name;                  /* owned; NULL: none */
    char *library;               /* owned: CLIENT SETINFO LIB-NAME */
    char *library_version;       /* owned */
};

/* A session for c, with one reference, for the connection. ENOMEM. */
RESULT_MUST_BE_USED int resp_session_new(struct conn *c, struct resp_worker *worker,
                                         struct resp_session **out);
struct resp_session *resp_session_ref(struct resp_session *s);
void resp_session_unref(struct resp_session *s);
/* The connection is gone: forgets what has not begun. */
void resp_session_closed(struct resp_session *s);

/* A writer of replies to the connection, until the next call of a function of conn.h. */
struct resp_writer resp_session_writer(struct resp_session *s);
/* To be called when replies were written: cuts the connection when memory was short. */
void resp_session_wrote(struct resp_session *s, const struct resp_writer *w);

/* A command that is no gathered write begins; and was answered. */
void resp_session_count_begin(struct resp_session *s, const struct resp_command *command);
void resp_session_count_end(struct resp_session *s);

/* Whether something is under way. */
bool resp_session_is_busy(const struct resp_session *s);
/* Nothing begins until fewer than `below` commands are unanswered. */
void resp_session_wait(struct resp_session *s, uint32_t below);
/* An operation begins: the session is busy. Takes nothing: op keeps itself. */
void resp_session_begin(struct resp_session *s, struct resp_op *op);
/* The operation is answered. */
void resp_session_finish(struct resp_session *s);
/* A password is being verified, which makes the session busy; and was. */
void resp_session_authenticate(struct resp_session *s);
void resp_session_authenticated(struct resp_session *s);
/* Writes were committed, or not: answers those that are its oldest. */
void resp_session_written(struct resp_session *s);
/* Closes after what was answered so far. */
void resp_session_end(struct resp_session *s);

/* Forgets what MULTI and WATCH began. */
void resp_session_forget_tx(struct resp_session *s);
void resp_session_forget_watches(struct resp_session *s);
/* Back to what a new connection is, but for who it is. */
void resp_session_reset(struct resp_session *s);
