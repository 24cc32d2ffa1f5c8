/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedule: when the operations of an open loop are meant to begin.
 *
 * A closed loop asks again when it was answered, so a server that stops for a second delays one
 * operation of each thread, and the others that would have met the pause are never counted. In an
 * open loop operation n is due at start + n / rate, whatever became of those before, and its
 * latency counts from then: waiting behind a slow one is part of it.
 *
 * Threads: immutable.
 */
#pragma once

#include <stdint.h>

/* An operation that begins so much after it was due is late. */
#define SCHEDULE_LATE_NS 1000000ULL

struct schedule {
    uint64_t start_ns;
    double rate; /* operations a second of all threads together; 0: closed loop */
};

/* When operation n is due. Only for open loops. */
uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t n);
/* How many operations were due before a time. */
uint64_t schedule_due_count(const struct schedule *schedule, uint64_t time_ns);
