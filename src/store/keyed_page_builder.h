/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds one keyed page after another; see store/keyed_page.h.
 *
 * Threads:   caller locks.
 * Ownership: owns its buffers and keeps them from page to page.
 */
#pragma once

#include "base/bytes.h"
#include "store/table_format.h"

#include <stddef.h>
#include <stdint.h>

struct keyed_page_builder {
    uint32_t interval; /* entries between restart points; 1 for index pages */
    uint32_t entry_count;
    size_t prefix_len; /* common to all keys of the page so far */
    uint64_t base_seq; /* set by the user for data pages */
    uint64_t base_time;
    struct buf entries;
    struct buf restarts; /* as in the page */
    struct buf links;    /* as in the page */
    struct buf first_key;
    struct buf last_key;
};

void keyed_page_builder_init(struct keyed_page_builder *b, uint32_t interval);
void keyed_page_builder_deinit(struct keyed_page_builder *b);
/* Adds an entry; key is above the last one. The body is head, then tail. After ENOMEM the builder
 * may only be freed. */
RESULT_MUST_BE_USED int keyed_page_builder_add(struct keyed_page_builder *b, struct slice key,
                                               struct slice head, struct slice tail);
/* Adds a link; its number is the number of links before. */
RESULT_MUST_BE_USED int keyed_page_builder_link(struct keyed_page_builder *b,
                                                struct table_handle handle);
/* How long the page would be now. */
size_t keyed_page_builder_bytes(const struct keyed_page_builder *b);
/* Appends the page to out and starts the next one. At least one entry. */
RESULT_MUST_BE_USED int keyed_page_builder_finish(struct keyed_page_builder *b, struct buf *out);
