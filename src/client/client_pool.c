/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: slots and their links, and the endpoints that they go to. */
#include "base/mem.h"
#include "client/client_priv.h"

#include <string.h>

#define REQUEST_NUMBER_SHIFT 16
#define BUFFER_KEPT_MAX ((size_t)1 << 20)

/* ---- Slots --------------------------------------------------------------------------------- */

void client_slot_deinit(struct blockdb_client *client, struct slot *slot)
{
    client_close_link(client, &slot->link);
    buf_deinit(&slot->target);
    client_secret_deinit(&slot->head); /* it has the credentials */
    buf_deinit(&slot->body);
    buf_deinit(&slot->scratch);
    answer_deinit(&slot->answer);
}

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
    url = *client->endpoints[endpoint];
    mutex_unlock(&client->mu);
    return url;
}

/* Not all at once in the client: they are a hundred times its other fields, and most have one. */
int client_add_endpoint(struct blockdb_client *client, const struct url *url)
{
    struct url *copy = mem_alloc(sizeof(*copy));

    if (copy == NULL) {
        return BLOCKDB_ENOMEM;
    }
    *copy = *url;
    client->endpoints[client->endpoint_count++] = copy;
    return BLOCKDB_OK;
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
    if (url.is_https != client->endpoints[from]->is_https) {
        rc = BLOCKDB_EINVAL;
    }
    for (i = 0; i < client->endpoint_count; i++) {
        if (url_same_server(client->endpoints[i], &url) &&
            strcmp(client->endpoints[i]->path, url.path) == 0) {
            break;
        }
    }
    if (rc == BLOCKDB_OK && i == client->endpoint_count) {
        rc = i < ENDPOINTS_MAX ? client_add_endpoint(client, &url) : BLOCKDB_ELIMIT;
    }
    mutex_unlock(&client->mu);
    if (rc == BLOCKDB_OK) {
        *out = i;
    }
    return rc;
}
