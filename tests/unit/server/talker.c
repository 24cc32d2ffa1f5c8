/* SPDX-License-Identifier: Apache-2.0 */
#include "talker.h"

#include "base/mem.h"
#include "os/os.h"
#include "server/conn_priv.h"
#include "server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECE 8192
#define NS_PER_MS 1000000ULL

struct talker_figures talkers;

struct talker {
    size_t to_stream;
};

/* ---- Answers from another thread ----------------------------------------------------------- */

struct later {
    struct loop_task task; /* first */
    struct conn *conn;     /* a reference */
    char text[64];
};

static void later_run(struct loop_task *task)
{
    struct later *later = (struct later *)(void *)task;

    if (conn_is_closed(later->conn)) {
        atomic_fetch_add(&talkers.dropped, 1);
    } else {
        atomic_fetch_add(&talkers.answered, 1);
        assert_int_equal(buf_append(conn_output(later->conn), later->text, strlen(later->text)),
                         BLOCKDB_OK);
    }
    conn_unref(later->conn);
    free(later);
}

static void *later_main(void *arg)
{
    struct later *later = arg;

    talker_sleep_ms(50);
    loop_post(conn_loop(later->conn), &later->task);
    return NULL;
}

static void answer_later(struct conn *c, const char *text)
{
    struct later *later = malloc(sizeof(*later));
    pthread_t thread;

    assert_non_null(later);
    atomic_fetch_add(&talkers.asked, 1);
    *later = (struct later){.task = {.run = later_run}, .conn = conn_ref(c)};
    (void)snprintf(later->text, sizeof(later->text), "%s\n", text);
    assert_int_equal(pthread_create(&thread, NULL, later_main, later), 0);
    (void)pthread_detach(thread);
}

/* ---- The protocol -------------------------------------------------------------------------- */

static void append_x(struct buf *out, size_t len)
{
    assert_int_equal(buf_reserve(out, len), BLOCKDB_OK);
    memset(out->data + out->len, 'x', len);
    out->len += len;
}

static void stream_on(struct conn *c)
{
    struct talker *t = conn_state(c);

    while (t->to_stream > 0 && !conn_output_is_high(c)) {
        size_t part = t->to_stream < PIECE ? t->to_stream : PIECE;

        append_x(conn_output(c), part);
        t->to_stream -= part;
    }
}

static void big(struct conn *c, size_t len)
{
    struct buf bytes = {0};

    append_x(&bytes, len);
    assert_int_equal(conn_output_take(c, &bytes), BLOCKDB_OK);
    assert_int_equal(bytes.cap, 0);
}

static void obey(struct conn *c, const char *line)
{
    struct talker *t = conn_state(c);

    if (strncmp(line, "echo ", 5) == 0) {
        assert_int_equal(buf_appendf(conn_output(c), "%s\n", line + 5), BLOCKDB_OK);
    } else if (strncmp(line, "later ", 6) == 0) {
        answer_later(c, line + 6);
    } else if (strncmp(line, "big ", 4) == 0) {
        big(c, strtoul(line + 4, NULL, 10));
    } else if (strncmp(line, "stream ", 7) == 0) {
        t->to_stream = strtoul(line + 7, NULL, 10);
        stream_on(c);
    } else if (strncmp(line, "wait ", 5) == 0) {
        conn_set_deadline(c, strtoul(line + 5, NULL, 10));
    } else if (strcmp(line, "who") == 0) {
        const struct conn_peer *peer = conn_peer(c);

        assert_int_equal(buf_appendf(conn_output(c), "%s %s %s\n", peer->cert_name,
                                     peer->cert_subject, peer->cert_san),
                         BLOCKDB_OK);
    } else if (strcmp(line, "pause") == 0) {
        conn_pause_input(c);
        conn_set_deadline(c, 50);
    } else if (strcmp(line, "close") == 0) {
        conn_close_after_output(c);
    } else if (strcmp(line, "linger") == 0) {
        conn_close_lingering(c);
    } else if (strcmp(line, "abort") == 0) {
        conn_abort(c);
    }
}

static void on_input(struct conn *c)
{
    char line[TALKER_INPUT_MAX + 1];
    struct slice in = conn_input(c);
    const uint8_t *end;

    while (in.len > 0 && !conn_input_is_paused(c) && !conn_is_ending(c) &&
           (end = memchr(in.data, '\n', in.len)) != NULL) {
        size_t len = (size_t)(end - in.data);

        memcpy(line, in.data, len);
        line[len] = '\0';
        conn_consume(c, len + 1);
        obey(c, line);
        in = conn_input(c);
    }
    if (in.len == TALKER_INPUT_MAX) {
        assert_int_equal(buf_append(conn_output(c), "too long\n", 9), BLOCKDB_OK);
        conn_close_lingering(c);
    }
}

static int on_open(struct conn *c)
{
    struct talker *t = mem_calloc(1, sizeof(*t));

    if (t == NULL) {
        return BLOCKDB_ENOMEM;
    }
    conn_set_state(c, t);
    conn_set_input_max(c, TALKER_INPUT_MAX);
    atomic_store(&talkers.last_fd, c->fd);
    atomic_fetch_add(&talkers.opened, 1);
    return BLOCKDB_OK;
}

static void on_close(struct conn *c)
{
    assert_true(conn_is_closed(c));
    mem_free(conn_state(c));
    conn_set_state(c, NULL);
    atomic_fetch_add(&talkers.closed, 1);
}

static void on_input_end(struct conn *c)
{
    atomic_fetch_add(&talkers.ended, 1);
    conn_close_after_output(c);
}

static void on_deadline(struct conn *c)
{
    if (conn_input_is_paused(c)) {
        conn_resume_input(c);
        return;
    }
    assert_int_equal(buf_append(conn_output(c), "late\n", 5), BLOCKDB_OK);
}

static void on_drain(struct conn *c)
{
    atomic_fetch_add(&talkers.drained, 1);
    conn_close_after_output(c);
}

const struct conn_protocol talker_protocol = {
    .name = "talker",
    .refusal = {.data = (const uint8_t *)"full\n", .len = 5},
    .has_reserve = true,
    .open = on_open,
    .input = on_input,
    .input_end = on_input_end,
    .output_low = stream_on,
    .deadline = on_deadline,
    .close = on_close,
    .drain = on_drain,
};

/* ---- The world ----------------------------------------------------------------------------- */

void talker_sleep_ms(unsigned ms)
{
    os_sleep_ns(os_real(), ms * NS_PER_MS);
}

void world_start(struct talker_world *world, unsigned workers, const struct conn_limits *limits,
                 struct tls *tls)
{
    const struct conn_limits usual = {.output_high = 65536,
                                      .output_max = (size_t)64 << 20,
                                      .send_timeout_ms = 60000,
                                      .handshake_timeout_ms = 60000};
    const struct listener_options options = {.backlog = 1024, .shares_port = true};
    struct listener_address address;
    struct error err = {0};
    size_t count = 0;
    unsigned i;

    memset(world, 0, sizeof(*world));
    world->team.os = os_real();
    atomic_store(&world->team.max_connections, 100000);
    assert_int_equal(listener_resolve("127.0.0.1", 0, &address, 1, &count, &err), BLOCKDB_OK);
    for (i = 0; i < workers; i++) {
        struct worker_listener listener = {.protocol = &talker_protocol, .tls = tls};

        assert_int_equal(worker_new(&world->team, limits != NULL ? limits : &usual, &err),
                         BLOCKDB_OK);
        assert_int_equal(listener_open_at(&address, &options, &listener.fd, &err), BLOCKDB_OK);
        assert_int_equal(worker_listen(world->team.workers[i], &listener, &err), BLOCKDB_OK);
    }
    world->port = listener_port(&address);
    for (i = 0; i < workers; i++) {
        assert_int_equal(worker_start(world->team.workers[i], &err), BLOCKDB_OK);
    }
}

void world_stop(struct talker_world *world)
{
    unsigned i;

    for (i = 0; i < world->team.worker_count; i++) {
        worker_close_listeners(world->team.workers[i]);
        worker_finish(world->team.workers[i]);
        worker_abort(world->team.workers[i]);
    }
    for (i = 0; i < world->team.worker_count; i++) {
        worker_stop(world->team.workers[i]);
    }
    assert_int_equal(atomic_load(&talkers.opened), atomic_load(&talkers.closed));
    assert_int_equal(world_connections(world), 0);
    assert_int_equal(atomic_load(&world->team.connections), 0);
    for (i = 0; i < world->team.worker_count; i++) {
        worker_free(world->team.workers[i]);
    }
}

unsigned world_connections(const struct talker_world *world)
{
    unsigned count = 0;
    unsigned i;

    for (i = 0; i < world->team.worker_count; i++) {
        count += conn_group_count(worker_group(world->team.workers[i]));
    }
    return count;
}

/* ---- Clients ------------------------------------------------------------------------------- */

int client_connect(const struct talker_world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world->port)};
    const struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void client_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void client_expect(int fd, const char *text)
{
    char got[256];
    size_t len = strlen(text);
    size_t at = 0;

    while (at < len) {
        ssize_t n = recv(fd, got + at, len - at, 0);

        if (n <= 0) {
            fail_msg("'%s': got %zu bytes, then %s", text, at, n == 0 ? "the end" : "an error");
        }
        at += (size_t)n;
    }
    got[len] = '\0';
    assert_string_equal(got, text);
}

void client_expect_bytes(int fd, size_t len)
{
    static char got[65536];

    while (len > 0) {
        ssize_t n = recv(fd, got, len < sizeof(got) ? len : sizeof(got), 0);
        ssize_t i;

        assert_true(n > 0);
        for (i = 0; i < n; i++) {
            assert_int_equal(got[i], 'x');
        }
        len -= (size_t)n;
    }
}

void client_expect_end(int fd, size_t max_bytes)
{
    char got[65536];
    size_t len = 0;

    while (true) {
        ssize_t n = recv(fd, got, sizeof(got), 0);

        if (n <= 0) {
            assert_true(n == 0 || errno == ECONNRESET);
            return;
        }
        len += (size_t)n;
        assert_true(len <= max_bytes);
    }
}

void client_reset(int fd)
{
    const struct linger linger = {.l_onoff = 1};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    (void)close(fd);
}
