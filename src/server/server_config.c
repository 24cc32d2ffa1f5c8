/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server_config.h"

#include "base/mem.h"
#include "config/config.h"
#include "os/os.h"
#include "server/tls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS_PER_SECOND 1000
#define WORKERS_AUTO_MAX 16
#define READERS_AUTO_MAX 16
#define LONG_AUTO_MAX 4
#define RULE_KEYS_MAX 3
#define ELECTION_HEARTBEATS 5 /* fewer, and a lost packet or two elect another leader */

static uint64_t ms_of(const struct config *config, const char *name)
{
    return config_number(config, name) * MS_PER_SECOND;
}

static unsigned unsigned_of(const struct config *config, const char *name)
{
    return (unsigned)config_number(config, name); /* the key table has bounds below 2^32 */
}

/* A number of threads; 0 stands for wanted, between min and max. */
static unsigned threads_of(const struct config *config, const char *name, unsigned wanted,
                           unsigned min, unsigned max)
{
    unsigned count = unsigned_of(config, name);

    if (count != 0) {
        return count;
    }
    return wanted < min ? min : wanted > max ? max : wanted;
}

/* ---- Texts --------------------------------------------------------------------------------- */

/* Copies a text into the config's own memory; "" stands for itself. */
static int text_copy(struct server_config *c, const struct config *config, const char *name,
                     const char **out)
{
    char *copy = mem_strdup(config_text(config, name));

    if (copy == NULL) {
        return BLOCKDB_ENOMEM;
    }
    *out = copy;
    c->texts[c->text_count++] = copy;
    return BLOCKDB_OK;
}

/* Takes a list apart in its place. */
static int hosts_split(const char *name, char *text, const char **hosts, size_t *out_count,
                       struct error *err)
{
    size_t count = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        if (count == SERVER_HOSTS_MAX) {
            return error_set(err, BLOCKDB_EINVAL, "option %s names more than %d hosts", name,
                             SERVER_HOSTS_MAX);
        }
        hosts[count++] = text;
        text += len;
        if (*text == ' ') {
            *text++ = '\0';
        }
    }
    *out_count = count;
    return BLOCKDB_OK;
}

static int read_hosts(struct server_config *c, const struct config *config, struct error *err)
{
    const char *host;
    const char *resp_host;
    int rc;

    if (text_copy(c, config, "server.host", &host) < 0 ||
        text_copy(c, config,
                  config_text(config, "server.resp_host")[0] != '\0' ? "server.resp_host"
                                                                     : "server.host",
                  &resp_host) < 0) {
        return error_set_no_memory(err);
    }
    rc = hosts_split("host", c->texts[0], c->hosts, &c->host_count, err);
    if (rc == BLOCKDB_OK) {
        rc = hosts_split("resp_host", c->texts[1], c->resp_hosts, &c->resp_host_count, err);
    }
    if (rc == BLOCKDB_OK && c->host_count == 0) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "option host is empty: name an address to listen on, such as 127.0.0.1");
    }
    return rc;
}

static int read_texts(struct server_config *c, const struct config *config, struct error *err)
{
    if (text_copy(c, config, "server.unix_socket", &c->unix_socket) < 0 ||
        text_copy(c, config, "server.cors_origins", &c->cors_origins) < 0 ||
        text_copy(c, config, "security.tls_cert", &c->tls_cert) < 0 ||
        text_copy(c, config, "security.tls_key", &c->tls_key) < 0 ||
        text_copy(c, config, "security.tls_ca", &c->tls_ca) < 0 ||
        text_copy(c, config, "cluster.node_id", &c->node_id) < 0 ||
        text_copy(c, config, "cluster.address", &c->cluster_address) < 0 ||
        text_copy(c, config, "cluster.peers", &c->cluster_peers) < 0) {
        return error_set_no_memory(err);
    }
    c->tls_client_auth = TLS_CLIENT_NONE;
    if (c->tls_ca[0] != '\0') {
        /* The choices are those of the enum without the first. */
        c->tls_client_auth = TLS_CLIENT_OPTIONAL +
                             (unsigned)config_number(config, "security.tls_client_auth");
    }
    return BLOCKDB_OK;
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static void read_threads(struct server_config *c, const struct config *config)
{
    unsigned processors = os_processor_count();

    /* The other half is for the engine, which commits, hashes and merges what the loops take in:
     * on two processors a second loop takes more from it than it gives. */
    c->worker_threads = threads_of(config, "server.worker_threads", (processors + 1) / 2, 1,
                                   WORKERS_AUTO_MAX);
    c->pool_threads[0] = threads_of(config, "server.read_threads", 2 * processors, 2,
                                    READERS_AUTO_MAX);
    c->pool_threads[1] = threads_of(config, "server.long_threads", processors, 2, LONG_AUTO_MAX);
    c->pool_queue = unsigned_of(config, "server.pool_queue");
}

static void read_limits(struct server_config *c, const struct config *config)
{
    c->listen_backlog = unsigned_of(config, "server.listen_backlog");
    c->max_connections = unsigned_of(config, "server.max_connections");
    c->max_request_size = config_number(config, "server.max_request_size");
    c->request_memory = config_number(config, "server.request_memory");
    c->max_header_size = config_number(config, "server.max_header_size");
    c->pipeline_max = unsigned_of(config, "server.pipeline_max");
    c->output_high = config_number(config, "server.output_high");
    c->output_max = config_number(config, "server.output_max");
    c->connection_timeout = ms_of(config, "server.connection_timeout");
    c->max_idle_time = ms_of(config, "server.max_idle_time");
    c->request_timeout = ms_of(config, "server.request_timeout");
    c->send_timeout = ms_of(config, "server.send_timeout");
    c->body_rate_min = config_number(config, "server.body_rate_min");
    c->drain_time = ms_of(config, "server.drain_time");
    c->drain_timeout = ms_of(config, "server.drain_timeout");
}

static void read_sockets(struct server_config *c, const struct config *config)
{
    c->port = (uint16_t)config_number(config, "server.port");
    c->resp_port = (uint16_t)config_number(config, "server.resp_port");
    /* Who leaves the choice of the one to the system does not expect the other to be taken. */
    if (c->port == 0 && !config_is_set(config, "server.resp_port")) {
        c->resp_port = 0;
        c->is_resp_on = true;
    } else {
        c->is_resp_on = c->resp_port != 0;
    }
    c->tcp_nodelay = config_bool(config, "server.tcp_nodelay");
    c->tcp_keepalive = config_bool(config, "server.tcp_keepalive");
    c->keepalive_time = unsigned_of(config, "server.keepalive_time");
    c->keepalive_interval = unsigned_of(config, "server.keepalive_interval");
    c->keepalive_probes = unsigned_of(config, "server.keepalive_probes");
    c->send_buffer_size = unsigned_of(config, "server.send_buffer_size");
    c->recv_buffer_size = unsigned_of(config, "server.recv_buffer_size");
}

static void read_cluster(struct server_config *c, const struct config *config)
{
    uint64_t peer_port = config_number(config, "cluster.peer_port");

    c->heartbeat_interval = config_number(config, "cluster.heartbeat_interval");
    c->election_timeout = config_number(config, "cluster.election_timeout");
    c->enable_transactions = config_bool(config, "cluster.enable_transactions");
    c->transaction_timeout = ms_of(config, "cluster.transaction_timeout");
    c->two_pc_timeout = ms_of(config, "cluster.two_pc_timeout");
    c->is_clustered = config_is_set(config, "cluster.peers") ||
                      config_is_set(config, "cluster.heartbeat_interval") ||
                      config_is_set(config, "cluster.election_timeout");
    c->is_peer_port_set = peer_port != 0;
    /* 0 where the system chooses port, too; check_next_port() refuses what does not fit. */
    c->peer_port = (uint16_t)(peer_port != 0 ? peer_port : c->port != 0 ? c->port + 1u : 0);
}

/* ---- What belongs together ------------------------------------------------------------------ */

static int check_tls_pair(const struct server_config *c, struct error *err)
{
    if ((c->tls_cert[0] == '\0') == (c->tls_key[0] == '\0')) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "options security.tls_cert and security.tls_key go together: set both");
}

static int check_tls_ca(const struct server_config *c, struct error *err)
{
    if (c->tls_ca[0] == '\0' || c->tls_cert[0] != '\0') {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option security.tls_ca asks clients for certificates, which needs "
                     "security.tls_cert and security.tls_key");
}

static int check_output(const struct server_config *c, struct error *err)
{
    if (c->output_max >= c->output_high) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option output_max (%zu) must not be below output_high (%zu)", c->output_max,
                     c->output_high);
}

static int check_ports(const struct server_config *c, struct error *err)
{
    if (c->resp_port == 0 || c->resp_port != c->port) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL, "options port and resp_port must not be the same (%u)",
                     c->port);
}

static int check_peer_port(const struct server_config *c, struct error *err)
{
    if (!c->is_peer_port_set || (c->peer_port != c->port && c->peer_port != c->resp_port)) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option peer_port (%u) must not be the same as port or resp_port: write one "
                     "that is free, or 0",
                     c->peer_port);
}

/* The next after port, unless the system chooses that, or there is none. */
static int check_next_port(const struct server_config *c, struct error *err)
{
    if (c->is_peer_port_set || !c->is_clustered || c->port != UINT16_MAX) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option peer_port is 0, the next after port, but port is %d, the last: set "
                     "peer_port, or another port",
                     UINT16_MAX);
}

static int check_election(const struct server_config *c, struct error *err)
{
    if (c->election_timeout > c->heartbeat_interval) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option election_timeout (%" PRIu64
                     " ms) must be above heartbeat_interval (%" PRIu64 " ms)",
                     c->election_timeout, c->heartbeat_interval);
}

static int check_two_pc(const struct server_config *c, struct error *err)
{
    if (c->two_pc_timeout < c->transaction_timeout) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option two_pc_timeout (%" PRIu64
                     " s) must be below transaction_timeout (%" PRIu64 " s)",
                     c->two_pc_timeout / MS_PER_SECOND, c->transaction_timeout / MS_PER_SECOND);
}

/* What is checked of several keys together, and the keys: NULL ends them. */
static const struct rule {
    int (*check)(const struct server_config *c, struct error *err);
    const char *keys[RULE_KEYS_MAX + 1];
} rules[] = {
    {check_tls_pair, {"security.tls_cert", "security.tls_key"}},
    {check_tls_ca, {"security.tls_ca"}},
    {check_output, {"server.output_max", "server.output_high"}},
    {check_ports, {"server.port", "server.resp_port"}},
    {check_peer_port, {"cluster.peer_port", "server.port", "server.resp_port"}},
    {check_next_port, {"cluster.peer_port", "server.port"}},
    {check_election, {"cluster.election_timeout", "cluster.heartbeat_interval"}},
    {check_two_pc, {"cluster.two_pc_timeout", "cluster.transaction_timeout"}},
};

static int check_rules(const struct server_config *c, const struct config *config,
                       struct error *err)
{
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        int rc = rules[i].check(c, err);

        if (rc < 0) {
            return config_refuse(config, rules[i].keys, rc, err);
        }
    }
    return config_check_database(config, err);
}

const char *server_config_warning(const struct server_config *c, unsigned index)
{
    if (c->is_clustered && c->election_timeout < ELECTION_HEARTBEATS * c->heartbeat_interval &&
        index-- == 0) {
        return "election_timeout is below five times heartbeat_interval: a short delay on the "
               "network may elect another leader";
    }
    if ((c->send_buffer_size != 0 || c->recv_buffer_size != 0) && index-- == 0) {
        return "send_buffer_size or recv_buffer_size is set: the kernel does not fit the buffers "
               "to each connection any more, and doubles what is set";
    }
    return NULL;
}

int server_config_new(const struct config *config, struct server_config **out, struct error *err)
{
    AUTO(server_config_free_ptr) struct server_config *c = mem_calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    read_threads(c, config);
    read_limits(c, config);
    read_sockets(c, config);
    read_cluster(c, config);
    c->enable_auth = config_bool(config, "security.enable_auth");
    c->insecure = config_bool(config, "security.insecure");
    rc = read_hosts(c, config, err);
    if (rc == BLOCKDB_OK) {
        rc = read_texts(c, config, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_rules(c, config, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(c);
    }
    return rc;
}

void server_config_free(struct server_config *c)
{
    if (c == NULL) {
        return;
    }
    while (c->text_count > 0) {
        mem_free(c->texts[--c->text_count]);
    }
    mem_free(c);
}

void server_config_free_ptr(struct server_config **config)
{
    server_config_free(*config);
}
