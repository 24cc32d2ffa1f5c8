/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication on a real database: every kind of credential, every refusal, changes, limits,
 * damaged records, short memory.
 */
#include "base/base64.h"
#include "base/lock.h"
#include "base/mem.h"
#include "engine/open.h"
#include "os/os.h"
#include "os/os_fault.h"
#include "server/auth.h"
#include "server/auth_store.h"
#include "server/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PASSWORD "correct horse"

struct fixture {
    char dir[64];
    char file[96];
    struct blockdb *db;
    struct auth *auth;
    struct limit *limit;
    struct auth_options options;
    struct auth_writer writer;
};

/* An attempt that a test waits for. */
struct attempt {
    struct auth_job job; /* first */
    struct mutex mu;
    struct cond done;
    bool is_done; /* guarded by mu */
};

static struct slice s(const char *text)
{
    return slice_of_text(text);
}

static void on_done(struct auth_job *job)
{
    struct attempt *attempt = (struct attempt *)job;

    mutex_lock(&attempt->mu);
    attempt->is_done = true;
    cond_signal(&attempt->done);
    mutex_unlock(&attempt->mu);
}

static void attempt_init(struct attempt *attempt)
{
    memset(attempt, 0, sizeof *attempt);
    mutex_init(&attempt->mu, LOCK_RANK_PROGRAM);
    cond_init(&attempt->done);
    attempt->job.done = on_done;
}

/* Waits for a verdict; the session stays. */
static enum auth_verdict attempt_wait(struct attempt *attempt, enum auth_verdict verdict)
{
    if (verdict == AUTH_LATER) {
        mutex_lock(&attempt->mu);
        while (!attempt->is_done) {
            cond_wait(&attempt->done, &attempt->mu);
        }
        mutex_unlock(&attempt->mu);
    } else {
        assert_int_equal(verdict, attempt->job.verdict);
    }
    assert_null(attempt->job.password);
    assert_non_null(attempt->job.reason);
    return attempt->job.verdict;
}

static void attempt_deinit(struct attempt *attempt)
{
    auth_session_deinit(&attempt->job.session);
    cond_deinit(&attempt->done);
    mutex_deinit(&attempt->mu);
}

static const struct auth_client local = {.address = "127.0.0.1"};

/* The verdict on a header; who was let in is compared with `who`. */
static enum auth_verdict http(struct fixture *f, const char *header, const char *who)
{
    struct attempt attempt;
    enum auth_verdict verdict;

    attempt_init(&attempt);
    verdict = attempt_wait(&attempt, auth_http(f->auth, &local, s(header), &attempt.job));
    if (verdict == AUTH_OK) {
        assert_string_equal(principal_name(attempt.job.session.principal), who);
        assert_true(auth_is_current(f->auth, &attempt.job.session));
    } else {
        assert_null(attempt.job.session.principal);
    }
    attempt_deinit(&attempt);
    return verdict;
}

static enum auth_verdict basic(struct fixture *f, const char *name, const char *password)
{
    struct buf header = {0};
    struct buf pair = {0};
    enum auth_verdict verdict;

    assert_int_equal(buf_appendf(&pair, "%s:%s", name, password), 0);
    assert_int_equal(buf_appendf(&header, "Basic "), 0);
    assert_int_equal(base64_append(&header, buf_slice(&pair)), 0);
    assert_int_equal(buf_append_u8(&header, 0), 0);
    verdict = http(f, (const char *)header.data, name);
    buf_deinit(&pair);
    buf_deinit(&header);
    return verdict;
}

/* ---- The fixture --------------------------------------------------------------------------- */

static void start(struct fixture *f)
{
    struct error err;

    if (auth_start(&f->options, &f->auth, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

static void add_user(struct fixture *f, const char *name, const char *password, const char *role)
{
    struct role_list roles = {0};
    struct user_change user = {.name = name,
                               .roles = &roles,
                               .sets_password = password != NULL,
                               .password = password != NULL ? s(password) : s("")};
    struct error err;

    assert_int_equal(role_list_add(&roles, s(role), &err), 0);
    if (auth_store_user_add(&f->writer, &user, &err) != 0) {
        fail_msg("%s", err.message);
    }
    role_list_deinit(&roles);
}

static void add_token(struct fixture *f, const char *role, uint64_t expires_ms, struct token *out)
{
    struct role_list roles = {0};
    struct token_wish wish = {.name = "ci", .roles = &roles, .expires_ms = expires_ms};
    struct error err;

    assert_int_equal(role_list_add(&roles, s(role), &err), 0);
    assert_int_equal(auth_store_token_create(&f->writer, &wish, out, &err), 0);
    role_list_deinit(&roles);
}

static void refresh(struct fixture *f)
{
    struct error err;

    assert_int_equal(auth_refresh(f->auth, &err), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct limit_rates rates = {0};
    struct error err;

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/test_auth_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->file, sizeof f->file, "%s/token", f->dir);
    assert_int_equal(blockdb_open(f->dir, NULL, BLOCKDB_OPEN_CREATE, &f->db, &err), 0);
    rates.of[LIMIT_ADDRESS][LIMIT_FAILURE] = (struct limit_rate){20, 20};
    rates.of[LIMIT_PRINCIPAL][LIMIT_FAILURE] = (struct limit_rate){3, 3};
    assert_int_equal(limit_new(os_real(), &rates, 0, &f->limit, &err), 0);
    f->options = (struct auth_options){
        .os = os_real(),
        .db = f->db,
        .limit = f->limit,
        .settings = {
            .enabled = true, .anonymous_role = "", .admin_token_file = "", .cache_ms = 60000}};
    f->writer = (struct auth_writer){.db = f->db, .os = os_real(), .by = "test"};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    struct error err;

    auth_stop(f->auth);
    limit_free(f->limit);
    assert_int_equal(blockdb_close(f->db, &err), 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* ---- Attempts ------------------------------------------------------------------------------ */

static void test_off_lets_everybody_in(void **state)
{
    struct fixture *f = *state;

    f->options.settings.enabled = false;
    start(f);
    assert_false(auth_enabled(f->auth));
    assert_true(auth_metrics_open(f->auth));
    assert_int_equal(http(f, "", "everyone"), AUTH_OK);
    assert_int_equal(http(f, "Nonsense", "everyone"), AUTH_OK);
    assert_int_equal(basic(f, "everyone", "x"), AUTH_OK);
}

static void test_passwords(void **state)
{
    struct fixture *f = *state;
    struct auth_stats stats;

    add_user(f, "ann", PASSWORD, "reader");
    add_user(f, "cert", NULL, "reader");
    start(f);
    assert_true(auth_enabled(f->auth));
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_OK);
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_OK); /* remembered */
    assert_int_equal(basic(f, "ann", "wrong horse"), AUTH_REFUSED);
    assert_int_equal(basic(f, "bob", PASSWORD), AUTH_REFUSED);
    assert_int_equal(basic(f, "cert", PASSWORD), AUTH_REFUSED);
    assert_int_equal(basic(f, "ann", ""), AUTH_REFUSED);
    assert_int_equal(basic(f, "", PASSWORD), AUTH_REFUSED); /* no user "default" */
    assert_int_equal(basic(f, "no/name", PASSWORD), AUTH_REFUSED);
    assert_int_equal(http(f, "", ""), AUTH_MISSING);
    auth_stats_get(f->auth, &stats);
    assert_int_equal(stats.users, 2);
    assert_int_equal(stats.cache_hits, 1);
    assert_int_equal(stats.accepted, 2);
    assert_int_equal(stats.refused, 6);
    assert_int_equal(stats.verified, 5);
}

static void test_malformed_headers(void **state)
{
    static const char *const headers[] = {"Basic",         "Basic ",       "Basic !!!!",
                                          "Basic YW5u",    "Digest x",     "Basic YW5uOg",
                                          "BasicYW5uOg==", "ApiKey bdb_x", " "};
    struct fixture *f = *state;
    static char huge[8192];

    start(f);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        assert_int_equal(http(f, headers[i], ""), AUTH_MALFORMED);
    }
    memset(huge, 'A', sizeof huge - 4);
    memcpy(huge, "Basic ", 6);
    assert_int_equal(http(f, huge, ""), AUTH_MALFORMED);
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    struct token token;
    struct token expired;
    char header[160];
    char who[80];

    add_token(f, "writer:a/", 0, &token);
    add_token(f, "reader", 1, &expired);
    start(f);
    assert_int_equal(auth_token_last_used(f->auth, s(token.id)), 0);
    (void)snprintf(who, sizeof who, "token:%s:ci", token.id);
    (void)snprintf(header, sizeof header, "Bearer %s", token.text);
    assert_int_equal(http(f, header, who), AUTH_OK);
    assert_true(auth_token_last_used(f->auth, s(token.id)) > 0);
    assert_int_equal(auth_token_last_used(f->auth, s("0000000000000000")), 0);
    assert_int_equal(auth_token_last_used(f->auth, s("x")), 0);
    (void)snprintf(header, sizeof header, "bearer   %s", token.text);
    assert_int_equal(http(f, header, who), AUTH_OK);
    header[20] ^= 1;
    assert_int_equal(http(f, header, who), AUTH_REFUSED);
    (void)snprintf(header, sizeof header, "Bearer %s", expired.text);
    assert_int_equal(http(f, header, who), AUTH_REFUSED);
    assert_int_equal(http(f, "Bearer x", who), AUTH_REFUSED);
}

static void test_tokens_as_passwords(void **state)
{
    struct fixture *f = *state;
    struct attempt attempt;
    struct token token;

    add_token(f, "reader", 0, &token);
    start(f);
    attempt_init(&attempt);
    assert_int_equal(attempt_wait(&attempt, auth_password(f->auth, &local, s("default"),
                                                          s(token.text), &attempt.job)),
                     AUTH_OK);
    assert_true(principal_may(attempt.job.session.principal, RIGHT_READ));
    attempt_deinit(&attempt);
}

static void test_certificates(void **state)
{
    struct fixture *f = *state;
    struct auth_client client = {.address = "10.0.0.1",
                                 .cert_name = "ann",
                                 .cert_san = "IP:1.2.3.4, email:eve@example.org,DNS:ann,DNS:bob"};
    struct {
        enum auth_tls_users rule;
        enum auth_verdict verdict;
    } cases[] = {{AUTH_TLS_OFF, AUTH_MISSING},
                 {AUTH_TLS_COMMON_NAME, AUTH_OK},
                 {AUTH_TLS_DNS, AUTH_OK},
                 {AUTH_TLS_EMAIL, AUTH_MISSING}};
    struct attempt attempt;

    add_user(f, "ann", NULL, "reader");
    add_user(f, "bob", NULL, "reader");
    start(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;

        f->options.settings.tls_users = cases[i].rule;
        assert_int_equal(auth_reload(f->auth, &f->options.settings, &err), 0);
        attempt_init(&attempt);
        assert_int_equal(attempt_wait(&attempt, auth_nothing(f->auth, &client, &attempt.job)),
                         cases[i].verdict);
        if (cases[i].verdict == AUTH_OK) {
            assert_string_equal(principal_name(attempt.job.session.principal), "ann");
        }
        attempt_deinit(&attempt);
    }
    client = (struct auth_client){.address = "10.0.0.1"};
    attempt_init(&attempt);
    assert_int_equal(auth_nothing(f->auth, &client, &attempt.job), AUTH_MISSING);
    attempt_deinit(&attempt);
}

static void test_anonymous(void **state)
{
    struct fixture *f = *state;
    struct attempt attempt;
    struct error err;

    f->options.settings.anonymous_role = "reader:public/";
    start(f);
    attempt_init(&attempt);
    assert_int_equal(auth_http(f->auth, &local, s(""), &attempt.job), AUTH_OK);
    assert_true(principal_may_key(attempt.job.session.principal, RIGHT_READ, s("public/x")));
    assert_false(principal_may_key(attempt.job.session.principal, RIGHT_READ, s("x")));
    f->options.settings.anonymous_role = "";
    assert_int_equal(auth_reload(f->auth, &f->options.settings, &err), 0);
    assert_false(auth_is_current(f->auth, &attempt.job.session));
    assert_false(auth_renew(f->auth, &attempt.job.session));
    attempt_deinit(&attempt);
    assert_int_equal(basic(f, "nobody", PASSWORD), AUTH_REFUSED);
}

/* ---- The file with a token ----------------------------------------------------------------- */

static void write_file(const char *path, const char *text, unsigned mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_bootstrap(void **state)
{
    struct fixture *f = *state;
    struct token token;
    struct error err;
    char header[160];

    assert_int_equal(token_make(os_real(), &token, &err), 0);
    f->options.settings.admin_token_file = f->file;
    assert_int_equal(auth_start(&f->options, &f->auth, &err), BLOCKDB_ENOTFOUND);
    write_file(f->file, token.text, 0644);
    assert_int_equal(auth_start(&f->options, &f->auth, &err), BLOCKDB_EDENIED);
    write_file(f->file, "hello\n", 0600);
    assert_int_equal(auth_start(&f->options, &f->auth, &err), BLOCKDB_EINVAL);
    assert_null(strstr(err.message, "hello"));
    write_file(f->file, token.text, 0600);
    start(f);
    (void)snprintf(header, sizeof header, "Bearer %s", token.text);
    assert_int_equal(http(f, header, "bootstrap"), AUTH_OK);
    header[40] ^= 1;
    assert_int_equal(http(f, header, "bootstrap"), AUTH_REFUSED);
    f->options.settings.anonymous_role = "king";
    assert_int_equal(auth_reload(f->auth, &f->options.settings, &err), BLOCKDB_EINVAL);
}

/* ---- Changes ------------------------------------------------------------------------------- */

static void test_changes_are_in_force(void **state)
{
    struct fixture *f = *state;
    struct user_change change = {.name = "ann"};
    struct attempt attempt;
    struct role_list roles = {0};
    struct error err;

    add_user(f, "ann", PASSWORD, "reader");
    start(f);
    attempt_init(&attempt);
    assert_int_equal(
        attempt_wait(&attempt, auth_password(f->auth, &local, s("ann"), s(PASSWORD), &attempt.job)),
        AUTH_OK);

    /* Another role: the session goes on with other rights. */
    assert_int_equal(role_list_add(&roles, s("writer"), &err), 0);
    change.roles = &roles;
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), 0);
    refresh(f);
    assert_false(auth_is_current(f->auth, &attempt.job.session));
    assert_true(auth_renew(f->auth, &attempt.job.session));
    assert_true(auth_is_current(f->auth, &attempt.job.session));
    assert_true(principal_may(attempt.job.session.principal, RIGHT_WRITE));
    assert_false(principal_may(attempt.job.session.principal, RIGHT_READ));
    role_list_deinit(&roles);

    /* Another password: the session is over, and what was remembered counts no more. */
    change = (struct user_change){
        .name = "ann", .sets_password = true, .password = s("another horse")};
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), 0);
    refresh(f);
    assert_false(auth_renew(f->auth, &attempt.job.session));
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_REFUSED);
    assert_int_equal(basic(f, "ann", "another horse"), AUTH_OK);

    change = (struct user_change){.name = "ann", .sets_disabled = true, .disabled = true};
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), 0);
    refresh(f);
    assert_int_equal(basic(f, "ann", "another horse"), AUTH_REFUSED);

    assert_int_equal(auth_store_user_remove(&f->writer, "ann", &err), 0);
    refresh(f);
    assert_int_equal(basic(f, "ann", "another horse"), AUTH_REFUSED);
    assert_int_equal(auth_store_user_remove(&f->writer, "ann", &err), BLOCKDB_ENOTFOUND);
    attempt_deinit(&attempt);
}

static void test_revoked_token(void **state)
{
    struct fixture *f = *state;
    struct attempt attempt;
    struct token token;
    struct error err;

    add_token(f, "reader", 0, &token);
    start(f);
    attempt_init(&attempt);
    assert_int_equal(auth_password(f->auth, &local, s(""), s(token.text), &attempt.job), AUTH_OK);
    assert_int_equal(auth_store_token_revoke(&f->writer, token.id, &err), 0);
    assert_int_equal(auth_store_token_revoke(&f->writer, token.id, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(auth_store_token_revoke(&f->writer, "xyz", &err), BLOCKDB_EINVAL);
    refresh(f);
    assert_false(auth_renew(f->auth, &attempt.job.session));
    attempt_deinit(&attempt);
}

/* Whoever wrote it: the thread of auth finds it out. */
static void test_changes_from_elsewhere(void **state)
{
    struct fixture *f = *state;
    enum auth_verdict verdict = AUTH_REFUSED;

    start(f);
    add_user(f, "late", PASSWORD, "reader");
    auth_notice(f->auth);
    for (int i = 0; i < 600 && verdict != AUTH_OK; i++) {
        os_sleep_ns(os_real(), 10000000);
        verdict = f->auth != NULL ? basic(f, "late", PASSWORD) : AUTH_REFUSED;
        assert_true(verdict == AUTH_OK || verdict == AUTH_REFUSED || verdict == AUTH_LIMITED);
    }
    assert_int_equal(verdict, AUTH_OK);
}

static void test_store_refusals(void **state)
{
    struct fixture *f = *state;
    struct user_record record = {0};
    struct user_change change = {.name = "ann", .sets_password = true, .password = s("short")};
    struct error err;

    f->writer.keeps_admin = true;
    assert_int_equal(auth_store_user_add(&f->writer, &change, &err), BLOCKDB_EINVAL);
    change.name = "b d";
    assert_int_equal(auth_store_user_add(&f->writer, &change, &err), BLOCKDB_EINVAL);
    assert_int_equal(auth_store_user(f->db, "ann", &record, NULL, &err), BLOCKDB_ENOTFOUND);
    change = (struct user_change){.name = "ann"};
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), BLOCKDB_ENOTFOUND);
    add_user(f, "root", PASSWORD, "admin");
    assert_int_equal(auth_store_user_add(&f->writer, &(struct user_change){.name = "root"}, &err),
                     BLOCKDB_EEXIST);
    /* The last admin stays. */
    assert_int_equal(auth_store_user_remove(&f->writer, "root", &err), BLOCKDB_ECONFLICT);
    change = (struct user_change){.name = "root", .sets_disabled = true, .disabled = true};
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), BLOCKDB_ECONFLICT);
    add_user(f, "root2", PASSWORD, "admin");
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), 0);
    assert_int_equal(auth_store_user_remove(&f->writer, "root2", &err), BLOCKDB_ECONFLICT);
    f->writer.keeps_admin = false;
    assert_int_equal(auth_store_user_remove(&f->writer, "root2", &err), 0);
}

/* ---- Limits, damage, memory ---------------------------------------------------------------- */

static void test_failures_are_limited(void **state)
{
    struct fixture *f = *state;
    struct auth_stats stats;
    struct token token;
    char header[160];

    add_user(f, "ann", PASSWORD, "reader");
    add_user(f, "bob", PASSWORD, "reader");
    add_token(f, "reader", 0, &token);
    start(f);
    assert_int_equal(basic(f, "bob", PASSWORD), AUTH_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(basic(f, "ann", "wrong horse"), AUTH_REFUSED);
    }
    assert_int_equal(basic(f, "ann", "wrong horse"), AUTH_LIMITED);
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_LIMITED);
    for (int i = 0; i < 17; i++) {
        assert_int_equal(http(f, "Bearer bdb_x", ""), i < 3 ? AUTH_REFUSED : AUTH_LIMITED);
    }
    /* Who is remembered, and who has a token, is not kept out. */
    assert_int_equal(basic(f, "bob", PASSWORD), AUTH_OK);
    (void)snprintf(header, sizeof header, "Bearer %s", token.text);
    {
        char who[80];

        (void)snprintf(who, sizeof who, "token:%s:ci", token.id);
        assert_int_equal(http(f, header, who), AUTH_OK);
    }
    auth_stats_get(f->auth, &stats);
    assert_int_equal(stats.verified, 4);
    assert_true(stats.limited >= 2);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    struct error err;

    assert_int_equal(blockdb_put(f->db, key, strlen(key), value, strlen(value), NULL, NULL, &err),
                     0);
}

static void test_damaged_records(void **state)
{
    struct fixture *f = *state;
    struct role_list roles = {0};
    struct user_change change = {.name = "eve", .sets_disabled = true};
    struct auth_stats stats;
    struct error err;

    add_user(f, "ann", PASSWORD, "reader");
    put(f, "!blockdb/user/eve", "{\"name\":\"eve\",\"roles\":[\"admin\"]}");
    put(f, "!blockdb/user/", "{}");
    put(f, "!blockdb/token/0123456789abcdef", "bdb");
    put(f, "!blockdb/else", "whatever");
    start(f);
    auth_stats_get(f->auth, &stats);
    assert_int_equal(stats.damaged, 3);
    assert_int_equal(stats.users, 1);
    assert_int_equal(basic(f, "eve", PASSWORD), AUTH_REFUSED);
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_OK);

    /* It is replaced by a whole new one, and by nothing less. */
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), BLOCKDB_ECORRUPT);
    assert_int_equal(auth_store_user_add(&f->writer, &change, &err), BLOCKDB_EEXIST);
    assert_int_equal(role_list_add(&roles, s("reader"), &err), 0);
    change = (struct user_change){
        .name = "eve", .roles = &roles, .sets_password = true, .password = s(PASSWORD)};
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), 0);
    assert_int_equal(auth_store_token_revoke(&f->writer, "0123456789abcdef", &err), 0);
    refresh(f);
    auth_stats_get(f->auth, &stats);
    assert_int_equal(stats.damaged, 1);
    assert_int_equal(basic(f, "eve", PASSWORD), AUTH_OK);
    role_list_deinit(&roles);
}

/* AUTH-1: what cannot be read refuses everybody, until it can be read again. */
static void test_unavailable(void **state)
{
    const struct os_fault_plan broken = {.classes = OS_FAULT_READ, .nth = 1, .forever = true};
    const struct os_fault_plan whole = {.classes = 0};
    struct fixture *f = *state;
    struct os_fault *faults = os_fault_new(os_real());
    struct error err;

    assert_int_equal(blockdb_close(f->db, &err), 0);
    assert_int_equal(db_open(os_fault_os(faults), f->dir, NULL, 0, &f->db, &err), 0);
    f->writer.db = f->db;
    f->options.db = f->db;
    add_user(f, "ann", PASSWORD, "reader");
    start(f);
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_OK);
    assert_int_equal(blockdb_flush(f->db, &err), 0);
    os_fault_arm(faults, &broken);
    put(f, "any", "thing"); /* something is new, so the users are looked at */
    assert_int_equal(auth_refresh(f->auth, &err), BLOCKDB_EIO);
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_UNAVAILABLE);
    assert_int_equal(http(f, "", ""), AUTH_UNAVAILABLE);
    os_fault_arm(faults, &whole);
    refresh(f);
    assert_int_equal(basic(f, "ann", PASSWORD), AUTH_OK);

    auth_stop(f->auth);
    f->auth = NULL;
    assert_int_equal(blockdb_close(f->db, &err), 0);
    os_fault_free(faults);
    assert_int_equal(blockdb_open(f->dir, NULL, 0, &f->db, &err), 0);
}

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

/* The thread is never started, and a database that is only read has none, so that nobody else
 * allocates meanwhile. */
static void test_allocation_failures_of_start(void **state)
{
    const struct os_fault_plan no_threads = {.classes = OS_FAULT_THREAD, .nth = 1, .forever = true};
    struct fixture *f = *state;
    struct os_fault *faults = os_fault_new(os_real());
    struct token token;
    struct error open_err;
    int rc = BLOCKDB_ENOMEM;

    add_user(f, "ann", PASSWORD, "reader");
    add_token(f, "reader:a/", 0, &token);
    assert_int_equal(blockdb_close(f->db, &open_err), 0);
    assert_int_equal(blockdb_open(f->dir, NULL, BLOCKDB_OPEN_READ_ONLY, &f->db, &open_err), 0);
    f->options.db = f->db;
    f->options.settings.anonymous_role = "reader";
    f->options.os = os_fault_os(faults);
    os_fault_arm(faults, &no_threads);
    for (int n = 0; rc == BLOCKDB_ENOMEM; n++) {
        struct error err;
        int left = n;

        assert_true(n < 500);
        mem_set_fail_hook(fail_at, &left);
        rc = auth_start(&f->options, &f->auth, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_null(f->auth);
    }
    assert_int_equal(rc, BLOCKDB_EIO);
    os_fault_free(faults);
}

static void test_write_once(void **state)
{
    struct fixture *f = *state;
    struct blockdb_options *options = blockdb_options_new();
    struct user_change change = {.name = "ann", .sets_disabled = true, .disabled = true};
    struct user_record record = {0};
    struct error err;

    assert_int_equal(blockdb_close(f->db, &err), 0);
    assert_int_equal(blockdb_options_set(options, "write_once", "true", &err), 0);
    assert_int_equal(blockdb_open(f->dir, options, 0, &f->db, &err), 0);
    blockdb_options_free(options);
    f->writer.db = f->db;
    f->options.db = f->db;
    add_user(f, "ann", NULL, "reader");
    assert_int_equal(auth_store_user_set(&f->writer, &change, &err), 0);
    assert_int_equal(auth_store_user(f->db, "ann", &record, NULL, &err), 0);
    assert_true(record.disabled);
    user_record_deinit(&record);
}

static void test_names_of_verdicts(void **state)
{
    for (int v = AUTH_OK; v <= AUTH_UNAVAILABLE; v++) {
        assert_non_null(auth_verdict_name((enum auth_verdict)v));
    }
    assert_non_null(strstr(auth_challenge(), "Bearer"));
    auth_stop(NULL);
}

/* The queue is bounded, and who waits when auth stops gets an answer. */
static void test_queue(void **state)
{
    struct fixture *f = *state;
    static struct attempt attempts[AUTH_QUEUE_MAX + 3];
    unsigned busy = 0;

    add_user(f, "ann", PASSWORD, "reader");
    start(f);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        char password[32];
        enum auth_verdict verdict;

        attempt_init(&attempts[i]);
        (void)snprintf(password, sizeof password, "wrong horse %zu", i);
        verdict = auth_password(f->auth, &local, s("ann"), s(password), &attempts[i].job);
        busy += verdict == AUTH_BUSY;
        assert_true(verdict == AUTH_LATER || verdict == AUTH_BUSY || verdict == AUTH_LIMITED);
        if (verdict != AUTH_LATER) {
            attempts[i].is_done = true; /* done() is not called */
        }
    }
    auth_stop(f->auth);
    f->auth = NULL;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        assert_true(attempts[i].is_done);
        assert_true(attempts[i].job.verdict != AUTH_OK);
        attempt_deinit(&attempts[i]);
    }
    assert_true(busy >= 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_off_lets_everybody_in),
        TEST(test_passwords),
        TEST(test_malformed_headers),
        TEST(test_tokens),
        TEST(test_tokens_as_passwords),
        TEST(test_certificates),
        TEST(test_anonymous),
        TEST(test_bootstrap),
        TEST(test_changes_are_in_force),
        TEST(test_revoked_token),
        TEST(test_changes_from_elsewhere),
        TEST(test_store_refusals),
        TEST(test_failures_are_limited),
        TEST(test_damaged_records),
        TEST(test_unavailable),
        TEST(test_allocation_failures_of_start),
        TEST(test_write_once),
        TEST(test_names_of_verdicts),
        TEST(test_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
