/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets: from names and addresses as people write them.
 *
 * Several sockets can listen on one port, so that each worker has its own and the kernel spreads
 * connections. Such sockets would also let a second server of the same user share the port by
 * mistake; so listener_probe() looks first whether it is free.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LISTENER_ADDRESS_BYTES 128

struct server_config;

/* Where to listen. */
struct listener_address {
    struct sockaddr_storage socket_address;
    socklen_t len;
};

/* Appends the addresses of a host name, an IPv4 or an IPv6 address to out, which holds cap; *count
 * is how many are there. EINVAL: no such host; ELIMIT: too many. May ask name servers. */
RESULT_MUST_BE_USED int listener_resolve(const char *host, uint16_t port,
                                         struct listener_address *out, size_t cap, size_t *count,
                                         struct error *err);
bool listener_is_loopback(const struct listener_address *address);
/* "127.0.0.1:8080", "[::1]:8080", or the path of a unix socket. */
void listener_format(const struct listener_address *address, char out[LISTENER_ADDRESS_BYTES]);
uint16_t listener_port(const struct listener_address *address);
void listener_set_port(struct listener_address *address, uint16_t port);

/* Fails as listener_open_at() when somebody else listens there. */
RESULT_MUST_BE_USED int listener_probe(const struct listener_address *address, bool v6_only,
                                       struct error *err);
struct listener_options {
    unsigned backlog;
    bool shares_port; /* others of these may listen on the same address */
    bool v6_only;     /* [::] takes no IPv4 */
};
/* Opens a non-blocking socket that listens there, closed with listener_close(); a port 0 becomes
 * the one the system chose, in *address. EBUSY: the address is in use; EDENIED; EINVAL: it is no
 * address of this machine; EIO. */
RESULT_MUST_BE_USED int listener_open_at(struct listener_address *address,
                                         const struct listener_options *options, int *out_fd,
                                         struct error *err);
/* A unix socket at path, mode 0660; one that nobody listens on is replaced. EBUSY, EEXIST (there is
 * something else), EDENIED, EINVAL: the path is too long. */
RESULT_MUST_BE_USED int listener_open_unix(const char *path, unsigned backlog, int *out_fd,
                                           struct error *err);
/* Removes the file of a unix socket; another start replaces what is left of one. */
void listener_remove_unix(const char *path);
/* Sets what [server] says of sockets; those that are accepted inherit it. */
void listener_tune(int fd, const struct server_config *config);

/* Opens a socket that listens on "host:port", "[IPv6]:port" or ":port" (all addresses); port 0 lets
 * the system choose. Writes the address it got to out_address. The caller closes *out_fd with
 * listener_close(). EINVAL: not of that form, or no such host; EDENIED, EBUSY (in use), EIO. */
RESULT_MUST_BE_USED int listener_open(const char *text, int *out_fd,
                                      char out_address[LISTENER_ADDRESS_BYTES], struct error *err);
/* -1 does nothing. */
void listener_close(int fd);
