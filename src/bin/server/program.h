/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdb-server: from its command line to its exit code.
 *
 *   configure --> open the database --> serve --> (SIGHUP: reload) --> drain --> stop --> close
 *                 on a thread of its own,
 *                 so that signals are heard
 *
 * SIGTERM says "going away" for drain_time, then lets requests finish for drain_timeout; SIGINT
 * leaves out the first; another of either leaves out the rest, too.
 *
 * Exit codes: 0 stopped as it was told, or the check found nothing; 1 failed; 2 wrong configuration
 * or command line.
 *
 * Threads: the main thread keeps the program's name; every other has a name of its own.
 */
#pragma once

/* argv as of main(). */
int program_main(int argc, char **argv, char *const *environment);
