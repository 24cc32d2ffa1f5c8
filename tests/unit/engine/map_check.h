/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the headers of a database say of the map, against a naive map made from its entries.
 *
 * Threads: main thread of a test program, while nobody writes.
 */
#pragma once

#include "engine/db.h"
#include "ledger/block_header.h"

/* Checks every header; an error ends the program. *out_last receives the last header. */
void map_check_headers(struct blockdb *db, struct block_header *out_last);
