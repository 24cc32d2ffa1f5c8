/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a server is: the parts of an http or https URL, and percent-encoding.
 *
 * Threads:   immutable.
 * Ownership: a struct url holds copies.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define URL_HOST_LEN_MAX 253
#define URL_PATH_LEN_MAX 512

struct url {
    bool is_https;
    bool is_ipv6; /* host is an IPv6 address, without its brackets */
    uint16_t port;
    char host[URL_HOST_LEN_MAX + 1];
    char path[URL_PATH_LEN_MAX + 1]; /* before each request's path; "" or "/x", no slash at the end
                                      */
};

/* Parses "http://host[:port][/path]". EINVAL: anything else, also with a user, a query or a
 * fragment; the message shows the URL. */
RESULT_MUST_BE_USED int url_parse(struct slice text, struct url *out, struct error *err);
/* Whether a and b name the same server. */
bool url_same_server(const struct url *a, const struct url *b);
/* Appends "http://host:port/path". ENOMEM. */
RESULT_MUST_BE_USED int url_append(struct buf *out, const struct url *url);
/* Appends the value of a Host header. ENOMEM. */
RESULT_MUST_BE_USED int url_append_host(struct buf *out, const struct url *url);
/* Appends bytes percent-encoded, all but A-Z a-z 0-9 - . _ ~, and ':'. ENOMEM. */
RESULT_MUST_BE_USED int url_append_encoded(struct buf *out, struct slice bytes);
