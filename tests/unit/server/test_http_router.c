/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Router: literals before parameters, rests of paths, methods, what is in no table.
 */
#include "base/mem.h"
#include "server/http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void answer_nothing(struct exchange *x)
{
}

#define ROUTE(method_, pattern_)                                                                   \
    {                                                                                              \
        .method = (method_), .pattern = (pattern_), .handler = answer_nothing                      \
    }

static const struct route routes[] = {
    ROUTE(HTTP_GET, "/"),
    ROUTE(HTTP_GET, "/health"),
    ROUTE(HTTP_GET, "/api/v1/get/{key...}"),
    ROUTE(HTTP_POST, "/api/v1/put"),
    ROUTE(HTTP_GET, "/api/v1/blocks"),
    ROUTE(HTTP_GET, "/api/v1/blocks/{height}"),
    ROUTE(HTTP_GET, "/api/v1/users/{name}"),
    ROUTE(HTTP_PUT, "/api/v1/users/{name}"),
    ROUTE(HTTP_DELETE, "/api/v1/users/{name}"),
    ROUTE(HTTP_GET, "/tile/entries/{index...}"),
    ROUTE(HTTP_GET, "/tile/{level}/{index...}"),
    ROUTE(HTTP_GET, "/tile/{level}/x/y"),
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static int setup(void **state)
{
    struct router *r = NULL;
    struct error err;

    assert_int_equal(router_new(routes, ROUTE_COUNT, &r, &err), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    router_free(*state);
    return 0;
}

struct expected {
    enum http_method method;
    const char *path;
    const char *pattern; /* NULL: no route */
    const char *params[2];
};

static void assert_matches(const struct router *r, const struct expected *e)
{
    struct route_match match;

    router_match(r, e->method, slice_of_text(e->path), &match);
    if (e->pattern == NULL) {
        assert_null(match.route);
        return;
    }
    assert_non_null(match.route);
    assert_true(match.path_exists);
    assert_string_equal(match.route->pattern, e->pattern);
    assert_ptr_equal(router_route(r, match.index), match.route);
    assert_true(slice_equal(match.params[0], slice_of_text(e->params[0])));
    assert_true(slice_equal(match.params[1], slice_of_text(e->params[1])));
}

static void test_matches(void **state)
{
    static const struct expected cases[] = {
        {HTTP_GET, "/", "/", {"", ""}},
        {HTTP_HEAD, "/health", "/health", {"", ""}},
        {HTTP_GET, "/api/v1/get/a", "/api/v1/get/{key...}", {"a", ""}},
        {HTTP_GET, "/api/v1/get/a/b//c/", "/api/v1/get/{key...}", {"a/b//c/", ""}},
        {HTTP_GET, "/api/v1/get/", "/api/v1/get/{key...}", {"", ""}},
        {HTTP_GET, "/api/v1/blocks/7", "/api/v1/blocks/{height}", {"7", ""}},
        {HTTP_PUT, "/api/v1/users/%2F", "/api/v1/users/{name}", {"%2F", ""}},
        {HTTP_GET, "/tile/entries/x001/002", "/tile/entries/{index...}", {"x001/002", ""}},
        {HTTP_GET, "/tile/0/x001/2.p/5", "/tile/{level}/{index...}", {"0", "x001/2.p/5"}},
        {HTTP_GET, "/tile/0/x/y", "/tile/{level}/x/y", {"0", ""}},
        {HTTP_GET, "/tile/0/x/z", "/tile/{level}/{index...}", {"0", "x/z"}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_matches(*state, &cases[i]);
    }
}

static void test_nothing_matches(void **state)
{
    static const char *const paths[] = {
        "/healthy", "/health/",        "/api",           "/api/v1",  "/api/v1/get", "//health",
        "/HEALTH",  "/api/v1/blocks/", "/api/v1/users/", "/nowhere",
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_matches(*state, &(struct expected){.method = HTTP_GET, .path = paths[i]});
    }
}

static void test_other_methods(void **state)
{
    const struct router *r = *state;
    struct route_match match;
    char allowed[64];
    char cut[8];

    router_match(r, HTTP_POST, slice_of_text("/api/v1/users/ann"), &match);
    assert_null(match.route);
    assert_true(match.path_exists);
    router_allowed(r, slice_of_text("/api/v1/users/ann"), allowed, sizeof(allowed));
    assert_string_equal(allowed, "GET, HEAD, PUT, DELETE");
    router_allowed(r, slice_of_text("/api/v1/users/ann"), cut, sizeof(cut));
    assert_string_equal(cut, "GET, HE");
    router_allowed(r, slice_of_text("/nowhere"), allowed, sizeof(allowed));
    assert_string_equal(allowed, "");
    router_match(r, HTTP_HEAD, slice_of_text("/api/v1/put"), &match);
    assert_null(match.route);
    assert_true(match.path_exists);
    router_match(r, HTTP_METHOD_OTHER, slice_of_text("/health"), &match);
    assert_null(match.route);
    assert_true(match.path_exists);
}

static void test_the_nearest(void **state)
{
    const struct router *r = *state;
    char long_path[200];

    assert_string_equal(router_nearest(r, slice_of_text("/api/v1/putt")), "/api/v1/put");
    assert_string_equal(router_nearest(r, slice_of_text("/helath")), "/health");
    assert_string_equal(router_nearest(r, slice_of_text("/healthz")), "/health");
    assert_string_equal(router_nearest(r, slice_of_text("/health/")), "/health");
    assert_string_equal(router_nearest(r, slice_of_text("/put")), "/api/v1/put");
    assert_string_equal(router_nearest(r, slice_of_text("/api/v1/gets/a")), "/api/v1/get/{key...}");
    assert_string_equal(router_nearest(r, slice_of_text("/api/v1/gets/a/b/c")),
                        "/api/v1/get/{key...}");
    assert_string_equal(router_nearest(r, slice_of_text("/api/v1/get")), "/api/v1/get/{key...}");
    assert_string_equal(router_nearest(r, slice_of_text("/get/a")), "/api/v1/get/{key...}");
    assert_null(router_nearest(r, slice_of_text("/something/else/entirely")));
    assert_null(router_nearest(r, slice_of_text("/api/v1/nothing")));
    assert_null(router_nearest(r, slice_of_text("")));
    memset(long_path, '/', sizeof(long_path));
    assert_null(router_nearest(r, slice_of(long_path, sizeof(long_path))));
}

static void test_names_of_parameters(void **state)
{
    assert_true(slice_equal(route_param_name(&routes[10], 0), slice_of_text("level")));
    assert_true(slice_equal(route_param_name(&routes[10], 1), slice_of_text("index")));
    assert_int_equal(route_param_name(&routes[10], 2).len, 0);
    assert_int_equal(route_param_name(&routes[0], 0).len, 0);
}

static void test_bad_tables(void **state)
{
    static const struct route bad[][2] = {
        {ROUTE(HTTP_GET, "/a/{b}"), ROUTE(HTTP_GET, "/a/{c}")},
        {ROUTE(HTTP_GET, "/a"), ROUTE(HTTP_GET, "/a")},
        {ROUTE(HTTP_GET, "/a"), ROUTE(HTTP_GET, "b")},
        {ROUTE(HTTP_GET, "/a"), ROUTE(HTTP_GET, "")},
        {ROUTE(HTTP_GET, "/a"), ROUTE(HTTP_GET, "/{a...}/b")},
        {ROUTE(HTTP_GET, "/a"), ROUTE(HTTP_GET, "/{a}/{b}/{c}/{d}")},
        {ROUTE(HTTP_GET, "/a"), ROUTE(HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13")},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct router *r = NULL;
        struct error err;

        assert_int_equal(router_new(bad[i], 2, &r, &err), BLOCKDB_EINVAL);
        assert_null(r);
    }
}

static bool fail_at(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

static void test_short_memory(void **state)
{
    struct router *r = NULL;
    struct error err;
    unsigned n = 0;
    int rc;

    do {
        unsigned left = n++;

        mem_set_fail_hook(fail_at, &left);
        rc = router_new(routes, ROUTE_COUNT, &r, &err);
        mem_set_fail_hook(NULL, NULL);
        assert_true(rc == 0 || rc == BLOCKDB_ENOMEM);
    } while (rc != 0);
    assert_int_equal(router_route_count(r), ROUTE_COUNT);
    router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_methods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_nearest, setup, teardown),
        cmocka_unit_test(test_names_of_parameters),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_short_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
