/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says it is, for clients that decide by it.
 *
 * Threads: immutable.
 */
#pragma once

/* The Redis whose answers those of this server are like. */
#define RESP_REDIS_VERSION "7.2.0"
