/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_settings.h"

#include "base/bytes.h"
#include "config/config.h"
#include "server/role.h"

#define SECONDS_OF_MINUTE 60

/* A rate a second, with a burst of some seconds' worth. */
static struct limit_rate rate_of(const struct config *config, const char *key)
{
    uint64_t rate = config_number(config, key);
    uint64_t burst = rate * config_number(config, "security.rate_burst");

    return (struct limit_rate){.per_minute = (uint32_t)(rate * SECONDS_OF_MINUTE),
                               .burst = burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX};
}

/* A rate a minute, all of which may come at once: people mistype a password several times. */
static struct limit_rate failure_rate_of(const struct config *config, const char *key)
{
    uint32_t rate = (uint32_t)config_number(config, key);

    return (struct limit_rate){.per_minute = rate, .burst = rate};
}

static void read_rates(const struct config *config, struct limit_rates *out)
{
    struct limit_rate *user = out->of[LIMIT_PRINCIPAL];
    struct limit_rate *address = out->of[LIMIT_ADDRESS];

    user[LIMIT_READ] = rate_of(config, "security.read_rate");
    user[LIMIT_WRITE] = rate_of(config, "security.write_rate");
    user[LIMIT_ADMIN] = rate_of(config, "security.admin_rate");
    user[LIMIT_FAILURE] = failure_rate_of(config, "security.user_failure_rate");
    address[LIMIT_READ] = rate_of(config, "security.address_read_rate");
    address[LIMIT_WRITE] = rate_of(config, "security.address_write_rate");
    address[LIMIT_ADMIN] = rate_of(config, "security.address_admin_rate");
    address[LIMIT_FAILURE] = failure_rate_of(config, "security.address_failure_rate");
}

static int check(const struct config *config, const struct auth_config *read, struct error *err)
{
    struct principal_grant grant;
    int rc = BLOCKDB_OK;

    if (read->auth.anonymous_role[0] != '\0') {
        rc = role_parse_grant(slice_of_text(read->auth.anonymous_role), &grant, err);
        if (rc < 0) {
            return error_wrap(err, rc, "security.anonymous_role");
        }
        if (!read->auth.enabled) {
            return error_set(err, BLOCKDB_EINVAL,
                             "security.anonymous_role means nothing without enable_auth = true: "
                             "everybody may do everything");
        }
    }
    if (read->auth.tls_users != AUTH_TLS_OFF && config_text(config, "security.tls_ca")[0] == '\0') {
        return error_set(err, BLOCKDB_EINVAL,
                         "security.tls_client_users needs tls_ca: without it no client's "
                         "certificate is asked for");
    }
    return rc;
}

int auth_config_read(const struct config *config, struct auth_config *out, struct error *err)
{
    struct auth_config read = {
        .auth = {.enabled = config_bool(config, "security.enable_auth"),
                 .metrics_open = config_bool(config, "security.open_metrics"),
                 .health_open = config_bool(config, "security.open_health"),
                 .anonymous_role = config_text(config, "security.anonymous_role"),
                 .admin_token_file = config_text(config, "security.admin_token_file"),
                 .tls_users = (enum auth_tls_users)config_number(config,
                                                                 "security.tls_client_users"),
                 .cache_ms = (uint32_t)config_number(config, "security.password_cache_time") *
                             1000},
        .audit_log_file = config_text(config, "security.audit_log_file"),
        .insecure = config_bool(config, "security.insecure"),
    };
    int rc;

    read_rates(config, &read.rates);
    rc = check(config, &read, err);
    if (rc == BLOCKDB_OK) {
        *out = read;
    }
    return rc;
}

int auth_check_exposure(const struct auth_config *config, const char *address, bool is_loopback,
                        struct error *err)
{
    if (is_loopback || config->auth.enabled || config->insecure) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EDENIED,
                     "will not listen on %s, where others can reach it, as long as anybody may do "
                     "everything: set enable_auth = true in [security] and add a user (blockdb-cli "
                     "--data-dir DIR user add admin --role admin), or listen on 127.0.0.1, or set "
                     "insecure = true if the network itself keeps others out",
                     address);
}

const char *auth_exposure_warning(bool is_enabled, bool is_loopback, bool has_tls)
{
    if (is_loopback) {
        return NULL;
    }
    if (!is_enabled) {
        return "INSECURE: anybody who reaches this server may read, write and administer "
               "everything, because [security] says insecure = true without enable_auth";
    }
    if (!has_tls) {
        return "passwords and tokens cross the network readable, because there is no TLS: set "
               "tls_cert and tls_key in [security], or put a proxy with TLS in front";
    }
    return NULL;
}
