/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of a config entry: named settings that are put on record.
 *
 * CFG-1  Names ascend strictly, so that one set of items has one encoding.
 *
 * Threads:   pure functions; any thread.
 * Ownership: items borrow their bytes.
 * Format:    docs/format/entry.md
 */
#pragma once

#include "base/bytes.h"

#define CONFIG_ITEMS_MAX 1000
#define CONFIG_NAME_MAX 255

struct config_item {
    struct slice name;
    struct slice value;
};

/* Appends the payload of count items to out. EINVAL: none or too many items, names empty, too long
 * or not ascending. ELIMIT: more than SYSTEM_PAYLOAD_MAX bytes. ENOMEM. out is unchanged then. */
RESULT_MUST_BE_USED int config_entry_append(struct buf *out, const struct config_item *items,
                                            size_t count);

/* Starts reading a payload whose form has been checked as a whole: on success *out_items stands
 * before the first of *out_count items. ECORRUPT, EVERSION: outputs are untouched. */
RESULT_MUST_BE_USED int config_entry_decode(struct slice payload, struct reader *out_items,
                                            size_t *out_count);
/* Takes the next of the items counted by config_entry_decode(). */
struct config_item config_entry_next(struct reader *items);
