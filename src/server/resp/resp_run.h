/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of commands, for the table.
 *
 * resp_run_*() answer on the loop, from what their operation has read; resp_job_*() run on a thread
 * of the pool and may wait.
 *
 * Threads: as resp_command.h says of run and job.
 */
#pragma once

#include "server/resp/resp_command.h"

/* resp_run_string.c, resp_run_key.c */
void resp_run_get(struct resp_run *r);
void resp_run_set(struct resp_run *r);
void resp_run_setnx(struct resp_run *r);
void resp_run_getset(struct resp_run *r);
void resp_run_getdel(struct resp_run *r);
void resp_run_mget(struct resp_run *r);
void resp_run_mset(struct resp_run *r);
void resp_run_msetnx(struct resp_run *r);
void resp_run_strlen(struct resp_run *r);
void resp_run_getrange(struct resp_run *r);
void resp_run_del(struct resp_run *r);
void resp_run_exists(struct resp_run *r);
void resp_run_type(struct resp_run *r);
int resp_job_scan(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_keys(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_dbsize(struct resp_run *r, struct blockdb *db, struct error *err);

/* resp_run_connection.c */
void resp_run_ping(struct resp_run *r);
void resp_run_echo(struct resp_run *r);
void resp_run_hello(struct resp_run *r);
void resp_run_auth(struct resp_run *r);
void resp_run_select(struct resp_run *r);
void resp_run_quit(struct resp_run *r);
void resp_run_reset(struct resp_run *r);
void resp_run_client(struct resp_run *r);

/* resp_run_tx.c */
void resp_run_multi(struct resp_run *r);
void resp_run_exec(struct resp_run *r);
void resp_run_discard(struct resp_run *r);
void resp_run_watch(struct resp_run *r);
void resp_run_unwatch(struct resp_run *r);

/* resp_run_server.c, resp_run_info.c */
void resp_run_command(struct resp_run *r);
void resp_run_config(struct resp_run *r);
void resp_run_time(struct resp_run *r);
void resp_run_wait(struct resp_run *r);
int resp_job_waitaof(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_info(struct resp_run *r, struct blockdb *db, struct error *err);

/* resp_run_ledger.c */
int resp_job_proof(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_head(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_history(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_getat(struct resp_run *r, struct blockdb *db, struct error *err);
int resp_job_verify(struct resp_run *r, struct blockdb *db, struct error *err);

/* ---- What they share ----------------------------------------------------------------------- */

struct resp_read;

/* A value, null, or why there is none. */
void resp_reply_read(struct resp_writer *out, const struct resp_read *read);
/* A whole number without sign and leading zeros, at most max; answers with an error otherwise. */
bool resp_parse_number(struct resp_run *r, struct slice text, uint64_t max, uint64_t *out);
/* The same for jobs: EINVAL with a message. */
RESULT_MUST_BE_USED int resp_number_of(struct slice text, uint64_t max, uint64_t *out,
                                       struct error *err);
void resp_reply_syntax_error(struct resp_run *r);
