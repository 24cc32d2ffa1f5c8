/* SPDX-License-Identifier: Apache-2.0 */
#include "client/http.h"

#include "base/mem.h"
#include "client/gunzip.h"
#include "client/roundtrip.h"
#include "crypto/secret.h"

#include <blockdb/version.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define CONTENT_TYPE_DEFAULT "text/plain; charset=utf-8"
#define NS_PER_MS 1000000ULL

struct http {
    size_t body_max;
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms; /* 0: timeout_ms */
    struct http_access access;
    struct link_net net; /* its secure is made for the first https URL */
    struct link link;
    struct url server; /* of the link, when it is open */
    struct answer answer;
    struct buf head;
};

/* What is asked for. */
struct request {
    const char *method; /* "GET" */
    const char *url;
    struct url server;
    struct slice target; /* borrowed from url */
    bool may_compress;
    const struct http_request_body *body; /* NULL: none */
};

bool http_url_valid(const char *text)
{
    return (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0) &&
           strlen(text) <= HTTP_URL_LEN_MAX;
}

int http_url_join(struct buf *out, const char *prefix, const char *path)
{
    size_t len = strlen(prefix);

    while (len > 0 && prefix[len - 1] == '/') {
        len--;
    }
    return buf_appendf(out, "%.*s/%s%c", (int)len, prefix, path, '\0');
}

void http_response_deinit(struct http_response *response)
{
    buf_deinit(&response->body);
    *response = (struct http_response){0};
}

/* ---- Opening ------------------------------------------------------------------------------- */

void http_close(struct http *h)
{
    if (h == NULL) {
        return;
    }
    link_close(&h->link);
    secure_free(h->net.secure);
    answer_deinit(&h->answer);
    if (h->head.data != NULL) {
        secret_wipe(h->head.data, h->head.cap); /* it may have credentials in it */
    }
    buf_deinit(&h->head);
    mem_free(h);
}

void http_close_ptr(struct http **h)
{
    http_close(*h);
}

void http_set_timeout(struct http *h, uint32_t timeout_ms)
{
    h->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
}

static void copy_options(struct http *h, const struct http_options *o)
{
    h->body_max = o->body_max > 0 ? o->body_max : HTTP_BODY_MAX_DEFAULT;
    h->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : HTTP_TIMEOUT_MS_DEFAULT;
    h->connect_timeout_ms = o->connect_timeout_ms;
    h->access = o->access != NULL ? *o->access : (struct http_access){0};
    h->net.os = os_real();
    h->net.sockets = o->sockets != NULL ? o->sockets : sockets_real();
}

int http_open(const struct http_options *options, struct http **out, struct error *err)
{
    static const struct http_options defaults = {0};
    struct http *h = mem_calloc(1, sizeof(*h));

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    h->link = (struct link)LINK_CLOSED;
    copy_options(h, options != NULL ? options : &defaults);
    *out = h;
    return BLOCKDB_OK;
}

/* ---- What is sent -------------------------------------------------------------------------- */

/* Splits a URL into the server and what it is asked for. */
static int request_init(struct request *r, const char *url, struct error *err)
{
    const char *host = strstr(url, "://");
    size_t server_len;
    size_t i;
    int rc;

    if (!http_url_valid(url) || host == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.200s' is not a URL of http:// or https:// with at most %d bytes", url,
                         HTTP_URL_LEN_MAX);
    }
    server_len = (size_t)(host - url) + 3;
    server_len += strcspn(url + server_len, "/?#");
    rc = url_parse(slice_of(url, server_len), &r->server, err);
    if (rc < 0) {
        return rc;
    }
    r->url = url;
    r->target = slice_of(url + server_len, strcspn(url + server_len, "#"));
    for (i = 0; i < r->target.len; i++) {
        if (r->target.data[i] <= ' ' || r->target.data[i] >= 0x7F) {
            return error_set(err, BLOCKDB_EINVAL,
                             "'%.200s': a URL has no spaces or other letters; percent-encode them",
                             url);
        }
    }
    return BLOCKDB_OK;
}

static int build_head(struct http *h, const struct request *r)
{
    struct buf *head = &h->head;
    const char *type = r->body != NULL ? r->body->content_type : NULL;
    const char *slash = r->target.len > 0 && r->target.data[0] == '/' ? "" : "/";

    buf_reset(head);
    if (buf_appendf(head, "%s %s", r->method, slash) < 0 || buf_append_slice(head, r->target) < 0 ||
        buf_appendf(head, " HTTP/1.1\r\nHost: ") < 0 || url_append_host(head, &r->server) < 0 ||
        buf_appendf(head, "\r\nUser-Agent: blockdb/" BLOCKDB_VERSION "\r\nAccept: */*\r\n") < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (r->may_compress && buf_appendf(head, "Accept-Encoding: gzip\r\n") < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (h->access.authorization != NULL &&
        buf_append(head, h->access.authorization, strlen(h->access.authorization)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (r->body != NULL &&
        buf_appendf(head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                    type != NULL ? type : CONTENT_TYPE_DEFAULT, r->body->bytes.len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append(head, "\r\n", 2);
}

/* ---- Connection ---------------------------------------------------------------------------- */

static int connect_link(struct http *h, const struct request *r, uint64_t deadline_ns,
                        struct error *err)
{
    uint64_t connect_by = deadline_ns;

    if (r->server.is_https && h->net.secure == NULL) {
        struct secure_options options = {
            .ca_file = h->access.ca_file,
            .cert_file = h->access.cert_file,
            .key_file = h->access.key_file,
            .insecure = h->access.insecure,
        };
        int rc = secure_new(&options, &h->net.secure, err);

        if (rc < 0) {
            return rc;
        }
    }
    if (h->connect_timeout_ms > 0) {
        connect_by = os_monotonic_ns(h->net.os) + h->connect_timeout_ms * NS_PER_MS;
    }
    h->server = r->server;
    return link_open(&h->link, &h->net, &r->server,
                     connect_by < deadline_ns ? connect_by : deadline_ns, err);
}

/* Makes sure that there is a link to the server; *out_reused when it was used before. */
static int use_link(struct http *h, const struct request *r, uint64_t deadline_ns, bool *out_reused,
                    struct error *err)
{
    *out_reused = link_is_open(&h->link) && url_same_server(&h->server, &r->server) &&
                  link_is_fresh(&h->link);
    if (*out_reused) {
        return BLOCKDB_OK;
    }
    link_close(&h->link);
    return connect_link(h, r, deadline_ns, err);
}

/* Sends and receives, again on a new connection when the one that was kept turns out to be gone. */
static int converse(struct http *h, const struct request *r, struct error *err)
{
    uint64_t deadline_ns = os_monotonic_ns(h->net.os) + h->timeout_ms * NS_PER_MS;
    struct roundtrip trip = {
        .link = &h->link,
        .answer = &h->answer,
        .head = buf_slice(&h->head),
        .body = r->body != NULL ? r->body->bytes : slice_of(NULL, 0),
    };
    bool reused = true;
    int rc = BLOCKDB_EIO;

    while (rc == BLOCKDB_EIO && reused) {
        rc = use_link(h, r, deadline_ns, &reused, err);
        if (rc < 0) {
            return rc;
        }
        answer_reset(&h->answer, h->body_max, false);
        rc = roundtrip_run(&trip, deadline_ns, err);
        if (rc < 0 || !h->answer.keeps_alive) {
            link_close(&h->link);
        }
        if (!answer_is_untouched(&h->answer)) {
            break;
        }
    }
    return rc;
}

/* ---- Requests ------------------------------------------------------------------------------ */

/* Hands the body over, or what comes out of it; memory goes to and fro, so that it serves again. */
static int take_body(struct http *h, struct http_response *out, struct error *err)
{
    struct buf body = out->body;

    if (h->answer.is_coded) {
        return error_set(err, BLOCKDB_EIO, "the body is compressed, and not with gzip");
    }
    if (h->answer.is_gzip) {
        return gunzip_append(buf_slice(&h->answer.body), h->body_max, &out->body, err);
    }
    out->body = h->answer.body;
    h->answer.body = body;
    return BLOCKDB_OK;
}

static int run(struct http *h, const struct request *r, struct http_response *out,
               struct error *err)
{
    int rc = build_head(h, r) < 0 ? error_set_no_memory(err) : converse(h, r, err);

    if (rc == BLOCKDB_OK) {
        rc = take_body(h, out, err);
    }
    if (rc == BLOCKDB_ETIMEDOUT) {
        return error_set(err, rc, "%.400s: no answer within %" PRIu32 " ms", r->url, h->timeout_ms);
    }
    if (rc < 0) {
        return error_wrap(err, rc, "%.400s", r->url);
    }
    out->status = h->answer.status;
    out->retry_after_s = h->answer.retry_after_s;
    (void)snprintf(out->content_type, sizeof(out->content_type), "%s", h->answer.content_type);
    (void)snprintf(out->location, sizeof(out->location), "%.*s", HTTP_TEXT_BYTES - 1,
                   h->answer.location);
    return rc;
}

static int request(struct http *h, const char *url, struct request *r, struct http_response *out,
                   struct error *err)
{
    struct error own;
    struct error *to = err != NULL ? err : &own;
    int rc;

    buf_reset(&out->body);
    out->status = 0;
    out->content_type[0] = '\0';
    out->location[0] = '\0';
    out->retry_after_s = HTTP_NO_RETRY;
    rc = request_init(r, url, to);
    return rc < 0 ? rc : run(h, r, out, to);
}

int http_get(struct http *h, const char *url, struct http_response *out, struct error *err)
{
    struct request r = {.method = "GET"};

    return request(h, url, &r, out, err);
}

int http_get_compressed(struct http *h, const char *url, struct http_response *out,
                        struct error *err)
{
    struct request r = {.method = "GET", .may_compress = true};

    return request(h, url, &r, out, err);
}

int http_post(struct http *h, const char *url, const struct http_request_body *body,
              struct http_response *out, struct error *err)
{
    struct request r = {.method = "POST", .body = body};

    return request(h, url, &r, out, err);
}
