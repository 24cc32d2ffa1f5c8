/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of blockdb-bench: the plan's rounds of all its engines, then the report.
 *
 * Threads: one thread.
 */
#pragma once

/* Runs the command line and returns the exit code. */
int bench_main(int argc, char **argv);
