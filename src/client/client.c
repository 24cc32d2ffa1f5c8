/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: options, making and freeing. */
#include "base/mem.h"
#include "client/client_priv.h"
#include "crypto/secret.h"

#include <blockdb/version.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define URLS_DEFAULT "http://127.0.0.1:8080"

/* ---- Options ------------------------------------------------------------------------------- */

static int add_urls(struct blockdb_client *c, const char *urls, struct error *err)
{
    const char *at = urls != NULL ? urls : URLS_DEFAULT;

    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        struct url url;
        int rc;

        if (c->endpoint_count == BLOCKDB_CLIENT_URLS_MAX) {
            return error_set(err, BLOCKDB_EINVAL, "at most %d URLs can be given",
                             BLOCKDB_CLIENT_URLS_MAX);
        }
        rc = url_parse(slice_of(at, len), &url, err);
        if (rc < 0) {
            return rc;
        }
        if (client_add_endpoint(c, &url) < 0) {
            return error_set_no_memory(err);
        }
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
        is_https = is_https || c->endpoints[i]->is_https;
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
    if (o->connection_timeout_ms == 0 || o->request_timeout_ms == 0 || o->answer_bytes_max == 0 ||
        o->long_timeout_ms == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "connection_timeout_ms, request_timeout_ms, long_timeout_ms and "
                         "answer_bytes_max must be above 0");
    }
    c->slots_max = o->max_connections;
    c->connection_timeout_ns = o->connection_timeout_ms * NS_PER_MS;
    c->idle_timeout_ns = o->idle_timeout_ms * NS_PER_MS;
    c->request_timeout_ns = o->request_timeout_ms * NS_PER_MS;
    c->long_timeout_ns = o->long_timeout_ms * NS_PER_MS;
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
    int rc = client_check_line(slice_of_text(wanted), "user_agent", err);

    if (rc == BLOCKDB_OK) {
        c->user_agent = mem_strdup(wanted);
        rc = c->user_agent != NULL ? rc : error_set_no_memory(err);
    }
    return rc;
}

/* ---- Making and freeing -------------------------------------------------------------------- */

void blockdb_client_free(struct blockdb_client *client)
{
    unsigned i;

    if (client == NULL) {
        return;
    }
    for (i = 0; i < client->slot_count; i++) {
        client_slot_deinit(client, client->slots[i]);
        mem_free(client->slots[i]);
    }
    if (client->authorization != NULL) {
        secret_wipe(client->authorization, strlen(client->authorization));
    }
    mem_free(client->authorization);
    mem_free(client->user_agent);
    for (i = 0; i < client->endpoint_count; i++) {
        mem_free(client->endpoints[i]);
    }
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
        rc = client_set_credentials(c, &o, err);
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
    all.failures = atomic_load_explicit(&client->failures, memory_order_relaxed);
    all.connections = connections > 0 ? (uint64_t)connections : 0;
    mutex_lock(&client->mu);
    all.in_use = client->slot_count - client->idle_count;
    mutex_unlock(&client->mu);
    memcpy(out_figures, &all, all.size < sizeof(all) ? all.size : sizeof(all));
}
