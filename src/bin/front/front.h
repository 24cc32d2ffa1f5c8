/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of blockdb-cli: a small static program that does what scripts do ten thousand times,
 * and becomes the whole program for everything else.
 *
 * It writes or reads one key of a server and prints the answer. It only knows success: whatever
 * fails, and whatever it does not know, is done (again) by the whole program, which has the retries
 * and the messages. So each command, option and message exists once.
 *
 * FRONT-1  It does nothing that the whole program would not do, and prints the same bytes.
 * FRONT-2  A write that may have arrived is repeated under the same identity (--request), so it
 *          happens once.
 * FRONT-3  It needs no shared library, and starts no thread.
 *
 * Threads: one thread.
 */
#pragma once

/* Runs the command line, as main(). Returns only when it was done, or when its output failed or the
 * whole program is not there, which is told then. */
int front_main(int argc, char *const *argv, char *const *environment);
