/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listener.h"

#include "server/server_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128
#define HOST_BYTES 256
#define PORT_BYTES 6
#define NUMERIC_HOST_BYTES 64
#define MS_PER_SECOND 1000
#define UNIX_MODE 0660

/* ---- Addresses ----------------------------------------------------------------------------- */

int listener_resolve(const char *host, uint16_t port, struct listener_address *out, size_t cap,
                     size_t *count, struct error *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const struct addrinfo *at;
    char service[PORT_BYTES];
    int rc;

    (void)snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(host[0] != '\0' ? host : NULL, service, &hints, &list);
    if (rc != 0) {
        return error_set(err, BLOCKDB_EINVAL, "cannot listen on '%.200s': %s", host,
                         gai_strerror(rc));
    }
    for (at = list; at != NULL && *count < cap; at = at->ai_next) {
        struct listener_address *address = &out[(*count)++];

        memcpy(&address->socket_address, at->ai_addr, at->ai_addrlen);
        address->len = at->ai_addrlen;
    }
    freeaddrinfo(list);
    if (at != NULL) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "'%.200s' and the hosts before have more than %zu "
                         "addresses to listen on",
                         host, cap);
    }
    return BLOCKDB_OK;
}

static const struct sockaddr_in *as_v4(const struct listener_address *address)
{
    return (const struct sockaddr_in *)&address->socket_address;
}

static const struct sockaddr_in6 *as_v6(const struct listener_address *address)
{
    return (const struct sockaddr_in6 *)&address->socket_address;
}

bool listener_is_loopback(const struct listener_address *address)
{
    if (address->socket_address.ss_family == AF_INET) {
        return (ntohl(as_v4(address)->sin_addr.s_addr) >> 24) == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&as_v6(address)->sin6_addr);
}

uint16_t listener_port(const struct listener_address *address)
{
    return ntohs(address->socket_address.ss_family == AF_INET ? as_v4(address)->sin_port
                                                              : as_v6(address)->sin6_port);
}

void listener_set_port(struct listener_address *address, uint16_t port)
{
    if (address->socket_address.ss_family == AF_INET) {
        ((struct sockaddr_in *)&address->socket_address)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *)&address->socket_address)->sin6_port = htons(port);
    }
}

void listener_format(const struct listener_address *address, char out[LISTENER_ADDRESS_BYTES])
{
    char host[NUMERIC_HOST_BYTES] = "?";

    (void)getnameinfo((const struct sockaddr *)&address->socket_address, address->len, host,
                      sizeof(host), NULL, 0, NI_NUMERICHOST);
    (void)snprintf(out, LISTENER_ADDRESS_BYTES, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                   host, listener_port(address));
}

/* ---- Sockets ------------------------------------------------------------------------------- */

static int open_failed(int errno_value, const char *where, struct error *err)
{
    if (errno_value == EADDRINUSE) {
        return error_set(err, BLOCKDB_EBUSY,
                         "cannot listen on '%.200s': it is in use; see who by ss -ltnp", where);
    }
    if (errno_value == EACCES) {
        return error_set(err, BLOCKDB_EDENIED,
                         "cannot listen on '%.200s': ports below 1024 need the right to "
                         "(AmbientCapabilities=CAP_NET_BIND_SERVICE)",
                         where);
    }
    if (errno_value == EADDRNOTAVAIL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "cannot listen on '%.200s': it is no address of this machine", where);
    }
    return error_set_errno(err, errno_value, "cannot listen on '%.200s'", where);
}

static int set_on(int fd, int level, int name)
{
    const int on = 1;

    return setsockopt(fd, level, name, &on, sizeof(on));
}

/* A socket bound to an address; -1 with errno. */
static int open_bound(const struct listener_address *address, bool shares_port, bool v6_only)
{
    const int v6_only_value = v6_only;
    int family = address->socket_address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int errno_value;

    if (fd < 0) {
        return -1;
    }
    /* A server that is started again need not wait for the old connections. */
    (void)set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only_value, sizeof(v6_only_value));
    }
    if ((!shares_port || set_on(fd, SOL_SOCKET, SO_REUSEPORT) == 0) &&
        bind(fd, (const struct sockaddr *)&address->socket_address, address->len) == 0) {
        return fd;
    }
    errno_value = errno;
    (void)close(fd);
    errno = errno_value;
    return -1;
}

static int listen_on(int fd, unsigned backlog, const char *where, struct error *err)
{
    int errno_value;

    if (listen(fd, (int)backlog) == 0) {
        return BLOCKDB_OK;
    }
    errno_value = errno;
    (void)close(fd);
    return open_failed(errno_value, where, err);
}

int listener_probe(const struct listener_address *address, bool v6_only, struct error *err)
{
    char where[LISTENER_ADDRESS_BYTES];
    int fd;

    if (listener_port(address) == 0) {
        return BLOCKDB_OK;
    }
    listener_format(address, where);
    fd = open_bound(address, false, v6_only);
    if (fd < 0) {
        return open_failed(errno, where, err);
    }
    (void)close(fd);
    return BLOCKDB_OK;
}

int listener_open_at(struct listener_address *address, const struct listener_options *options,
                     int *out_fd, struct error *err)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    char where[LISTENER_ADDRESS_BYTES];
    int fd;
    int rc;

    listener_format(address, where);
    fd = open_bound(address, options->shares_port, options->v6_only);
    if (fd < 0) {
        return open_failed(errno, where, err);
    }
    rc = listen_on(fd, options->backlog, where, err);
    if (rc < 0) {
        return rc;
    }
    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0) {
        address->socket_address = bound;
    }
    *out_fd = fd;
    return BLOCKDB_OK;
}

/* Removes a socket file that nobody listens on. */
static int unix_clear(const char *path, const struct sockaddr_un *address, struct error *err)
{
    struct stat found;
    int fd;
    int rc;

    if (lstat(path, &found) != 0) {
        return BLOCKDB_OK; /* bind() tells what is wrong, if anything is */
    }
    if (!S_ISSOCK(found.st_mode)) {
        return error_set(err, BLOCKDB_EEXIST, "cannot listen on '%.200s': there is something else",
                         path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_set_errno(err, errno, "cannot listen on '%.200s'", path);
    }
    rc = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    (void)close(fd);
    if (rc == 0) {
        return open_failed(EADDRINUSE, path, err);
    }
    return unlink(path) == 0 ? BLOCKDB_OK
                             : error_set_errno(err, errno, "cannot replace '%.200s'", path);
}

int listener_open_unix(const char *path, unsigned backlog, int *out_fd, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;
    int rc;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option unix_socket: '%.200s' is longer than %zu bytes", path,
                         sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, strlen(path));
    rc = unix_clear(path, &address, err);
    if (rc < 0) {
        return rc;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, UNIX_MODE) != 0) {
        rc = error_set_errno(err, errno, "cannot listen on '%.200s'", path);
        listener_close(fd);
        return rc;
    }
    rc = listen_on(fd, backlog, path, err);
    if (rc == BLOCKDB_OK) {
        *out_fd = fd;
    }
    return rc;
}

void listener_remove_unix(const char *path)
{
    (void)unlink(path);
}

/* ---- Settings ------------------------------------------------------------------------------ */

/* An option that the kernel refuses, because of a limit of its own, is left as it is. */
static void set_number(int fd, int level, int name, unsigned value)
{
    const int number = (int)value;

    (void)setsockopt(fd, level, name, &number, sizeof(number));
}

void listener_tune(int fd, const struct server_config *config)
{
    unsigned gone_after_s = config->keepalive_time +
                            config->keepalive_interval * config->keepalive_probes;

    set_number(fd, IPPROTO_TCP, TCP_NODELAY, config->tcp_nodelay);
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, config->tcp_keepalive);
    if (config->tcp_keepalive) {
        set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, config->keepalive_time);
        set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, config->keepalive_interval);
        set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, config->keepalive_probes);
    }
    /* Probes are not sent while data is unacknowledged; this is the same limit for that. */
    set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               config->tcp_keepalive ? gone_after_s * MS_PER_SECOND : 0);
    if (config->send_buffer_size != 0) {
        set_number(fd, SOL_SOCKET, SO_SNDBUF, config->send_buffer_size);
    }
    if (config->recv_buffer_size != 0) {
        set_number(fd, SOL_SOCKET, SO_RCVBUF, config->recv_buffer_size);
    }
}

/* ---- One address as text ------------------------------------------------------------------- */

/* An address taken apart. */
struct place {
    char host[HOST_BYTES]; /* "" means all addresses */
    char port[PORT_BYTES];
};

static bool split(const char *text, struct place *out)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t host_len = colon != NULL ? (size_t)(colon - text) : 0;
    size_t port_len = colon != NULL ? strlen(colon + 1) : 0;

    if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host++;
        host_len -= 2;
    } else if (host_len > 0 && memchr(host, ':', host_len) != NULL) {
        return false; /* IPv6 without brackets */
    }
    if (port_len == 0 || port_len >= PORT_BYTES || host_len >= HOST_BYTES ||
        strspn(colon + 1, "0123456789") != port_len) {
        return false;
    }
    memcpy(out->host, host, host_len);
    out->host[host_len] = '\0';
    memcpy(out->port, colon + 1, port_len + 1);
    return true;
}

/* The number of a port of at most five digits. */
static unsigned port_number(const char *digits)
{
    unsigned number = 0;

    for (; *digits != '\0'; digits++) {
        number = number * 10 + (unsigned)(*digits - '0');
    }
    return number;
}

int listener_open(const char *text, int *out_fd, char out_address[LISTENER_ADDRESS_BYTES],
                  struct error *err)
{
    const struct listener_options options = {.backlog = BACKLOG};
    struct listener_address addresses[SERVER_HOSTS_MAX];
    struct place place;
    size_t count = 0;
    size_t i;
    int rc;

    if (!split(text, &place) || port_number(place.port) > UINT16_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.200s' is no address to listen on; write it as 127.0.0.1:8090, "
                         "[::1]:8090 or :8090",
                         text);
    }
    rc = listener_resolve(place.host, (uint16_t)port_number(place.port), addresses,
                          SERVER_HOSTS_MAX, &count, err);
    for (i = 0; i < count && (rc < 0 || i == 0); i++) {
        rc = listener_open_at(&addresses[i], &options, out_fd, err);
        if (rc == BLOCKDB_OK) {
            listener_format(&addresses[i], out_address);
            return BLOCKDB_OK;
        }
    }
    return rc;
}

void listener_close(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}
