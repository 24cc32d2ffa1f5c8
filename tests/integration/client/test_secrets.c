/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-client and a real server with TLS and users: whom a client trusts, and what a server
 * lets it do.
 *
 * client_secrets SERVER CLI
 */
#include "real_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONFIG                                                                                     \
    "[server]\nresp_port = 0\ndrain_time = 0\n[security]\nenable_auth = true\nadmin_token_file = " \
    "\"%s/admin\"\n"

static const char *program;
static const char *cli;

/* A client's certificate is never the server's, nor the other way round. */
#define CERTIFICATE                                                                                \
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s.key "  \
    "-out csr 2>err && printf 'subjectAltName=DNS:%s\\n' >ext && openssl x509 -req -in csr -CA "   \
    "%s.pem -CAkey %s.key -CAcreateserial -days %d -extfile ext -out %s.pem 2>err && chmod 600 "   \
    "%s.key"

static void make_ca(const struct real_server *s, const char *name)
{
    char command[REAL_TEXT_BYTES];

    (void)snprintf(command, sizeof(command),
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                   "-subj /CN=%s -keyout %s.key -out %s.pem 2>err",
                   name, name, name);
    real_run(s, command, NULL);
}

struct certificate {
    const char *file;
    const char *host;
    const char *ca;
    int days; /* it is valid from now on; -1: not any more */
};

static void make_certificate(const struct real_server *s, const struct certificate *c)
{
    char command[800];

    (void)snprintf(command, sizeof(command), CERTIFICATE, c->host, c->file, c->host, c->ca, c->ca,
                   c->days, c->file, c->file);
    real_run(s, command, NULL);
}

static int make_all(void **state)
{
    static const struct certificate certificates[] = {
        {"good", "localhost", "ca", 2},      {"expired", "localhost", "ca", -1},
        {"named", "other.example", "ca", 2}, {"client", "app", "ca", 2},
        {"stranger", "app", "otherca", 2},
    };
    struct real_server *s = calloc(1, sizeof(*s));
    char command[REAL_TEXT_BYTES];
    size_t i;

    assert_non_null(s);
    real_server_init(s, program);
    make_ca(s, "ca");
    make_ca(s, "otherca");
    for (i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++) {
        make_certificate(s, &certificates[i]);
    }
    (void)snprintf(command, sizeof(command), "%s token generate > admin && chmod 600 admin", cli);
    real_run(s, command, NULL);
    *state = s;
    return 0;
}

static int remove_all(void **state)
{
    real_server_deinit(*state);
    free(*state);
    return 0;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void start_tls(struct real_server *s, const char *certificate, const char *more)
{
    char config[800];

    (void)snprintf(config, sizeof(config),
                   "[server]\nresp_port = 0\ndrain_time = 0\n[security]\ntls_cert = \"%s/%s.pem\"\n"
                   "tls_key = \"%s/%s.key\"\n%s",
                   s->folder, certificate, s->folder, certificate, more);
    real_server_start(s, "https", config);
}

/* What comes of one request. */
static int try_once(const struct blockdb_client_options *options, struct blockdb_error *err)
{
    struct blockdb_client *client = NULL;
    int rc = blockdb_client_new(options, &client, err);

    if (rc == 0) {
        rc = blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, err);
    }
    blockdb_client_free(client);
    return rc;
}

static struct blockdb_client_options tls_options(const struct real_server *s, const char *ca)
{
    struct blockdb_client_options o = real_options(s->url);

    o.ca_file = ca != NULL ? real_path(s, ca) : NULL;
    o.retry_attempts = 0;
    return o;
}

static void test_server_certificates(void **state)
{
    static const struct {
        const char *certificate;
        const char *ca;
        const char *says; /* NULL: accepted */
    } rows[] = {
        {"good", "ca.pem", NULL},
        {"good", "otherca.pem", "certificate is not accepted"},
        {"good", NULL, "certificate is not accepted"},
        {"named", "ca.pem", "mismatch"},
    };
    struct real_server *s = *state;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct blockdb_client_options o;
        struct blockdb_error err;
        char address[REAL_PATH_BYTES];

        start_tls(s, rows[i].certificate, "");
        o = tls_options(s, rows[i].ca);
        EXPECT(rows[i].says == NULL ? 0 : BLOCKDB_EIO, try_once(&o, &err), &err);
        if (rows[i].says != NULL && strcasestr(err.message, rows[i].says) == NULL) {
            fail_msg("row %zu: %s", i, err.message);
        }
        /* The same server by its address, which no certificate here has. */
        (void)snprintf(address, sizeof(address), "https://127.0.0.1:%u", s->port);
        o.urls = address;
        EXPECT(BLOCKDB_EIO, try_once(&o, &err), &err);
        o.insecure = true;
        EXPECT(0, try_once(&o, &err), &err);
        /* In the clear nothing is understood. */
        (void)snprintf(address, sizeof(address), "http://127.0.0.1:%u", s->port);
        o = real_options(address);
        o.retry_attempts = 0;
        assert_true(try_once(&o, &err) < 0);
        real_server_stop(s, SIGTERM);
    }
}

/* A server of ours refuses to start with such a certificate, so another program has to be it. */
static void test_expired_certificate(void **state)
{
    struct real_server *s = *state;
    struct blockdb_client_options o = tls_options(s, "ca.pem");
    struct blockdb_error err;
    char pid[REAL_TEXT_BYTES];
    char port[REAL_TEXT_BYTES] = "";
    char url[2 * REAL_TEXT_BYTES];

    real_run(s,
             "{ openssl s_server -cert expired.pem -key expired.key -accept 0 -www >other 2>&1 "
             "</dev/null & echo $!; }",
             pid);
    while (strlen(port) == 0) {
        real_run(s, "sed -n 's/^ACCEPT .*://p' other", port);
    }
    (void)snprintf(url, sizeof(url), "https://localhost:%s", port);
    o.urls = url;
    EXPECT(BLOCKDB_EIO, try_once(&o, &err), &err);
    assert_non_null(strstr(err.message, "expired"));
    assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGTERM), 0);
}

static void test_client_certificates(void **state)
{
    struct real_server *s = *state;
    struct blockdb_client_options o;
    struct blockdb_error err;
    char more[REAL_TEXT_BYTES];

    (void)snprintf(more, sizeof(more), "tls_ca = \"%s/ca.pem\"\ntls_client_auth = \"required\"\n",
                   s->folder);
    start_tls(s, "good", more);
    o = tls_options(s, "ca.pem");
    assert_true(try_once(&o, &err) < 0);
    o.cert_file = real_path(s, "client.pem");
    o.key_file = real_path(s, "client.key");
    EXPECT(0, try_once(&o, &err), &err);
    o.cert_file = real_path(s, "stranger.pem");
    o.key_file = real_path(s, "stranger.key");
    assert_true(try_once(&o, &err) < 0);
    /* Files that do not belong together, or are none. */
    o.key_file = real_path(s, "client.key");
    EXPECT(BLOCKDB_EINVAL, try_once(&o, &err), &err);
    o.cert_file = real_path(s, "server.toml");
    EXPECT(BLOCKDB_EINVAL, try_once(&o, &err), &err);
    assert_non_null(strstr(err.message, "server.toml"));
    o = tls_options(s, "nothing.pem");
    EXPECT(BLOCKDB_EINVAL, try_once(&o, &err), &err);
    real_server_stop(s, SIGTERM);
}

/* Many calls over few sessions, large ones among them, and a server that comes back. */
static void test_tls_lasts(void **state)
{
    struct real_server *s = *state;
    struct blockdb_client_options o;
    struct blockdb_client *client;
    struct blockdb_client_figures f = {.size = sizeof(f)};
    struct blockdb_value value = {0};
    struct blockdb_error err;
    size_t len = (size_t)3 << 20;
    char *large = malloc(len);
    unsigned i;

    assert_non_null(large);
    memset(large, 'x', len);
    start_tls(s, "good", "");
    o = tls_options(s, "ca.pem");
    o.retry_attempts = 20;
    client = real_client(&o);
    for (i = 0; i < 20; i++) {
        EXPECT(0, blockdb_client_put(client, "k", 1, &i, sizeof(i), NULL, NULL, &err), &err);
    }
    EXPECT(0, blockdb_client_put(client, "large", 5, large, len, NULL, NULL, &err), &err);
    EXPECT(0, blockdb_client_get(client, "large", 5, NULL, &value, &err), &err);
    assert_int_equal(value.len, len);
    assert_memory_equal(value.data, large, len);
    blockdb_client_figures_get(client, &f);
    assert_int_equal(f.connects, 1);
    real_server_stop(s, SIGKILL);
    start_tls(s, "good", "");
    EXPECT(0, blockdb_client_get(client, "k", 1, NULL, &value, &err), &err);
    blockdb_client_value_deinit(&value);
    blockdb_client_free(client);
    free(large);
    real_server_stop(s, SIGTERM);
}

/* ---- Users and tokens ------------------------------------------------------------------------ */

/* Sends a request as the admin, who must be let; the answer's body goes to out, if it is not NULL.
 */
static void administer(struct blockdb_client *admin, const char *method, const char *target,
                       const char *body, char out[1024])
{
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;
    struct blockdb_client_answer answer = {.status = 0};
    struct blockdb_error err;

    request.method = method;
    request.target = target;
    request.body = body;
    request.body_len = body != NULL ? strlen(body) : 0;
    EXPECT(0, blockdb_client_request(admin, &request, &answer, &err), &err);
    if (answer.status / 100 != 2) {
        fail_msg("%s %s: %d %.*s", method, target, answer.status, (int)answer.body.len,
                 (const char *)answer.body.data);
    }
    if (out != NULL) {
        (void)snprintf(out, 1024, "%.*s", (int)answer.body.len, (const char *)answer.body.data);
    }
    blockdb_client_answer_deinit(&answer);
}

/* The text of a member of a JSON object without escapes. */
static void member(const char *json, const char *name, char out[REAL_TEXT_BYTES])
{
    char pattern[64];
    const char *at;

    (void)snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
    at = strstr(json, pattern);
    assert_non_null(at);
    (void)snprintf(out, REAL_TEXT_BYTES, "%.*s", (int)strcspn(at + strlen(pattern), "\""),
                   at + strlen(pattern));
}

static void start_with_users(struct real_server *s, struct blockdb_client **out_admin)
{
    struct blockdb_client_options o;
    char config[REAL_TEXT_BYTES];

    (void)snprintf(config, sizeof(config), CONFIG, s->folder);
    real_server_start(s, "http", config);
    o = real_options(s->url);
    o.token_file = real_path(s, "admin");
    *out_admin = real_client(&o);
}

/* What somebody gets of reading and writing. */
static void check_rights(const struct blockdb_client_options *options, int read, int write)
{
    struct blockdb_client *client = real_client(options);
    struct blockdb_value value = {0};
    struct blockdb_error err;

    EXPECT(read, blockdb_client_get(client, "k", 1, NULL, &value, &err), &err);
    if (read != 0) {
        assert_int_equal(value.len, 0);
    }
    EXPECT(write, blockdb_client_put(client, "w", 1, "v", 1, NULL, NULL, &err), &err);
    blockdb_client_value_deinit(&value);
    blockdb_client_free(client);
}

static void test_tokens(void **state)
{
    struct real_server *s = *state;
    struct blockdb_client *admin;
    struct blockdb_client_options o;
    struct blockdb_error err;
    char json[1024];
    char reader[REAL_TEXT_BYTES];
    char id[REAL_TEXT_BYTES];
    char target[2 * REAL_TEXT_BYTES];

    start_with_users(s, &admin);
    EXPECT(0, blockdb_client_put(admin, "k", 1, "v", 1, NULL, NULL, &err), &err);
    administer(admin, "POST", "/api/v1/tokens", "{\"name\":\"r\",\"roles\":[\"reader\"]}", json);
    member(json, "token", reader);
    member(json, "id", id);

    o = real_options(s->url);
    check_rights(&o, BLOCKDB_EDENIED, BLOCKDB_EDENIED);
    o.token = reader;
    check_rights(&o, 0, BLOCKDB_EDENIED);
    o.token = "bdb_nonsense";
    check_rights(&o, BLOCKDB_EDENIED, BLOCKDB_EDENIED);
    o.token = reader;
    (void)snprintf(target, sizeof(target), "/api/v1/tokens/%s", id);
    {
        struct blockdb_client *before = real_client(&o);
        struct blockdb_value value = {0};

        EXPECT(0, blockdb_client_get(before, "k", 1, NULL, &value, &err), &err);
        administer(admin, "DELETE", target, NULL, NULL);
        /* Also on the connection that it was used on. */
        EXPECT(BLOCKDB_EDENIED, blockdb_client_get(before, "k", 1, NULL, &value, &err), &err);
        assert_null(strstr(err.message, reader));
        blockdb_client_value_deinit(&value);
        blockdb_client_free(before);
    }
    check_rights(&o, BLOCKDB_EDENIED, BLOCKDB_EDENIED);
    blockdb_client_free(admin);
    real_server_stop(s, SIGTERM);
}

static void test_users(void **state)
{
    struct real_server *s = *state;
    struct blockdb_client *admin;
    struct blockdb_client_options o;
    struct blockdb_error err;

    start_with_users(s, &admin);
    EXPECT(0, blockdb_client_put(admin, "k", 1, "v", 1, NULL, NULL, &err), &err);
    administer(admin, "POST", "/api/v1/users",
               "{\"name\":\"ann\",\"roles\":[\"reader\",\"writer:w\"],\"password\":\"correct horse "
               "battery\"}",
               NULL);
    o = real_options(s->url);
    o.user = "ann";
    o.password = "correct horse battery";
    check_rights(&o, 0, 0);
    o.password = "wrong";
    check_rights(&o, BLOCKDB_EDENIED, BLOCKDB_EDENIED);
    o.user = "nobody";
    check_rights(&o, BLOCKDB_EDENIED, BLOCKDB_EDENIED);
    o.user = "ann";
    o.password = NULL;
    real_write(s, "password", "correct horse battery\r\nsecond line\n");
    o.password_file = real_path(s, "password");
    assert_int_equal(try_once(&o, &err), BLOCKDB_EDENIED); /* others may read the file */
    assert_non_null(strstr(err.message, "chmod 600"));
    real_run(s, "chmod 600 password", NULL);
    check_rights(&o, 0, 0);
    administer(admin, "PUT", "/api/v1/users/ann", "{\"roles\":[\"reader\"]}", NULL);
    check_rights(&o, 0, BLOCKDB_EDENIED);
    administer(admin, "PUT", "/api/v1/users/ann", "{\"disabled\":true}", NULL);
    check_rights(&o, BLOCKDB_EDENIED, BLOCKDB_EDENIED);
    blockdb_client_free(admin);
    real_server_stop(s, SIGTERM);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_certificates),
        cmocka_unit_test(test_expired_certificate),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_tls_lasts),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_users),
    };

    if (argc != 3) {
        return 2;
    }
    program = real_program(argv[1]);
    cli = real_program(argv[2]);
    return cmocka_run_group_tests_name("client_secrets", tests, make_all, remove_all);
}
