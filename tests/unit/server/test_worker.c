/* SPDX-License-Identifier: Apache-2.0 */
/* server/worker.h: limits, hand-over, what sockets inherit, running out of descriptors. */
#include "base/mem.h"
#include "server/listener.h"
#include "server/server_config.h"
#include "talker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 40

static void test_one_too_many(void **state)
{
    struct talker_world world;
    int fds[4 + SERVER_RESERVE];
    int refused;
    int i;

    (void)state;
    world_start(&world, 1, NULL, NULL);
    atomic_store(&world.team.max_connections, 4);
    for (i = 0; i < 4 + SERVER_RESERVE; i++) { /* from loopback: the reserve is open */
        fds[i] = client_connect(&world);
        client_send(fds[i], "echo a\n");
        client_expect(fds[i], "a\n");
    }
    refused = client_connect(&world);
    client_send(refused, "echo a\n");
    client_expect(refused, "full\n");
    client_expect_end(refused, 0);
    (void)close(refused);
    assert_int_equal(conn_group_figures(worker_group(world.team.workers[0])).refused, 1);
    assert_int_equal(atomic_load(&world.team.connections), 4 + SERVER_RESERVE);
    (void)close(fds[0]);
    WAIT_FOR(atomic_load(&world.team.connections) == 3 + SERVER_RESERVE);
    fds[0] = client_connect(&world);
    client_send(fds[0], "echo b\n");
    client_expect(fds[0], "b\n");
    for (i = 0; i < 4 + SERVER_RESERVE; i++) {
        (void)close(fds[i]);
    }
    world_stop(&world);
}

static void test_spreads_connections(void **state)
{
    struct talker_world world;
    int fds[MANY];
    unsigned a;
    unsigned b;
    int i;

    (void)state;
    world_start(&world, 2, NULL, NULL);
    for (i = 0; i < MANY; i++) {
        fds[i] = client_connect(&world);
        client_send(fds[i], "echo a\n");
        client_expect(fds[i], "a\n");
    }
    a = conn_group_count(worker_group(world.team.workers[0]));
    b = conn_group_count(worker_group(world.team.workers[1]));
    assert_int_equal(a + b, MANY);
    assert_true((a > b ? a - b : b - a) <= 2 + MANY / 8);
    for (i = 0; i < MANY; i++) {
        (void)close(fds[i]);
    }
    WAIT_FOR(world_connections(&world) == 0);
    world_stop(&world);
}

/* ---- Socket options ------------------------------------------------------------------------ */

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* The server's side of a connection; its loop does nothing meanwhile. */
static int server_side(int client)
{
    client_send(client, "echo a\n"); /* it is open when it answers */
    client_expect(client, "a\n");
    return atomic_load(&talkers.last_fd);
}

static void test_sockets_have_what_is_configured(void **state)
{
    const struct server_config config = {.tcp_nodelay = true,
                                         .tcp_keepalive = true,
                                         .keepalive_time = 37,
                                         .keepalive_interval = 7,
                                         .keepalive_probes = 4,
                                         .send_buffer_size = 100000,
                                         .recv_buffer_size = 50000};
    const struct server_config off = {.tcp_nodelay = false};
    const struct worker_settings settings = {
        .limits = {.output_high = 65536, .output_max = 65536, .send_timeout_ms = 9999},
        .config = &config};
    const struct worker_settings settings_off = {.limits = settings.limits, .config = &off};
    struct talker_world world;
    int client;
    int fd;

    (void)state;
    world_start(&world, 1, NULL, NULL);
    worker_set(world.team.workers[0], &settings);
    client = client_connect(&world);
    fd = server_side(client);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 37);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), (37 + 7 * 4) * 1000);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF), 200000); /* the kernel doubles it */
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_RCVBUF), 100000);
    (void)close(client);
    WAIT_FOR(world_connections(&world) == 0);
    worker_set(world.team.workers[0], &settings_off);
    client = client_connect(&world);
    fd = server_side(client);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    (void)close(client);
    world_stop(&world);
}

/* ---- No descriptors ------------------------------------------------------------------------ */

static uint64_t cpu_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void test_without_descriptors_it_waits(void **state)
{
    struct talker_world world;
    struct rlimit before;
    struct rlimit none;
    uint64_t cpu_before;
    int client;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3; /* those that are open stay so */
    world_start(&world, 1, NULL, NULL);
    client = client_connect(&world); /* one is accepted before the limit comes, or it is not */
    (void)close(client);
    WAIT_FOR(world_connections(&world) == 0);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world.port)};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof(address)), 0);
    }
    cpu_before = cpu_ms();
    WAIT_FOR(atomic_load(&world.team.accept_errors) >= 2); /* it tries again, but it pauses */
    assert_true(cpu_ms() - cpu_before < 400);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    client_send(client, "echo a\n");
    client_expect(client, "a\n");
    (void)close(client);
    world_stop(&world);
}

/* ---- Listening ----------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    struct listener_address addresses[8];
    struct listener_options options = {.backlog = 16};
    char text[LISTENER_ADDRESS_BYTES];
    struct error err = {0};
    size_t count = 0;
    int fd;

    (void)state;
    assert_int_equal(listener_resolve("127.0.0.1", 0, addresses, 8, &count, &err), BLOCKDB_OK);
    assert_int_equal(listener_resolve("::1", 80, addresses, 8, &count, &err), BLOCKDB_OK);
    assert_int_equal(listener_resolve("0.0.0.0", 80, addresses, 8, &count, &err), BLOCKDB_OK);
    assert_int_equal(count, 3);
    assert_true(listener_is_loopback(&addresses[0]) && listener_is_loopback(&addresses[1]));
    assert_false(listener_is_loopback(&addresses[2]));
    listener_format(&addresses[1], text);
    assert_string_equal(text, "[::1]:80");
    assert_int_equal(listener_resolve("no.such.host.invalid", 1, addresses, 8, &count, &err),
                     BLOCKDB_EINVAL);
    assert_int_equal(listener_resolve("127.0.0.2", 1, addresses, 3, &count, &err), BLOCKDB_ELIMIT);
    assert_int_equal(listener_open_at(&addresses[0], &options, &fd, &err), BLOCKDB_OK);
    assert_true(listener_port(&addresses[0]) != 0);
    /* What shares a port with others is not let in beside one that does not, and is found. */
    assert_int_equal(listener_probe(&addresses[0], false, &err), BLOCKDB_EBUSY);
    assert_non_null(strstr(err.message, "in use"));
    listener_close(fd);
    assert_int_equal(listener_probe(&addresses[0], false, &err), BLOCKDB_OK);
}

static void test_unix_socket(void **state)
{
    char path[64];
    char dir[] = "/tmp/blockdb-listener-XXXXXX";
    struct error err = {0};
    int again;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/socket", dir);
    assert_int_equal(listener_open_unix(path, 16, &fd, &err), BLOCKDB_OK);
    assert_int_equal(listener_open_unix(path, 16, &again, &err), BLOCKDB_EBUSY);
    listener_close(fd);
    assert_int_equal(listener_open_unix(path, 16, &fd, &err), BLOCKDB_OK); /* left behind */
    listener_close(fd);
    assert_int_equal(listener_open_unix(dir, 16, &fd, &err), BLOCKDB_EEXIST);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_too_many),
        cmocka_unit_test(test_spreads_connections),
        cmocka_unit_test(test_sockets_have_what_is_configured),
        cmocka_unit_test(test_without_descriptors_it_waits),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_unix_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
