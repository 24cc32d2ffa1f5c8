/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and tokens in a database: reading all of them, and the changes that people make.
 *
 * A change is one entry, written under the condition that the record is still the one that was
 * read, so that of two changes at once one fails and none is lost. In a database with write_once a
 * record is deleted before it is written anew, for a moment then there is none.
 *
 * ASTORE-1  What a change writes reads back as the same record.
 * ASTORE-2  With keeps_admin no change leaves the database without a user that has the role admin
 *           and may come in.
 *
 * Threads:   any thread that may block; changes may run at the same time.
 * Ownership: borrows all inputs for the call.
 * Format:    docs/format/users.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/token.h"
#include "server/user.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

struct os;

#define AUTH_RECORDS_MAX 100000 /* users and tokens together */

/* One record on a walk. */
struct auth_record {
    struct slice key;
    const char *type;                 /* "user", "token" */
    const struct user_record *user;   /* NULL: not a user, or damaged */
    const struct token_record *token; /* NULL: not a token, or damaged */
    const struct error *damage;       /* NULL: none */
    struct blockdb_version_info version;
};
/* Borrows the record for the call; a code other than 0 ends the walk and is its result. */
typedef int (*auth_record_fn)(void *context, const struct auth_record *record);

/* Visits all tokens, and then all users, each in the order of keys. Damaged records are visited,
 * too. ELIMIT: more than AUTH_RECORDS_MAX; errors of reading, ENOMEM. */
RESULT_MUST_BE_USED int auth_store_walk(struct blockdb *db, auth_record_fn visit, void *context,
                                        struct error *err);

/* What tells one state of all records from any other: their number and the newest of them. */
struct auth_mark {
    uint64_t count;
    uint64_t newest_seq;
};
/* Cheap: no value is read. */
RESULT_MUST_BE_USED int auth_store_mark(struct blockdb *db, struct auth_mark *out,
                                        struct error *err);

/* Who changes what. */
struct auth_writer {
    struct blockdb *db;
    struct os *os;
    const char *by;   /* name of the principal */
    bool keeps_admin; /* ASTORE-2 */
};

/* Each NULL or unset member of a change leaves the record as it is. */
struct user_change {
    const char *name;
    const struct role_list *roles;
    bool sets_password;
    struct slice password; /* empty: none from now on */
    bool sets_disabled;
    bool disabled;
    bool has_if_seq; /* only while the record is entry if_seq: else ECONFLICT */
    uint64_t if_seq;
};

/* ENOTFOUND; ECORRUPT, EVERSION: damaged. out_version may be NULL. */
RESULT_MUST_BE_USED int auth_store_user(struct blockdb *db, const char *name,
                                        struct user_record *out,
                                        struct blockdb_version_info *out_version,
                                        struct error *err);
/* Adds a user. EEXIST; EINVAL: name or password; EUNSUPPORTED: no libsodium; errors of writing. */
RESULT_MUST_BE_USED int auth_store_user_add(const struct auth_writer *w,
                                            const struct user_change *user, struct error *err);
/* Changes a user. ENOTFOUND, ECONFLICT (ASTORE-2, or another change came first), and as above. A
 * damaged record can be replaced by a change of both roles and password. */
RESULT_MUST_BE_USED int auth_store_user_set(const struct auth_writer *w,
                                            const struct user_change *change, struct error *err);
/* ENOTFOUND, ECONFLICT as above, errors of writing. */
RESULT_MUST_BE_USED int auth_store_user_remove(const struct auth_writer *w, const char *name,
                                               struct error *err);

/* ENOTFOUND; ECORRUPT, EVERSION: damaged. */
RESULT_MUST_BE_USED int auth_store_token(struct blockdb *db, const char *id,
                                         struct token_record *out,
                                         struct blockdb_version_info *out_version,
                                         struct error *err);
struct token_wish {
    const char *name;
    const struct role_list *roles;
    uint64_t expires_ms; /* 0: never */
};
/* Makes a token; *out holds the secret, for token_wipe(). EINVAL: name; errors of writing. */
RESULT_MUST_BE_USED int auth_store_token_create(const struct auth_writer *w,
                                                const struct token_wish *wish, struct token *out,
                                                struct error *err);
/* ENOTFOUND, errors of writing. */
RESULT_MUST_BE_USED int auth_store_token_revoke(const struct auth_writer *w, const char *id,
                                                struct error *err);
