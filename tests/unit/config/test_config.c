/* SPDX-License-Identifier: Apache-2.0 */
/* Files, environment and flags: what they set, who wins, and what is refused. */
#include "base/mem.h"
#include "config/config.h"
#include "engine/options.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void apply_ok(struct config *config, const char *text)
{
    struct error err = {0};

    if (config_apply_text(config, slice_of_text(text), "x.toml", &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
}

static void test_reads_tables(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_new();
    const struct settings *s = options_settings(config_database(config));
    struct config_logging logging = config_logging(config);

    (void)state;
    assert_int_equal(logging.level, LOGGER_WARNING);
    assert_int_equal(logging.format, LOGGER_TEXT);
    assert_string_equal(logging.file, "");
    apply_ok(config, "[database]\n"
                     "memtable_size_limit = \"128MiB\"\n"
                     "block_cache_size = 1048576\n"
                     "wal_sync_interval = \"2s\"\n"
                     "compaction_threshold = 8\n"
                     "enable_direct_io = true\n"
                     "compression_type = \"snappy\"\n"
                     "data_dir = \"/var/lib/blockdb\"\n"
                     "[logging]\n"
                     "level = \"debug\"\n"
                     "format = \"json\"\n"
                     "file = \"/tmp/log\"\n");
    assert_int_equal(s->memtable_size_limit, 134217728);
    assert_int_equal(s->block_cache_size, 1048576);
    assert_int_equal(s->wal_sync_interval, 2000);
    assert_int_equal(s->compaction_threshold, 8);
    assert_true(s->enable_direct_io);
    assert_int_equal(s->compression_type, COMPRESSION_SNAPPY);
    assert_string_equal(s->data_dir, "/var/lib/blockdb");
    logging = config_logging(config);
    assert_int_equal(logging.level, LOGGER_DEBUG);
    assert_int_equal(logging.format, LOGGER_JSON);
    assert_string_equal(logging.file, "/tmp/log");
    assert_string_equal(config_get(config, "logging.level"), "debug");
    assert_string_equal(config_get(config, "compaction_threshold"), "8");
    assert_string_equal(config_get(config, "database.compaction_threshold"), "8");
    assert_null(config_get(config, "logging.nothing"));
    assert_null(config_get(config, "server.nothing"));
    assert_string_equal(config_get(config, "server.port"), "8080");
    assert_true(config_is_set(config, "data_dir") && config_is_set(config, "logging.file"));
    assert_false(config_is_set(config, "wal_dir") || config_is_set(config, "server.port"));
}

static void test_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *message; /* how it begins */
        const char *says;
    } cases[] = {
        {"[database]\n\nmemtable_limit = 1\n", "x.toml:3: ", "did you mean 'memtable_size_limit'?"},
        {"[database]\nqqqqqqq = 1\n", "x.toml:2: ", "--print-default-config"},
        {"[databse]\n", "x.toml:1: ", "did you mean [database]?"},
        {"[qqqqqqqqqqqq]\n", "x.toml:1: ", "there are [database], [ledger]"},
        {"[server]\nport = 65536\n", "x.toml:2: ", "65536 is out of range: 0 to 65535"},
        {"[server]\nport = \"8080\"\n", "x.toml:2: ", "whole number"},
        {"[server]\nhost = [\"a\", 1]\n", "x.toml:2: ", "a text in quotes or a list of them"},
        {"[server]\nmax_idle_time = \"1500ms\"\n", "x.toml:2: ", "whole seconds"},
        {"[server]\nmax_idle_time = \"5 miles\"\n", "x.toml:2: ", "option max_idle_time"},
        {"[server]\nmax_idle_time = true\n", "x.toml:2: ", "seconds or a duration"},
        {"[server]\nmax_conections = 1\n", "x.toml:2: ", "did you mean 'max_connections'?"},
        {"[security]\ntls_client_auth = \"no\"\n", "x.toml:2: ", "optional required"},
        {"[cluster]\nenable_transactions = 1\n", "x.toml:2: ", "true or false"},
        {"write_once = true\n", "x.toml:1: ", "outside of any table: put it below [database]"},
        {"level = \"info\"\n", "x.toml:1: ", "outside of any table: put it below [logging]"},
        {"writ = 1\n", "x.toml:1: ", "outside of any table"},
        {"[[server]]\nport = 1\n", "x.toml:1: ", "'server' is a table: write [server]"},
        {"[database]\nwrite_once = 1\n",
         "x.toml:2: ", "true or false without quotes, not an integer"},
        {"[database]\nwrite_once = \"true\"\n", "x.toml:2: ", "not a string"},
        {"[database]\ncompaction_threshold = \"4\"\n", "x.toml:2: ", "whole number"},
        {"[database]\ncompaction_threshold = 4.0\n", "x.toml:2: ", "fraction"},
        {"[database]\ndata_dir = 4\n", "x.toml:2: ", "a text in quotes"},
        {"[database]\nblock_cache_size = [1]\n", "x.toml:2: ", "an array"},
        {"[database]\nblock_cache_size = \"5 MB\"\n", "x.toml:2: ", "MiB"},
        {"[database]\nblock_cache_size = -1\n", "x.toml:2: ", "not a size"},
        {"[database]\ndata_dir = {a = 1}\n", "x.toml:2: ", "a table"},
        {"[database]\nlevel = \"info\"\n", "x.toml:2: ", "belongs into table [logging]"},
        {"[server]\ncors_origins = \"app\"\n", "x.toml:2: ", "'app' is no origin"},
        {"[server]\ncors_origins = \"http://a http://b/\"\n", "x.toml:2: ", "'http://b/' is no"},
        {"[server]\ncors_origins = \"http://a:0\"\n", "x.toml:2: ", "'http://a:0' is no"},
        {"[server]\ncors_origins = \"https://A.example\"\n", "x.toml:2: ", "small letters"},
        {"[cluster]\npeers = \"a:1 b\"\n", "x.toml:2: ", "'b' is no host:port"},
        {"[cluster]\npeers = [\"[::1:9\"]\n", "x.toml:2: ", "'[::1:9' is no host:port"},
        {"[cluster]\nnode_id = \"a b\"\n", "x.toml:2: ", "'a b' cannot name a node"},
        {"[cluster]\nnode_id = \"a/b\"\n", "x.toml:2: ", "'a/b' cannot name a node"},
        {"[cluster]\naddress = \"a:65536\"\n", "x.toml:2: ", "'a:65536' is no host:port"},
        {"[cluster]\naddress = \"a:1 b:2\"\n", "x.toml:2: ", "is no host:port"},
        {"[logging]\nlevel = \"loud\"\n", "x.toml:2: ", "debug info warning error"},
        {"[logging]\nlevl = \"info\"\n", "x.toml:2: ", "did you mean 'level'?"},
        {"[database]\n[logging]\n[database]\n", "x.toml:3: ", "not valid TOML"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(config_free_ptr) struct config *config = config_new();
        struct error err = {0};

        assert_int_equal(config_apply_text(config, slice_of_text(cases[i].text), "x.toml", &err),
                         BLOCKDB_EINVAL);
        if (strstr(err.message, cases[i].message) != err.message ||
            strstr(err.message, cases[i].says) == NULL) {
            fail_msg("'%s': %s", cases[i].text, err.message);
        }
    }
}

static void test_forms_and_places(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_new();

    (void)state;
    apply_ok(config, "[server]\ncors_origins = \"* http://a https://b.c:8443 http://[::1]:80\"\n"
                     "[cluster]\nnode_id = \"Node-1.a_b\"\naddress = \"Node:1\"\npeers = "
                     "[\"[::1]:65535\", \"1.2.3.4:9\"]\n");
    assert_string_equal(config_where(config, "server.cors_origins"), "x.toml:2");
    assert_string_equal(config_where(config, "cluster.peers"), "x.toml:6");
    assert_string_equal(config_where(config, "data_dir"), "");
    apply_ok(config, "[database]\ndata_dir = \"/a\"\n");
    assert_string_equal(config_where(config, "data_dir"), "x.toml:2");
    assert_int_equal(config_set(config, "data_dir", "/b", NULL), BLOCKDB_OK);
    assert_string_equal(config_where(config, "data_dir"), "");
}

static void test_own_keys(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_new();
    struct error err = {0};

    (void)state;
    assert_int_equal(config_number(config, "server.connection_timeout"), 60);
    assert_true(config_bool(config, "server.tcp_nodelay"));
    apply_ok(config, "[server]\nhost = [\"::1\", \"127.0.0.1\"]\nmax_idle_time = \"5min\"\n"
                     "max_request_size = \"1MiB\"\ntcp_nodelay = false\n"
                     "[cluster]\npeers = []\nheartbeat_interval = \"50ms\"\n"
                     "[security]\ntls_client_auth = \"required\"\n");
    assert_string_equal(config_text(config, "server.host"), "::1 127.0.0.1");
    assert_string_equal(config_text(config, "cluster.peers"), "");
    assert_int_equal(config_number(config, "server.max_idle_time"), 300);
    assert_int_equal(config_number(config, "server.max_request_size"), 1 << 20);
    assert_int_equal(config_number(config, "cluster.heartbeat_interval"), 50);
    assert_int_equal(config_number(config, "security.tls_client_auth"), 1);
    assert_false(config_bool(config, "server.tcp_nodelay"));
    assert_int_equal(config_set(config, "server.host", " a, b  c ", &err), BLOCKDB_OK);
    assert_string_equal(config_text(config, "server.host"), "a b c");
}

static void test_environment(void **state)
{
    char write_once[] = "BLOCKDB_WRITE_ONCE=true";
    char level[] = "BLOCKDB_LOGGING_LEVEL=error";
    char service_port[] = "BLOCKDB_PORT_8080_TCP=tcp://10.0.0.1:8080";
    char service_host[] = "BLOCKDB_SERVICE_HOST=10.0.0.1";
    char service_named[] = "BLOCKDB_SERVICE_PORT_HTTP=8080";
    char service_like[] = "BLOCKDB_SERVICES_PORT=8080";
    char other[] = "HOME=/root";
    char no_equals[] = "BLOCKDB_NOTHING";
    char *good[] = {write_once,    level, service_port, service_host,
                    service_named, other, no_equals,    NULL};
    char mistyped[] = "BLOCKDB_WRITE_ONES=true";
    char *bad[] = {mistyped, NULL};
    char *nearly[] = {service_like, NULL};
    char wrong[] = "BLOCKDB_WRITE_ONCE=maybe";
    char *bad_value[] = {wrong, NULL};
    AUTO(config_free_ptr) struct config *config = config_new();
    struct error err = {0};

    (void)state;
    assert_int_equal(config_apply_environment(config, good, &err), BLOCKDB_OK);
    assert_true(options_settings(config_database(config))->write_once);
    assert_int_equal(config_logging(config).level, LOGGER_ERROR);
    assert_int_equal(config_apply_environment(config, bad, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "did you mean 'BLOCKDB_WRITE_ONCE'"));
    assert_int_equal(config_apply_environment(config, nearly, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "did you mean 'BLOCKDB_SERVER_PORT'"));
    assert_int_equal(config_apply_environment(config, bad_value, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "BLOCKDB_WRITE_ONCE"));
}

static void test_flags(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_new();
    struct error err = {0};

    (void)state;
    apply_ok(config, "[database]\nwrite_once = true\n");
    assert_int_equal(config_set(config, "write_once", "false", &err), BLOCKDB_OK);
    assert_false(options_settings(config_database(config))->write_once);
    assert_int_equal(config_set(config, "logging.format", "json", &err), BLOCKDB_OK);
    assert_int_equal(config_set(config, "server.port", "-1", &err), BLOCKDB_EINVAL);
    assert_int_equal(config_set(config, "servers.port", "1", &err), BLOCKDB_EINVAL);
    assert_int_equal(config_set(config, "server.prt", "1", &err), BLOCKDB_EINVAL);
    assert_int_equal(config_set(config, "write_onc", "1", &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "did you mean 'write_once'"));
}

static void test_print_is_read_back(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_new();
    AUTO(config_free_ptr) struct config *again = config_new();
    AUTO(buf_deinit) struct buf text = {0};
    AUTO(buf_deinit) struct buf text_again = {0};
    struct error err = {0};
    size_t i;

    (void)state;
    assert_int_equal(config_set(config, "data_dir", "a \"quoted\" \\ path", &err), BLOCKDB_OK);
    assert_int_equal(config_set(config, "block_cache_size", "5MiB", &err), BLOCKDB_OK);
    assert_int_equal(config_print(config, &text), BLOCKDB_OK);
    if (config_apply_text(again, buf_slice(&text), "printed", &err) < 0) {
        fail_msg("%s", err.message);
    }
    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);
        char name[96];

        (void)snprintf(name, sizeof(name), "%s.%s", key.section, key.name);
        assert_true(config_is_set(again, name));
        assert_string_equal(config_get(config, name), config_get(again, name));
    }
    assert_int_equal(config_print(again, &text_again), BLOCKDB_OK);
    assert_true(slice_equal(buf_slice(&text), buf_slice(&text_again)));
}

static void write_file(const char *dir, const char *name, const char *text)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, name);

    assert_int_equal(os_replace_file(os_real(), path, slice_of_text(text), NULL), BLOCKDB_OK);
}

static void remove_file(const char *dir, const char *name)
{
    AUTO(mem_free_ptr) char *path = path_join(dir, name);

    assert_int_equal(os_unlink(os_real(), path, NULL), BLOCKDB_OK);
}

static void test_folder(void **state)
{
    char dir[] = "/tmp/blockdb-config.XXXXXX";
    AUTO(config_free_ptr) struct config *config = config_new();
    struct error err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    write_file(dir, "20.toml", "[database]\nwrite_once = false\n");
    write_file(dir, "10.toml", "[database]\nwrite_once = true\ncompaction_threshold = 9\n");
    write_file(dir, "30.txt", "no toml");
    assert_int_equal(config_apply_path(config, os_real(), dir, &err), BLOCKDB_OK);
    assert_false(options_settings(config_database(config))->write_once);
    assert_string_equal(config_get(config, "compaction_threshold"), "9");
    write_file(dir, "40.toml", "[database]\nbad\n");
    assert_int_equal(config_apply_path(config, os_real(), dir, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "40.toml:2: "));
    remove_file(dir, "10.toml");
    remove_file(dir, "20.toml");
    remove_file(dir, "30.txt");
    remove_file(dir, "40.toml");
    assert_int_equal(os_rmdir(os_real(), dir, NULL), BLOCKDB_OK);
    assert_int_equal(config_apply_path(config, os_real(), dir, &err), BLOCKDB_ENOTFOUND);
}

static bool fail_countdown(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static int use_config(void)
{
    char variable[] = "BLOCKDB_WRITE_ONCE=true";
    char *environment[] = {variable, NULL};
    AUTO(config_free_ptr) struct config *config = config_new();
    AUTO(buf_deinit) struct buf text = {0};
    int rc;

    if (config == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = config_apply_text(config, slice_of_text("[logging]\nlevel = \"info\"\n"), "x", NULL);
    if (rc == BLOCKDB_OK) {
        rc = config_apply_environment(config, environment, NULL);
    }
    if (rc == BLOCKDB_OK) {
        rc = config_print(config, &text);
    }
    return rc < 0 ? rc : config_print_reference(&text);
}

static void test_survives_short_memory(void **state)
{
    int rc = BLOCKDB_ENOMEM;
    int n;

    (void)state;
    for (n = 0; rc != BLOCKDB_OK; n++) {
        int left = n;

        mem_set_fail_hook(fail_countdown, &left);
        rc = use_config();
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
    }
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_tables),          cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_forms_and_places),      cmocka_unit_test(test_own_keys),
        cmocka_unit_test(test_environment),           cmocka_unit_test(test_flags),
        cmocka_unit_test(test_print_is_read_back),    cmocka_unit_test(test_folder),
        cmocka_unit_test(test_survives_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
