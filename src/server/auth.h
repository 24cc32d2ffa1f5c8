/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication: from what a client shows to the principal that it is.
 *
 * Users and tokens are entries of the ledger under RESERVED_PREFIX (user.h). They are kept in
 * memory as an immutable table (auth_table.h), which is replaced when an entry there changed,
 * whoever wrote it. Tokens are looked up and compared in a microsecond, so they are decided at
 * once. Passwords take argon2id some 100 ms and 64 MiB, so one thread of this module verifies them,
 * one after the other; what it verified is remembered for a while under a keyed hash
 * (auth_cache.h), so that HTTP Basic on each request costs about as little as a token.
 *
 *   loop    auth_http(), auth_password() -- decided, or AUTH_LATER --.
 *   auth    verify, remember, job->done()  <-------------------------'
 *   loop    <-- loop_post() of the owner of the job
 *
 * AUTH-1  Where the table cannot be read, or a record is damaged, nobody is let in by it.
 * AUTH-2  An unknown or disabled user, and a wrong password, take the same work and get the same
 *         answer; secrets are compared in constant time.
 * AUTH-3  Passwords are kept no longer than their verification, and wiped; tokens not at all.
 * AUTH-4  The queues of passwords, the caches and the limits have fixed sizes.
 * AUTH-5  Failures are limited for each address and each name before any work is done for them.
 * AUTH-6  A change of a user or token that was written by this server is in force when the writer
 *         gets its answer; one that came another way, within AUTH_WATCH_MS.
 * AUTH-7  Who has come in by a password from an address before is familiar there: such attempts
 *         wait in a queue of their own, which goes first, and the failures of others under the same
 *         name do not count for them. So guesses from many places keep nobody out.
 *
 * Threads:   any thread, unless a function says otherwise; has one thread named `auth`.
 * Ownership: borrows all of its options but the settings, which it copies.
 * Format:    docs/format/users.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/principal.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

struct audit_log;
struct auth;
struct limit;
struct logger;
struct os;

#define AUTH_QUEUE_MAX 64 /* passwords that wait to be verified, of strangers and of others */
#define AUTH_WATCH_MS 1000
#define AUTH_PASSWORD_MAX 1024 /* bytes */
#define AUTH_ADDRESS_BYTES 64

enum auth_verdict {
    AUTH_OK,          /* session is there */
    AUTH_LATER,       /* a password is being verified; done() will be called */
    AUTH_REFUSED,     /* 401, WRONGPASS: wrong, unknown, disabled or expired */
    AUTH_MISSING,     /* 401, NOAUTH: nothing was shown, and it is needed */
    AUTH_MALFORMED,   /* 400: what was shown is of no known form */
    AUTH_LIMITED,     /* 429: too many failures; wait_ms says how long */
    AUTH_BUSY,        /* 503: too many passwords wait */
    AUTH_UNAVAILABLE, /* 503: users cannot be read; see the log */
};

/* Who was let in, and by what. A zeroed one is valid to deinit. */
struct auth_session {
    const struct principal *principal; /* one reference */
    uint64_t generation;               /* of the table that said so */
    uint64_t stamp;                    /* of the credential; 0: there was none */
    uint64_t expires_ms;               /* of a token, wall clock; 0: never */
};
void auth_session_deinit(struct auth_session *session);

/* What is known of a client besides what it shows. All borrowed for the call. */
struct auth_client {
    const char *address;   /* without port */
    const char *cert_name; /* common name of a verified certificate; NULL: none */
    const char *cert_san;  /* its other names, as "DNS:a,email:b,URI:c"; NULL: none */
};

/* One attempt. The owner zeroes it, sets done, and keeps it until the verdict is there. */
struct auth_job {
    /* Called once after AUTH_LATER, on the thread of auth, also when auth is stopped; must not
     * block. The answer has been filled in. */
    void (*done)(struct auth_job *job);

    /* The answer. */
    enum auth_verdict verdict;
    struct auth_session session; /* the owner's, for AUTH_OK */
    uint32_t wait_ms;            /* AUTH_LIMITED, AUTH_BUSY, AUTH_UNAVAILABLE */
    const char *reason;          /* for a person; static; tells no more than the client may know */

    /* Private to auth. */
    struct auth_job *next;
    uint8_t *password; /* owned, wiped */
    size_t password_len;
    bool is_familiar; /* this name has come in from this address before */
    char name[PRINCIPAL_NAME_MAX + 1];
    char address[AUTH_ADDRESS_BYTES];
};

/* Which name of a client's certificate is that of a user. */
enum auth_tls_users {
    AUTH_TLS_OFF,
    AUTH_TLS_COMMON_NAME,
    AUTH_TLS_DNS, /* the first name of that kind among the alternative names */
    AUTH_TLS_EMAIL,
};

struct auth_settings {
    bool enabled;                  /* false: everybody is principal_everyone() */
    bool metrics_open;             /* /metrics and /stats need no right */
    bool health_open;              /* nor do /health, /live, /ready, /leader, /replica */
    const char *anonymous_role;    /* rights without credentials, as in a record; "": none */
    const char *admin_token_file;  /* "": none */
    enum auth_tls_users tls_users; /* a user whom a certificate names needs nothing else */
    uint32_t cache_ms;             /* how long a verified password is remembered; 0: not at all */
};

struct auth_options {
    struct os *os;
    struct blockdb *db;
    struct limit *limit;     /* may be NULL */
    struct audit_log *audit; /* may be NULL */
    struct logger *logger;   /* may be NULL; for damaged records */
    struct auth_settings settings;
};

/* Reads all users and tokens and starts the thread. EINVAL: a role or the token file is wrong;
 * EDENIED: the token file can be read by others; errors of reading the database; ENOMEM. */
RESULT_MUST_BE_USED int auth_start(const struct auth_options *options, struct auth **out,
                                   struct error *err);
/* Ends the thread; jobs that wait get AUTH_BUSY and their done(). No other call may be under way
 * or follow. NULL does nothing. */
void auth_stop(struct auth *auth);
void auth_stop_ptr(struct auth **auth);

/* Other settings from now on, all or nothing; sessions are renewed. Errors as auth_start(). */
RESULT_MUST_BE_USED int auth_reload(struct auth *auth, const struct auth_settings *settings,
                                    struct error *err);

/* ---- Attempts ------------------------------------------------------------------------------ */

/* The value of a header Authorization: "Basic ..." or "Bearer ..."; empty: none was sent, and the
 * certificate decides, or else the anonymous role. Returns job->verdict; only AUTH_LATER leaves
 * something to come. */
enum auth_verdict auth_http(struct auth *auth, const struct auth_client *client,
                            struct slice authorization, struct auth_job *job);
/* A name and a password, or any name and a token as its password: AUTH and HELLO of Redis. An empty
 * name means the user "default". */
enum auth_verdict auth_password(struct auth *auth, const struct auth_client *client,
                                struct slice name, struct slice password, struct auth_job *job);
/* A client that showed nothing: a new connection. */
enum auth_verdict auth_nothing(struct auth *auth, const struct auth_client *client,
                               struct auth_job *job);

/* Whether a session is still that of the newest table, and has not expired; two loads. */
bool auth_is_current(const struct auth *auth, const struct auth_session *session);
/* Brings a session of a long connection up to date: its principal may become another one. False:
 * its user or token is gone, disabled, expired or has another secret; the session is over. */
bool auth_renew(struct auth *auth, struct auth_session *session);

/* Whether a path of the server needs no credentials although others do. */
bool auth_metrics_open(const struct auth *auth);
bool auth_health_open(const struct auth *auth);
bool auth_enabled(const struct auth *auth);

/* The value of WWW-Authenticate, static. */
const char *auth_challenge(void);
/* For messages and logs: "refused", "limited", ... Static. */
const char *auth_verdict_name(enum auth_verdict verdict);

/* ---- Changes ------------------------------------------------------------------------------- */

/* Reads the users again if one changed, and waits for that: after a write under RESERVED_PREFIX.
 * Blocks on the database: not on a loop. Any failure refuses everybody (AUTH_UNAVAILABLE) until a
 * later reading succeeds. */
RESULT_MUST_BE_USED int auth_refresh(struct auth *auth, struct error *err);
/* The same soon, by the thread of auth; never blocks: for whoever hears of commits. */
void auth_notice(struct auth *auth);

/* When a token was last used, in milliseconds since 1970, since the server started; 0: never. */
uint64_t auth_token_last_used(struct auth *auth, struct slice id);

/* Figures. */
struct auth_stats {
    uint64_t users, tokens, damaged; /* of the table; damaged: records that cannot be read */
    uint64_t accepted, refused, limited, verified, cache_hits;
    uint64_t waiting; /* passwords */
};
void auth_stats_get(struct auth *auth, struct auth_stats *out);
