/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Router: from method and path to the handler that answers.
 *
 * A pattern is a path whose segments are literal or one parameter: "/api/v1/get/{key}". The last
 * parameter takes the rest of the path, slashes included, when it is written "{key...}". Segments
 * are compared before percent-decoding, parameters are decoded afterwards, so that "%2F" in a key
 * is a slash of the key and never one of the path.
 *
 * ROUTE-1  A literal segment goes before a parameter; no two routes match one path and method.
 * ROUTE-2  What is in no table is answered 404 with the nearest path, or 405 with Allow.
 *
 * Threads:   new before the start; then immutable.
 * Ownership: borrows routes, which are static.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "server/http/request.h"

#include <stdbool.h>

struct exchange;
struct router;

#define ROUTE_PARAMS_MAX 3

typedef void (*route_fn)(struct exchange *x);

/* Which limit of rates a route counts against (limit.h). */
enum route_class { ROUTE_READ, ROUTE_WRITE, ROUTE_ADMIN, ROUTE_FREE };

enum route_flags {
    ROUTE_HEALTH = 1 << 0,  /* answered also while draining, in the reserve, and without a host */
    ROUTE_METRICS = 1 << 1, /* open when [security] says that metrics are */
    ROUTE_STREAM = 1 << 2,  /* the answer may be a stream: no deadline for it */
    ROUTE_PLAIN = 1 << 3,   /* the answer is never compressed */
    ROUTE_LONG = 1 << 5,    /* may take longer than [server] request_timeout */
    ROUTE_BODY = 1 << 6,    /* a request without a body can never work */
    ROUTE_AUDITS = 1 << 4,  /* its handler tells the audit log more than anybody else could */
};

struct route {
    enum http_method method; /* HTTP_GET answers HEAD as well */
    const char *pattern;
    unsigned rights; /* of principal.h, that the principal must have; 0: none */
    enum route_class rate_class;
    unsigned flags;
    uint64_t body_max; /* bytes; 0: no body is wanted; ROUTE_BODY_REQUEST_MAX: [server]
                          max_request_size */
    route_fn handler;
    const char *summary; /* for people and for the description of the API */
};
#define ROUTE_BODY_REQUEST_MAX UINT64_MAX

struct route_match {
    const struct route *route;             /* NULL: no route for this path and method */
    size_t index;                          /* of the route in its table */
    bool path_exists;                      /* with another method */
    struct slice params[ROUTE_PARAMS_MAX]; /* as sent, not decoded */
};

/* EINVAL: two routes match the same, or a pattern is malformed: our own bug, told at the start. */
RESULT_MUST_BE_USED int router_new(const struct route *routes, size_t count, struct router **out,
                                   struct error *err);
void router_free(struct router *r);
void router_match(const struct router *r, enum http_method method, struct slice path,
                  struct route_match *out);
/* The name of parameter index of a route's pattern, without braces and dots; empty: none. */
struct slice route_param_name(const struct route *route, size_t index);
/* Writes "GET, HEAD, POST" of the routes that match path; truncated to what fits. */
void router_allowed(const struct router *r, struct slice path, char *out, size_t size);
/* The pattern nearest to path, segment by segment, for messages; NULL when none is near. */
const char *router_nearest(const struct router *r, struct slice path);
size_t router_route_count(const struct router *r);
const struct route *router_route(const struct router *r, size_t index);
