/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls.h on connections, with OpenSSL as the client. */
#include "base/mem.h"
#include "os/os.h"
#include "server/tls.h"
#include "talker.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_BYTES 96

/* Files of this test, in a directory of its own. */
static char dir[] = "/tmp/blockdb-tls-XXXXXX";

static void path_of(char out[PATH_BYTES], const char *name)
{
    (void)snprintf(out, PATH_BYTES, "%s/%s", dir, name);
}

/* ---- Certificates -------------------------------------------------------------------------- */

static void add_san(X509 *certificate, const char *san)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Writes name.key and name.pem: a certificate that signs itself and ends after `seconds`. */
static void make_certificate(const char *name, long seconds)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    char path[PATH_BYTES];
    char file[64];
    FILE *f;

    assert_int_equal(X509_set_version(certificate, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), rand()), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -1000));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), seconds));
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(certificate, subject), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    add_san(certificate, "DNS:a.example,email:ann@example.org");
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    (void)snprintf(file, sizeof(file), "%s.pem", name);
    path_of(path, file);
    f = fopen(path, "w");
    assert_int_equal(PEM_write_X509(f, certificate), 1);
    (void)fclose(f);
    (void)snprintf(file, sizeof(file), "%s.key", name);
    path_of(path, file);
    f = fopen(path, "w");
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static int load(const char *cert, const char *key, const char *ca, struct tls **out,
                struct error *err)
{
    char cert_path[PATH_BYTES];
    char key_path[PATH_BYTES];
    char ca_path[PATH_BYTES];
    const struct tls_options options = {.os = os_real(),
                                        .cert_path = cert_path,
                                        .key_path = key_path,
                                        .ca_path = ca_path,
                                        .client_auth = ca != NULL ? TLS_CLIENT_REQUIRED
                                                                  : TLS_CLIENT_NONE};

    path_of(cert_path, cert);
    path_of(key_path, key);
    path_of(ca_path, ca != NULL ? ca : "none");
    return tls_new(&options, out, err);
}

static struct tls *loaded(const char *name, const char *ca)
{
    char cert[64];
    char key[64];
    struct tls *tls = NULL;
    struct error err = {0};

    (void)snprintf(cert, sizeof(cert), "%s.pem", name);
    (void)snprintf(key, sizeof(key), "%s.key", name);
    if (load(cert, key, ca, &tls, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return tls;
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    make_certificate("one", 3600);
    make_certificate("two", 3600);
    make_certificate("old", -10);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"one.pem", "one.key", "two.pem",
                                        "two.key", "old.pem", "old.key"};
    char path[PATH_BYTES];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        path_of(path, files[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

/* ---- A client ------------------------------------------------------------------------------ */

struct client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

/* Connects; cert NULL: without a certificate. Returns what SSL_connect() does. */
static int client_open(struct client *client, const struct talker_world *world, const char *cert,
                       int version_max)
{
    char path[PATH_BYTES];
    char file[64];

    client->fd = client_connect(world);
    client->context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(client->context, version_max), 1);
    if (cert != NULL) {
        (void)snprintf(file, sizeof(file), "%s.pem", cert);
        path_of(path, file);
        assert_int_equal(SSL_CTX_use_certificate_chain_file(client->context, path), 1);
        (void)snprintf(file, sizeof(file), "%s.key", cert);
        path_of(path, file);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(client->context, path, SSL_FILETYPE_PEM), 1);
    }
    client->ssl = SSL_new(client->context);
    assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
    return SSL_connect(client->ssl);
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    (void)close(client->fd);
}

static void tls_send(struct client *client, const char *text)
{
    assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), strlen(text));
}

static void tls_expect(struct client *client, const char *text)
{
    char got[64];
    int at = 0;

    while (at < (int)strlen(text)) {
        int n = SSL_read(client->ssl, got + at, (int)strlen(text) - at);

        assert_true(n > 0);
        at += n;
    }
    got[at] = '\0';
    assert_string_equal(got, text);
}

/* ---- Tests --------------------------------------------------------------------------------- */

static void test_talks(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls *tls = loaded("one", NULL);
    struct talker_world world;
    size_t i;

    (void)state;
    assert_true(tls_expires(tls) > (int64_t)time(NULL));
    world_start(&world, 2, NULL, tls);
    for (i = 0; i < 2; i++) {
        struct client client;
        size_t left = 10000000;
        char got[50000];

        assert_int_equal(client_open(&client, &world, NULL, versions[i]), 1);
        tls_send(&client, "echo a\necho b\nlater c\n");
        tls_expect(&client, "a\nb\nc\n");
        tls_send(&client, "echo d\nbig 10000000\n");
        tls_expect(&client, "d\n");
        while (left > 0) {
            int n = SSL_read(client.ssl, got, left < sizeof(got) ? (int)left : (int)sizeof(got));

            assert_true(n > 0 && got[0] == 'x' && got[n - 1] == 'x');
            left -= (size_t)n;
        }
        tls_send(&client, "pause\necho e\nclose\n");
        tls_expect(&client, "e\n");
        assert_true(SSL_read(client.ssl, got, sizeof(got)) == 0);
        assert_int_equal(SSL_get_error(client.ssl, 0), SSL_ERROR_ZERO_RETURN);
        client_close(&client);
    }
    world_stop(&world);
    tls_unref(tls);
}

static void test_refuses_old_versions_and_silence(void **state)
{
    const struct conn_limits hasty = {.output_high = 65536,
                                      .output_max = 1 << 20,
                                      .send_timeout_ms = 1000,
                                      .handshake_timeout_ms = 200};
    struct tls *tls = loaded("one", NULL);
    struct talker_world world;
    struct client client;
    int silent;
    int plain;

    (void)state;
    world_start(&world, 1, &hasty, tls);
    assert_int_not_equal(client_open(&client, &world, NULL, TLS1_1_VERSION), 1);
    client_close(&client);
    plain = client_connect(&world);
    client_send(plain, "GET / HTTP/1.1\r\n\r\n");
    client_expect_end(plain, 64);
    (void)close(plain);
    silent = client_connect(&world);
    client_expect_end(silent, 0); /* the handshake has a deadline */
    (void)close(silent);
    WAIT_FOR(world_connections(&world) == 0);
    assert_int_equal(conn_group_figures(worker_group(world.team.workers[0])).cut, 1);
    assert_true(conn_group_figures(worker_group(world.team.workers[0])).tls_failures >= 2);
    world_stop(&world);
    tls_unref(tls);
}

static void test_client_certificates(void **state)
{
    struct tls *tls = loaded("one", "two.pem");
    struct talker_world world;
    struct client client;
    char byte;

    (void)state;
    world_start(&world, 1, NULL, tls);
    assert_int_equal(client_open(&client, &world, "two", TLS1_3_VERSION), 1);
    tls_send(&client, "who\n");
    tls_expect(&client, "two CN=two DNS:a.example,email:ann@example.org\n");
    client_close(&client);
    /* With TLS 1.3 the client hears of the refusal when it reads. */
    if (client_open(&client, &world, NULL, TLS1_3_VERSION) == 1) {
        assert_true(SSL_read(client.ssl, &byte, 1) <= 0);
    }
    client_close(&client);
    assert_int_not_equal(client_open(&client, &world, "one", TLS1_2_VERSION), 1);
    client_close(&client);
    world_stop(&world);
    tls_unref(tls);
}

/* The name on the certificate that a server shows. */
static void expect_server(const struct talker_world *world, const char *name)
{
    struct client client;
    X509 *certificate;
    char shown[64];

    assert_int_equal(client_open(&client, world, NULL, TLS1_3_VERSION), 1);
    certificate = SSL_get0_peer_certificate(client.ssl);
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, shown,
                                    sizeof(shown));
    assert_string_equal(shown, name);
    client_close(&client);
}

static void test_certificates_are_replaced(void **state)
{
    struct worker_settings settings = {.limits = {.output_high = 65536,
                                                  .output_max = 1 << 20,
                                                  .send_timeout_ms = 1000,
                                                  .handshake_timeout_ms = 1000}};
    struct tls *one = loaded("one", NULL);
    struct tls *two = loaded("two", NULL);
    struct talker_world world;
    struct client stays;

    (void)state;
    world_start(&world, 1, NULL, one);
    assert_int_equal(client_open(&stays, &world, NULL, TLS1_3_VERSION), 1);
    tls_send(&stays, "echo a\n");
    tls_expect(&stays, "a\n");
    expect_server(&world, "one");
    settings.tls = two;
    worker_set(world.team.workers[0], &settings);
    tls_unref(one);
    tls_unref(two);
    expect_server(&world, "two");
    tls_send(&stays, "echo b\n"); /* a connection keeps what it began with */
    tls_expect(&stays, "b\n");
    client_close(&stays);
    world_stop(&world);
}

static void test_refuses_bad_files(void **state)
{
    char path[PATH_BYTES];
    struct tls *tls = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(load("none.pem", "one.key", NULL, &tls, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(load("one.pem", "none.key", NULL, &tls, &err), BLOCKDB_ENOTFOUND);
    assert_int_equal(load("one.key", "one.key", NULL, &tls, &err), BLOCKDB_EINVAL);
    assert_int_equal(load("one.pem", "two.key", NULL, &tls, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "one.pem"));
    assert_non_null(strstr(err.message, "two.key"));
    assert_non_null(strstr(err.message, "openssl pkey"));
    /* What has expired is for whoever loads it to warn of. */
    assert_int_equal(load("old.pem", "old.key", NULL, &tls, &err), BLOCKDB_OK);
    assert_true(tls_expires(tls) < (int64_t)(os_now_ms(os_real()) / 1000));
    tls_unref(tls);
    assert_int_equal(load("one.pem", "one.key", "one.key", &tls, &err), BLOCKDB_EINVAL);
    path_of(path, "two.key");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(load("two.pem", "two.key", NULL, &tls, &err), BLOCKDB_EDENIED);
    assert_non_null(strstr(err.message, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_refuses_old_versions_and_silence),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_certificates_are_replaced),
        cmocka_unit_test(test_refuses_bad_files),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
