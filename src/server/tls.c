/* SPDX-License-Identifier: Apache-2.0 */
#include "server/tls.h"

#include "base/mem.h"
#include "os/os.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define SESSION_CONTEXT "blockdb"
#define REASON_BYTES 160
#define NAME_BYTES 256
#define KEY_FORBIDDEN_MODE 037 /* all of others, and all but reading of the group */
#define SECONDS_PER_DAY 86400
#define CIPHERS_TLS12                                                                              \
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:!aNULL:!PSK:!SRP:!aDSS:!AESCCM8:@STRENGTH"

struct tls {
    atomic_uint refs;
    SSL_CTX *context; /* owned */
    int64_t expires;
};

struct session {
    SSL *ssl; /* owned; counts the SSL_CTX itself */
};

const char *tls_last_error(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason != NULL ? reason : "the connection was lost";
}

/* ---- Context ------------------------------------------------------------------------------- */

/* EINVAL with what OpenSSL says about a file. */
static int fail_file(struct error *err, const char *what, const char *path)
{
    char reason[REASON_BYTES];

    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
    return error_set(err, BLOCKDB_EINVAL, "cannot use %s '%s': %s", what, path, reason);
}

/* EINVAL: the key is not the one that the certificate was made for. */
static int fail_pair(struct error *err, const struct tls_options *options)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "key '%s' does not belong to certificate '%s': the first certificate in that "
                     "file must be the one that was made for this key; compare `openssl x509 -in "
                     "'%s' -noout -pubkey` with `openssl pkey -in '%s' -pubout`",
                     options->key_path, options->cert_path, options->cert_path, options->key_path);
}

/* Whether OpenSSL has just said that a key and a certificate are no pair. */
static bool is_no_pair(void)
{
    unsigned long code = ERR_peek_last_error();

    return ERR_GET_LIB(code) == ERR_LIB_X509 &&
           (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
            ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

/* Says for the usual reasons what is wrong, before OpenSSL says it in its words. */
static int file_check(const struct tls_options *options, const char *what, const char *path,
                      bool is_secret, struct error *err)
{
    struct os_stat found;
    int rc = os_stat_path(options->os, path, &found, err);

    if (rc < 0) {
        return error_wrap(err, rc, "cannot read %s", what);
    }
    if (is_secret && (found.mode & KEY_FORBIDDEN_MODE) != 0) {
        return error_set(err, BLOCKDB_EDENIED,
                         "%s '%s' can be read by others: chmod 600, or 640 for a group of its own",
                         what, path);
    }
    return BLOCKDB_OK;
}

static int64_t expiry_of(const X509 *certificate)
{
    struct tm tm = {0};

    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1) {
        return 0;
    }
    return (int64_t)timegm(&tm);
}

static int load_own(struct tls *tls, const struct tls_options *options, struct error *err)
{
    SSL_CTX *context = tls->context;
    int rc = file_check(options, "the certificate", options->cert_path, false, err);

    if (rc < 0) {
        return rc;
    }
    rc = file_check(options, "the key", options->key_path, true, err);
    if (rc < 0) {
        return rc;
    }
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_path) != 1) {
        return fail_file(err, "the certificate", options->cert_path);
    }
    if (SSL_CTX_use_PrivateKey_file(context, options->key_path, SSL_FILETYPE_PEM) != 1) {
        return is_no_pair() ? fail_pair(err, options)
                            : fail_file(err, "the key", options->key_path);
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        return fail_pair(err, options);
    }
    tls->expires = expiry_of(SSL_CTX_get0_certificate(context));
    return BLOCKDB_OK;
}

static int load_client_ca(SSL_CTX *context, const struct tls_options *options, struct error *err)
{
    STACK_OF(X509_NAME) * names;
    int mode = SSL_VERIFY_PEER;
    int rc;

    if (options->client_auth == TLS_CLIENT_NONE) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return BLOCKDB_OK;
    }
    rc = file_check(options, "tls_ca", options->ca_path, false, err);
    if (rc < 0) {
        return rc;
    }
    names = SSL_load_client_CA_file(options->ca_path);
    if (names == NULL || SSL_CTX_load_verify_locations(context, options->ca_path, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_file(err, "tls_ca", options->ca_path);
    }
    SSL_CTX_set_client_CA_list(context, names);
    if (options->client_auth == TLS_CLIENT_REQUIRED) {
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_verify(context, mode, NULL);
    return BLOCKDB_OK;
}

static int protocol_choose(SSL_CTX *context, struct error *err)
{
    static const unsigned char name[] = SESSION_CONTEXT;

    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, CIPHERS_TLS12) != 1 ||
        SSL_CTX_set_session_id_context(context, name, sizeof(name) - 1) != 1) {
        return error_set(err, BLOCKDB_EIO, "OpenSSL refuses the settings of TLS: %s",
                         tls_last_error());
    }
    return BLOCKDB_OK;
}

int tls_new(const struct tls_options *options, struct tls **out, struct error *err)
{
    struct tls *tls = mem_calloc(1, sizeof(*tls));
    int rc;

    if (tls == NULL) {
        return error_set_no_memory(err);
    }
    ERR_clear_error();
    atomic_init(&tls->refs, 1);
    tls->context = SSL_CTX_new(TLS_server_method());
    rc = tls->context == NULL ? error_set_no_memory(err) : protocol_choose(tls->context, err);
    if (rc == BLOCKDB_OK) {
        rc = load_own(tls, options, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = load_client_ca(tls->context, options, err);
    }
    if (rc < 0) {
        tls_unref(tls);
        return rc;
    }
    *out = tls;
    return BLOCKDB_OK;
}

struct tls *tls_ref(struct tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void tls_unref(struct tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(tls->context);
    mem_free(tls);
}

int64_t tls_expires(const struct tls *tls)
{
    return tls->expires;
}

/* ---- Sessions ------------------------------------------------------------------------------ */

static int session_start(void *context, int fd, void **out_session)
{
    const struct tls *tls = context;
    struct session *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return BLOCKDB_ENOMEM;
    }
    s->ssl = SSL_new(tls->context);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1) {
        SSL_free(s->ssl);
        mem_free(s);
        return BLOCKDB_ENOMEM;
    }
    SSL_set_accept_state(s->ssl);
    *out_session = s;
    return BLOCKDB_OK;
}

static void session_free(void *session)
{
    struct session *s = session;

    SSL_free(s->ssl);
    mem_free(s);
}

static enum transport_result result_of(const struct session *s, int rc)
{
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    default:
        return TRANSPORT_FAILED;
    }
}

static enum transport_result session_handshake(void *session)
{
    struct session *s = session;
    int rc;

    ERR_clear_error();
    rc = SSL_accept(s->ssl);
    return rc == 1 ? TRANSPORT_OK : result_of(s, rc);
}

static enum transport_result session_read(void *session, void *out, size_t cap, size_t *out_len)
{
    struct session *s = session;
    int rc;

    ERR_clear_error();
    rc = SSL_read_ex(s->ssl, out, cap, out_len);
    return rc == 1 ? TRANSPORT_OK : result_of(s, rc);
}

static enum transport_result session_write(void *session, struct slice data, size_t *out_len)
{
    struct session *s = session;
    int rc;

    ERR_clear_error();
    rc = SSL_write_ex(s->ssl, data.data, data.len, out_len);
    return rc == 1 ? TRANSPORT_OK : result_of(s, rc);
}

static bool session_has_pending(const void *session)
{
    const struct session *s = session;

    return SSL_has_pending(s->ssl) != 0;
}

static void session_shutdown(void *session)
{
    struct session *s = session;

    ERR_clear_error();
    (void)SSL_shutdown(s->ssl); /* the peer's own goodbye is not waited for */
}

/* ---- The client's certificate -------------------------------------------------------------- */

/* What was written to a memory BIO, as text; NULL when out of memory. */
static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    char *text = mem_alloc((size_t)len + 1);

    if (text != NULL) {
        memcpy(text, data, (size_t)len);
        text[len] = '\0';
    }
    return text;
}

static int subject_of(X509 *certificate, char **out)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL ||
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0) {
        BIO_free(bio);
        return BLOCKDB_ENOMEM;
    }
    *out = bio_text(bio);
    BIO_free(bio);
    return *out != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

/* Names that could be taken for others are left out: those with a zero or a comma inside. */
static bool name_is_plain(const ASN1_STRING *name)
{
    const unsigned char *data = ASN1_STRING_get0_data(name);
    int len = ASN1_STRING_length(name);
    int i;

    for (i = 0; i < len; i++) {
        if (data[i] <= ' ' || data[i] == ',' || data[i] > '~') {
            return false;
        }
    }
    return len > 0;
}

static void san_append(BIO *bio, const GENERAL_NAME *name)
{
    const char *kind = name->type == GEN_DNS     ? "DNS"
                       : name->type == GEN_EMAIL ? "email"
                       : name->type == GEN_URI   ? "URI"
                                                 : NULL;

    if (kind != NULL && name_is_plain(name->d.ia5)) {
        (void)BIO_printf(bio, "%s%s:%.*s", BIO_pending(bio) > 0 ? "," : "", kind,
                         ASN1_STRING_length(name->d.ia5),
                         (const char *)ASN1_STRING_get0_data(name->d.ia5));
    }
}

static int san_of(X509 *certificate, char **out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    BIO *bio;
    int i;

    if (names == NULL) {
        return BLOCKDB_OK;
    }
    bio = BIO_new(BIO_s_mem());
    for (i = 0; bio != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        san_append(bio, sk_GENERAL_NAME_value(names, i));
    }
    if (bio != NULL && BIO_pending(bio) > 0) {
        *out = bio_text(bio);
    }
    i = bio != NULL && (BIO_pending(bio) == 0 || *out != NULL) ? BLOCKDB_OK : BLOCKDB_ENOMEM;
    BIO_free(bio);
    GENERAL_NAMES_free(names);
    return i;
}

static int name_of(X509 *certificate, char **out)
{
    char name[NAME_BYTES];
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                        sizeof(name));

    if (len <= 0 || (size_t)len != strlen(name)) {
        return BLOCKDB_OK; /* none, or one with a zero inside */
    }
    *out = mem_strdup(name);
    return *out != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}

static int session_peer(const void *session, struct transport_peer *out)
{
    const struct session *s = session;
    X509 *certificate = SSL_get0_peer_certificate(s->ssl);
    int rc;

    if (certificate == NULL || SSL_get_verify_result(s->ssl) != X509_V_OK) {
        return BLOCKDB_OK;
    }
    rc = subject_of(certificate, &out->subject);
    if (rc == BLOCKDB_OK) {
        rc = san_of(certificate, &out->san);
    }
    return rc == BLOCKDB_OK ? name_of(certificate, &out->name) : rc;
}

const struct transport tls_transport = {
    .start = session_start,
    .handshake = session_handshake,
    .read = session_read,
    .write = session_write,
    .has_pending = session_has_pending,
    .peer = session_peer,
    .shutdown = session_shutdown,
    .free = session_free,
};
