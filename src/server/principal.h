/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A principal: who asks, and what that one may do.
 *
 * Rights are bits; a role is a set of them (role.h). A principal has them by grants: each gives
 * some rights on the keys with one prefix, the empty one meaning all keys. Rights that concern keys
 * hold for those keys only, and rights that concern the whole database (RIGHTS_OF_DATABASE) hold
 * for what names no key wherever they were granted.
 *
 * PRIN-1  Keys under RESERVED_PREFIX, where users and tokens are kept, are for RIGHT_ADMIN alone,
 *         whatever the prefixes say.
 * PRIN-2  A principal never changes; who was changed becomes another principal.
 *
 * Threads:   immutable but for its count of references; any thread.
 * Ownership: counted; copies the name and the prefixes.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

enum right {
    RIGHT_READ = 1 << 0,    /* values and keys: get, scan, history, watch */
    RIGHT_WRITE = 1 << 1,   /* put, delete, batch */
    RIGHT_PROVE = 1 << 2,   /* evidence without values: proofs, heads, tiles, blocks, verify */
    RIGHT_OPERATE = 1 << 3, /* compact, flush, backup, stats, metrics, cluster status */
    RIGHT_ADMIN = 1 << 4,   /* users, tokens, redaction, cluster changes, reserved keys */
};
#define RIGHTS_ALL (RIGHT_READ | RIGHT_WRITE | RIGHT_PROVE | RIGHT_OPERATE | RIGHT_ADMIN)
#define RIGHTS_OF_KEYS (RIGHT_READ | RIGHT_WRITE)
#define RIGHTS_OF_DATABASE (RIGHT_PROVE | RIGHT_OPERATE | RIGHT_ADMIN)

#define RESERVED_PREFIX "!blockdb/"

#define PRINCIPAL_NAME_MAX 64      /* bytes, without the zero */
#define PRINCIPAL_PREFIXES_MAX 100 /* prefixes of one principal */

struct principal;

/* Rights on the keys with a prefix; borrows it. */
struct principal_grant {
    unsigned rights;
    struct slice prefix; /* empty: all keys */
};

/* name in messages and logs, "anonymous" for who did not say; prefix_count 0: all keys. The first
 * reference is the caller's. ENOMEM; ELIMIT: a name or a number of prefixes above the maximum. */
RESULT_MUST_BE_USED int principal_new(const char *name, unsigned rights,
                                      const struct slice *prefixes, size_t prefix_count,
                                      const struct principal **out, struct error *err);
/* The same with grants, at most PRINCIPAL_PREFIXES_MAX; none: no right at all. */
RESULT_MUST_BE_USED int principal_new_granted(const char *name,
                                              const struct principal_grant *grants,
                                              size_t grant_count, const struct principal **out,
                                              struct error *err);
/* Returns p with one more reference. */
const struct principal *principal_ref(const struct principal *p);
/* NULL is fine. */
void principal_unref(const struct principal *p);

/* Who may do everything: where authentication is off. Never freed; references are ignored. */
const struct principal *principal_everyone(void);

const char *principal_name(const struct principal *p);
unsigned principal_rights(const struct principal *p);
/* Its grants; a principal of principal_new() has one for each prefix. */
size_t principal_grant_count(const struct principal *p);
struct principal_grant principal_grant_at(const struct principal *p, size_t index);
/* The prefixes of its grants; a count of 0: some grant is for all keys, or there is none. */
size_t principal_prefix_count(const struct principal *p);
struct slice principal_prefix(const struct principal *p, size_t index);

/* Whether p has all those rights, somewhere. For what concerns no key. */
bool principal_may(const struct principal *p, unsigned rights);
/* Whether p has those rights on key (PRIN-1). */
bool principal_may_key(const struct principal *p, unsigned rights, struct slice key);
/* Whether p has those rights on every key that starts with prefix. For scans: where it is false a
 * scan still shows the keys that principal_may_key() allows, or is refused, as its caller likes. */
bool principal_may_prefix(const struct principal *p, unsigned rights, struct slice prefix);
/* Whether key is under RESERVED_PREFIX. */
bool key_is_reserved(struct slice key);

/* EDENIED with a message that names who, what and where: "user 'ann' may not write key 'a/b'". */
int principal_deny(const struct principal *p, unsigned rights, struct slice key, struct error *err);
