/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /metrics tells about security: attempts to log in, users, the audit log, what is unsafe.
 *
 * Threads: as metrics.h.
 */
#pragma once

struct metrics;
struct server;

/* Registers the families of a server whose auth and audit log are there. */
void auth_register_metrics(struct metrics *m, struct server *server);
