/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: work that outlives the request that began it: verification, backup, compaction, redaction.
 *
 *              .--> done
 *   running ---+--> failed        asked for by number; the last JOBS_MAX are remembered
 *              '--> canceled
 *
 * JOB-1  One job of a kind runs at a time.
 * JOB-2  A job that runs ends soon after it was canceled. What a redaction has not erased by then
 *        is erased when the versions are redacted again, or the database is opened.
 * JOB-3  A job is found by number and kind: who may ask for one kind learns nothing of others.
 *
 * Threads:   any thread, but job_start(): the thread of its loop.
 * Ownership: a table owns its jobs; borrows os.
 */
#pragma once

#include "base/error.h"
#include "server/dispatch.h"

#include <blockdb/blockdb.h>
#include <blockdb/evidence.h>
#include <stdint.h>

#define JOBS_MAX 64

struct os;
struct job_table;

enum job_kind { JOB_VERIFY, JOB_BACKUP, JOB_COMPACT, JOB_REDACT, JOB_KIND_COUNT };
enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELED };

/* What to do, and with what. */
struct job_order {
    enum job_kind kind;
    struct blockdb_verify_options verify;        /* without progress */
    const char *directory;                       /* of a backup; copied */
    struct blockdb_redact_options redact;        /* without progress; texts are copied */
    const struct blockdb_redact_target *targets; /* of a redaction; copied with their keys */
    size_t target_count;
    struct dispatch *dispatch;
    struct loop *loop;
};

/* A job as it is at a moment. */
struct job_info {
    uint64_t id;
    enum job_kind kind;
    enum job_state state;
    const char *unit; /* of progress, static */
    uint64_t done;
    uint64_t total; /* 0: not known yet; what is done when the job is */
    uint64_t started_ms;
    uint64_t ended_ms;                   /* 0 while it runs */
    bool is_whole;                       /* a verification of the whole log */
    struct blockdb_verify_report report; /* of a verification that is done */
    struct blockdb_write_result written; /* of a redaction that is done */
    struct error error;                  /* of one that failed */
};

RESULT_MUST_BE_USED int job_table_new(struct os *os, struct job_table **out);
/* Nothing runs any more. NULL is fine. */
void job_table_free(struct job_table *table);

/* Starts a job. EBUSY: one of its kind runs, *out_id is that; EWOULDBLOCK: the pool has no room;
 * ECLOSED: the table is closed; ENOMEM. */
RESULT_MUST_BE_USED int job_start(struct job_table *table, const struct job_order *order,
                                  uint64_t *out_id, struct error *err);
/* ENOTFOUND: no such job of that kind, or not any more. */
RESULT_MUST_BE_USED int job_find(struct job_table *table, enum job_kind kind, uint64_t id,
                                 struct job_info *out);
/* Asks a job to end; fine when it has. */
void job_cancel(struct job_table *table, uint64_t id);
/* Asks all to end, and lets none begin any more. */
void job_table_close(struct job_table *table);
unsigned job_running_count(struct job_table *table);

/* "verify", "running", ... Static. */
const char *job_kind_name(enum job_kind kind);
const char *job_state_name(enum job_state state);
