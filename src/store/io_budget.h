/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O budget: a token bucket that flush and merge threads share.
 *
 * Tokens are bytes. Taking more than there are puts the bucket in debt, and the taker sleeps until
 * the debt is worked off; so large and small writes are treated alike.
 *
 * Threads:   any thread.
 * Ownership: borrows os.
 */
#pragma once

#include "os/os.h"

#include <stddef.h>
#include <stdint.h>

struct io_budget;

/* bytes_per_second 0: unlimited. NULL when out of memory. */
struct io_budget *io_budget_new(struct os *os, uint64_t bytes_per_second);
/* NULL does nothing. No thread may be inside. */
void io_budget_free(struct io_budget *budget);
void io_budget_set_rate(struct io_budget *budget, uint64_t bytes_per_second);
uint64_t io_budget_rate(const struct io_budget *budget);

/* Takes bytes, sleeping as long as the rate demands. NULL and 0 bytes do nothing. */
void io_budget_take(struct io_budget *budget, size_t bytes);
/* The same as a file_writer_throttle_fn. */
void io_budget_throttle(void *budget, size_t bytes);
/* All bytes taken so far; for stats. */
uint64_t io_budget_taken_bytes(const struct io_budget *budget);
