/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests, one at a time, to any server: for audits of logs, and for witnesses.
 *
 * Made for small answers from servers that are not trusted: the body has a maximum, each request a
 * time limit, redirects are not followed (a 3xx is an answer like any other), certificates are
 * verified, and only http and https are spoken. What an answer means is the caller's affair: every
 * status is a success here. Proxies are not used.
 *
 * The connection is kept and used again for requests to the same server. One that the server closed
 * meanwhile is replaced without a word.
 *
 * HTTP-1  A request ends within its time limit, whatever the server does; only the lookup of a name
 *         may take longer, as long as the system's resolver does.
 * HTTP-2  An answer never takes more memory than twice its body's maximum and a fixed amount.
 *
 * Threads:   a client belongs to one thread at a time; different clients are independent.
 * Ownership: copies options, but borrows what they point to until http_close(); borrows URLs and
 *            bodies for the call; a response owns its body.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_BODY_MAX_DEFAULT ((size_t)1 << 20)
#define HTTP_TIMEOUT_MS_DEFAULT 30000
#define HTTP_TEXT_BYTES 128 /* of a header that is kept */
#define HTTP_URL_LEN_MAX 4096
#define HTTP_NO_RETRY UINT32_MAX

struct sockets;

/* As whom, and trusting whom. All of it goes to every server that is asked, so who fills in more
 * than ca_file asks one server only. */
struct http_access {
    const char *ca_file;       /* certificates to trust; NULL: the system's */
    const char *cert_file;     /* to show; NULL: none */
    const char *key_file;      /* NULL: in cert_file */
    const char *authorization; /* a header line with its end, or NULL */
    bool insecure;             /* any certificate will do */
};

/* Zero means the default, in each field. */
struct http_options {
    size_t body_max;             /* HTTP_BODY_MAX_DEFAULT; counts what comes out of compression */
    uint32_t timeout_ms;         /* of a whole request: HTTP_TIMEOUT_MS_DEFAULT */
    uint32_t connect_timeout_ms; /* of connecting, TLS included: timeout_ms */
    const struct http_access *access; /* nobody, and the system's certificates */
    struct sockets *sockets;          /* the system's */
};

struct http_request_body {
    struct slice bytes;
    const char *content_type; /* NULL: text/plain; charset=utf-8 */
};

/* A zeroed response is valid and empty. */
struct http_response {
    int status;                         /* 200 to 599 */
    char content_type[HTTP_TEXT_BYTES]; /* cut when longer, "" when there is none */
    char location[HTTP_TEXT_BYTES];     /* of a redirect: the same */
    uint32_t retry_after_s;             /* Retry-After; HTTP_NO_RETRY: not said, or no number */
    struct buf body;
};

struct http;

/* options may be NULL. Nothing is loaded or connected before the first request. ENOMEM. */
RESULT_MUST_BE_USED int http_open(const struct http_options *options, struct http **out,
                                  struct error *err);
void http_close(struct http *h);
/* For AUTO(http_close_ptr). */
void http_close_ptr(struct http **h);
/* Changes the time limit of the requests to come; at least 1. */
void http_set_timeout(struct http *h, uint32_t timeout_ms);

/* Sends a request and reads the answer. What was in *out is replaced on success and gone on
 * failure; its memory is used again, so one response may serve many requests.
 * EINVAL: no http or https URL, one with a user in it, or a file of access that cannot be used.
 * EIO: no connection, a broken one, a certificate that does not verify, or no proper HTTP.
 * ETIMEDOUT. ELIMIT: the body is larger than body_max. EUNSUPPORTED: https without OpenSSL's
 * libssl, or a compressed body without zlib; the message names the package. ENOMEM. Messages name
 * the URL. */
RESULT_MUST_BE_USED int http_get(struct http *h, const char *url, struct http_response *out,
                                 struct error *err);
/* The same, telling the server that it may compress the body with gzip. (If it does so unasked,
 * that is understood as well.) */
RESULT_MUST_BE_USED int http_get_compressed(struct http *h, const char *url,
                                            struct http_response *out, struct error *err);
RESULT_MUST_BE_USED int http_post(struct http *h, const char *url,
                                  const struct http_request_body *body, struct http_response *out,
                                  struct error *err);

void http_response_deinit(struct http_response *response);

/* Whether text starts with http:// or https:// and is no longer than HTTP_URL_LEN_MAX. */
bool http_url_valid(const char *text);
/* Appends prefix, one slash and path, and a terminating zero, to out; a slash at the end of prefix
 * is not doubled. ENOMEM leaves out unchanged. */
RESULT_MUST_BE_USED int http_url_join(struct buf *out, const char *prefix, const char *path);
