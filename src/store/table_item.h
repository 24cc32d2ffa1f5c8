/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an entry of a data page: one item, without its key.
 *
 * Threads:   immutable.
 * Ownership: a body borrows the page's bytes.
 * Format:    docs/format/table.md, "Data pages"
 */
#pragma once

#include "base/bytes.h"
#include "store/item.h"
#include "store/keyed_page.h"

#include <stdbool.h>
#include <stdint.h>

/* An item's body, decoded. */
struct table_item {
    uint64_t seq;
    uint64_t time_ms;
    uint32_t value_len;
    uint8_t kind;
    bool value_inline;
    uint8_t older; /* enum table_older */
    uint64_t older_count;
    struct slice run;  /* with TABLE_OLDER_BESIDE */
    uint32_t link;     /* with TABLE_OLDER_PAGE and _DIRECTORY */
    uint32_t position; /* with TABLE_OLDER_PAGE */
    struct slice value;
};

/* Appends the body without the value. */
RESULT_MUST_BE_USED int table_item_encode(struct buf *out, const struct table_item *item,
                                          uint64_t base_seq, uint64_t base_time);
/* A keyed_body_good_fn: judges a body from outside completely. */
bool table_item_good(const struct keyed_page *page, struct slice body);
/* Decodes a body that was judged good. */
void table_item_decode(const struct keyed_page *page, struct slice body, struct table_item *out);
