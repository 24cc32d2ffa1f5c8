/* SPDX-License-Identifier: Apache-2.0 */
#include "client/http.h"

#include "base/library.h"
#include "base/mem.h"

/* The functions are reached through pointers, which the checking macros would not understand. */
#define CURL_DISABLE_TYPECHECK
#include <blockdb/version.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define HEADERS_LEN_MAX ((size_t)64 << 10)
#define CONTENT_TYPE_DEFAULT "text/plain; charset=utf-8"
#define HEADER_LEN_MAX 256

#define FOR_EACH_FUNCTION(X)                                                                       \
    X(curl_global_init)                                                                            \
    X(curl_easy_init)                                                                              \
    X(curl_easy_cleanup)                                                                           \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_perform)                                                                           \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_strerror)                                                                          \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)

#define MEMBER(name) LIBRARY_FUNCTION(name);
#define TEXT(name) #name,

struct curl_functions {
    FOR_EACH_FUNCTION(MEMBER)
};

static const char *const curl_sonames[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
static const char *const curl_symbols[] = {FOR_EACH_FUNCTION(TEXT)};
static const struct library curl_library = {
    .name = "libcurl",
    .package = "libcurl4",
    .sonames = curl_sonames,
    .symbols = curl_symbols,
    .symbol_count = sizeof(curl_symbols) / sizeof(curl_symbols[0]),
};

struct http {
    struct curl_functions curl;
    CURL *handle;
    size_t body_max;
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms;
    char *ca_file; /* NULL: the system's */
    char reason[CURL_ERROR_SIZE];
};

/* A request under way: what the callbacks of libcurl get. */
struct transfer {
    struct http_response *response;
    size_t body_max;
    size_t headers_len;
    int status; /* why a callback ended the request */
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
    if (h->handle != NULL) {
        h->curl.curl_easy_cleanup(h->handle);
    }
    mem_free(h->ca_file);
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
}

int http_open(const struct http_options *options, struct http **out, struct error *err)
{
    static const struct http_options defaults = {0};
    AUTO(http_close_ptr) struct http *h = mem_calloc(1, sizeof(*h));
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    copy_options(h, options != NULL ? options : &defaults);
    if (options != NULL && options->ca_file != NULL) {
        h->ca_file = mem_strdup(options->ca_file);
        if (h->ca_file == NULL) {
            return error_set_no_memory(err);
        }
    }
    rc = library_load(&curl_library, &h->curl, err);
    if (rc < 0) {
        return rc;
    }
    /* Counts its calls and is safe to call from several threads in the versions that we accept
     * (its protocols option came later than that). */
    if (h->curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return error_set_no_memory(err);
    }
    h->handle = h->curl.curl_easy_init();
    if (h->handle == NULL) {
        return error_set_no_memory(err);
    }
    *out = TAKE(h);
    return BLOCKDB_OK;
}

/* ---- Requests ------------------------------------------------------------------------------ */

static size_t on_body(char *data, size_t item_bytes, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = item_bytes * count;

    if (len > t->body_max - t->response->body.len) {
        t->status = BLOCKDB_ELIMIT;
    } else {
        t->status = buf_append(&t->response->body, data, len);
    }
    return t->status < 0 ? 0 : len;
}

static size_t on_header(char *data, size_t item_bytes, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = item_bytes * count;

    (void)data;
    if (len > HEADERS_LEN_MAX - t->headers_len) {
        t->status = BLOCKDB_ELIMIT;
        return 0;
    }
    t->headers_len += len;
    return len;
}

/* The first failure of a row of settings, as libcurl numbers them. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK) {                                                                    \
            code = h->curl.curl_easy_setopt(h->handle, option, value);                             \
        }                                                                                          \
    } while (0)

static CURLcode set_limits(struct http *h, struct transfer *t)
{
    uint32_t connect_ms = h->connect_timeout_ms;
    CURLcode code = CURLE_OK;

    if (connect_ms == 0 || connect_ms > h->timeout_ms) {
        connect_ms = h->timeout_ms;
    }
    SET(CURLOPT_TIMEOUT_MS, (long)h->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    SET(CURLOPT_WRITEFUNCTION, &on_body);
    SET(CURLOPT_WRITEDATA, (void *)t);
    SET(CURLOPT_HEADERFUNCTION, &on_header);
    SET(CURLOPT_HEADERDATA, (void *)t);
    SET(CURLOPT_ERRORBUFFER, h->reason);
    SET(CURLOPT_NOSIGNAL, 1L);
    /* A thread that still waits for a name server is left behind, not waited for. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    return code;
}

static CURLcode set_rules(struct http *h, const char *url)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    /* Tiles may come compressed unasked, so asking costs nothing; body_max counts what comes out.
     */
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_USERAGENT, "blockdb/" BLOCKDB_VERSION);
    if (h->ca_file != NULL) {
        SET(CURLOPT_CAINFO, h->ca_file);
    }
    return code;
}

static CURLcode set_method(struct http *h, const struct http_request_body *body,
                           const struct curl_slist *headers)
{
    CURLcode code = CURLE_OK;

    if (body == NULL) {
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_HTTPHEADER, NULL);
        return code;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->bytes.len);
    SET(CURLOPT_POSTFIELDS, body->bytes.len > 0 ? (const void *)body->bytes.data : "");
    SET(CURLOPT_HTTPHEADER, headers);
    return code;
}

static int failure(const struct http *h, const struct transfer *t, CURLcode code, const char *url,
                   struct error *err)
{
    const char *reason = h->reason[0] != '\0' ? h->reason : h->curl.curl_easy_strerror(code);

    if (t->status == BLOCKDB_ENOMEM || code == CURLE_OUT_OF_MEMORY) {
        return error_set_no_memory(err);
    }
    if (t->status == BLOCKDB_ELIMIT) {
        return error_set(err, BLOCKDB_ELIMIT, "%s: the answer is longer than the %zu bytes allowed",
                         url, t->body_max);
    }
    if (code == CURLE_URL_MALFORMAT) {
        return error_set(err, BLOCKDB_EINVAL, "%s: not a URL that can be asked: %s", url, reason);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return error_set(err, BLOCKDB_ETIMEDOUT, "%s: no answer within %" PRIu32 " ms: %s", url,
                         h->timeout_ms, reason);
    }
    return error_set(err, BLOCKDB_EIO, "%s: %s", url, reason);
}

static int perform(struct http *h, const char *url, struct transfer *t, struct error *err)
{
    const char *content_type = NULL;
    long status = 0;
    CURLcode code;

    h->reason[0] = '\0';
    code = h->curl.curl_easy_perform(h->handle);
    if (code == CURLE_OK) {
        code = h->curl.curl_easy_getinfo(h->handle, CURLINFO_RESPONSE_CODE, &status);
    }
    if (code == CURLE_OK) {
        code = h->curl.curl_easy_getinfo(h->handle, CURLINFO_CONTENT_TYPE, &content_type);
    }
    if (code != CURLE_OK) {
        return failure(h, t, code, url, err);
    }
    if (status < 100 || status > 599) {
        return error_set(err, BLOCKDB_EIO, "%s: the answer has no HTTP status", url);
    }
    t->response->status = (int)status;
    (void)snprintf(t->response->content_type, sizeof(t->response->content_type), "%s",
                   content_type != NULL ? content_type : "");
    return BLOCKDB_OK;
}

static int request(struct http *h, const char *url, const struct http_request_body *body,
                   const struct curl_slist *headers, struct http_response *out, struct error *err)
{
    struct transfer t = {.response = out, .body_max = h->body_max};
    CURLcode code;
    int rc;

    buf_reset(&out->body);
    out->status = 0;
    out->content_type[0] = '\0';
    if (!http_url_valid(url)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.200s' is not a URL of http:// or https:// with at most %d bytes", url,
                         HTTP_URL_LEN_MAX);
    }
    code = set_limits(h, &t);
    code = code == CURLE_OK ? set_rules(h, url) : code;
    code = code == CURLE_OK ? set_method(h, body, headers) : code;
    rc = code == CURLE_OK ? perform(h, url, &t, err) : failure(h, &t, code, url, err);
    if (rc < 0) {
        buf_reset(&out->body);
        out->status = 0;
    }
    return rc;
}

int http_get(struct http *h, const char *url, struct http_response *out, struct error *err)
{
    return request(h, url, NULL, NULL, out, err);
}

int http_post(struct http *h, const char *url, const struct http_request_body *body,
              struct http_response *out, struct error *err)
{
    const char *type = body->content_type != NULL ? body->content_type : CONTENT_TYPE_DEFAULT;
    char header[HEADER_LEN_MAX];
    struct curl_slist *first;
    struct curl_slist *headers;
    int rc;

    (void)snprintf(header, sizeof(header), "Content-Type: %s", type);
    first = h->curl.curl_slist_append(NULL, header);
    /* Without this line libcurl would ask whether it may send a long body, and wait. */
    headers = first != NULL ? h->curl.curl_slist_append(first, "Expect:") : NULL;
    rc = headers != NULL ? request(h, url, body, headers, out, err) : error_set_no_memory(err);
    h->curl.curl_slist_free_all(first);
    return rc;
}
