/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands: one row says all that is known of a command before it runs.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/resp/resp_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blockdb;
struct principal;
struct resp_op;
struct resp_session;

/* One command on its way through its handler. */
struct resp_run {
    struct resp_session *session; /* NULL on a thread of the pool */
    struct resp_op *op;           /* NULL: at once, with no keys */
    const struct resp_command *command;
    const struct slice *args; /* args[0] is the name */
    size_t arg_count;
    struct resp_writer out;
};

enum resp_command_flag {
    RESP_READS = 1 << 0,     /* its keys are read before it runs */
    RESP_READS_OPT = 1 << 1, /* ... when it has options: more than three arguments */
    RESP_VALUES = 1 << 2,    /* what is read is the values, too */
    RESP_WRITES = 1 << 3,    /* its keys may be written */
    RESP_GATHERS = 1 << 4,   /* puts all its keys and answers OK (when it has no options) */
    RESP_ALONE = 1 << 5,     /* not between MULTI and EXEC */
    RESP_AT_ONCE = 1 << 6,   /* there, too, it is run and not queued */
    RESP_ANYBODY = 1 << 7,   /* also for who has not authenticated */
    RESP_LONG = 1 << 8,      /* its job may take long */
    RESP_COMMITS = 1 << 9,   /* ends a transaction: EXEC */
};

enum resp_group {
    RESP_GROUP_CONNECTION,
    RESP_GROUP_STRING,
    RESP_GROUP_GENERIC,
    RESP_GROUP_TRANSACTIONS,
    RESP_GROUP_SERVER,
    RESP_GROUP_LEDGER,
};

struct resp_command {
    const char *name; /* lower case; the table is sorted by it */
    /* On the loop: answers into r->out, must not wait. */
    void (*run)(struct resp_run *r);
    /* Or on the pool; a negative code becomes the answer, in place of what was written. */
    int (*job)(struct resp_run *r, struct blockdb *db, struct error *err);
    int arity; /* arguments with the name; negative: at least so many */
    unsigned flags;
    unsigned rights; /* enum right; on its keys when it has keys */
    int first_key;   /* argument number; 0: no keys */
    int last_key;    /* negative: from the end */
    int key_step;
    enum resp_group group;
    const char *summary;
};

/* The row of a name in any case; NULL: there is none. */
const struct resp_command *resp_command_find(struct slice name);
/* The table. */
const struct resp_command *resp_command_table(size_t *out_count);
/* "string", "generic" ... */
const char *resp_group_name(enum resp_group group);
/* Whether so many arguments are right. */
bool resp_command_takes(const struct resp_command *command, size_t arg_count);
/* Whether its keys are read before it runs. */
bool resp_command_reads(const struct resp_command *command, size_t arg_count);
/* Its keys are the arguments first, first + step ... below end; 0 when it has none. */
struct resp_keys {
    size_t first;
    size_t end;
    size_t step;
    size_t count;
};
struct resp_keys resp_command_keys(const struct resp_command *command, size_t arg_count);
/* EDENIED, with a message, unless p has the rights of the command, on all its keys. */
RESULT_MUST_BE_USED int resp_command_check(const struct resp_command *command,
                                           const struct principal *p, const struct slice *args,
                                           size_t arg_count, struct error *err);

/* Whether word is `name`, which is in lower case, in any case. */
bool resp_word_is(struct slice word, const char *name);

/* Answers for a name that is not in the table: what Redis has and this database cannot have, or the
 * nearest name. */
void resp_refuse_unknown(struct resp_writer *out, struct slice name);
