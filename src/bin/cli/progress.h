/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of long work on standard error: a bar with rate and time left on a terminal, a line
 * every 10 seconds otherwise.
 *
 * Threads: one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct os;

struct progress {
    struct os *os;
    const char *what; /* "import" */
    bool terminal;
    bool drawn; /* a bar stands on the line */
    uint64_t start_ns;
    uint64_t shown_ns;
};

void progress_init(struct progress *p, struct os *os, const char *what, bool terminal);
/* Tells how far the work is: done of total (0: unknown) units. Cheap when called often. */
void progress_update(struct progress *p, const char *unit, uint64_t done, uint64_t total);
/* Removes the bar. */
void progress_finish(struct progress *p);
/* A blockdb_progress_cb with a struct progress; asks to stop after Ctrl-C. */
bool progress_cb(void *progress, const char *unit, uint64_t done, uint64_t total);

#define PROGRESS_TEXT_MAX 160
/* The text of one report: percent, amounts, rate, time left. Pure. */
void progress_format(char out[PROGRESS_TEXT_MAX], const char *unit, uint64_t done, uint64_t total,
                     uint64_t elapsed_ns);
/* For messages at the end of work: "12345 entries (1.2 MiB/s)" and the like. Pure. */
void amount_format(char *out, unsigned out_cap, const char *unit, uint64_t amount);
