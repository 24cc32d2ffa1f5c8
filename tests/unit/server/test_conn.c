/* SPDX-License-Identifier: Apache-2.0 */
/* server/conn.h with real sockets. */
#include "base/mem.h"
#include "os/os.h"
#include "server/conn_priv.h"
#include "talker.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define RESETTERS 100
#define MIB ((size_t)1 << 20)

static void test_lines_in_pieces_and_in_order(void **state)
{
    static const char text[] = "echo one\necho two\necho three\n";
    struct talker_world world;
    size_t i;
    int fd;

    (void)state;
    world_start(&world, 1, NULL, NULL);
    fd = client_connect(&world);
    client_send(fd, text);
    client_expect(fd, "one\ntwo\nthree\n");
    for (i = 0; i < strlen(text); i++) {
        char piece[2] = {text[i], '\0'};

        client_send(fd, piece);
        talker_sleep_ms(1);
    }
    client_expect(fd, "one\ntwo\nthree\n");
    client_send(fd, "later a\n");
    client_expect(fd, "a\n");
    client_send(fd, "echo end\nclose\n");
    client_expect(fd, "end\n");
    client_expect_end(fd, 0);
    (void)close(fd);
    world_stop(&world);
}

static void test_input_has_a_maximum(void **state)
{
    struct talker_world world;
    char junk[TALKER_INPUT_MAX * 3];
    int fd;

    (void)state;
    memset(junk, 'j', sizeof(junk) - 1);
    junk[sizeof(junk) - 1] = '\0';
    world_start(&world, 1, NULL, NULL);
    fd = client_connect(&world);
    client_send(fd, junk);
    client_expect(fd, "too long\n"); /* not lost to a reset: the connection lingers */
    client_expect_end(fd, 0);
    (void)close(fd);
    world_stop(&world);
}

static void test_half_closed_client_is_answered(void **state)
{
    struct talker_world world;
    unsigned before = atomic_load(&talkers.ended);
    int fd;

    (void)state;
    world_start(&world, 1, NULL, NULL);
    fd = client_connect(&world);
    client_send(fd, "pause\necho a\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    client_expect(fd, "a\n");
    client_expect_end(fd, 0);
    assert_int_equal(atomic_load(&talkers.ended), before + 1);
    (void)close(fd);
    world_stop(&world);
}

static void test_pauses(void **state)
{
    struct talker_world world;
    int fd;

    (void)state;
    world_start(&world, 1, NULL, NULL);
    fd = client_connect(&world);
    client_send(fd, "pause\necho a\npause\necho b\n");
    talker_sleep_ms(5);
    client_send(fd, "echo c\n");
    client_expect(fd, "a\nb\nc\n");
    client_send(fd, "pause\n");
    talker_sleep_ms(5);
    client_send(fd, "echo d\n"); /* arrives while nobody reads */
    client_expect(fd, "d\n");
    client_send(fd, "wait 10\n");
    client_expect(fd, "late\n");
    (void)close(fd);
    world_stop(&world);
}

static void test_clients_that_reset_while_they_wait(void **state)
{
    struct talker_world world;
    unsigned asked = atomic_load(&talkers.asked);
    unsigned before = atomic_load(&talkers.answered) + atomic_load(&talkers.dropped);
    int fds[RESETTERS];
    int i;

    (void)state;
    world_start(&world, 2, NULL, NULL);
    for (i = 0; i < RESETTERS; i++) {
        fds[i] = client_connect(&world);
        client_send(fds[i], "later x\n");
    }
    WAIT_FOR(atomic_load(&talkers.asked) == asked + RESETTERS);
    for (i = 0; i < RESETTERS; i++) {
        client_reset(fds[i]);
    }
    WAIT_FOR(atomic_load(&talkers.answered) + atomic_load(&talkers.dropped) == before + RESETTERS);
    WAIT_FOR(world_connections(&world) == 0);
    world_stop(&world);
}

static void test_large_output(void **state)
{
    struct talker_world world;
    int fd;

    (void)state;
    world_start(&world, 1, NULL, NULL);
    fd = client_connect(&world);
    client_send(fd, "echo a\nbig 20000000\necho b\nbig 100\necho c\n");
    talker_sleep_ms(20);
    client_expect(fd, "a\n");
    client_expect_bytes(fd, 20000000);
    client_expect(fd, "b\n");
    client_expect_bytes(fd, 100);
    client_expect(fd, "c\n");
    client_send(fd, "stream 30000000\n");
    client_expect_bytes(fd, 30000000);
    client_send(fd, "echo d\n");
    client_expect(fd, "d\n");
    (void)close(fd);
    world_stop(&world);
}

static unsigned cut_of(const struct talker_world *world)
{
    return (unsigned)conn_group_figures(worker_group(world->team.workers[0])).cut;
}

static void test_clients_that_never_read_are_cut(void **state)
{
    const struct conn_limits small = {.output_high = 65536,
                                      .output_max = 16 * MIB,
                                      .send_timeout_ms = 200,
                                      .handshake_timeout_ms = 1000};
    struct talker_world world;
    int too_much;
    int too_long;

    (void)state;
    world_start(&world, 1, &small, NULL);
    too_much = client_connect(&world);
    client_send(too_much, "big 40000000\n");
    WAIT_FOR(cut_of(&world) == 1);
    too_long = client_connect(&world);
    client_send(too_long, "stream 40000000\n"); /* never more than the high mark at a time */
    WAIT_FOR(cut_of(&world) == 2);
    WAIT_FOR(world_connections(&world) == 0);
    client_expect_end(too_much, 40000000);
    client_expect_end(too_long, 40000000);
    (void)close(too_much);
    (void)close(too_long);
    world_stop(&world);
}

static void test_input_of_all_has_a_maximum(void **state)
{
    const struct conn_limits small = {.output_high = 65536,
                                      .output_max = MIB,
                                      .held_max = 4500,
                                      .send_timeout_ms = 9999,
                                      .handshake_timeout_ms = 1000};
    struct talker_world world;
    char part[2501];
    int first;
    int second;

    (void)state;
    memset(part, 'x', sizeof(part));
    part[sizeof(part) - 1] = '\0';
    world_start(&world, 1, &small, NULL);
    first = client_connect(&world);
    client_send(first, part); /* not a line yet, so it is kept */
    WAIT_FOR(conn_group_figures(worker_group(world.team.workers[0])).received_bytes == 2500);
    second = client_connect(&world);
    client_send(second, part);
    WAIT_FOR(cut_of(&world) == 1);
    (void)close(second);
    client_send(first, "\n");
    WAIT_FOR(world_connections(&world) == 1);
    (void)close(first);
    WAIT_FOR(world_connections(&world) == 0);
    second = client_connect(&world);
    client_send(second, part);
    client_send(second, "\necho a\n");
    WAIT_FOR(conn_group_figures(worker_group(world.team.workers[0])).received_bytes >= 7500);
    assert_int_equal(cut_of(&world), 1);
    (void)close(second);
    world_stop(&world); /* everything was given back, or GROUP-2 fails */
}

static void test_end_of_the_server(void **state)
{
    struct talker_world world;
    unsigned before = atomic_load(&talkers.drained);
    int fds[3];
    int i;

    (void)state;
    world_start(&world, 2, NULL, NULL);
    for (i = 0; i < 3; i++) {
        fds[i] = client_connect(&world);
        client_send(fds[i], "echo a\n");
        client_expect(fds[i], "a\n");
    }
    worker_drain(world.team.workers[0]);
    worker_drain(world.team.workers[1]);
    client_send(fds[0], "echo b\n"); /* draining still serves */
    client_expect(fds[0], "b\n");
    worker_finish(world.team.workers[0]);
    worker_finish(world.team.workers[1]);
    for (i = 0; i < 3; i++) {
        client_expect_end(fds[i], 0);
        (void)close(fds[i]);
    }
    assert_int_equal(atomic_load(&talkers.drained), before + 3);
    WAIT_FOR(world_connections(&world) == 0);
    world_stop(&world);
}

/* ---- Without a thread: short memory -------------------------------------------------------- */

static bool fail_at(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

/* A whole life of a connection on this thread, in which the n-th allocation fails. */
static bool live(int n)
{
    const struct conn_limits limits = {.output_high = 65536,
                                       .output_max = MIB,
                                       .send_timeout_ms = 1000,
                                       .handshake_timeout_ms = 1000};
    struct conn_socket socket = {.protocol = &talker_protocol};
    struct conn_group *group = NULL;
    struct loop *loop = NULL;
    struct error err = {0};
    char answer[64] = "";
    int pair[2];
    int left = n;
    int rc;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(loop_new(os_real(), 0, &loop, &err), BLOCKDB_OK);
    assert_int_equal(conn_group_new(loop, NULL, &limits, &group), BLOCKDB_OK);
    socket.fd = pair[0];
    socket.peer.ss_family = AF_UNIX;
    client_send(pair[1], "echo part");
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    mem_set_fail_hook(fail_at, &left);
    rc = conn_open(group, &socket);
    mem_set_fail_hook(NULL, NULL);
    if (rc == BLOCKDB_OK) {
        loop_stop_soon(loop);
        loop_run(loop); /* ends when the connection has */
    }
    (void)!recv(pair[1], answer, sizeof(answer), 0);
    (void)close(pair[1]);
    assert_int_equal(conn_group_count(group), 0);
    conn_group_free(group);
    loop_free(loop);
    assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOMEM);
    return rc == BLOCKDB_OK;
}

static void test_survives_short_memory(void **state)
{
    int n;

    (void)state;
    for (n = 0; !live(n); n++) {
    }
    assert_true(n >= 2); /* the connection and its protocol's state */
    assert_int_equal(atomic_load(&talkers.opened), atomic_load(&talkers.closed));
}

static void test_names_the_peer(void **state)
{
    struct conn_peer peer = {0};
    struct sockaddr_storage address = {0};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;

    (void)state;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(77);
    in6->sin6_addr = in6addr_loopback;
    conn_peer_init(&peer, &address, true);
    assert_string_equal(peer.address, "::1");
    assert_true(peer.is_loopback && peer.is_tls && peer.port == 77);
    in6->sin6_addr.s6_addr[15] = 1;
    in6->sin6_addr.s6_addr[12] = 10;
    in6->sin6_addr.s6_addr[10] = 0xff;
    in6->sin6_addr.s6_addr[11] = 0xff;
    conn_peer_init(&peer, &address, false);
    assert_string_equal(peer.address, "10.0.0.1");
    assert_false(peer.is_loopback || peer.is_tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_in_pieces_and_in_order),
        cmocka_unit_test(test_input_has_a_maximum),
        cmocka_unit_test(test_half_closed_client_is_answered),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_clients_that_reset_while_they_wait),
        cmocka_unit_test(test_large_output),
        cmocka_unit_test(test_clients_that_never_read_are_cut),
        cmocka_unit_test(test_input_of_all_has_a_maximum),
        cmocka_unit_test(test_end_of_the_server),
        cmocka_unit_test(test_survives_short_memory),
        cmocka_unit_test(test_names_the_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
