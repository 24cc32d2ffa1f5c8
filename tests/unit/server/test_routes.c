/* SPDX-License-Identifier: Apache-2.0 */
/* Routes without a server: bodies, cursors, fixed answers, and the table against its description.
 */
#include "base/mem.h"
#include "os/os.h"
#include "server/routes/cursor.h"
#include "server/routes/json_reply.h"
#include "server/routes/json_request.h"
#include "server/routes/routes.h"
#include "shim/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define DESCRIPTION_DEPTH 64
#define PATH_BYTES 128

/* ---- Bodies -------------------------------------------------------------------------------- */

struct item {
    struct slice name;
    uint64_t number;
};

struct body {
    struct slice text;
    uint64_t number;
    double share;
    bool flag;
    struct item items[4];
    size_t item_count;
};

static const struct json_field item_fields[] = {
    {.name = "name",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct item, name),
     .is_required = true},
    {.name = "number", .type = JSON_FIELD_U64, .offset = offsetof(struct item, number), .max = 9},
};

static int read_item(struct json_request *q, void *out)
{
    struct body *body = out;

    if (body->item_count == 4) {
        return json_request_refuse(q, "too many");
    }
    return json_request_object(q, item_fields, 2, &body->items[body->item_count++], NULL);
}

static const struct json_field fields[] = {
    {.name = "text",
     .type = JSON_FIELD_TEXT,
     .offset = offsetof(struct body, text),
     .is_required = true},
    {.name = "number",
     .type = JSON_FIELD_U64,
     .offset = offsetof(struct body, number),
     .min = 3,
     .max = UINT64_MAX},
    {.name = "share",
     .type = JSON_FIELD_DOUBLE,
     .offset = offsetof(struct body, share),
     .max = 100},
    {.name = "flag", .type = JSON_FIELD_BOOL, .offset = offsetof(struct body, flag)},
    {.name = "items", .type = JSON_FIELD_LIST, .item = read_item, .item_name = "item"},
    {.name = "more", .type = JSON_FIELD_ANY},
};

/* Reads json with the table above; the arena is the caller's. */
static int read_body(const char *json, struct arena *arena, struct body *out, uint32_t *out_seen,
                     struct error *err)
{
    struct json_request q;

    *out = (struct body){0};
    json_request_init(&q, slice_of_text(json), arena, err);
    return json_request_read(&q, fields, sizeof(fields) / sizeof(fields[0]), out, out_seen);
}

static void assert_text(struct slice text, const char *expected)
{
    assert_true(slice_equal(text, slice_of_text(expected)));
}

static void test_bodies(void **state)
{
    struct arena arena;
    struct body body;
    struct error err;
    uint32_t seen;

    (void)state;
    arena_init(&arena, NULL);
    assert_int_equal(read_body("{\"text\":\"plain\"}", &arena, &body, &seen, &err), 0);
    assert_text(body.text, "plain");
    assert_int_equal(seen, 1);
    assert_int_equal(
        read_body(" { \"number\" : 18446744073709551615 , \"text\":\"a\\n\\u00e9\\ud83d\\ude00\","
                  "\"share\":12.5,\"flag\":true,\"more\":[{\"x\":[1,2]}],"
                  "\"items\":[{\"name\":\"a\"},{\"number\":9,\"name\":\"b\"}]} \n",
                  &arena, &body, &seen, &err),
        0);
    assert_text(body.text, "a\n\xc3\xa9\xf0\x9f\x98\x80");
    assert_true(body.number == UINT64_MAX && body.flag && body.share > 12.4 && body.share < 12.6);
    assert_int_equal(body.item_count, 2);
    assert_text(body.items[1].name, "b");
    assert_int_equal(body.items[1].number, 9);
    assert_int_equal(seen, 0x3f);
    assert_int_equal(read_body("{\"text\":\"\",\"items\":[]}", &arena, &body, NULL, &err), 0);
    assert_int_equal(body.text.len, 0);
    arena_deinit(&arena);
}

static void test_bodies_refused(void **state)
{
    static const struct {
        const char *json;
        const char *says;
    } cases[] = {
        {"", "no body"},
        {" ", "must be a JSON object"},
        {"null", "must be a JSON object"},
        {"{", "no JSON"},
        {"{}", "'text' is missing"},
        {"{\"text\"}", "no JSON"},
        {"{\"text\":}", "no JSON"},
        {"{\"text\":\"x\",}", "no JSON"},
        {"{\"text\":\"x\"}}", "goes on behind its object, at byte 12"},
        {"{\"text\":\"x\" \"flag\":true}", "no JSON"},
        {"{\"text\":\"x\",\"text\":\"y\"}", "'text' is given twice"},
        {"{\"tex\":\"x\"}", "unknown member 'tex'; did you mean 'text'?"},
        {"{\"\":\"x\"}", "unknown member ''"},
        {"{\"\\u0074ext\":\"x\"}", "unknown member"},
        {"{\"text\":1}", "'text' must be a string"},
        {"{\"text\":\"\\ud800\"}", "'text' must be well-formed"},
        {"{\"text\":\"\\q\"}", "'text' must be well-formed"},
        {"{\"text\":\"\xff\"}", "'text' must be UTF-8"},
        {"{\"text\":\"a\nb\"}", "no JSON"},
        {"{\"text\":\"x", "no JSON"},
        {"{\"number\":2}", "'number' must be a whole number from 3 to"},
        {"{\"number\":18446744073709551616}", "'number'"},
        {"{\"number\":3.0}", "'number'"},
        {"{\"number\":3e0}", "'number'"},
        {"{\"number\":-3}", "'number'"},
        {"{\"number\":03}", "'number'"},
        {"{\"number\":\"3\"}", "'number'"},
        {"{\"share\":100.1}", "'share' must be a number from 0 to 100"},
        {"{\"share\":-1}", "'share'"},
        {"{\"share\":1e999}", "'share'"},
        {"{\"share\":true}", "'share'"},
        {"{\"flag\":1}", "'flag' must be true or false"},
        {"{\"flag\":tru}", "'flag'"},
        {"{\"more\":[}", "no JSON"},
        {"{\"items\":{}}", "'items' must be an array"},
        {"{\"items\":[1]}", "item 0: it must be a JSON object"},
        {"{\"items\":[{\"name\":\"a\"},{\"number\":1}]}", "item 1: member 'name' is missing"},
        {"{\"items\":[{\"name\":\"a\",\"number\":10}]}", "item 0: member 'number'"},
        {"{\"items\":[{\"name\":\"a\",\"nam\":1}]}", "item 0: unknown member 'nam'"},
        {"{\"items\":[{\"name\":\"a\"}", "no JSON"},
        {"{\"items\":[{\"name\":\"a\"},]}", "no JSON"},
        {"{\"items\":[{\"name\":\"\"},{\"name\":\"\"},{\"name\":\"\"},{\"name\":\"\"},{}]}",
         "item 4: too many"},
    };
    struct arena arena;
    struct body body;
    struct error err;
    size_t i;

    (void)state;
    arena_init(&arena, NULL);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_body(cases[i].json, &arena, &body, NULL, &err), BLOCKDB_EINVAL);
        if (strstr(err.message, cases[i].says) == NULL) {
            fail_msg("'%s': %s", cases[i].json, err.message);
        }
    }
    arena_deinit(&arena);
}

static void test_encodings(void **state)
{
    struct slice text = slice_of_text("AP8=");
    struct slice broken = slice_of_text("AP8");
    struct json_request q;
    struct arena arena;
    struct error err;
    bool is_base64;

    (void)state;
    arena_init(&arena, NULL);
    json_request_init(&q, slice_of_text("{}"), &arena, &err);
    assert_int_equal(json_request_encoding(&q, slice_of(NULL, 0), &is_base64), 0);
    assert_false(is_base64);
    assert_int_equal(json_request_encoding(&q, slice_of_text("utf8"), &is_base64), 0);
    assert_false(is_base64);
    assert_int_equal(json_request_encoding(&q, slice_of_text("base64"), &is_base64), 0);
    assert_true(is_base64);
    assert_int_equal(json_request_encoding(&q, slice_of_text("hex"), &is_base64), BLOCKDB_EINVAL);
    assert_int_equal(json_request_base64(&q, "key", &text), 0);
    assert_int_equal(text.len, 2);
    assert_memory_equal(text.data, "\x00\xff", 2);
    assert_int_equal(json_request_base64(&q, "key", &broken), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "'key'"));
    arena_deinit(&arena);
}

static bool fail_all(void *context)
{
    (void)context;
    return true;
}

static void test_bodies_without_memory(void **state)
{
    struct arena arena;
    struct body body;
    struct error err;
    int rc;

    (void)state;
    arena_init(&arena, NULL);
    mem_set_fail_hook(fail_all, NULL);
    rc = read_body("{\"text\":\"a\\nb\"}", &arena, &body, NULL, &err);
    assert_int_equal(read_body("{\"text\":\"ab\"}", &arena, &body, NULL, &err), 0);
    mem_set_fail_hook(NULL, NULL);
    assert_int_equal(rc, BLOCKDB_ENOMEM);
    arena_deinit(&arena);
}

/* ---- Cursors ------------------------------------------------------------------------------- */

static void test_cursors(void **state)
{
    struct cursor_scan scan = {.prefix = slice_of_text("p"), .end = slice_of_text("q")};
    struct cursor cursor = {.at_seq = UINT64_MAX - 1, .last_key = slice_of("\xff\x00k", 3)};
    struct arena arena;
    struct error err;
    struct cursor got;
    struct slice text;
    size_t i;

    (void)state;
    arena_init(&arena, NULL);
    assert_int_equal(cursor_encode(&cursor, &scan, &arena, &text), 0);
    for (i = 0; i < text.len; i++) {
        assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                               text.data[i]));
    }
    assert_int_equal(cursor_decode(text, &scan, &arena, &got, &err), 0);
    assert_true(got.at_seq == cursor.at_seq && slice_equal(got.last_key, cursor.last_key));
    scan.reverse = true;
    assert_int_equal(cursor_decode(text, &scan, &arena, &got, &err), BLOCKDB_EINVAL);
    scan.reverse = false;
    scan.start = slice_of_text("p");
    assert_int_equal(cursor_decode(text, &scan, &arena, &got, &err), BLOCKDB_EINVAL);
    scan.start = slice_of(NULL, 0);
    for (i = 0; i < text.len; i++) {
        IGNORE_RESULT(cursor_decode(slice_of(text.data, i), &scan, &arena, &got, &err));
    }
    assert_int_equal(cursor_decode(slice_of(NULL, 0), &scan, &arena, &got, &err), BLOCKDB_EINVAL);
    assert_int_equal(cursor_decode(slice_of_text("!"), &scan, &arena, &got, &err), BLOCKDB_EINVAL);
    arena_deinit(&arena);
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* text is expected, spaces, and one newline. */
static void assert_padded(const char text[REPLY_OUTCOME_BYTES], const char *expected)
{
    size_t len = strlen(expected);
    size_t i;

    assert_true(len < REPLY_OUTCOME_BYTES);
    assert_memory_equal(text, expected, len);
    for (i = len; i < REPLY_OUTCOME_BYTES - 1; i++) {
        assert_int_equal(text[i], ' ');
    }
    assert_int_equal(text[REPLY_OUTCOME_BYTES - 1], '\n');
}

static void test_outcomes(void **state)
{
    struct blockdb_write_result written = {.first_seq = UINT64_MAX,
                                           .count = BLOCKDB_BATCH_ENTRIES_MAX,
                                           .time_ms = UINT64_MAX,
                                           .repeated = false};
    char text[REPLY_OUTCOME_BYTES];

    (void)state;
    reply_outcome_format(text, &written);
    assert_padded(text, "{\"success\":true,\"seq\":18446744073709551615,\"count\":100000,"
                        "\"time\":\"9999-12-31T23:59:59.999Z\",\"repeated\":false}");
    written = (struct blockdb_write_result){.count = 1, .repeated = true};
    reply_outcome_format(text, &written);
    assert_padded(text, "{\"success\":true,\"seq\":0,\"count\":1,"
                        "\"time\":\"1970-01-01T00:00:00.000Z\",\"repeated\":true}");
}

static void test_durabilities(void **state)
{
    enum blockdb_durability got;
    struct error err;

    (void)state;
    assert_int_equal(durability_parse(slice_of_text("always"), &got, &err), 0);
    assert_int_equal(got, BLOCKDB_DURABILITY_ALWAYS);
    assert_int_equal(durability_parse(slice_of_text("default"), &got, &err), BLOCKDB_EINVAL);
}

/* ---- The table and its description --------------------------------------------------------- */

static const char *method_word(enum http_method method)
{
    static const char *const words[HTTP_METHOD_COUNT] = {
        [HTTP_GET] = "get",
        [HTTP_POST] = "post",
        [HTTP_PUT] = "put",
        [HTTP_DELETE] = "delete",
    };

    return words[method] != NULL ? words[method] : "none";
}

/* "{key...}" is "{key}" in a description. */
static void described_path(const char *pattern, char out[PATH_BYTES])
{
    size_t len = 0;

    for (; *pattern != '\0' && len < PATH_BYTES - 1; pattern++) {
        if (strncmp(pattern, "...}", 4) == 0) {
            pattern += 3;
        }
        out[len++] = *pattern;
    }
    out[len] = '\0';
}

static void assert_described(struct json_value paths, const struct route *route)
{
    struct json_value path;
    struct json_value operation;
    struct json_value body;
    struct json_value value;
    struct slice summary;
    char name[PATH_BYTES];
    bool has_body;

    described_path(route->pattern, name);
    if (!json_member(paths, name, &path) ||
        !json_member(path, method_word(route->method), &operation) ||
        !json_member(operation, "summary", &value) || !json_text(value, &summary)) {
        fail_msg("%s %s is not described", method_word(route->method), name);
    }
    assert_text(summary, route->summary);
    has_body = json_member(operation, "requestBody", &body);
    if (has_body && route->body_max == 0) {
        fail_msg("%s %s takes no body", method_word(route->method), name);
    }
    if (route->flags & ROUTE_HEALTH) {
        assert_true(json_member(operation, "security", &value));
    }
}

static size_t count_operations(struct json_value paths)
{
    struct json_cursor at = json_walk(paths);
    struct json_value path;
    size_t count = 0;

    while (json_next(&at, NULL, &path)) {
        struct json_cursor inner = json_walk(path);
        struct json_value operation;

        while (json_next(&inner, NULL, &operation)) {
            count++;
        }
    }
    return count;
}

static void test_description(void **state)
{
    const struct routes_options options = {.os = os_real()};
    struct slice text = routes_openapi();
    struct json *json = json_new(DESCRIPTION_DEPTH, text.len);
    const struct route *table;
    struct routes *routes;
    struct json_value root;
    struct json_value paths;
    struct router *router;
    struct error err;
    size_t count;
    size_t i;

    (void)state;
    assert_non_null(json);
    assert_int_equal(json_parse(json, text, &root, &err), 0);
    assert_true(json_member(root, "paths", &paths));
    assert_int_equal(routes_new(&options, &routes, &err), 0);
    table = routes_table(routes, &count);
    for (i = 0; i < count; i++) {
        assert_described(paths, &table[i]);
    }
    assert_int_equal(count_operations(paths), count);
    assert_int_equal(router_new(table, count, &router, &err), 0);
    router_free(router);
    routes_free(routes);
    json_free(json);
}

/* Fails the allocation after *left more. */
static bool fail_at(void *context)
{
    uint64_t *left = context;

    return (*left)-- == 0;
}

static void test_routes_without_memory(void **state)
{
    const struct routes_options options = {.os = os_real(), .backup_dir = "b", .node_id = "n"};
    struct routes *routes = NULL;
    struct error err;
    uint64_t left;
    uint64_t n;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    for (n = 0; rc == BLOCKDB_ENOMEM; n++) {
        assert_true(n < 20);
        left = n;
        mem_set_fail_hook(fail_at, &left);
        rc = routes_new(&options, &routes, &err);
        mem_set_fail_hook(NULL, NULL);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(routes_stats(routes).watchers, 0);
    assert_int_equal(routes_stats(routes).jobs_running, 0);
    routes_notice(routes, 1);
    routes_cancel_jobs(routes);
    routes_free_ptr(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_bodies_refused),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_bodies_without_memory),
        cmocka_unit_test(test_cursors),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_durabilities),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_routes_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
