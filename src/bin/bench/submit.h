/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workload `submit`: one thread that keeps many puts on their way, as an event loop does.
 *
 * Each of OUTSTANDING slots stands for a connection: when its put is acknowledged it puts the next.
 * The thread sleeps only while none of them was answered. A latency is that of one put, from its
 * submission until the thread has taken note of the answer.
 *
 * Threads: one thread; the engine calls back from others.
 */
#pragma once

#include "base/error.h"

struct trial;
struct result;

/* Puts all keys in random order; result->threads is the number of slots. */
RESULT_MUST_BE_USED int submit_run(struct trial *trial, struct result *result, struct error *err);
