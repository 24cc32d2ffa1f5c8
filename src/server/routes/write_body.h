/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of put and batch: what they ask for, checked, without doing any of it.
 *
 * Threads:   caller locks.
 * Ownership: operations borrow the body and the arena of their request.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "server/routes/json_request.h"

#include <blockdb/blockdb.h>

enum write_kind { WRITE_PUT, WRITE_DELETE, WRITE_REQUIRE_ABSENT, WRITE_REQUIRE_SEQ };

/* One operation, with its conditions. */
struct write_operation {
    enum write_kind kind;
    struct slice key;
    struct slice value; /* of a put */
    bool if_absent;
    uint64_t if_seq; /* also of WRITE_REQUIRE_SEQ; BLOCKDB_SEQ_NONE: no such condition */
};

/* Takes one operation; a negative code ends the reading. */
typedef int (*write_operation_fn)(void *arg, const struct write_operation *op, struct error *err);

/* Each leaves *out_durability as it was when the body does not name one. EINVAL, ENOMEM. */
RESULT_MUST_BE_USED int write_body_put(struct json_request *q, struct write_operation *out,
                                       enum blockdb_durability *out_durability);
/* Calls apply for each operation, while the body is read; with what apply returns, "operation N" in
 * front of its message. */
RESULT_MUST_BE_USED int write_body_batch(struct json_request *q, write_operation_fn apply,
                                         void *arg, enum blockdb_durability *out_durability);
