/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events, cut out of bytes as they come (HTML, section "Server-sent events").
 *
 * Threads:   immutable.
 * Ownership: an event borrows from the bytes and from the caller's buffer.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

struct stream_event {
    struct slice id; /* empty when there is none */
    bool has_data;
    struct slice data; /* lines joined by line feeds */
    struct slice type; /* empty: "message" */
};

/* Cuts the first whole event off bytes: how many bytes it takes, 0 when there is none yet. data is
 * joined in scratch. ENOMEM is told as *out_status. */
size_t stream_event_next(struct slice bytes, struct buf *scratch, struct stream_event *out,
                         int *out_status);
