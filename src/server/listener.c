/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128
#define HOST_BYTES 256
#define PORT_BYTES 6
#define NUMERIC_HOST_BYTES 48

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

/* Opens a socket for one address; -1 with errno. */
static int open_one(const struct addrinfo *info)
{
    const int on = 1;
    const int off = 0;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    info->ai_protocol);
    int errno_value;

    if (fd < 0) {
        return -1;
    }
    /* A server that is started again need not wait for the old connections. [::] takes IPv4, too.
     */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    errno_value = errno;
    (void)close(fd);
    errno = errno_value;
    return -1;
}

static void format_address(int fd, char out[LISTENER_ADDRESS_BYTES])
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char host[NUMERIC_HOST_BYTES] = "?";
    char port[PORT_BYTES] = "?";

    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        (void)getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    }
    (void)snprintf(out, LISTENER_ADDRESS_BYTES, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s",
                   host, port);
}

int listener_open(const char *text, int *out_fd, char out_address[LISTENER_ADDRESS_BYTES],
                  struct error *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const struct addrinfo *at;
    struct place place;
    int errno_value = 0;
    int fd = -1;
    int rc;

    if (!split(text, &place)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.200s' is no address to listen on; write it as 127.0.0.1:8090, "
                         "[::1]:8090 or :8090",
                         text);
    }
    rc = getaddrinfo(place.host[0] != '\0' ? place.host : NULL, place.port, &hints, &list);
    if (rc != 0) {
        return error_set(err, BLOCKDB_EINVAL, "cannot listen on '%.200s': %s", text,
                         gai_strerror(rc));
    }
    for (at = list; at != NULL && fd < 0; at = at->ai_next) {
        fd = open_one(at);
        errno_value = errno;
    }
    freeaddrinfo(list);
    if (fd < 0 && errno_value == EADDRINUSE) {
        return error_set(err, BLOCKDB_EBUSY, "cannot listen on '%.200s': it is in use", text);
    }
    if (fd < 0) {
        return error_set_errno(err, errno_value, "cannot listen on '%.200s'", text);
    }
    format_address(fd, out_address);
    *out_fd = fd;
    return BLOCKDB_OK;
}

void listener_close(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}
