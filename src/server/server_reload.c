/* SPDX-License-Identifier: Apache-2.0 */
/* The part of server.c that takes over a new configuration. */
#include "base/mem.h"
#include "config/config.h"
#include "server/limit.h"
#include "server/server_priv.h"
#include "server/slow_log.h"

#include <stdio.h>
#include <string.h>

#define NAME_BYTES 96

/* Keys of tables that can be reloaded which need a restart all the same. */
static const char *const fixed_keys[] = {
    "server.host",        "server.port",           "server.resp_host",    "server.resp_port",
    "server.unix_socket", "server.worker_threads", "server.read_threads", "server.long_threads",
    "server.pool_queue",  "server.listen_backlog", "logging.format",      "security.audit_log_file",
    "server.backup_dir",
};

static bool is_reloadable(const struct config_key *key, const char *name)
{
    size_t i;

    if (strcmp(key->section, "server") != 0 && strcmp(key->section, "security") != 0 &&
        strcmp(key->section, "logging") != 0) {
        return false;
    }
    for (i = 0; i < sizeof(fixed_keys) / sizeof(fixed_keys[0]); i++) {
        if (strcmp(fixed_keys[i], name) == 0) {
            return false;
        }
    }
    return true;
}

int server_config_diff(const struct config *before, const struct config *after, struct buf *out)
{
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);
        char name[NAME_BYTES];
        const char *old_value;
        const char *new_value;

        (void)snprintf(name, sizeof(name), "%s.%s", key.section, key.name);
        old_value = config_get(before, name);
        new_value = config_get(after, name);
        if (strcmp(old_value, new_value) != 0) {
            rc = buf_appendf(out, "%s: %s -> %s%s\n", name, old_value, new_value,
                             is_reloadable(&key, name) ? "" : " (needs a restart)");
        }
    }
    return rc;
}

/* Everything that a reload makes before anything changes. */
struct changes {
    struct server_config *config;
    struct server_config_link *place; /* of config */
    struct tls *tls;
    struct auth_config security;
};

static void changes_deinit(struct changes *changes)
{
    server_config_free(changes->config);
    mem_free(changes->place);
    tls_unref(changes->tls);
}

static int changes_prepare(struct server *s, const struct config *config, struct changes *out,
                           struct error *err)
{
    int rc = server_config_new(config, &out->config, err);

    if (rc == BLOCKDB_OK) {
        out->place = server_config_place();
        rc = out->place == NULL ? error_set_no_memory(err) : BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_config_read(config, &out->security, err);
    }
    if (rc == BLOCKDB_OK && s->has_beyond_loopback) {
        rc = auth_check_exposure(&out->security, "the addresses it listens on", false, err);
    }
    if (rc == BLOCKDB_OK && (out->config->tls_cert[0] != '\0') != (s->tls != NULL)) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "TLS cannot be turned on or off while the server runs: restart it");
    }
    if (rc == BLOCKDB_OK) {
        rc = server_load_tls(s->options.os, out->config, &out->tls, err);
    }
    if (rc == BLOCKDB_OK && out->tls != NULL && server_tls_expired(s, out->tls) &&
        !server_tls_expired(s, s->tls)) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "certificate '%s' has expired, and the one in force has not: renew it",
                       out->config->tls_cert);
    }
    if (rc == BLOCKDB_OK) {
        rc = server_check_files(out->config, s->options.logger, err);
    }
    return rc;
}

/* What needs a restart stays as it is in the configuration in force, too. */
static void keep_fixed(struct server_config *config, const struct server_config *now)
{
    config->port = now->port;
    config->resp_port = now->resp_port;
    config->is_resp_on = now->is_resp_on;
    config->worker_threads = now->worker_threads;
    config->pool_threads[0] = now->pool_threads[0];
    config->pool_threads[1] = now->pool_threads[1];
    config->pool_queue = now->pool_queue;
    config->listen_backlog = now->listen_backlog;
    config->unix_socket = now->unix_socket; /* of a configuration that is kept */
}

int server_reload(struct server *s, const struct config *config, struct error *err)
{
    AUTO(changes_deinit) struct changes changes = {0};
    struct worker_settings settings;
    unsigned i;
    int rc = changes_prepare(s, config, &changes, err);

    if (rc < 0) {
        return rc;
    }
    keep_fixed(changes.config, server_config(s));
    /* The last step that can fail. */
    rc = auth_reload(s->auth, &changes.security.auth, err);
    if (rc < 0) {
        return rc;
    }
    server_adopt_config(s, TAKE(changes.place), changes.config);
    settings = (struct worker_settings){
        .limits = server_conn_limits(changes.config), .config = changes.config, .tls = changes.tls};
    for (i = 0; i < s->team.worker_count; i++) {
        worker_set(s->team.workers[i], &settings);
    }
    limit_set_rates(s->limit, &changes.security.rates);
    slow_log_set_threshold(s->slow_log, config_number(config, "logging.slow_request"));
    tls_unref(s->tls);
    s->tls = TAKE(changes.tls);
    server_note_expiry(s, s->tls);
    s->options.config = config;
    changes.config = NULL; /* adopted */
    return BLOCKDB_OK;
}

void server_note_reload(struct server *s, bool has_succeeded)
{
    atomic_fetch_add_explicit(has_succeeded ? &s->reloads : &s->reloads_failed, 1,
                              memory_order_relaxed);
    atomic_store_explicit(&s->is_reload_failed, !has_succeeded, memory_order_relaxed);
}
