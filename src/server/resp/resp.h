/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis protocol (RESP2 and RESP3) on a connection.
 *
 * Commands of one connection are answered in their order. Writes of a pipeline do not wait for
 * each other: all that arrive in one turn of the loop, from all its connections, are gathered into
 * one submit (resp_gather.h); whatever else a client sends waits until its writes are answered, so
 * that it reads what it wrote.
 *
 *   input --> resp_parser --> resp_command (name, arity, rights) --+--> at once: PING, HELLO ...
 *                                                                  +--> resp_gather: SET, MSET
 *                                                                  +--> resp_op: reads, and writes
 *                                                                  |    that depend on reads
 *                                                                  +--> resp_job: on the pool
 *
 * RESP-1  A write is answered when it is as durable as wal_sync_mode says, never before.
 * RESP-2  What a client reads after its write was sent contains that write.
 * RESP-3  Nothing that a client sent comes back in an error without being made one printable line.
 * RESP-4  Everything that a client makes grow has a maximum (resp_limits.h).
 * RESP-5  An option that is not understood is an error, never ignored.
 *
 * Threads:   the thread of the connection's loop.
 * Format:    docs/operate/redis.md
 */
#pragma once

#include "server/conn.h"

struct metrics_writer;
struct resp;

/* The protocol without figures of its commands. Static. */
const struct conn_protocol *resp_protocol(void);

/* The protocol of one server, which counts its commands once resp_count_commands() was called.
 * ENOMEM. */
RESULT_MUST_BE_USED int resp_new(struct resp **out);
/* No connection speaks it any more. NULL is fine. */
void resp_free(struct resp *resp);
/* What speaks on [server] resp_port; lives as long as resp. */
const struct conn_protocol *resp_server_protocol(const struct resp *resp);
/* Counts from now on, for loops with numbers below loop_count; before the server starts. ENOMEM:
 * nothing is counted. */
RESULT_MUST_BE_USED int resp_count_commands(struct resp *resp, unsigned loop_count);
/* blockdb_redis_commands_total and blockdb_redis_command_duration_seconds. Any thread. */
void resp_metrics_write(const struct resp *resp, struct metrics_writer *w);
