/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles: names for sets of rights, and grants of them as text: "reader", or "writer:orders/" for
 * the keys that begin with "orders/".
 *
 * Threads: immutable; any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/principal.h"

#include <stddef.h>

#define ROLE_GRANTS_MAX 32      /* of one user or token */
#define ROLE_GRANT_LEN_MAX 1024 /* bytes of the text of one */

struct role {
    const char *name;
    unsigned rights;
    const char *summary; /* for people */
};

/* The roles of one user or token: texts that role_parse_grant() accepts. A zeroed one is empty. */
struct role_list {
    struct buf texts; /* one after the other, each with a zero byte behind it */
    size_t count;
};

/* All roles; *out_count is how many. Static. */
const struct role *role_table(size_t *out_count);
/* NULL when there is none of that name. */
const struct role *role_find(struct slice name);

/* Reads a grant; out->prefix borrows from text. EINVAL: no such role, with the nearest; an empty
 * prefix after the colon, one that is reserved or no UTF-8, or a prefix for a role that concerns
 * the whole database; ELIMIT. */
RESULT_MUST_BE_USED int role_parse_grant(struct slice text, struct principal_grant *out,
                                         struct error *err);

void role_list_deinit(struct role_list *list);
/* Adds a checked grant; one that is there already is not added again. Errors of
 * role_parse_grant(), ELIMIT beyond ROLE_GRANTS_MAX, ENOMEM; the list is as it was then. */
RESULT_MUST_BE_USED int role_list_add(struct role_list *list, struct slice grant,
                                      struct error *err);
/* Fills an empty list. ENOMEM leaves it empty. */
RESULT_MUST_BE_USED int role_list_copy(struct role_list *out, const struct role_list *list);
/* Walks the texts: start with NULL; NULL after the last. Borrowed. */
const char *role_list_next(const struct role_list *list, const char *text);
/* The principal of that name with these roles. Errors of principal_new_granted(). */
RESULT_MUST_BE_USED int role_list_principal(const struct role_list *list, const char *name,
                                            const struct principal **out, struct error *err);
/* The rights of all grants together, prefixes aside. */
unsigned role_list_rights(const struct role_list *list);
