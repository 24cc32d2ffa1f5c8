/* SPDX-License-Identifier: Apache-2.0 */
/* The part of server.c that opens listening sockets. */
#include "base/mem.h"
#include "config/config.h"
#include "os/os.h"
#include "server/config_paths.h"
#include "server/server_priv.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The addresses of one protocol. */
struct face {
    const char *name; /* "http", "resp" */
    const struct conn_protocol *protocol;
    struct listener_address addresses[SERVER_HOSTS_MAX];
    size_t count;
    bool v6_only;
};

static int face_resolve(struct face *face, const char *const *hosts, size_t host_count,
                        uint16_t port, struct error *err)
{
    bool has_v4 = false;
    size_t i;
    int rc;

    for (i = 0; i < host_count; i++) {
        rc = listener_resolve(hosts[i], port, face->addresses, SERVER_HOSTS_MAX, &face->count, err);
        if (rc < 0) {
            return rc;
        }
    }
    for (i = 0; i < face->count; i++) {
        has_v4 = has_v4 || face->addresses[i].socket_address.ss_family == AF_INET;
    }
    face->v6_only = has_v4; /* else [::] takes IPv4, too */
    return BLOCKDB_OK;
}

/* Whether no two of the hosts are the same address. */
static int face_check_twice(const struct face *face, struct error *err)
{
    char one[LISTENER_ADDRESS_BYTES];
    char other[LISTENER_ADDRESS_BYTES];
    size_t i;
    size_t j;

    for (i = 0; i < face->count; i++) {
        listener_format(&face->addresses[i], one);
        for (j = 0; j < i; j++) {
            listener_format(&face->addresses[j], other);
            if (strcmp(one, other) == 0) {
                return error_set(err, BLOCKDB_EINVAL, "'%s' is listened on twice: name it once",
                                 one);
            }
        }
    }
    return BLOCKDB_OK;
}

/* SERVER-2 */
static int face_check(struct server *s, const struct face *face, struct error *err)
{
    struct auth_config read;
    char where[LISTENER_ADDRESS_BYTES];
    size_t i;
    int rc = face_check_twice(face, err);

    if (rc == BLOCKDB_OK) {
        rc = auth_config_read(s->options.config, &read, err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < face->count; i++) {
        bool is_loopback = listener_is_loopback(&face->addresses[i]);

        listener_format(&face->addresses[i], where);
        rc = auth_check_exposure(&read, where, is_loopback, err);
        s->has_beyond_loopback = s->has_beyond_loopback || !is_loopback;
    }
    return rc;
}

static void address_add(struct server *s, const char *name, const char *where)
{
    if (s->address_count < SERVER_ADDRESSES_MAX) {
        (void)snprintf(s->addresses[s->address_count++], SERVER_LABEL_BYTES, "%s%s %s", name,
                       s->tls != NULL && strcmp(name, "unix") != 0 ? "+tls" : "", where);
    }
}

/* One socket for each worker on one address. */
static int address_listen(struct server *s, struct face *face, struct listener_address *address,
                          struct error *err)
{
    const struct server_config *config = server_config(s);
    const struct listener_options options = {
        .backlog = config->listen_backlog, .shares_port = true, .v6_only = face->v6_only};
    char where[LISTENER_ADDRESS_BYTES];
    unsigned i;
    int rc = listener_probe(address, face->v6_only, err);

    for (i = 0; rc == BLOCKDB_OK && i < s->team.worker_count; i++) {
        struct worker_listener listener = {.protocol = face->protocol, .tls = s->tls};

        rc = listener_open_at(address, &options, &listener.fd, err);
        if (rc == BLOCKDB_OK) {
            listener_tune(listener.fd, config);
            rc = worker_listen(s->team.workers[i], &listener, err);
        }
    }
    if (rc == BLOCKDB_OK) {
        listener_format(address, where);
        address_add(s, face->name, where);
    }
    return rc;
}

static int face_listen(struct server *s, struct face *face, uint16_t *out_port, struct error *err)
{
    size_t i;
    int rc = face_check(s, face, err);

    for (i = 0; rc == BLOCKDB_OK && i < face->count; i++) {
        if (i > 0) { /* the port that the first got is that of all */
            listener_set_port(&face->addresses[i], listener_port(&face->addresses[0]));
        }
        rc = address_listen(s, face, &face->addresses[i], err);
    }
    if (rc == BLOCKDB_OK) {
        *out_port = listener_port(&face->addresses[0]);
    }
    return rc;
}

static int unix_listen(struct server *s, const char *path, struct error *err)
{
    struct worker_listener listener = {.protocol = s->options.http};
    int rc = listener_open_unix(path, server_config(s)->listen_backlog, &listener.fd, err);

    if (rc == BLOCKDB_OK) {
        s->is_listening = true;
        rc = worker_listen(s->team.workers[0], &listener, err);
        address_add(s, "unix", path);
    }
    return rc;
}

/* Whether hosts may be listened on as [security] says (SERVER-2). */
static int hosts_check(const struct config *config, const char *const *hosts, size_t count,
                       struct error *err)
{
    struct server none = {.options = {.config = config}};
    struct face face = {0};
    int rc = face_resolve(&face, hosts, count, 0, err);

    return rc == BLOCKDB_OK ? face_check(&none, &face, err) : rc;
}

int server_check_config(struct os *os, const struct config *config, struct error *err)
{
    AUTO(server_config_free_ptr) struct server_config *c = NULL;
    struct tls *tls = NULL;
    int rc = server_config_new(config, &c, err);

    if (rc == BLOCKDB_OK) {
        rc = hosts_check(config, c->hosts, c->host_count, err);
    }
    if (rc == BLOCKDB_OK && c->is_resp_on) {
        rc = hosts_check(config, c->resp_hosts, c->resp_host_count, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = config_paths_check(os, config, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = server_load_tls(os, c, &tls, err);
    }
    tls_unref(tls);
    return rc == BLOCKDB_OK ? server_check_files(c, NULL, err) : rc;
}

int server_listen(struct server *s, struct error *err)
{
    const struct server_config *config = server_config(s);
    struct face http = {.name = "http", .protocol = s->options.http};
    struct face resp = {.name = "resp", .protocol = s->options.resp};
    int rc = face_resolve(&http, config->hosts, config->host_count, config->port, err);

    if (rc == BLOCKDB_OK) {
        rc = face_listen(s, &http, &s->http_port, err);
    }
    if (rc == BLOCKDB_OK && config->is_resp_on && s->options.resp != NULL) {
        rc = face_resolve(&resp, config->resp_hosts, config->resp_host_count, config->resp_port,
                          err);
        if (rc == BLOCKDB_OK) {
            rc = face_listen(s, &resp, &s->resp_port, err);
        }
    }
    if (rc == BLOCKDB_OK && config->unix_socket[0] != '\0') {
        rc = unix_listen(s, config->unix_socket, err);
    }
    return rc;
}
