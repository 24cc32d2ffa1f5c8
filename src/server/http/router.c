/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/router.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/http/router_priv.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 12 /* segments of a pattern */
#define NO_ROUTE SIZE_MAX

/* One segment of patterns that share what stands before it. */
struct node {
    struct slice literal; /* of the pattern; empty for a parameter */
    bool is_param;
    bool is_rest;      /* takes all that is left */
    struct node *next; /* the next child of the same parent; parameters come last */
    struct node *children;
    size_t routes[HTTP_METHOD_COUNT]; /* that end here; NO_ROUTE */
};

struct router {
    const struct route *routes;
    size_t count;
    struct node *nodes; /* all of them, root first */
    size_t node_count;
};

/* ---- Segments -------------------------------------------------------------------------------- */

bool route_segment_take(struct slice *path, struct slice *out)
{
    const uint8_t *slash;
    size_t len;

    if (path->len == 0) {
        return false;
    }
    *path = slice_of(path->data + 1, path->len - 1); /* a path starts with a slash */
    slash = memchr(path->data, '/', path->len);
    len = slash != NULL ? (size_t)(slash - path->data) : path->len;
    *out = slice_of(path->data, len);
    *path = slice_of(path->data + len, path->len - len);
    return true;
}

bool route_segment_is_param(struct slice segment)
{
    return segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
}

bool route_segment_is_rest(struct slice segment)
{
    return route_segment_is_param(segment) && segment.len > 5 &&
           memcmp(segment.data + segment.len - 4, "...}", 4) == 0;
}

struct slice route_param_name(const struct route *route, size_t index)
{
    struct slice path = slice_of_text(route->pattern);
    struct slice segment;

    while (route_segment_take(&path, &segment)) {
        if (route_segment_is_param(segment) && index-- == 0) {
            return slice_of(segment.data + 1,
                            segment.len - (route_segment_is_rest(segment) ? 5 : 2));
        }
    }
    return slice_of(NULL, 0);
}

/* ---- Making ---------------------------------------------------------------------------------- */

static struct node *new_node(struct router *r)
{
    struct node *node = &r->nodes[r->node_count++];

    for (size_t i = 0; i < HTTP_METHOD_COUNT; i++) {
        node->routes[i] = NO_ROUTE;
    }
    return node;
}

/* The child of parent for a segment of a pattern, made when there is none; literals in front. */
static struct node *child_for(struct router *r, struct node *parent, struct slice segment)
{
    struct node **link = &parent->children;
    struct node *node;

    for (node = parent->children; node != NULL; node = node->next) {
        if (node->is_param
                ? route_segment_is_param(segment) && node->is_rest == route_segment_is_rest(segment)
                : slice_equal(node->literal, segment)) {
            return node;
        }
    }
    node = new_node(r);
    node->is_param = route_segment_is_param(segment);
    node->is_rest = route_segment_is_rest(segment);
    node->literal = segment;
    while (*link != NULL && (node->is_param ? !(*link)->is_rest : false)) {
        link = &(*link)->next;
    }
    node->next = *link;
    *link = node;
    return node;
}

static int add_route(struct router *r, size_t index, struct error *err)
{
    const struct route *route = &r->routes[index];
    struct slice path = slice_of_text(route->pattern);
    struct node *node = &r->nodes[0];
    struct slice segment;
    size_t params = 0;
    size_t depth = 0;

    if (path.len == 0 || path.data[0] != '/') {
        return error_set(err, BLOCKDB_EINVAL, "route '%s' does not start with a slash",
                         route->pattern);
    }
    while (route_segment_take(&path, &segment)) {
        params += route_segment_is_param(segment);
        if (++depth > DEPTH_MAX || params > ROUTE_PARAMS_MAX ||
            (route_segment_is_rest(segment) && path.len > 0)) {
            return error_set(
                err, BLOCKDB_EINVAL,
                "route '%s' has too many segments or parameters, or goes on behind one "
                "that takes the rest",
                route->pattern);
        }
        node = child_for(r, node, segment);
    }
    if (node->routes[route->method] != NO_ROUTE) {
        return error_set(err, BLOCKDB_EINVAL, "routes '%s' and '%s' match the same requests",
                         route->pattern, r->routes[node->routes[route->method]].pattern);
    }
    node->routes[route->method] = index;
    return BLOCKDB_OK;
}

static size_t count_segments(const struct route *routes, size_t count)
{
    size_t segments = 0;

    for (size_t i = 0; i < count; i++) {
        for (const char *at = routes[i].pattern; *at != '\0'; at++) {
            segments += *at == '/';
        }
    }
    return segments;
}

int router_new(const struct route *routes, size_t count, struct router **out, struct error *err)
{
    struct router *r = mem_calloc(1, sizeof(*r));
    int rc = BLOCKDB_OK;

    if (r == NULL) {
        return error_set_no_memory(err);
    }
    r->routes = routes;
    r->count = count;
    r->nodes = mem_calloc(count_segments(routes, count) + 1, sizeof(struct node));
    if (r->nodes == NULL) {
        mem_free(r);
        return error_set_no_memory(err);
    }
    (void)new_node(r);
    for (size_t i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = add_route(r, i, err);
    }
    if (rc < 0) {
        router_free(r);
        return rc;
    }
    *out = r;
    return BLOCKDB_OK;
}

void router_free(struct router *r)
{
    if (r != NULL) {
        mem_free(r->nodes);
        mem_free(r);
    }
}

/* ---- Matching -------------------------------------------------------------------------------- */

/* A place where another child may match as well: the search comes back to it. */
struct choice {
    const struct node *node;
    struct slice path;
    size_t param_count;
};

struct search {
    struct choice choices[DEPTH_MAX];
    size_t choice_count;
    struct slice params[ROUTE_PARAMS_MAX];
    size_t param_count;
};

static bool node_matches(const struct node *node, struct slice segment)
{
    if (!node->is_param) {
        return slice_equal(node->literal, segment);
    }
    return node->is_rest || segment.len > 0;
}

static bool has_routes(const struct node *node)
{
    for (size_t i = 0; i < HTTP_METHOD_COUNT; i++) {
        if (node->routes[i] != NO_ROUTE) {
            return true;
        }
    }
    return false;
}

/* The first of node and its next ones that matches the start of *path, which it takes. */
static const struct node *step(struct search *s, const struct node *node, struct slice *path)
{
    struct slice whole = *path;
    struct slice segment = {0};

    if (!route_segment_take(path, &segment)) {
        return NULL;
    }
    while (node != NULL && !node_matches(node, segment)) {
        node = node->next;
    }
    if (node == NULL) {
        return NULL;
    }
    if (node->next != NULL) {
        ASSERT(s->choice_count < DEPTH_MAX);
        s->choices[s->choice_count++] = (struct choice){
            .node = node->next, .path = whole, .param_count = s->param_count};
    }
    if (node->is_rest) {
        segment = slice_of(segment.data, segment.len + path->len);
        *path = slice_of(NULL, 0);
    }
    if (node->is_param) {
        ASSERT(s->param_count < ROUTE_PARAMS_MAX);
        s->params[s->param_count++] = segment;
    }
    return node;
}

/* The node at which path ends, with routes; NULL when there is none. */
static const struct node *find(const struct router *r, struct slice path, struct search *s)
{
    const struct node *candidates = r->nodes[0].children;

    for (;;) {
        const struct node *node = step(s, candidates, &path);

        if (node != NULL && path.len == 0 && has_routes(node)) {
            return node;
        }
        if (node != NULL && path.len > 0 && node->children != NULL) {
            candidates = node->children;
            continue;
        }
        if (s->choice_count == 0) {
            return NULL;
        }
        s->choice_count--;
        candidates = s->choices[s->choice_count].node;
        path = s->choices[s->choice_count].path;
        s->param_count = s->choices[s->choice_count].param_count;
    }
}

void router_match(const struct router *r, enum http_method method, struct slice path,
                  struct route_match *out)
{
    struct search s = {0};
    const struct node *node = find(r, path, &s);
    size_t index;

    *out = (struct route_match){0};
    if (node == NULL) {
        return;
    }
    out->path_exists = true;
    index = node->routes[method];
    if (index == NO_ROUTE && method == HTTP_HEAD) {
        index = node->routes[HTTP_GET];
    }
    if (index != NO_ROUTE) {
        out->route = &r->routes[index];
        out->index = index;
        memcpy(out->params, s.params, sizeof(out->params));
    }
}

void router_allowed(const struct router *r, struct slice path, char *out, size_t size)
{
    static const char *const names[HTTP_METHOD_COUNT] = {
        [HTTP_GET] = "GET, HEAD", [HTTP_POST] = "POST",       [HTTP_PUT] = "PUT",
        [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
    };
    struct search s = {0};
    const struct node *node = find(r, path, &s);
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; node != NULL && i < HTTP_METHOD_COUNT; i++) {
        if (node->routes[i] != NO_ROUTE && names[i] != NULL && used < size) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     names[i]);
        }
    }
}

size_t router_route_count(const struct router *r)
{
    return r->count;
}

const struct route *router_route(const struct router *r, size_t index)
{
    ASSERT(index < r->count);
    return &r->routes[index];
}
