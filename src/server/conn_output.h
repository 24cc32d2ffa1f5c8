/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection has yet to send: large pieces that were handed over, then a tail to append to.
 *
 * Threads:   one thread.
 * Ownership: owns its bytes.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Below this a copy is cheaper than a piece of its own. */
#define OUTPUT_PIECE_MIN ((size_t)16 * 1024)
#define OUTPUT_VECTORS_MAX 16

struct output_piece;

/* Zeroed memory is empty output. */
struct conn_output {
    struct output_piece *first; /* before the tail */
    struct output_piece **last;
    size_t pieces_bytes; /* unsent bytes of all pieces */
    struct buf tail;
    size_t tail_sent; /* stays 0 while there are pieces */
};

void output_deinit(struct conn_output *output);
/* Unsent bytes. */
size_t output_len(const struct conn_output *output);
/* Hands *taken over; it is empty afterwards. ENOMEM changes nothing. */
RESULT_MUST_BE_USED int output_take(struct conn_output *output, struct buf *taken);
/* Fills vectors with what comes first, at most OUTPUT_VECTORS_MAX; returns how many. */
int output_vectors(const struct conn_output *output, struct iovec *vectors);
/* The first unsent bytes that lie together. */
struct slice output_first(const struct conn_output *output);
/* Drops len bytes that were sent. */
void output_sent(struct conn_output *output, size_t len);
