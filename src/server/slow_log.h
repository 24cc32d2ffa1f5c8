/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow log: the requests that took too long, and where their time went.
 *
 * Whoever answers a request tells its times; what took at least the threshold is kept in a ring of
 * the last SLOW_LOG_ENTRIES and written to the log, a line each, at most SLOW_LOG_LINES_PER_S a
 * second: when everything is slow, the log shall not make it slower. What was held back is told
 * with the next line. No key and no value is kept.
 *
 * Threads:   any thread.
 * Ownership: copies records; borrows logger and os.
 */
#pragma once

#include "base/error.h"
#include "base/logger.h"

#include <stdint.h>

#define SLOW_LOG_ENTRIES 128
#define SLOW_LOG_LINES_PER_S 10
#define SLOW_LOG_WHAT_BYTES 64
#define SLOW_LOG_WHO_BYTES 80
#define SLOW_LOG_ID_BYTES 40

struct os;
struct slow_log;

/* Where a request spends its time, one after the other. */
enum slow_stage {
    SLOW_RECEIVE, /* from its first byte until it was whole */
    SLOW_QUEUE,   /* until a thread of the pool took it, or its turn on the connection came */
    SLOW_ENGINE,  /* commit with its sync, or the work of the pool's thread */
    SLOW_ANSWER,  /* making the answer and handing it to the socket */
    SLOW_STAGE_COUNT,
};

struct slow_request {
    const char *protocol; /* "http", "redis"; static */
    const char *what;     /* route or command; copied, cut at SLOW_LOG_WHAT_BYTES - 1 */
    const char *who;      /* principal; copied */
    const char *from;     /* address of the client; copied */
    const char *id;       /* request id, or ""; copied */
    int outcome;          /* HTTP status, or 0 and a negative code */
    uint64_t bytes;       /* of the request and its answer */
    uint64_t stage_ns[SLOW_STAGE_COUNT];
};

/* A request of the ring. */
struct slow_entry {
    uint64_t number; /* ascending from 0 */
    uint64_t time_ms;
    const char *protocol;
    char what[SLOW_LOG_WHAT_BYTES];
    char who[SLOW_LOG_WHO_BYTES];
    char from[SLOW_LOG_WHO_BYTES];
    char id[SLOW_LOG_ID_BYTES];
    int outcome;
    uint64_t bytes;
    uint64_t total_ns;
    uint64_t stage_ns[SLOW_STAGE_COUNT];
};

/* threshold_ms 0: nothing is slow. logger may be NULL. ENOMEM. */
RESULT_MUST_BE_USED int slow_log_new(struct os *os, struct logger *logger, uint64_t threshold_ms,
                                     struct slow_log **out);
/* NULL is fine. */
void slow_log_free(struct slow_log *s);
void slow_log_set_threshold(struct slow_log *s, uint64_t threshold_ms);
/* Whether a request that took so long is to be told; cheap, to be asked first. */
bool slow_log_wants(const struct slow_log *s, uint64_t total_ns);
/* Keeps a request; call it only when slow_log_wants() it. */
void slow_log_add(struct slow_log *s, const struct slow_request *request);

/* Copies up to max entries, newest first, to out; returns how many. */
size_t slow_log_read(struct slow_log *s, struct slow_entry *out, size_t max);
/* Forgets the entries of the ring. */
void slow_log_clear(struct slow_log *s);
/* Requests that were slow since the start. */
uint64_t slow_log_count(struct slow_log *s);
/* "receive", "queue", "engine", "answer". */
const char *slow_stage_name(enum slow_stage stage);
