/* SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_group.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/conn_priv.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

int conn_group_new(struct loop *loop, struct server *server, const struct conn_limits *limits,
                   struct conn_group **out)
{
    struct conn_group *group = mem_calloc(1, sizeof(*group));

    if (group == NULL) {
        return BLOCKDB_ENOMEM;
    }
    group->scratch = mem_alloc(SCRATCH_BYTES);
    if (group->scratch == NULL) {
        mem_free(group);
        return BLOCKDB_ENOMEM;
    }
    group->loop = loop;
    group->server = server;
    group->limits = *limits;
    *out = group;
    return BLOCKDB_OK;
}

void conn_group_free(struct conn_group *group)
{
    if (group == NULL) {
        return;
    }
    ASSERT(group->first == NULL && group->held == 0);
    while (group->spare_count > 0) {
        buf_deinit(&group->spares[--group->spare_count]);
    }
    mem_free(group->scratch);
    mem_free(group);
}

void conn_group_set_limits(struct conn_group *group, const struct conn_limits *limits)
{
    group->limits = *limits;
}

void conn_group_drain(struct conn_group *group)
{
    group->is_draining = true;
}

void conn_group_finish(struct conn_group *group)
{
    struct conn *c;

    group->is_draining = true;
    group->is_finishing = true;
    for (c = group->first; c != NULL; c = c->next) {
        conn_tell_drain(c); /* closes nothing before this turn ends */
    }
}

void conn_group_abort(struct conn_group *group)
{
    struct conn *c;

    group->is_aborting = true;
    for (c = group->first; c != NULL; c = c->next) {
        conn_abort(c);
    }
}

unsigned conn_group_count(const struct conn_group *group)
{
    return atomic_load_explicit(&group->count, memory_order_relaxed);
}

static uint64_t counter_of(const atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct conn_figures conn_group_figures(const struct conn_group *group)
{
    const struct conn_counters *counters = &group->counters;

    return (struct conn_figures){
        .accepted = counter_of(&counters->accepted),
        .refused = counter_of(&counters->refused),
        .cut = counter_of(&counters->cut),
        .tls_failures = counter_of(&counters->tls_failures),
        .received_bytes = counter_of(&counters->received_bytes),
        .sent_bytes = counter_of(&counters->sent_bytes),
    };
}

struct loop *conn_group_loop(const struct conn_group *group)
{
    return group->loop;
}

/* ---- The other side ------------------------------------------------------------------------ */

static bool is_loopback4(uint32_t address_be)
{
    return (ntohl(address_be) >> 24) == 127;
}

static void peer_of_v6(struct conn_peer *peer, const struct sockaddr_in6 *address)
{
    const struct in6_addr *in6 = &address->sin6_addr;
    char scope[IF_NAMESIZE];
    uint32_t in4;

    peer->port = ntohs(address->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(in6)) {
        memcpy(&in4, &in6->s6_addr[12], sizeof(in4));
        peer->is_loopback = is_loopback4(in4);
        (void)inet_ntop(AF_INET, &in4, peer->address, sizeof(peer->address));
        return;
    }
    peer->is_loopback = IN6_IS_ADDR_LOOPBACK(in6);
    (void)inet_ntop(AF_INET6, in6, peer->address, INET6_ADDRSTRLEN);
    if (IN6_IS_ADDR_LINKLOCAL(in6) && if_indextoname(address->sin6_scope_id, scope) != NULL) {
        size_t len = strlen(peer->address);

        (void)snprintf(peer->address + len, sizeof(peer->address) - len, "%%%s", scope);
    }
}

void conn_peer_init(struct conn_peer *peer, const struct sockaddr_storage *address, bool is_tls)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;

    peer->is_tls = is_tls;
    if (address->ss_family == AF_INET) {
        peer->port = ntohs(in->sin_port);
        peer->is_loopback = is_loopback4(in->sin_addr.s_addr);
        (void)inet_ntop(AF_INET, &in->sin_addr, peer->address, sizeof(peer->address));
    } else if (address->ss_family == AF_INET6) {
        peer_of_v6(peer, (const struct sockaddr_in6 *)address);
    } else {
        peer->is_loopback = true;
        (void)snprintf(peer->address, sizeof(peer->address), "unix");
    }
}
