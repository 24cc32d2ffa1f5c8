/* SPDX-License-Identifier: Apache-2.0 */
#include "server/witness_http.h"

#include "base/lock.h"
#include "base/mem.h"
#include "server/listener.h"
#include "server/witness_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 4
#define SLOTS (WITNESS_HTTP_CONNECTIONS_MAX / THREADS)
#define READ_BYTES ((size_t)16384)
#define LOOK_MS 1000 /* between two looks at deadlines */
#define MS_PER_S 1000
#define NS_PER_MS 1000000U

/* A connection and its socket; fd -1: free. */
struct slot {
    int fd;
    uint64_t heard_ms; /* something came, or went */
    uint64_t began_ms; /* the request that is arriving; 0: none */
    struct witness_conn conn;
};

struct worker {
    struct witness_http *http;
    struct os_thread *thread;
    struct slot slots[SLOTS];
};

struct witness_http {
    /* constant after start */
    const struct witness *witness;
    struct os *os;
    struct logger *logger;
    int listen_fd;
    int wake_fd; /* readable once stopping began */
    char address[LISTENER_ADDRESS_BYTES];
    /* atomic, relaxed: a flag that orders nothing else */
    atomic_bool is_stopping;
    /* guarded by mu: who is connected, by worker and slot */
    struct mutex mu;
    struct in6_addr addresses[THREADS][SLOTS];
    bool is_used[THREADS][SLOTS];
    /* each its thread's */
    struct worker workers[THREADS];
};

static uint64_t now_ms(const struct witness_http *h)
{
    return os_monotonic_ns(h->os) / NS_PER_MS;
}

static bool is_stopping(const struct witness_http *h)
{
    return atomic_load_explicit(&h->is_stopping, memory_order_relaxed);
}

/* ---- Who is connected ------------------------------------------------------------------------ */

static struct in6_addr address_of(const struct sockaddr_storage *peer)
{
    struct in6_addr address = {0};

    if (peer->ss_family == AF_INET6) {
        memcpy(&address, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
               sizeof(address));
    } else if (peer->ss_family == AF_INET) {
        memcpy(&address, &((const struct sockaddr_in *)(const void *)peer)->sin_addr,
               sizeof(struct in_addr));
    }
    return address;
}

/* Enters an address, unless it has too many connections (WHTTP-1). */
static bool enter(struct witness_http *h, size_t worker, size_t slot,
                  const struct in6_addr *address)
{
    unsigned count = 0;
    bool fits;

    mutex_lock(&h->mu);
    for (size_t w = 0; w < THREADS; w++) {
        for (size_t s = 0; s < SLOTS; s++) {
            count += h->is_used[w][s] &&
                     memcmp(&h->addresses[w][s], address, sizeof(*address)) == 0;
        }
    }
    fits = count < WITNESS_HTTP_CONNECTIONS_OF_ADDRESS_MAX;
    if (fits) {
        h->is_used[worker][slot] = true;
        h->addresses[worker][slot] = *address;
    }
    mutex_unlock(&h->mu);
    return fits;
}

static void leave(struct witness_http *h, size_t worker, size_t slot)
{
    mutex_lock(&h->mu);
    h->is_used[worker][slot] = false;
    mutex_unlock(&h->mu);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void close_slot(struct worker *w, struct slot *slot)
{
    (void)close(slot->fd);
    slot->fd = -1;
    witness_conn_deinit(&slot->conn);
    leave(w->http, (size_t)(w - w->http->workers), (size_t)(slot - w->slots));
}

static struct slot *free_slot(struct worker *w)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (w->slots[i].fd < 0) {
            return &w->slots[i];
        }
    }
    return NULL;
}

static void accept_one(struct worker *w, struct slot *slot)
{
    struct witness_http *h = w->http;
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    struct in6_addr address;
    int fd = accept4(h->listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        return; /* another thread was faster, or the client has gone */
    }
    address = address_of(&peer);
    if (!enter(h, (size_t)(w - h->workers), (size_t)(slot - w->slots), &address)) {
        (void)close(fd);
        return;
    }
    *slot = (struct slot){.fd = fd, .heard_ms = now_ms(h)};
    slot->conn.os = h->os;
    slot->conn.logger = h->logger;
    slot->conn.witness = w->http->witness;
}

/* False: the connection is over. */
static bool send_some(struct worker *w, struct slot *slot)
{
    struct slice out = witness_conn_output(&slot->conn);

    while (out.len > 0) {
        ssize_t n = send(slot->fd, out.data, out.len, MSG_NOSIGNAL);

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        witness_conn_sent(&slot->conn, (size_t)n);
        slot->heard_ms = now_ms(w->http);
        out = witness_conn_output(&slot->conn);
    }
    return true;
}

/* All is said. The client may still be sending what was refused: reading a little of it keeps the
 * answer from being lost with the connection. */
static void say_goodbye(struct slot *slot)
{
    uint8_t bytes[4096];
    size_t left = WITNESS_HEAD_MAX * 4;
    ssize_t n;

    (void)shutdown(slot->fd, SHUT_WR); /* fails only when the client has gone */
    do {
        struct pollfd p = {.fd = slot->fd, .events = POLLIN};

        if (poll(&p, 1, LOOK_MS / 10) <= 0) {
            return;
        }
        n = recv(slot->fd, bytes, sizeof(bytes), 0);
        left -= n > 0 && (size_t)n < left ? (size_t)n : left;
    } while (n > 0 && left > 0);
}

/* Reads once and answers. False: the connection is over. */
static bool receive(struct worker *w, struct slot *slot)
{
    uint8_t bytes[READ_BYTES];
    ssize_t n = recv(slot->fd, bytes, sizeof(bytes), 0);

    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    slot->heard_ms = now_ms(w->http);
    if (slot->began_ms == 0) {
        slot->began_ms = slot->heard_ms;
    }
    if (witness_conn_feed(&slot->conn, slice_of(bytes, (size_t)n), is_stopping(w->http)) < 0) {
        return false;
    }
    if (!witness_conn_is_busy(&slot->conn)) {
        slot->began_ms = 0;
    }
    return true;
}

static void serve(struct worker *w, struct slot *slot, short events)
{
    bool lives = true;

    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && witness_conn_output(&slot->conn).len == 0) {
        lives = receive(w, slot);
    }
    if (lives) {
        lives = send_some(w, slot);
    }
    if (lives && slot->conn.is_last && witness_conn_output(&slot->conn).len == 0) {
        say_goodbye(slot);
        lives = false;
    }
    if (!lives) {
        close_slot(w, slot);
    }
}

static bool is_overdue(const struct worker *w, const struct slot *slot)
{
    uint64_t now = now_ms(w->http);

    if (is_stopping(w->http) && !witness_conn_is_busy(&slot->conn) &&
        witness_conn_output(&slot->conn).len == 0) {
        return true;
    }
    return now - slot->heard_ms > (uint64_t)WITNESS_HTTP_SILENCE_S * MS_PER_S ||
           (slot->began_ms != 0 &&
            now - slot->began_ms > (uint64_t)WITNESS_HTTP_REQUEST_S * MS_PER_S);
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* What a thread waits for: its slots, then the wake-up, then new connections. */
struct watch {
    struct pollfd fds[SLOTS + 2];
    struct slot *slots[SLOTS];
    size_t count;
};

static void watch_all(struct worker *w, struct watch *watch)
{
    bool has_room = free_slot(w) != NULL && !is_stopping(w->http);

    watch->count = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &w->slots[i];
        bool must_write = slot->fd >= 0 && witness_conn_output(&slot->conn).len > 0;

        if (slot->fd >= 0) {
            watch->slots[watch->count] = slot;
            watch->fds[watch->count++] = (struct pollfd){.fd = slot->fd,
                                                         .events = must_write ? POLLOUT : POLLIN};
        }
    }
    /* poll() passes over what is -1. */
    watch->fds[watch->count] = (struct pollfd){.fd = is_stopping(w->http) ? -1 : w->http->wake_fd,
                                               .events = POLLIN};
    watch->fds[watch->count + 1] = (struct pollfd){.fd = has_room ? w->http->listen_fd : -1,
                                                   .events = POLLIN};
}

static void run_worker(void *arg)
{
    struct worker *w = arg;
    uint64_t end_ms = 0;
    struct watch watch;

    for (;;) {
        if (is_stopping(w->http)) {
            end_ms = end_ms == 0 ? now_ms(w->http) + WITNESS_HTTP_DRAIN_MS : end_ms;
        }
        for (size_t i = 0; i < SLOTS; i++) {
            if (w->slots[i].fd >= 0 && is_overdue(w, &w->slots[i])) {
                close_slot(w, &w->slots[i]);
            }
        }
        watch_all(w, &watch);
        if (end_ms != 0 && (watch.count == 0 || now_ms(w->http) >= end_ms)) {
            break;
        }
        if (poll(watch.fds, watch.count + 2, end_ms != 0 ? LOOK_MS / 20 : LOOK_MS) <= 0) {
            continue;
        }
        for (size_t i = 0; i < watch.count; i++) {
            if (watch.fds[i].revents != 0) {
                serve(w, watch.slots[i], watch.fds[i].revents);
            }
        }
        if (watch.fds[watch.count + 1].revents != 0) {
            accept_one(w, free_slot(w));
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (w->slots[i].fd >= 0) {
            close_slot(w, &w->slots[i]);
        }
    }
}

/* ---- Starting and stopping ------------------------------------------------------------------- */

static int start_workers(struct witness_http *h, struct error *err)
{
    for (size_t i = 0; i < THREADS; i++) {
        struct worker *w = &h->workers[i];
        char name[16];
        int rc;

        (void)snprintf(name, sizeof(name), "witness-%zu", i);
        rc = os_thread_start(h->os, name, run_worker, w, &w->thread, err);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static struct witness_http *allocate(const struct witness_http_options *options)
{
    struct witness_http *h = mem_calloc(1, sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    h->witness = options->witness;
    h->os = options->os;
    h->logger = options->logger;
    h->listen_fd = -1;
    h->wake_fd = -1;
    mutex_init(&h->mu, LOCK_RANK_SERVER);
    for (size_t w = 0; w < THREADS; w++) {
        h->workers[w].http = h;
        for (size_t s = 0; s < SLOTS; s++) {
            h->workers[w].slots[s].fd = -1;
        }
    }
    return h;
}

int witness_http_start(const struct witness_http_options *options, struct witness_http **out,
                       struct error *err)
{
    AUTO(witness_http_stop_ptr) struct witness_http *h = allocate(options);
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->wake_fd < 0) {
        return error_set_errno(err, errno, "cannot make a descriptor for waking threads");
    }
    rc = listener_open(options->listen, &h->listen_fd, h->address, err);
    rc = rc == BLOCKDB_OK ? start_workers(h, err) : rc;
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(h);
    return BLOCKDB_OK;
}

const char *witness_http_address(const struct witness_http *h)
{
    return h->address;
}

void witness_http_stop(struct witness_http *h)
{
    if (h == NULL) {
        return;
    }
    atomic_store_explicit(&h->is_stopping, true, memory_order_relaxed);
    if (h->wake_fd >= 0) {
        (void)eventfd_write(h->wake_fd, 1); /* fails only when it is set already */
    }
    for (size_t i = 0; i < THREADS; i++) {
        if (h->workers[i].thread != NULL) {
            os_thread_join(h->os, h->workers[i].thread);
        }
    }
    listener_close(h->listen_fd);
    if (h->wake_fd >= 0) {
        (void)close(h->wake_fd);
    }
    mutex_deinit(&h->mu);
    mem_free(h);
}

void witness_http_stop_ptr(struct witness_http **h)
{
    witness_http_stop(*h);
}
