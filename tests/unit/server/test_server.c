/* SPDX-License-Identifier: Apache-2.0 */
/* server/server.h in this process, with a protocol of tests on both ports. */
#include "base/mem.h"
#include "config/config.h"
#include "os/os.h"
#include "server/server.h"
#include "talker.h"

#include <blockdb/blockdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A database that all tests use. */
static char dir[] = "/tmp/blockdb-serve-XXXXXX";
static struct blockdb *db;

static int set_up(void **state)
{
    struct error err = {0};
    struct blockdb_options *options = blockdb_options_new();

    (void)state;
    assert_non_null(mkdtemp(dir));
    if (blockdb_open(dir, options, BLOCKDB_OPEN_CREATE, &db, &err) < 0) {
        fail_msg("%s", err.message);
    }
    blockdb_options_free(options);
    return 0;
}

static int tear_down(void **state)
{
    char command[64];
    struct error err = {0};

    (void)state;
    assert_int_equal(blockdb_close(db, &err), BLOCKDB_OK);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct config *config_of(const char *toml)
{
    struct config *config = config_new();
    struct error err = {0};

    assert_int_equal(config_set(config, "server.port", "0", &err), BLOCKDB_OK);
    assert_int_equal(config_set(config, "server.worker_threads", "2", &err), BLOCKDB_OK);
    if (config_apply_text(config, slice_of_text(toml), "test", &err) < 0) {
        fail_msg("%s", err.message);
    }
    return config;
}

static int make(const struct config *config, struct server **out, struct error *err)
{
    const struct server_options options = {.os = os_real(),
                                           .db = db,
                                           .config = config,
                                           .http = &talker_protocol,
                                           .resp = &talker_protocol};
    int rc = server_new(&options, out, err);

    return rc == BLOCKDB_OK ? server_start(*out, err) : rc;
}

static struct server *started(const struct config *config)
{
    struct server *server = NULL;
    struct error err = {0};

    if (make(config, &server, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return server;
}

static int connect_to(uint16_t port)
{
    const struct talker_world world = {.port = port};

    return client_connect(&world);
}

static void test_configuration(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_new();
    AUTO(server_config_free_ptr) struct server_config *c = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(config_set(config, "server.host", "a b", &err), BLOCKDB_OK);
    assert_int_equal(server_config_new(config, &c, &err), BLOCKDB_OK);
    assert_int_equal(c->host_count, 2);
    assert_string_equal(c->hosts[1], "b");
    assert_int_equal(c->resp_host_count, 2);
    assert_string_equal(c->resp_hosts[0], "a");
    assert_int_equal(c->port, 8080);
    assert_true(c->is_resp_on && c->resp_port == 6380);
    assert_int_equal(c->peer_port, 8081);
    assert_true(c->worker_threads >= 1 && c->pool_threads[0] >= 2 && c->pool_threads[1] >= 2);
    assert_int_equal(c->connection_timeout, 60000);
    assert_int_equal(c->max_idle_time, 300000);
    assert_int_equal(c->request_timeout, 30000);
    assert_int_equal(c->max_request_size, 16 << 20);
    assert_true(c->tcp_nodelay && c->tcp_keepalive);
    assert_int_equal(c->heartbeat_interval, 150);
    assert_int_equal(c->transaction_timeout, 30000);
    assert_null(server_config_warning(c, 0));
}

static void test_warnings(void **state)
{
    AUTO(config_free_ptr)
    struct config *config = config_of(
        "[server]\nsend_buffer_size = \"1MiB\"\n[cluster]\npeers = [\"a:1\"]\n");
    AUTO(server_config_free_ptr) struct server_config *c = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(server_config_new(config, &c, &err), BLOCKDB_OK);
    assert_non_null(strstr(server_config_warning(c, 0), "election_timeout"));
    assert_non_null(strstr(server_config_warning(c, 1), "send_buffer_size"));
    assert_null(server_config_warning(c, 2));
}

static void test_serves_and_stops(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_of("");
    struct server *server = started(config);
    int http = connect_to(server_http_port(server));
    int resp = connect_to(server_resp_port(server));

    (void)state;
    assert_int_equal(server_phase(server), SERVER_READY);
    assert_int_equal(server_loop_count(server), 2);
    assert_non_null(strstr(server_address(server, 0), "http 127.0.0.1:"));
    assert_non_null(strstr(server_address(server, 1), "resp 127.0.0.1:"));
    assert_null(server_address(server, 2));
    client_send(http, "echo a\n");
    client_expect(http, "a\n");
    client_send(resp, "echo b\n");
    client_expect(resp, "b\n");
    assert_int_equal(server_stats(server).connections, 2);
    assert_int_equal(server_stats(server).received_bytes, 14);
    server_drain(server);
    assert_int_equal(server_phase(server), SERVER_DRAINING);
    client_send(http, "echo c\n");
    client_expect(http, "c\n");
    server_stop(server, 10000);
    assert_int_equal(server_phase(server), SERVER_STOPPED);
    client_expect_end(http, 0);
    client_expect_end(resp, 0);
    assert_int_equal(server_stats(server).connections, 0);
    assert_int_equal(server_stats(server).connections_accepted, 2);
    server_free(server);
    (void)close(http);
    (void)close(resp);
}

static void test_ports_in_use(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_of("");
    struct server *server = started(config);
    struct server *second = NULL;
    struct error err = {0};
    char port[8];

    (void)state;
    (void)snprintf(port, sizeof(port), "%u", server_http_port(server));
    assert_int_equal(config_set(config, "server.port", port, &err), BLOCKDB_OK);
    assert_int_equal(make(config, &second, &err), BLOCKDB_EBUSY);
    server_free(second);
    server_free(server);
}

static void test_reload(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_of("");
    AUTO(config_free_ptr)
    struct config *other = config_of("[server]\nmax_connections = 3\nlisten_backlog = 17\n");
    AUTO(config_free_ptr) struct config *bad = config_of("[server]\noutput_max = 65536\n");
    AUTO(buf_deinit) struct buf diff = {0};
    struct server *server = started(config);
    const struct server_config *before = server_config(server);
    struct error err = {0};

    (void)state;
    assert_int_equal(server_reload(server, bad, &err), BLOCKDB_EINVAL);
    assert_ptr_equal(server_config(server), before);
    assert_int_equal(server_reload(server, other, &err), BLOCKDB_OK);
    assert_int_equal(server_config(server)->max_connections, 3);
    assert_int_equal(server_config(server)->listen_backlog, before->listen_backlog);
    assert_int_equal(before->max_connections, 1000); /* who reads it still may */
    assert_int_equal(server_config_diff(config, other, &diff), BLOCKDB_OK);
    assert_int_equal(buf_append_u8(&diff, 0), BLOCKDB_OK);
    assert_string_equal((char *)diff.data, "server.listen_backlog: 1024 -> 17 (needs a restart)\n"
                                           "server.max_connections: 1000 -> 3\n");
    server_free(server);
}

/* ---- Short memory -------------------------------------------------------------------------- */

struct failing {
    pthread_t thread; /* whose allocations count: the database works meanwhile */
    int left;
};

static bool fail_at(void *context)
{
    struct failing *failing = context;

    return pthread_equal(failing->thread, pthread_self()) != 0 && failing->left-- == 0;
}

static void test_survives_short_memory(void **state)
{
    AUTO(config_free_ptr) struct config *config = config_of("");
    int rc = BLOCKDB_ENOMEM;
    int n;

    (void)state;
    for (n = 0; rc == BLOCKDB_ENOMEM; n++) {
        struct failing failing = {.thread = pthread_self(), .left = n};
        struct server *server = NULL;
        struct error err = {0};

        mem_set_fail_hook(fail_at, &failing);
        rc = make(config, &server, &err);
        mem_set_fail_hook(NULL, NULL);
        server_free(server);
    }
    assert_int_equal(rc, BLOCKDB_OK);
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),    cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_serves_and_stops), cmocka_unit_test(test_ports_in_use),
        cmocka_unit_test(test_reload),           cmocka_unit_test(test_survives_short_memory),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
