/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table [security]: values, what does not fit together, exposure, names in certificates.
 */
#include "config/config.h"
#include "server/auth_credentials.h"
#include "server/auth_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int read_config(const char *text, struct config **config, struct auth_config *out,
                       struct error *err)
{
    int rc;

    *config = config_new();
    rc = config_apply_text(*config, slice_of_text(text), "test", err);
    return rc < 0 ? rc : auth_config_read(*config, out, err);
}

static void test_defaults(void **state)
{
    struct auth_config read;
    struct config *config;
    struct error err;

    assert_int_equal(read_config("", &config, &read, &err), 0);
    assert_false(read.auth.enabled);
    assert_false(read.insecure);
    assert_true(read.auth.health_open);
    assert_false(read.auth.metrics_open);
    assert_string_equal(read.auth.anonymous_role, "");
    assert_string_equal(read.auth.admin_token_file, "");
    assert_string_equal(read.audit_log_file, "");
    assert_int_equal(read.auth.tls_users, AUTH_TLS_OFF);
    assert_int_equal(read.auth.cache_ms, 300000);
    assert_int_equal(read.rates.of[LIMIT_PRINCIPAL][LIMIT_READ].per_minute, 0);
    assert_int_equal(read.rates.of[LIMIT_ADDRESS][LIMIT_FAILURE].per_minute, 20);
    assert_int_equal(read.rates.of[LIMIT_PRINCIPAL][LIMIT_FAILURE].burst, 60);
    config_free(config);
}

static void test_values(void **state)
{
    struct auth_config read;
    struct config *config;
    struct error err;

    assert_int_equal(
        read_config("[security]\nenable_auth = true\nanonymous_role = \"reader:a/\"\n"
                    "open_metrics = true\nopen_health = false\ntls_client_users = \"dns\"\n"
                    "tls_ca = \"ca.pem\"\nread_rate = 100\naddress_write_rate = 1000000\n"
                    "admin_rate = 1\nrate_burst = 3600\npassword_cache_time = 0\n"
                    "audit_log_file = \"audit.log\"\nadmin_token_file = \"token\"\n"
                    "write_rate = 3\naddress_read_rate = 4\naddress_admin_rate = 5\n"
                    "user_failure_rate = 6\naddress_failure_rate = 0\ninsecure = true\n",
                    &config, &read, &err),
        0);
    assert_true(read.auth.enabled);
    assert_true(read.insecure);
    assert_false(read.auth.health_open);
    assert_true(read.auth.metrics_open);
    assert_int_equal(read.auth.tls_users, AUTH_TLS_DNS);
    assert_int_equal(read.auth.cache_ms, 0);
    assert_int_equal(read.rates.of[LIMIT_PRINCIPAL][LIMIT_READ].per_minute, 6000);
    assert_int_equal(read.rates.of[LIMIT_PRINCIPAL][LIMIT_READ].burst, 360000);
    assert_int_equal(read.rates.of[LIMIT_ADDRESS][LIMIT_WRITE].per_minute, 60000000);
    assert_int_equal(read.rates.of[LIMIT_ADDRESS][LIMIT_WRITE].burst, 3600000000U);
    assert_int_equal(read.rates.of[LIMIT_PRINCIPAL][LIMIT_FAILURE].per_minute, 6);
    assert_int_equal(read.rates.of[LIMIT_ADDRESS][LIMIT_FAILURE].per_minute, 0);
    config_free(config);
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "[security]\nenable_auth = true\nanonymous_role = \"king\"\n",
        "[security]\nanonymous_role = \"reader\"\n",
        "[security]\ntls_client_users = \"common_name\"\n",
        "[security]\ntls_client_users = \"everybody\"\n",
        "[security]\nread_rate = -1\n",
        "[security]\nrate_burst = 0\n",
        "[security]\nenable_auht = true\n",
    };
    struct auth_config read;
    struct config *config;
    struct error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_config(bad[i], &config, &read, &err), BLOCKDB_EINVAL);
        config_free(config);
    }
}

static void test_exposure(void **state)
{
    struct auth_config open = {.insecure = false};
    struct auth_config insecure = {.insecure = true};
    struct auth_config guarded = {.auth = {.enabled = true}};
    struct error err;

    assert_int_equal(auth_check_exposure(&open, "127.0.0.1:8080", true, &err), 0);
    assert_int_equal(auth_check_exposure(&open, "0.0.0.0:8080", false, &err), BLOCKDB_EDENIED);
    assert_non_null(strstr(err.message, "0.0.0.0:8080"));
    assert_int_equal(auth_check_exposure(&insecure, "0.0.0.0:8080", false, &err), 0);
    assert_int_equal(auth_check_exposure(&guarded, "0.0.0.0:8080", false, &err), 0);
    assert_null(auth_exposure_warning(false, true, false));
    assert_non_null(strstr(auth_exposure_warning(false, false, true), "INSECURE"));
    assert_non_null(strstr(auth_exposure_warning(true, false, false), "TLS"));
    assert_null(auth_exposure_warning(true, false, true));
}

static void test_certified_names(void **state)
{
    static const struct {
        enum auth_tls_users rule;
        const char *name;
        const char *san;
        const char *user;
    } cases[] = {
        {AUTH_TLS_OFF, "ann", "DNS:ann", ""},
        {AUTH_TLS_COMMON_NAME, "ann", NULL, "ann"},
        {AUTH_TLS_COMMON_NAME, NULL, "DNS:bob", ""},
        {AUTH_TLS_DNS, "ann", NULL, ""},
        {AUTH_TLS_DNS, "ann", "", ""},
        {AUTH_TLS_DNS, "ann", "DNS:", ""},
        {AUTH_TLS_DNS, "ann", "IP:1.2.3.4,  DNS:bob,DNS:eve", "bob"},
        {AUTH_TLS_EMAIL, NULL, "DNS:bob,email:ann@example.org", "ann@example.org"},
        {AUTH_TLS_EMAIL, NULL, "DNS:email:x,", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_client client = {.cert_name = cases[i].name, .cert_san = cases[i].san};
        struct slice name = auth_certified_name(cases[i].rule, &client);

        assert_true(slice_equal(name, slice_of_text(cases[i].user)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_exposure),
        cmocka_unit_test(test_certified_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
