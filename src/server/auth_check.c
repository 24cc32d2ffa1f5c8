/* SPDX-License-Identifier: Apache-2.0 */
/* The attempts of struct auth: credentials of each kind, and what becomes of them. */
#include "base/mem.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "os/os.h"
#include "server/audit_log.h"
#include "server/auth.h"
#include "server/auth_credentials.h"
#include "server/auth_priv.h"
#include "server/limit.h"
#include "server/token.h"

#include <stdio.h>

#define NS_PER_MS 1000000U
#define BUSY_WAIT_MS 1000
/* How long a name stays familiar at an address: while the server runs, in practice. */
#define FAMILIAR_MS (90ULL * 24 * 3600 * 1000)
#define FAMILIAR_STAMP 1 /* whatever becomes of the user's password */

/* ---- Verdicts ------------------------------------------------------------------------------ */

const char *auth_verdict_name(enum auth_verdict verdict)
{
    static const char *const names[] = {
        [AUTH_OK] = "accepted",     [AUTH_LATER] = "pending",           [AUTH_REFUSED] = "refused",
        [AUTH_MISSING] = "missing", [AUTH_MALFORMED] = "malformed",     [AUTH_LIMITED] = "limited",
        [AUTH_BUSY] = "busy",       [AUTH_UNAVAILABLE] = "unavailable",
    };

    return names[verdict];
}

const char *auth_challenge(void)
{
    return "Basic realm=\"blockdb\", charset=\"UTF-8\", Bearer realm=\"blockdb\"";
}

void auth_session_deinit(struct auth_session *session)
{
    principal_unref(session->principal);
    *session = (struct auth_session){0};
}

static uint64_t now_ms(const struct auth *auth)
{
    return os_monotonic_ns(auth->os) / NS_PER_MS;
}

static enum auth_verdict conclude(struct auth_job *job, enum auth_verdict verdict,
                                  const char *reason)
{
    job->verdict = verdict;
    job->reason = reason;
    return verdict;
}

/* Inside the epoch. */
static enum auth_verdict accept(struct auth *auth, struct auth_job *job,
                                const struct principal *principal, uint64_t stamp)
{
    job->session = (struct auth_session){
        .principal = principal_ref(principal),
        .generation = atomic_load_explicit(&auth->generation, memory_order_acquire),
        .stamp = stamp,
    };
    atomic_fetch_add_explicit(&auth->accepted, 1, memory_order_relaxed);
    return conclude(job, AUTH_OK, "");
}

static enum auth_verdict limited(struct auth *auth, struct auth_job *job)
{
    atomic_fetch_add_explicit(&auth->limited, 1, memory_order_relaxed);
    audit_write(auth->audit, &(struct audit_event){.action = "login",
                                                   .outcome = AUDIT_REFUSED,
                                                   .who = job->name,
                                                   .address = job->address,
                                                   .reason = "too many failures"});
    return conclude(job, AUTH_LIMITED,
                    "too many failed attempts: wait before the next one, also with the right "
                    "credentials");
}

/* why is for the audit log; the client hears the same of every refusal. */
static enum auth_verdict refuse(struct auth *auth, struct auth_job *job, const char *why)
{
    atomic_fetch_add_explicit(&auth->refused, 1, memory_order_relaxed);
    audit_write(auth->audit, &(struct audit_event){.action = "login",
                                                   .outcome = AUDIT_REFUSED,
                                                   .who = job->name,
                                                   .address = job->address,
                                                   .reason = why});
    return conclude(job, AUTH_REFUSED,
                    "wrong user name, password or token, or the user is disabled or the token "
                    "expired");
}

static void set_text(char *out, size_t out_bytes, struct slice text)
{
    size_t len = text.len < out_bytes ? text.len : out_bytes - 1;

    if (len > 0) {
        memcpy(out, text.data, len);
    }
    out[len] = '\0';
}

/* ---- Limits of failures -------------------------------------------------------------------- */

static struct limit_key failure_key(const struct auth *auth, enum limit_subject subject,
                                    const char *name)
{
    return (struct limit_key){.subject = subject,
                              .class = LIMIT_FAILURE,
                              .name = slice_of_text(name),
                              .now_ms = now_ms(auth)};
}

/* The name whose failures count for a job. */
struct failing_name {
    char text[PRINCIPAL_NAME_MAX + 1 + AUTH_ADDRESS_BYTES];
};

/* Who is familiar at an address has a bucket of failures there, which others cannot empty. */
static struct limit_key failing_name(const struct auth *auth, const struct auth_job *job,
                                     struct failing_name *out)
{
    (void)snprintf(out->text, sizeof out->text, job->is_familiar ? "%s %s" : "%s", job->name,
                   job->address);
    return failure_key(auth, LIMIT_PRINCIPAL, out->text);
}

/* Whether one more failure of this client and this name is allowed; nothing is counted yet. */
static bool may_fail(struct auth *auth, struct auth_job *job)
{
    struct failing_name text;
    struct limit_key address = failure_key(auth, LIMIT_ADDRESS, job->address);
    struct limit_key name = failing_name(auth, job, &text);

    return auth->limit == NULL || (limit_peek(auth->limit, &address, &job->wait_ms) &&
                                   limit_peek(auth->limit, &name, &job->wait_ms));
}

/* Counts a failure ahead of the attempt; false when there have been too many. */
static bool count_failure(struct auth *auth, struct auth_job *job)
{
    struct failing_name text;
    struct limit_key address = failure_key(auth, LIMIT_ADDRESS, job->address);
    struct limit_key name = failing_name(auth, job, &text);

    if (auth->limit == NULL) {
        return true;
    }
    if (!limit_take(auth->limit, &address, 1, &job->wait_ms)) {
        return false;
    }
    if (!limit_take(auth->limit, &name, 1, &job->wait_ms)) {
        limit_give(auth->limit, &address);
        return false;
    }
    return true;
}

/* The attempt was none. */
static void uncount_failure(struct auth *auth, const struct auth_job *job)
{
    struct failing_name text;
    struct limit_key address = failure_key(auth, LIMIT_ADDRESS, job->address);
    struct limit_key name = failing_name(auth, job, &text);

    if (auth->limit != NULL) {
        limit_give(auth->limit, &address);
        limit_give(auth->limit, &name);
    }
}

/* ---- Tokens -------------------------------------------------------------------------------- */

static bool has_expired(const struct auth *auth, uint64_t expires_ms)
{
    return expires_ms != 0 && os_now_ms(auth->os) >= expires_ms;
}

static uint64_t stamp_of_hash(const struct hash *hash)
{
    return get_be64(hash->bytes) | 1;
}

/* Compares a token with that of the file and with the one of its id; lets its owner in, or returns
 * why not. Inside the epoch. */
static const char *compare_token(struct auth *auth, struct auth_job *job, const char *id,
                                 const struct hash *hash)
{
    static const struct hash nothing;
    const struct auth_policy *policy = auth_current_policy(auth);
    struct auth_token *token = auth_table_token(auth_current_table(auth), id);
    bool is_bootstrap = secret_equal(&policy->bootstrap_hash, hash, sizeof *hash);
    bool is_token = secret_equal(token != NULL ? &token->hash : &nothing, hash, sizeof *hash);

    if (policy->has_bootstrap && is_bootstrap) {
        (void)accept(auth, job, policy->bootstrap, stamp_of_hash(hash));
        return NULL;
    }
    if (token == NULL || !is_token) {
        return token == NULL ? "no such token" : "wrong secret of a token";
    }
    if (has_expired(auth, token->expires_ms)) {
        return "the token has expired";
    }
    atomic_store_explicit(&token->used_ms, os_now_ms(auth->os), memory_order_relaxed);
    (void)accept(auth, job, token->principal, token->stamp);
    job->session.expires_ms = token->expires_ms;
    return NULL;
}

/* Nobody guesses 256 bits, and comparing costs next to nothing: so a right token is never refused
 * because of others' failures from the same address, and failures are limited for their noise. */
static enum auth_verdict check_token(struct auth *auth, struct auth_job *job, struct slice text)
{
    const char *why = "no token, or a mistyped one";
    char id[TOKEN_ID_LEN + 1];
    struct hash hash;

    set_text(job->name, sizeof job->name, slice_of_text(TOKEN_PRINCIPAL));
    if (token_parse(text, id, &hash) == BLOCKDB_OK) {
        memcpy(job->name + sizeof(TOKEN_PRINCIPAL) - 1, id, sizeof id);
        epoch_enter(auth->epoch);
        why = compare_token(auth, job, id, &hash);
        epoch_leave(auth->epoch);
    }
    if (why == NULL) {
        return AUTH_OK;
    }
    return count_failure(auth, job) ? refuse(auth, job, why) : limited(auth, job);
}

/* ---- Passwords ----------------------------------------------------------------------------- */

void auth_job_forget(struct auth_job *job)
{
    if (job->password != NULL) {
        secret_wipe(job->password, job->password_len);
        mem_free(job->password);
        job->password = NULL;
        job->password_len = 0;
    }
}

/* Whether a password has let in this name from this address before. */
static bool is_familiar(struct auth *auth, const struct auth_job *job)
{
    struct hash tag;

    auth_cache_tag(auth->familiar, slice_of_text(job->name), slice_of_text(job->address), &tag);
    return auth_cache_has(auth->familiar, &tag, FAMILIAR_STAMP, now_ms(auth));
}

static void make_familiar(struct auth *auth, const struct auth_job *job)
{
    struct hash tag;

    auth_cache_tag(auth->familiar, slice_of_text(job->name), slice_of_text(job->address), &tag);
    auth_cache_put(auth->familiar, &tag, FAMILIAR_STAMP, now_ms(auth) + FAMILIAR_MS);
}

/* Whether this very credential was verified a moment ago, and the user is still the same. */
static bool is_remembered(struct auth *auth, struct auth_job *job, const struct hash *tag)
{
    const struct auth_user *user;
    bool hit = false;

    epoch_enter(auth->epoch);
    user = auth_table_user(auth_current_table(auth), job->name);
    if (user != NULL && !user->disabled && user->password[0] != '\0' &&
        auth_cache_has(auth->cache, tag, user->stamp, now_ms(auth))) {
        (void)accept(auth, job, user->principal, user->stamp);
        atomic_fetch_add_explicit(&auth->cache_hits, 1, memory_order_relaxed);
        hit = true;
    }
    epoch_leave(auth->epoch);
    return hit;
}

static enum auth_verdict check_password(struct auth *auth, struct auth_job *job, struct slice name,
                                        struct slice password)
{
    struct hash tag;

    set_text(job->name, sizeof job->name, name);
    if (auth_name_check(name, USER_NAME_MAX, NULL) < 0 || password.len == 0 ||
        password.len > AUTH_PASSWORD_MAX) {
        return count_failure(auth, job) ? refuse(auth, job, "no such user") : limited(auth, job);
    }
    auth_cache_tag(auth->cache, name, password, &tag);
    if (is_remembered(auth, job, &tag)) {
        return AUTH_OK;
    }
    job->is_familiar = is_familiar(auth, job);
    if (!may_fail(auth, job)) {
        return limited(auth, job);
    }
    job->password = mem_alloc(password.len);
    if (job->password == NULL) {
        job->wait_ms = BUSY_WAIT_MS;
        return conclude(job, AUTH_BUSY, "no memory to verify a password: try again");
    }
    memcpy(job->password, password.data, password.len);
    job->password_len = password.len;
    /* Before it is queued: the thread may be done with it at once. */
    (void)conclude(job, AUTH_LATER, "");
    if (!auth_queue(auth, job)) {
        auth_job_forget(job);
        job->wait_ms = BUSY_WAIT_MS;
        return conclude(job, AUTH_BUSY, "too many passwords wait to be verified: try again");
    }
    return AUTH_LATER;
}

/* What a password is verified against: taken out of the epoch, for verifying takes long. */
struct expected {
    char hash[PASSWORD_HASH_BYTES];
    uint64_t stamp;
    bool may_enter;
};

static void expect(struct auth *auth, const char *name, struct expected *out)
{
    const struct auth_user *user;
    const char *hash = password_no_hash;

    *out = (struct expected){.stamp = 0};
    epoch_enter(auth->epoch);
    user = auth_table_user(auth_current_table(auth), name);
    if (user != NULL && user->password[0] != '\0') {
        hash = user->password;
        out->stamp = user->stamp;
        out->may_enter = !user->disabled;
    }
    memcpy(out->hash, hash, strlen(hash) + 1);
    epoch_leave(auth->epoch);
}

/* Lets in who was verified, if the user has not changed meanwhile. */
static enum auth_verdict admit(struct auth *auth, struct auth_job *job, uint64_t stamp)
{
    const struct auth_user *user;
    enum auth_verdict verdict;

    epoch_enter(auth->epoch);
    user = auth_table_user(auth_current_table(auth), job->name);
    if (user != NULL && !user->disabled && user->stamp == stamp) {
        uint32_t cache_ms = auth_current_policy(auth)->cache_ms;
        struct hash tag;

        if (cache_ms > 0) {
            auth_cache_tag(auth->cache, slice_of_text(job->name),
                           slice_of(job->password, job->password_len), &tag);
            auth_cache_put(auth->cache, &tag, stamp, now_ms(auth) + cache_ms);
        }
        make_familiar(auth, job);
        verdict = accept(auth, job, user->principal, stamp);
    } else {
        verdict = refuse(auth, job, "the user was changed meanwhile");
    }
    epoch_leave(auth->epoch);
    return verdict;
}

static void verify_now(struct auth *auth, struct auth_job *job)
{
    struct slice password = slice_of(job->password, job->password_len);
    struct expected expected;
    struct error err = {0};
    int rc;

    expect(auth, job->name, &expected);
    rc = password_verify(expected.hash, password, &err);
    secret_wipe(&expected.hash, sizeof expected.hash);
    atomic_fetch_add_explicit(&auth->verified, 1, memory_order_relaxed);
    if (rc == BLOCKDB_OK && expected.may_enter) {
        uncount_failure(auth, job);
        (void)admit(auth, job, expected.stamp);
    } else if (rc == BLOCKDB_OK || rc == BLOCKDB_EDENIED || rc == BLOCKDB_EINVAL) {
        (void)refuse(auth, job,
                     expected.stamp == 0     ? "no such user"
                     : rc == BLOCKDB_EDENIED ? "wrong password"
                     : rc == BLOCKDB_EINVAL  ? "the stored hash is damaged"
                                             : "the user is disabled");
    } else {
        uncount_failure(auth, job);
        logger_write(auth->logger, LOGGER_ERROR, "auth", "a password could not be verified: %s",
                     err.message);
        job->wait_ms = BUSY_WAIT_MS;
        (void)conclude(job, rc == BLOCKDB_ENOMEM ? AUTH_BUSY : AUTH_UNAVAILABLE,
                       "passwords cannot be verified at the moment: see the server's log");
    }
}

void auth_verify(struct auth *auth, struct auth_job *job)
{
    struct hash tag;

    auth_cache_tag(auth->cache, slice_of_text(job->name),
                   slice_of(job->password, job->password_len), &tag);
    if (atomic_load_explicit(&auth->unavailable, memory_order_acquire)) {
        job->wait_ms = BUSY_WAIT_MS;
        (void)conclude(job, AUTH_UNAVAILABLE, "users cannot be read: see the server's log");
    } else if (!is_remembered(auth, job, &tag)) { /* an equal one may have stood before it */
        if (count_failure(auth, job)) {
            verify_now(auth, job);
        } else {
            (void)limited(auth, job);
        }
    }
    auth_job_forget(job);
}

/* ---- Certificates -------------------------------------------------------------------------- */

/* The user that the client's certificate names and who may come in, or NULL. Inside the epoch. */
static const struct auth_user *certified_user(const struct auth *auth,
                                              const struct auth_client *client)
{
    struct slice name = auth_certified_name(auth_current_policy(auth)->tls_users, client);
    const struct auth_user *user;
    char text[USER_NAME_MAX + 1];

    if (auth_name_check(name, USER_NAME_MAX, NULL) < 0) {
        return NULL;
    }
    set_text(text, sizeof text, name);
    user = auth_table_user(auth_current_table(auth), text);
    return user != NULL && !user->disabled ? user : NULL;
}

/* ---- Attempts ------------------------------------------------------------------------------ */

/* What is decided without any credentials. False: it depends on them. */
static bool decide_ahead(struct auth *auth, const struct auth_client *client, struct auth_job *job)
{
    bool enabled;

    set_text(job->address, sizeof job->address, slice_of_text(client->address));
    job->name[0] = '\0';
    job->is_familiar = false;
    epoch_enter(auth->epoch);
    enabled = auth_current_policy(auth)->enabled;
    if (!enabled) {
        (void)accept(auth, job, principal_everyone(), 0);
    }
    epoch_leave(auth->epoch);
    if (enabled && atomic_load_explicit(&auth->unavailable, memory_order_acquire)) {
        job->wait_ms = BUSY_WAIT_MS;
        (void)conclude(job, AUTH_UNAVAILABLE, "users cannot be read: see the server's log");
        return true;
    }
    return !enabled;
}

enum auth_verdict auth_nothing(struct auth *auth, const struct auth_client *client,
                               struct auth_job *job)
{
    const struct auth_policy *policy;
    const struct auth_user *user;

    if (decide_ahead(auth, client, job)) {
        return job->verdict;
    }
    epoch_enter(auth->epoch);
    policy = auth_current_policy(auth);
    user = certified_user(auth, client);
    if (user != NULL) {
        (void)accept(auth, job, user->principal, 0);
    } else if (policy->anonymous != NULL) {
        (void)accept(auth, job, policy->anonymous, 0);
    } else {
        (void)conclude(job, AUTH_MISSING,
                       "credentials are needed: a user and password, or a token");
    }
    epoch_leave(auth->epoch);
    return job->verdict;
}

enum auth_verdict auth_password(struct auth *auth, const struct auth_client *client,
                                struct slice name, struct slice password, struct auth_job *job)
{
    if (decide_ahead(auth, client, job)) {
        return job->verdict;
    }
    if (token_looks_like(password)) {
        return check_token(auth, job, password);
    }
    return check_password(auth, job, name.len > 0 ? name : slice_of_text("default"), password);
}

enum auth_verdict auth_http(struct auth *auth, const struct auth_client *client,
                            struct slice authorization, struct auth_job *job)
{
    enum auth_verdict verdict;
    struct auth_header header;
    const char *fault;

    if (authorization.len == 0) {
        return auth_nothing(auth, client, job);
    }
    if (decide_ahead(auth, client, job)) {
        return job->verdict;
    }
    if (auth_header_parse(authorization, &header, &fault) < 0) {
        return conclude(job, AUTH_MALFORMED, fault);
    }
    verdict = header.scheme == AUTH_BEARER
                  ? check_token(auth, job, header.secret)
                  : auth_password(auth, client, header.name, header.secret, job);
    auth_header_wipe(&header);
    return verdict;
}

/* ---- Sessions ------------------------------------------------------------------------------ */

bool auth_is_current(const struct auth *auth, const struct auth_session *session)
{
    return atomic_load_explicit(&auth->generation, memory_order_acquire) == session->generation &&
           !has_expired(auth, session->expires_ms);
}

/* The principal that stands for a session now, or NULL. Inside the epoch. */
static const struct principal *present(const struct auth *auth, const struct auth_session *session)
{
    const struct auth_policy *policy = auth_current_policy(auth);
    const struct auth_table *table = auth_current_table(auth);
    const char *name = principal_name(session->principal);
    const struct auth_user *user;

    if (!policy->enabled || session->principal == principal_everyone()) {
        return policy->enabled ? NULL : principal_everyone();
    }
    if (strcmp(name, "anonymous") == 0) {
        return policy->anonymous;
    }
    if (strcmp(name, "bootstrap") == 0) {
        return policy->has_bootstrap && stamp_of_hash(&policy->bootstrap_hash) == session->stamp
                   ? policy->bootstrap
                   : NULL;
    }
    if (strncmp(name, TOKEN_PRINCIPAL, sizeof(TOKEN_PRINCIPAL) - 1) == 0) {
        char id[TOKEN_ID_LEN + 1];
        const struct auth_token *token;

        set_text(id, sizeof id, slice_of_text(name + sizeof(TOKEN_PRINCIPAL) - 1));
        token = auth_table_token(table, id);
        return token != NULL && token->stamp == session->stamp &&
                       !has_expired(auth, token->expires_ms)
                   ? token->principal
                   : NULL;
    }
    user = auth_table_user(table, name);
    return user != NULL && !user->disabled && (session->stamp == 0 || session->stamp == user->stamp)
               ? user->principal
               : NULL;
}

bool auth_renew(struct auth *auth, struct auth_session *session)
{
    const struct principal *principal = NULL;
    uint64_t generation = atomic_load_explicit(&auth->generation, memory_order_acquire);

    epoch_enter(auth->epoch);
    if (!auth_enabled(auth) || !atomic_load_explicit(&auth->unavailable, memory_order_acquire)) {
        principal = present(auth, session);
    }
    if (principal != NULL) {
        principal_ref(principal);
    }
    epoch_leave(auth->epoch);
    if (principal == NULL) {
        return false;
    }
    principal_unref(session->principal);
    session->principal = principal;
    session->generation = generation;
    return true;
}
