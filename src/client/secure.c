/* SPDX-License-Identifier: Apache-2.0 */
#include "client/secure.h"

#include "base/library.h"
#include "base/mem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define REASON_BYTES 256

/* Of libcrypto, too: the functions of a library's own dependencies are found with it. */
#define FOR_EACH_FUNCTION(X)                                                                       \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_free)                                                                                \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_set_verify)                                                                          \
    X(SSL_CTX_set_default_verify_paths)                                                            \
    X(SSL_CTX_load_verify_locations)                                                               \
    X(SSL_CTX_use_certificate_chain_file)                                                          \
    X(SSL_CTX_use_PrivateKey_file)                                                                 \
    X(SSL_CTX_check_private_key)                                                                   \
    X(TLS_client_method)                                                                           \
    X(SSL_new)                                                                                     \
    X(SSL_free)                                                                                    \
    X(SSL_set_bio)                                                                                 \
    X(SSL_ctrl)                                                                                    \
    X(SSL_get0_param)                                                                              \
    X(SSL_set_connect_state)                                                                       \
    X(SSL_do_handshake)                                                                            \
    X(SSL_read_ex)                                                                                 \
    X(SSL_write_ex)                                                                                \
    X(SSL_get_error)                                                                               \
    X(SSL_get_verify_result)                                                                       \
    X(BIO_new)                                                                                     \
    X(BIO_free)                                                                                    \
    X(BIO_s_mem)                                                                                   \
    X(BIO_read)                                                                                    \
    X(BIO_write)                                                                                   \
    X(ERR_get_error)                                                                               \
    X(ERR_clear_error)                                                                             \
    X(ERR_error_string_n)                                                                          \
    X(X509_VERIFY_PARAM_set1_host)                                                                 \
    X(X509_VERIFY_PARAM_set1_ip_asc)                                                               \
    X(X509_verify_cert_error_string)

#define MEMBER(name) LIBRARY_FUNCTION(name);
#define TEXT(name) #name,

struct ssl_functions {
    FOR_EACH_FUNCTION(MEMBER)
};

static const char *const ssl_sonames[] = {"libssl.so.3", NULL};
static const char *const ssl_symbols[] = {FOR_EACH_FUNCTION(TEXT)};
static const struct library ssl_library = {
    .name = "OpenSSL's libssl",
    .package = "libssl3",
    .sonames = ssl_sonames,
    .symbols = ssl_symbols,
    .symbol_count = sizeof(ssl_symbols) / sizeof(ssl_symbols[0]),
};

struct secure {
    struct ssl_functions f;
    SSL_CTX *context;
    bool insecure;
};

struct secure_session {
    struct secure *secure;
    SSL *ssl;
    BIO *in;  /* what was received; owned by ssl */
    BIO *out; /* what must be sent; owned by ssl */
};

/* The first reason that OpenSSL has for a failure of this thread. */
static const char *reason_of(const struct secure *s, char out[REASON_BYTES])
{
    unsigned long code = s->f.ERR_get_error();

    if (code == 0) {
        return "no reason told";
    }
    s->f.ERR_error_string_n(code, out, REASON_BYTES);
    s->f.ERR_clear_error();
    return out;
}

/* ---- Contexts ------------------------------------------------------------------------------ */

void secure_free(struct secure *s)
{
    if (s != NULL) {
        if (s->context != NULL) {
            s->f.SSL_CTX_free(s->context);
        }
        mem_free(s);
    }
}

static void secure_free_ptr(struct secure **s)
{
    secure_free(*s);
}

static int bad_file(const struct secure *s, const char *what, const char *path, struct error *err)
{
    char reason[REASON_BYTES];

    return error_set(err, BLOCKDB_EINVAL, "%s '%s' cannot be used: %s", what, path,
                     reason_of(s, reason));
}

static int load_trusted(struct secure *s, const struct secure_options *o, struct error *err)
{
    if (o->ca_file == NULL) {
        return s->f.SSL_CTX_set_default_verify_paths(s->context) == 1
                   ? BLOCKDB_OK
                   : bad_file(s, "the certificates of", "the system", err);
    }
    return s->f.SSL_CTX_load_verify_locations(s->context, o->ca_file, NULL) == 1
               ? BLOCKDB_OK
               : bad_file(s, "the file of trusted certificates", o->ca_file, err);
}

static int load_own(struct secure *s, const struct secure_options *o, struct error *err)
{
    const char *key = o->key_file != NULL ? o->key_file : o->cert_file;

    if (o->cert_file == NULL && o->key_file != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%s' is the key of a client certificate, and none is given (--cert)",
                         o->key_file);
    }
    if (o->cert_file == NULL) {
        return BLOCKDB_OK;
    }
    if (s->f.SSL_CTX_use_certificate_chain_file(s->context, o->cert_file) != 1) {
        return bad_file(s, "the client certificate", o->cert_file, err);
    }
    if (s->f.SSL_CTX_use_PrivateKey_file(s->context, key, SSL_FILETYPE_PEM) != 1) {
        return bad_file(s, "the key of the client certificate", key, err);
    }
    return s->f.SSL_CTX_check_private_key(s->context) == 1
               ? BLOCKDB_OK
               : bad_file(s, "the key, which is not that of the certificate,", key, err);
}

int secure_new(const struct secure_options *options, struct secure **out, struct error *err)
{
    AUTO(secure_free_ptr) struct secure *s = mem_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    rc = library_load(&ssl_library, &s->f, err);
    if (rc < 0) {
        return rc;
    }
    s->insecure = options->insecure;
    s->f.ERR_clear_error();
    s->context = s->f.SSL_CTX_new(s->f.TLS_client_method());
    if (s->context == NULL) {
        return error_set_no_memory(err);
    }
    (void)s->f.SSL_CTX_ctrl(s->context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    s->f.SSL_CTX_set_verify(s->context, s->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    rc = s->insecure ? BLOCKDB_OK : load_trusted(s, options, err);
    if (rc == BLOCKDB_OK) {
        rc = load_own(s, options, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(s);
    }
    return rc;
}

/* ---- Sessions ------------------------------------------------------------------------------ */

void secure_session_free(struct secure_session *session)
{
    if (session != NULL) {
        if (session->ssl != NULL) {
            session->secure->f.SSL_free(session->ssl);
        }
        mem_free(session);
    }
}

static void secure_session_free_ptr(struct secure_session **session)
{
    secure_session_free(*session);
}

/* What the certificate must be for, and what the server is told that it is asked for. */
static bool name_host(struct secure_session *session, const char *host, bool is_address)
{
    const struct ssl_functions *f = &session->secure->f;
    X509_VERIFY_PARAM *param = f->SSL_get0_param(session->ssl);

    if (is_address) {
        return f->X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    }
    return f->X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           f->SSL_ctrl(session->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                       (void *)(uintptr_t)host) == 1;
}

int secure_session_new(struct secure *s, const char *host, bool is_address,
                       struct secure_session **out, struct error *err)
{
    AUTO(secure_session_free_ptr) struct secure_session *session = mem_calloc(1, sizeof(*session));

    if (session == NULL) {
        return error_set_no_memory(err);
    }
    session->secure = s;
    s->f.ERR_clear_error();
    session->ssl = s->f.SSL_new(s->context);
    session->in = s->f.BIO_new(s->f.BIO_s_mem());
    session->out = s->f.BIO_new(s->f.BIO_s_mem());
    if (session->ssl == NULL || session->in == NULL || session->out == NULL) {
        (void)s->f.BIO_free(session->in); /* NULL is fine */
        (void)s->f.BIO_free(session->out);
        return error_set_no_memory(err);
    }
    s->f.SSL_set_bio(session->ssl, session->in, session->out);
    s->f.SSL_set_connect_state(session->ssl);
    if (!name_host(session, host, is_address)) {
        return error_set(err, BLOCKDB_EINVAL, "'%s' is no name that a certificate can have", host);
    }
    *out = TAKE(session);
    return BLOCKDB_OK;
}

static int failure(struct secure_session *session, const char *what, struct error *err)
{
    const struct secure *s = session->secure;
    long verdict = s->f.SSL_get_verify_result(session->ssl);
    char reason[REASON_BYTES];

    if (!s->insecure && verdict != X509_V_OK) {
        s->f.ERR_clear_error();
        return error_set(err, BLOCKDB_EIO,
                         "the server's certificate is not accepted: %s; name the certificates to "
                         "trust (--cacert), or correct the server's",
                         s->f.X509_verify_cert_error_string(verdict));
    }
    return error_set(err, BLOCKDB_EIO, "TLS: %s: %s", what, reason_of(s, reason));
}

static int outcome(struct secure_session *session, int result, const char *what,
                   enum secure_want *out_want, struct error *err)
{
    switch (session->secure->f.SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_NONE:
        *out_want = SECURE_DONE;
        return BLOCKDB_OK;
    case SSL_ERROR_WANT_READ:
        *out_want = SECURE_RECEIVE;
        return BLOCKDB_OK;
    case SSL_ERROR_ZERO_RETURN:
        *out_want = SECURE_ENDED;
        return BLOCKDB_OK;
    default:
        return failure(session, what, err);
    }
}

int secure_handshake(struct secure_session *session, enum secure_want *out_want, struct error *err)
{
    session->secure->f.ERR_clear_error();
    return outcome(session, session->secure->f.SSL_do_handshake(session->ssl),
                   "no connection could be agreed on", out_want, err);
}

int secure_read(struct secure_session *session, void *out, size_t len, size_t *out_len,
                enum secure_want *out_want, struct error *err)
{
    size_t got = 0;
    int result;
    int rc;

    session->secure->f.ERR_clear_error();
    result = session->secure->f.SSL_read_ex(session->ssl, out, len, &got);
    rc = outcome(session, result, "an answer cannot be read", out_want, err);
    if (rc == BLOCKDB_OK) {
        *out_len = got;
    }
    return rc;
}

int secure_write(struct secure_session *session, struct slice bytes, struct error *err)
{
    size_t written = 0;

    session->secure->f.ERR_clear_error();
    /* Into memory all of it goes at once. */
    if (bytes.len > 0 &&
        session->secure->f.SSL_write_ex(session->ssl, bytes.data, bytes.len, &written) != 1) {
        return failure(session, "a request cannot be written", err);
    }
    return BLOCKDB_OK;
}

size_t secure_pending(struct secure_session *session, void *out, size_t cap)
{
    int len = session->secure->f.BIO_read(session->out, out, (int)cap);

    return len > 0 ? (size_t)len : 0;
}

int secure_feed(struct secure_session *session, const void *data, size_t len)
{
    int taken = session->secure->f.BIO_write(session->in, data, (int)len);

    return taken > 0 && (size_t)taken == len ? BLOCKDB_OK : BLOCKDB_ENOMEM;
}
