/* SPDX-License-Identifier: Apache-2.0 */
#include "server/acceptor.h"

#include "base/mem.h"
#include "server/listener.h"
#include "server/loop_priv.h"
#include "server/server_config.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define PAUSE_MS 500
/* How many more connections than the idlest worker one may have: 2 and an eighth. */
#define UNEVEN_MIN 2
#define UNEVEN_DIVISOR 8

struct acceptor {
    uv_poll_t poll;
    struct loop_timer pause;
    struct acceptor *next;
    struct worker_team *team;
    struct worker *worker;
    const struct conn_protocol *protocol;
    struct tls *tls; /* a reference; NULL: none */
    int fd;
};

/* A socket on its way to another worker. */
struct handover {
    struct loop_task task; /* first */
    struct conn_group *group;
    struct conn_socket socket;
    struct tls *tls; /* a reference */
};

static void on_closed(uv_handle_t *handle)
{
    struct acceptor *acceptor = handle->data;

    tls_unref(acceptor->tls);
    mem_free(acceptor);
}

void acceptor_close(struct acceptor *acceptor)
{
    loop_timer_cancel(worker_loop(acceptor->worker), &acceptor->pause);
    uv_close((uv_handle_t *)&acceptor->poll, on_closed);
    listener_close(acceptor->fd);
}

struct acceptor *acceptor_next(const struct acceptor *acceptor)
{
    return acceptor->next;
}

void acceptor_set(struct acceptor *acceptor, const struct server_config *config, struct tls *tls)
{
    if (config != NULL) {
        listener_tune(acceptor->fd, config);
    }
    if (acceptor->tls != NULL && tls != NULL) {
        tls_unref(acceptor->tls);
        acceptor->tls = tls_ref(tls);
    }
}

/* ---- Which worker -------------------------------------------------------------------------- */

static void handover_run(struct loop_task *task)
{
    struct handover *handover = (struct handover *)(void *)task;

    IGNORE_RESULT(conn_open(handover->group, &handover->socket)); /* it counts what fails */
    tls_unref(handover->tls);
    mem_free(handover);
}

/* The group that shall have the next connection. */
static struct conn_group *group_choose(const struct acceptor *acceptor)
{
    const struct worker_team *team = acceptor->team;
    struct conn_group *own = worker_group(acceptor->worker);
    struct conn_group *least = own;
    unsigned i;

    for (i = 0; i < team->worker_count; i++) {
        struct conn_group *group = worker_group(team->workers[i]);

        if (conn_group_count(group) < conn_group_count(least)) {
            least = group;
        }
    }
    return conn_group_count(own) >=
                   conn_group_count(least) + UNEVEN_MIN + conn_group_count(least) / UNEVEN_DIVISOR
               ? least
               : own;
}

static void place(struct acceptor *acceptor, const struct conn_socket *socket)
{
    struct conn_group *own = worker_group(acceptor->worker);
    struct conn_group *group = group_choose(acceptor);
    struct handover *handover;

    if (group != own) {
        handover = mem_alloc(sizeof(*handover));
        if (handover != NULL) {
            *handover = (struct handover){
                .task = {.run = handover_run}, .group = group, .socket = *socket};
            if (acceptor->tls != NULL) {
                handover->tls = tls_ref(acceptor->tls);
            }
            atomic_fetch_add_explicit(&acceptor->team->moved, 1, memory_order_relaxed);
            loop_post(conn_group_loop(group), &handover->task);
            return;
        }
    }
    IGNORE_RESULT(conn_open(own, socket)); /* the client sees that it was closed */
}

/* ---- Accepting ----------------------------------------------------------------------------- */

static bool is_loopback(const struct conn_socket *socket)
{
    struct listener_address address = {.socket_address = socket->peer};

    return socket->peer.ss_family == AF_UNIX || listener_is_loopback(&address);
}

/* Counts a new connection in, and lets it in or not. */
static void admit(struct acceptor *acceptor, struct conn_socket *socket)
{
    struct worker_team *team = acceptor->team;
    unsigned max = atomic_load_explicit(&team->max_connections, memory_order_relaxed);
    unsigned before = atomic_fetch_add_explicit(&team->connections, 1, memory_order_relaxed);

    socket->count = &team->connections;
    if (before < max) {
        place(acceptor, socket);
    } else if (acceptor->protocol->has_reserve && before < max + SERVER_RESERVE &&
               is_loopback(socket)) {
        socket->is_reserve = true;
        place(acceptor, socket);
    } else {
        /* It does not count while it reads why. */
        atomic_fetch_sub_explicit(&team->connections, 1, memory_order_relaxed);
        socket->count = NULL;
        conn_refuse(worker_group(acceptor->worker), socket);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void on_pause_over(struct loop_timer *timer)
{
    struct acceptor *acceptor = (struct acceptor *)(void *)((char *)timer -
                                                            offsetof(struct acceptor, pause));

    if (uv_poll_start(&acceptor->poll, UV_READABLE, on_poll) != 0) {
        loop_timer_set(worker_loop(acceptor->worker), timer, PAUSE_MS);
    }
}

/* There are no descriptors or no memory: trying again at once would only burn the processor. */
static void pause_accepting(struct acceptor *acceptor, int errno_value)
{
    uint64_t before = atomic_fetch_add_explicit(&acceptor->team->accept_errors, 1,
                                                memory_order_relaxed);

    /* Once for each doubling: a machine in need shall not fill its log. */
    if ((before & (before + 1)) == 0) {
        logger_write(acceptor->team->logger, LOGGER_ERROR, "server",
                     "cannot accept connections (%s): pausing; raise LimitNOFILE or lower "
                     "max_connections when this comes again",
                     strerror(errno_value));
    }
    (void)uv_poll_stop(&acceptor->poll);
    loop_timer_set(worker_loop(acceptor->worker), &acceptor->pause, PAUSE_MS);
}

/* Accepts one connection; false when there is none now. */
static bool accept_one(struct acceptor *acceptor)
{
    struct conn_socket socket = {
        .protocol = acceptor->protocol,
        .transport = acceptor->tls != NULL ? &tls_transport : NULL,
        .transport_context = acceptor->tls,
    };
    socklen_t len = sizeof(socket.peer);

    socket.fd = accept4(acceptor->fd, (struct sockaddr *)&socket.peer, &len,
                        SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket.fd >= 0) {
        admit(acceptor, &socket);
        return true;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        pause_accepting(acceptor, errno);
        return false;
    case EAGAIN:
        return false;
    default: /* the peer has gone again, or the network said something: the next one, please */
        return true;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct acceptor *acceptor = handle->data;
    int i;

    (void)events;
    if (status < 0) {
        pause_accepting(acceptor, -status);
        return;
    }
    for (i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!accept_one(acceptor)) {
            break;
        }
    }
}

int acceptor_new(struct worker_team *team, struct worker *worker,
                 const struct worker_listener *listener, struct acceptor *next,
                 struct acceptor **out)
{
    struct acceptor *acceptor = mem_calloc(1, sizeof(*acceptor));

    if (acceptor == NULL) {
        listener_close(listener->fd);
        return BLOCKDB_ENOMEM;
    }
    acceptor->team = team;
    acceptor->worker = worker;
    acceptor->protocol = listener->protocol;
    acceptor->fd = listener->fd;
    acceptor->next = next;
    acceptor->pause.fire = on_pause_over;
    if (uv_poll_init(&worker_loop(worker)->uv, &acceptor->poll, acceptor->fd) != 0) {
        listener_close(acceptor->fd);
        mem_free(acceptor);
        return BLOCKDB_EIO;
    }
    acceptor->poll.data = acceptor;
    if (listener->tls != NULL) {
        acceptor->tls = tls_ref(listener->tls);
    }
    if (uv_poll_start(&acceptor->poll, UV_READABLE, on_poll) != 0) {
        acceptor_close(acceptor);
        return BLOCKDB_EIO;
    }
    *out = acceptor;
    return BLOCKDB_OK;
}
