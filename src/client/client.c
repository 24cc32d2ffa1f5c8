/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: options, slots, endpoints. */
#include "base/base64.h"
#include "base/mem.h"
#include "client/client_priv.h"
#include "crypto/secret.h"

#include <blockdb/version.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define URLS_DEFAULT "http://127.0.0.1:8080"
#define SECRET_LEN_MAX 4096
#define MODE_OTHERS 077
#define REQUEST_NUMBER_SHIFT 16
#define BUFFER_KEPT_MAX ((size_t)1 << 20)

/* ---- Secrets ------------------------------------------------------------------------------- */

static void secret_deinit(struct buf *b)
{
    if (b->data != NULL) {
        secret_wipe(b->data, b->cap);
    }
    buf_deinit(b);
}

static int secret_file_read(struct os *os, const char *path, struct buf *out, struct error *err)
{
    struct os_stat stat;
    const uint8_t *end;
    int rc = os_stat_path(os, path, &stat, err);

    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc;
    }
    if ((stat.mode & MODE_OTHERS) != 0) {
        return error_set(err, BLOCKDB_EDENIED,
                         "'%s' holds a secret and others may read it: chmod 600 it", path);
    }
    /* Reserved at once, so that no copy of it is left behind by growing. */
    if (buf_reserve(out, SECRET_LEN_MAX + 1) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_read_file(os, path, SECRET_LEN_MAX, out, err);
    if (rc < 0) {
        return rc;
    }
    end = out->len > 0 ? memchr(out->data, '\n', out->len) : NULL;
    out->len = end != NULL ? (size_t)(end - out->data) : out->len;
    out->len -= out->len > 0 && out->data[out->len - 1] == '\r';
    return BLOCKDB_OK;
}

/* The text of a secret that may stand in a file. */
static int secret_read(struct os *os, const char *text, const char *path, struct buf *out,
                       struct error *err)
{
    if (text == NULL) {
        return secret_file_read(os, path, out, err);
    }
    return buf_append(out, text, strlen(text)) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static int check_secret(struct slice secret, const char *what, struct error *err)
{
    size_t i;

    for (i = 0; i < secret.len; i++) {
        if (secret.data[i] < ' ' || secret.data[i] == 0x7F) {
            return error_set(err, BLOCKDB_EINVAL, "the %s has a control character in it", what);
        }
    }
    return secret.len > 0 ? BLOCKDB_OK : error_set(err, BLOCKDB_EINVAL, "the %s is empty", what);
}

static int make_bearer(const struct blockdb_client_options *o, struct os *os, struct buf *out,
                       struct error *err)
{
    AUTO(secret_deinit) struct buf token = {0};
    int rc = secret_read(os, o->token, o->token_file, &token, err);

    if (rc == BLOCKDB_OK) {
        rc = check_secret(buf_slice(&token), "token", err);
    }
    if (rc == BLOCKDB_OK && buf_appendf(out, "Authorization: Bearer %.*s\r\n%c", (int)token.len,
                                        (const char *)token.data, '\0') < 0) {
        rc = error_set_no_memory(err);
    }
    return rc;
}

static int make_basic(const struct blockdb_client_options *o, struct os *os, struct buf *out,
                      struct error *err)
{
    AUTO(secret_deinit) struct buf pair = {0};
    AUTO(secret_deinit) struct buf password = {0};
    int rc = secret_read(os, o->password, o->password_file, &password, err);

    if (rc == BLOCKDB_OK) {
        rc = check_secret(buf_slice(&password), "password", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_secret(slice_of_text(o->user), "user's name", err);
    }
    if (rc == BLOCKDB_OK && strchr(o->user, ':') != NULL) {
        rc = error_set(err, BLOCKDB_EINVAL, "a user's name cannot have a colon in it");
    }
    if (rc < 0) {
        return rc;
    }
    if (buf_reserve(&pair, strlen(o->user) + 1 + password.len) < 0 ||
        buf_appendf(&pair, "%s:", o->user) < 0 ||
        buf_append_slice(&pair, buf_slice(&password)) < 0 ||
        buf_reserve(out, base64_len(pair.len) + 32) < 0 ||
        buf_appendf(out, "Authorization: Basic ") < 0 || base64_append(out, buf_slice(&pair)) < 0 ||
        buf_append(out, "\r\n", 3) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

static int set_credentials(struct blockdb_client *c, const struct blockdb_client_options *o,
                           struct error *err)
{
    AUTO(secret_deinit) struct buf line = {0};
    bool has_token = o->token != NULL || o->token_file != NULL;
    bool has_password = o->password != NULL || o->password_file != NULL;
    int rc;

    if ((has_token && (o->user != NULL || has_password)) || has_password != (o->user != NULL)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "credentials are either a token, or a user with a password");
    }
    if (!has_token && !has_password) {
        return BLOCKDB_OK;
    }
    rc = has_token ? make_bearer(o, c->os, &line, err) : make_basic(o, c->os, &line, err);
    if (rc < 0) {
        return rc;
    }
    c->authorization = mem_strdup((const char *)line.data);
    return c->authorization != NULL ? BLOCKDB_OK : error_set_no_memory(err);
}

/* ---- Options ------------------------------------------------------------------------------- */

static int add_urls(struct blockdb_client *c, const char *urls, struct error *err)
{
    const char *at = urls != NULL ? urls : URLS_DEFAULT;

    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        int rc;

        if (c->endpoint_count == BLOCKDB_CLIENT_URLS_MAX) {
            return error_set(err, BLOCKDB_EINVAL, "at most %d URLs can be given",
                             BLOCKDB_CLIENT_URLS_MAX);
        }
        rc = url_parse(slice_of(at, len), &c->endpoints[c->endpoint_count], err);
        if (rc < 0) {
            return rc;
        }
        c->endpoint_count++;
        at += len;
        at += *at == ',';
    }
    return c->endpoint_count > 0 ? BLOCKDB_OK
                                 : error_set(err, BLOCKDB_EINVAL, "no URL of a server is given");
}

static int set_secure(struct blockdb_client *c, const struct blockdb_client_options *o,
                      struct error *err)
{
    struct secure_options options = {.ca_file = o->ca_file,
                                     .cert_file = o->cert_file,
                                     .key_file = o->key_file,
                                     .insecure = o->insecure};
    bool is_https = false;
    unsigned i;

    for (i = 0; i < c->endpoint_count; i++) {
        is_https = is_https || c->endpoints[i].is_https;
    }
    if (is_https) {
        return secure_new(&options, &c->net.secure, err);
    }
    if (o->ca_file != NULL || o->cert_file != NULL || o->key_file != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "certificates are for https:// URLs only");
    }
    return BLOCKDB_OK;
}

static int set_numbers(struct blockdb_client *c, const struct blockdb_client_options *o,
                       struct error *err)
{
    if (o->max_connections == 0 || o->max_connections > BLOCKDB_CLIENT_CONNECTIONS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "max_connections must be 1 to %d",
                         BLOCKDB_CLIENT_CONNECTIONS_MAX);
    }
    if (o->connection_timeout_ms == 0 || o->request_timeout_ms == 0 || o->answer_bytes_max == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "connection_timeout_ms, request_timeout_ms and answer_bytes_max must be "
                         "above 0");
    }
    c->slots_max = o->max_connections;
    c->connection_timeout_ns = o->connection_timeout_ms * NS_PER_MS;
    c->idle_timeout_ns = o->idle_timeout_ms * NS_PER_MS;
    c->request_timeout_ns = o->request_timeout_ms * NS_PER_MS;
    c->retry_attempts = o->retry_attempts;
    c->retry_delay_ns = o->retry_delay_ms * NS_PER_MS;
    c->retry_delay_max_ns = o->retry_delay_max_ms * NS_PER_MS;
    c->answer_bytes_max = o->answer_bytes_max;
    return BLOCKDB_OK;
}

static int set_identity(struct blockdb_client *c, const struct blockdb_client_options *o,
                        struct error *err)
{
    if (o->client_id != NULL) {
        memcpy(c->client_id, o->client_id, sizeof(c->client_id));
        return BLOCKDB_OK;
    }
    return os_random(c->os, c->client_id, sizeof(c->client_id), err);
}

static int set_user_agent(struct blockdb_client *c, const char *text, struct error *err)
{
    const char *wanted = text != NULL ? text : "libblockdb-client/" BLOCKDB_VERSION;
    int rc = check_secret(slice_of_text(wanted), "user_agent", err);

    if (rc == BLOCKDB_OK) {
        c->user_agent = mem_strdup(wanted);
        rc = c->user_agent != NULL ? rc : error_set_no_memory(err);
    }
    return rc;
}

/* ---- Making and freeing -------------------------------------------------------------------- */

static void slot_free(struct blockdb_client *c, struct slot *slot)
{
    client_close_link(c, &slot->link);
    buf_deinit(&slot->target);
    secret_deinit(&slot->head); /* it has the credentials */
    buf_deinit(&slot->body);
    buf_deinit(&slot->scratch);
    answer_deinit(&slot->answer);
    mem_free(slot);
}

void blockdb_client_free(struct blockdb_client *client)
{
    unsigned i;

    if (client == NULL) {
        return;
    }
    for (i = 0; i < client->slot_count; i++) {
        slot_free(client, client->slots[i]);
    }
    if (client->authorization != NULL) {
        secret_wipe(client->authorization, strlen(client->authorization));
    }
    mem_free(client->authorization);
    mem_free(client->user_agent);
    mem_free(client->slots);
    secure_free(client->net.secure);
    cond_deinit(&client->released);
    mutex_deinit(&client->mu);
    mem_free(client);
}

static void client_free_ptr(struct blockdb_client **client)
{
    blockdb_client_free(*client);
}

/* The options of a caller that may know fewer, or more, than we do. */
static struct blockdb_client_options options_of(const struct blockdb_client_options *options)
{
    struct blockdb_client_options all = BLOCKDB_CLIENT_OPTIONS_INIT;

    if (options != NULL) {
        memcpy(&all, options, options->size < sizeof(all) ? options->size : sizeof(all));
    }
    return all;
}

int blockdb_client_new(const struct blockdb_client_options *options,
                       struct blockdb_client **out_client, struct error *err)
{
    struct blockdb_client_options o = options_of(options);
    AUTO(client_free_ptr) struct blockdb_client *c = mem_calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    c->os = os_real();
    c->net = (struct link_net){.os = c->os, .sockets = sockets_real()};
    mutex_init(&c->mu, LOCK_RANK_CLIENT);
    cond_init(&c->released);
    rc = set_numbers(c, &o, err);
    if (rc == BLOCKDB_OK) {
        rc = add_urls(c, o.urls, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = set_credentials(c, &o, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = set_identity(c, &o, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = set_user_agent(c, o.user_agent, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = set_secure(c, &o, err);
    }
    if (rc < 0) {
        return rc;
    }
    c->slots = mem_calloc(c->slots_max, sizeof(struct slot *));
    if (c->slots == NULL) {
        return error_set_no_memory(err);
    }
    *out_client = TAKE(c);
    return BLOCKDB_OK;
}

void blockdb_client_value_deinit(struct blockdb_value *value)
{
    mem_free(value->data);
    *value = (struct blockdb_value){0};
}

void blockdb_client_figures_get(struct blockdb_client *client,
                                struct blockdb_client_figures *out_figures)
{
    struct blockdb_client_figures all = {.size = out_figures->size};
    int64_t connections = atomic_load_explicit(&client->connections, memory_order_relaxed);

    all.requests = atomic_load_explicit(&client->requests, memory_order_relaxed);
    all.retries = atomic_load_explicit(&client->retries, memory_order_relaxed);
    all.redirects = atomic_load_explicit(&client->redirects, memory_order_relaxed);
    all.connects = atomic_load_explicit(&client->connects, memory_order_relaxed);
    all.connections = connections > 0 ? (uint64_t)connections : 0;
    mutex_lock(&client->mu);
    all.in_use = client->slot_count - client->idle_count;
    mutex_unlock(&client->mu);
    memcpy(out_figures, &all, all.size < sizeof(all) ? all.size : sizeof(all));
}

/* ---- Slots --------------------------------------------------------------------------------- */

static struct slot *slot_new(struct blockdb_client *c, unsigned index)
{
    struct slot *slot = mem_calloc(1, sizeof(*slot));

    if (slot == NULL) {
        return NULL;
    }
    slot->link.fd = -1;
    memcpy(slot->client_id, c->client_id, sizeof(slot->client_id));
    put_be16(slot->client_id + sizeof(slot->client_id) - 2, (uint16_t)index);
    /* Above the numbers that an earlier process used under the same id. */
    slot->request = os_now_ms(c->os) << REQUEST_NUMBER_SHIFT;
    return slot;
}

/* Takes an idle slot, or NULL; *out_index is the number of a new one that may be made, or
 * slots_max. */
static struct slot *take_idle_locked(struct blockdb_client *c, unsigned *out_index) REQUIRES(c->mu)
{
    struct slot *slot = c->idle;

    *out_index = c->slot_count;
    if (slot != NULL) {
        c->idle = slot->next_idle;
        c->idle_count--;
        return slot;
    }
    return NULL;
}

int client_take_slot(struct blockdb_client *client, uint64_t deadline_ns, struct slot **out,
                     struct error *err)
{
    struct slot *slot;
    unsigned index;
    int rc = BLOCKDB_OK;

    mutex_lock(&client->mu);
    while ((slot = take_idle_locked(client, &index)) == NULL && index == client->slots_max) {
        uint64_t now = os_monotonic_ns(client->os);

        if (now >= deadline_ns) {
            rc = BLOCKDB_ETIMEDOUT;
            break;
        }
        (void)cond_wait_for(&client->released, &client->mu, deadline_ns - now);
    }
    if (slot == NULL && rc == BLOCKDB_OK) {
        slot = slot_new(client, index);
        rc = slot != NULL ? BLOCKDB_OK : BLOCKDB_ENOMEM;
        if (slot != NULL) {
            client->slots[client->slot_count++] = slot;
        }
    }
    mutex_unlock(&client->mu);
    if (rc == BLOCKDB_ETIMEDOUT) {
        return error_set(err, rc, "all %u connections (max_connections) were in use for too long",
                         client->slots_max);
    }
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    buf_reset(&slot->target);
    buf_reset(&slot->body);
    *out = slot;
    return BLOCKDB_OK;
}

static void forget_large(struct buf *b)
{
    if (b->cap > BUFFER_KEPT_MAX) {
        buf_deinit(b);
    }
}

void client_release_slot(struct blockdb_client *client, struct slot *slot)
{
    uint64_t now = os_monotonic_ns(client->os);

    forget_large(&slot->body);
    forget_large(&slot->scratch);
    slot->idle_since_ns = now;
    if (client->idle_timeout_ns == 0) {
        client_close_link(client, &slot->link);
    }
    mutex_lock(&client->mu);
    slot->next_idle = client->idle;
    client->idle = slot;
    client->idle_count++;
    cond_signal(&client->released);
    mutex_unlock(&client->mu);
}

void client_close_link(struct blockdb_client *client, struct link *link)
{
    if (link_is_open(link)) {
        link_close(link);
        atomic_fetch_sub_explicit(&client->connections, 1, memory_order_relaxed);
    }
}

int client_open_link(struct blockdb_client *client, unsigned endpoint, struct link *link,
                     uint64_t deadline_ns, struct error *err)
{
    struct url url = client_endpoint(client, endpoint);
    uint64_t connect_by = os_monotonic_ns(client->os) + client->connection_timeout_ns;
    int rc = link_open(link, &client->net, &url,
                       connect_by < deadline_ns ? connect_by : deadline_ns, err);

    if (rc == BLOCKDB_OK) {
        atomic_fetch_add_explicit(&client->connects, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&client->connections, 1, memory_order_relaxed);
    }
    return rc;
}

/* ---- Endpoints ----------------------------------------------------------------------------- */

unsigned client_preferred(struct blockdb_client *client)
{
    unsigned preferred;

    mutex_lock(&client->mu);
    preferred = client->preferred;
    mutex_unlock(&client->mu);
    return preferred;
}

void client_prefer(struct blockdb_client *client, unsigned endpoint)
{
    mutex_lock(&client->mu);
    client->preferred = endpoint;
    mutex_unlock(&client->mu);
}

unsigned client_endpoint_count(struct blockdb_client *client)
{
    unsigned count;

    mutex_lock(&client->mu);
    count = client->endpoint_count;
    mutex_unlock(&client->mu);
    return count;
}

struct url client_endpoint(struct blockdb_client *client, unsigned endpoint)
{
    struct url url;

    mutex_lock(&client->mu);
    url = client->endpoints[endpoint];
    mutex_unlock(&client->mu);
    return url;
}

int client_learn_endpoint(struct blockdb_client *client, struct slice text, unsigned from,
                          unsigned *out)
{
    struct url url;
    struct error ignored;
    int rc = url_parse(text, &url, &ignored);
    unsigned i;

    if (rc < 0) {
        return rc;
    }
    mutex_lock(&client->mu);
    /* Credentials that went encrypted do not go in the clear because a node says so; and only
     * those who were given https have what it needs. */
    if (url.is_https != client->endpoints[from].is_https) {
        rc = BLOCKDB_EINVAL;
    }
    for (i = 0; i < client->endpoint_count; i++) {
        if (url_same_server(&client->endpoints[i], &url)) {
            break;
        }
    }
    if (rc == BLOCKDB_OK && i == client->endpoint_count) {
        rc = i < ENDPOINTS_MAX ? BLOCKDB_OK : BLOCKDB_ELIMIT;
        if (rc == BLOCKDB_OK) {
            client->endpoints[client->endpoint_count++] = url;
        }
    }
    mutex_unlock(&client->mu);
    if (rc == BLOCKDB_OK) {
        *out = i;
    }
    return rc;
}
