/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log on the network, in the layout of C2SP tlog-tiles: see audit_source.h. Each thread has an
 * HTTP client of its own, which keeps its connection.
 */
#include "audit/audit_source.h"
#include "base/mem.h"
#include "client/http.h"
#include "ledger/leaf.h"
#include "os/os.h"

#define BODY_LEN_MAX ((size_t)TILE_WIDTH * (2 + LEAF_LEN_MAX))
#define TIMEOUT_MS 60000
#define CONNECT_TIMEOUT_MS 15000
#define RETRIES 3
#define RETRY_PAUSE_NS 100000000ULL /* before the first; each has twice that of the last */
#define NS_PER_S 1000000000ULL
/* For a server that says when it is to be asked again: one pause, and all of one read together. */
#define PAUSE_MAX_S 60
#define PAUSES_NS (300 * NS_PER_S)
#define STOP_POLL_NS 100000000ULL

struct url_source {
    struct audit_source base;
    const struct http_access *access; /* borrowed, or NULL */
};

struct url_connection {
    struct http *http;
    struct http_response response;
    struct buf url;
};

static void url_disconnect(struct audit_source *source, void *connection)
{
    struct url_connection *c = connection;

    (void)source;
    if (c != NULL) {
        http_close(c->http);
        http_response_deinit(&c->response);
        buf_deinit(&c->url);
        mem_free(c);
    }
}

static int url_connect(struct audit_source *source, void **out_connection, struct error *err)
{
    const struct http_options options = {
        .body_max = BODY_LEN_MAX,
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .access = ((struct url_source *)source)->access,
    };
    struct url_connection *c = mem_calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    rc = http_open(&options, &c->http, err);
    if (rc < 0) {
        url_disconnect(source, c);
        return rc;
    }
    *out_connection = c;
    return BLOCKDB_OK;
}

static int refused(const struct audit_source *source, int status, const char *url,
                   struct error *err)
{
    const struct http_access *access = ((const struct url_source *)source)->access;
    bool is_known = access != NULL && (access->authorization != NULL || access->cert_file != NULL);

    return error_set(err, BLOCKDB_EDENIED, "'%.400s': the server answered with HTTP status %d; %s",
                     url, status,
                     is_known ? "the credentials that were shown do not let one read the log"
                              : "it wants to know who reads the log: give a token or a user");
}

/* One attempt at a URL; its answer is in c->response. */
static int ask(struct url_connection *c, const char *url, bool may_compress, struct error *err)
{
    return may_compress ? http_get_compressed(c->http, url, &c->response, err)
                        : http_get(c->http, url, &c->response, err);
}

/* Whether an attempt failed in a way that the next one need not: no connection, a broken one, or a
 * server or proxy that refuses for now. What took all of its time is not given as much again. */
static bool may_pass(int rc, int status)
{
    return rc == BLOCKDB_OK ? status == 429 || (status >= 502 && status <= 504) : rc == BLOCKDB_EIO;
}

static bool is_stopped(const struct audit_source *source)
{
    return atomic_load(&source->is_stopped) || (source->stop_asked != NULL && source->stop_asked());
}

/* False when somebody stopped the audit. */
static bool pause_for(const struct audit_source *source, uint64_t ns)
{
    while (ns > 0 && !is_stopped(source)) {
        uint64_t part = ns < STOP_POLL_NS ? ns : STOP_POLL_NS;

        os_sleep_ns(os_real(), part);
        ns -= part;
    }
    return ns == 0;
}

/* Asks until there is an answer that counts, at most as often as the client library would; but a
 * server that says when to come, as one does that limits the rate of its readers, is believed for
 * some minutes. */
static int ask_again(const struct audit_source *source, struct url_connection *c, const char *url,
                     bool may_compress, struct error *err)
{
    uint64_t left_ns = PAUSES_NS;
    unsigned unasked = 0;
    int rc = ask(c, url, may_compress, err);

    while (may_pass(rc, c->response.status)) {
        uint64_t pause_ns = RETRY_PAUSE_NS << unasked;

        if (rc == BLOCKDB_OK && c->response.retry_after_s <= PAUSE_MAX_S) {
            uint64_t asked_ns = c->response.retry_after_s * NS_PER_S;

            pause_ns = asked_ns > RETRY_PAUSE_NS ? asked_ns : RETRY_PAUSE_NS;
        } else if (unasked++ == RETRIES) {
            break;
        }
        if (pause_ns > left_ns || !pause_for(source, pause_ns)) {
            break;
        }
        left_ns -= pause_ns;
        rc = ask(c, url, may_compress, err);
    }
    return rc;
}

/* What a refusal for now means that is one after all attempts. */
static int still_refused(int status, const char *url, struct error *err)
{
    return error_set(err, status == 429 || status == 503 ? BLOCKDB_EBUSY : BLOCKDB_ETIMEDOUT,
                     "'%.400s': the server answered with HTTP status %d, again and again; try "
                     "again later",
                     url, status);
}

/* Fetches prefix/path; a missing one is ENOTFOUND. */
static int fetch(struct audit_source *source, struct url_connection *c, const char *path,
                 struct buf *out, struct error *err)
{
    const char *url;
    struct buf taken;
    int rc;

    buf_reset(&c->url);
    if (http_url_join(&c->url, source->place, path) < 0) {
        return error_set_no_memory(err);
    }
    url = (const char *)c->url.data;
    /* Hashes do not compress; entries do. */
    rc = ask_again(source, c, url, strstr(path, "entries/") != NULL, err);
    if (rc < 0) {
        if (rc == BLOCKDB_EIO) {
            atomic_store(&source->lost_connection, true);
        }
        return rc;
    }
    if (c->response.status == 401 || c->response.status == 403) {
        return refused(source, c->response.status, url, err);
    }
    if (c->response.status == 404 || c->response.status == 410) {
        return error_set(err, BLOCKDB_ENOTFOUND, "'%.400s': the server has none (HTTP status %d)",
                         url, c->response.status);
    }
    if (c->response.status / 100 == 3) {
        return error_set(err, BLOCKDB_EIO,
                         "'%.200s': the server answered with HTTP status %d, redirects are not "
                         "followed; the log may be at '%s'",
                         url, c->response.status, c->response.location);
    }
    if (may_pass(rc, c->response.status) && is_stopped(source)) {
        return error_set(err, BLOCKDB_ECANCELED, "interrupted while '%.400s' is not to be read yet",
                         url);
    }
    if (may_pass(rc, c->response.status)) {
        return still_refused(c->response.status, url, err);
    }
    if (c->response.status != 200) {
        return error_set(err, BLOCKDB_EIO,
                         "'%.400s': the server answered with HTTP status %d; try again later", url,
                         c->response.status);
    }
    /* The body changes hands, and its old memory serves the next answer. */
    taken = c->response.body;
    c->response.body = *out;
    *out = taken;
    return BLOCKDB_OK;
}

static int url_read_checkpoint(struct audit_source *source, void *connection, struct buf *out,
                               bool *out_is_signed, struct error *err)
{
    int rc = fetch(source, connection, "checkpoint", out, err);

    *out_is_signed = true;
    if (rc == BLOCKDB_OK && out->len > AUDIT_NOTE_LEN_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "'%.400s/checkpoint' is larger than any checkpoint",
                         source->place);
    }
    return rc;
}

static int url_read_tile(struct audit_source *source, void *connection, const struct tile *tile,
                         struct buf *out, struct error *err)
{
    char path[TILE_PATH_MAX];

    (void)tile_path(tile, path);
    return fetch(source, connection, path, out, err);
}

static void url_free(struct audit_source *source)
{
    mem_free(source);
}

static const struct audit_source_ops url_ops = {
    .connect = url_connect,
    .disconnect = url_disconnect,
    .read_checkpoint = url_read_checkpoint,
    .read_tile = url_read_tile,
    .free = url_free,
};

int audit_source_of_url(const char *url, const struct http_access *access,
                        struct audit_source **out, struct error *err)
{
    struct url_source *source;

    if (!http_url_valid(url)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.200s' is no URL of a log, such as https://example.org/log", url);
    }
    source = mem_calloc(1, sizeof(*source));
    if (source == NULL) {
        return error_set_no_memory(err);
    }
    source->base.ops = &url_ops;
    source->base.place = mem_strdup(url);
    source->access = access;
    if (source->base.place == NULL) {
        audit_source_free(&source->base);
        return error_set_no_memory(err);
    }
    *out = &source->base;
    return BLOCKDB_OK;
}
