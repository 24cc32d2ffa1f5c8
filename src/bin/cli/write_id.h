/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity of a write, as a text: what --request carries.
 *
 * ID:N is 32 hexadecimal digits that name who writes, and the number of the write. A database that
 * gets the last number of an ID again answers as it did the first time and appends nothing; so a
 * write whose answer was lost can be repeated.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>

#define WRITE_ID_TEXT_BYTES (2 * BLOCKDB_CLIENT_ID_LEN + 22) /* the zero included */

struct write_id {
    uint8_t client_id[BLOCKDB_CLIENT_ID_LEN];
    uint64_t request;
};

/* Parses ID:N. EINVAL with a message for the option --request. */
RESULT_MUST_BE_USED int write_id_parse(const char *text, struct write_id *out, struct error *err);
void write_id_format(char text[WRITE_ID_TEXT_BYTES], const struct write_id *id);
