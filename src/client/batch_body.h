/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of the client: its operations, kept as the JSON that will be sent.
 *
 * Threads:   one thread at a time.
 * Ownership: a batch copies what is added.
 */
#pragma once

#include "base/bytes.h"

#include <blockdb/client.h>

/* Appends the body of a request to /api/v1/batch to out; durability may be NULL. ENOMEM leaves a
 * part there. */
RESULT_MUST_BE_USED int batch_body_append(const struct blockdb_client_batch *batch,
                                          const char *durability, struct buf *out);
