/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller parts of the Redis protocol: replies, the table of commands, patterns, overlays. */
#include "base/mem.h"
#include "server/principal.h"
#include "server/resp/resp_command.h"
#include "server/resp/resp_glob.h"
#include "server/resp/resp_overlay.h"
#include "server/resp/resp_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(struct buf *b, const char *expected)
{
    assert_int_equal(buf_append_u8(b, 0), 0);
    assert_string_equal((const char *)b->data, expected);
    buf_reset(b);
}

/* The one zero byte of the replies, for them to be compared as text. */
static void show_zero(struct buf *out)
{
    uint8_t *zero = memchr(out->data, 0, out->len);

    assert_non_null(zero);
    *zero = '0';
}

/* One of each reply. */
static void write_all(struct resp_writer *w)
{
    resp_write_ok(w);
    resp_write_simple(w, "a\r\nb");
    resp_write_integer(w, INT64_MIN);
    resp_write_integer(w, INT64_MAX);
    resp_write_integer(w, 0);
    resp_write_bulk(w, slice_of("x\0y", 3));
    resp_write_text(w, "");
    resp_write_null(w);
    resp_write_null_array(w);
    resp_write_bool(w, true);
    resp_write_bool(w, false);
    resp_write_verbatim(w, slice_of_text("hi"));
    resp_write_array(w, 0);
    resp_write_map(w, 2);
    resp_write_set(w, 3);
    resp_write_raw(w, slice_of_text(":1\r\n"));
    resp_write_error(w, "ERR", "no '%s'", "\x01\r\n+OK");
}

static void test_replies(void **state)
{
    AUTO(buf_deinit) struct buf out = {0};
    struct resp_writer two = resp_writer_of(&out, 2);
    struct resp_writer three = resp_writer_of(&out, 3);

    (void)state;
    write_all(&two);
    assert_false(two.failed);
    show_zero(&out);
    assert_text(&out, "+OK\r\n+a??b\r\n:-9223372036854775808\r\n:9223372036854775807\r\n:0\r\n"
                      "$3\r\nx0y\r\n$0\r\n\r\n$-1\r\n*-1\r\n:1\r\n:0\r\n$2\r\nhi\r\n*0\r\n*4\r\n"
                      "*3\r\n:1\r\n-ERR no '???+OK'\r\n");
    write_all(&three);
    show_zero(&out);
    assert_text(&out, "+OK\r\n+a??b\r\n:-9223372036854775808\r\n:9223372036854775807\r\n:0\r\n"
                      "$3\r\nx0y\r\n$0\r\n\r\n_\r\n_\r\n#t\r\n#f\r\n=6\r\ntxt:hi\r\n*0\r\n%2\r\n"
                      "~3\r\n:1\r\n-ERR no '???+OK'\r\n");
}

static void test_statuses(void **state)
{
    static const struct {
        int status;
        const char *reply;
    } cases[] = {
        {BLOCKDB_EREADONLY, "-READONLY read-only\r\n"},
        {BLOCKDB_EDENIED, "-NOPERM not allowed\r\n"},
        {BLOCKDB_EREDACTED, "-REDACTED the value was erased; its proofs remain\r\n"},
        {BLOCKDB_ECORRUPT, "-CORRUPT corrupt\r\n"},
        {BLOCKDB_ETAMPERED, "-TAMPERED tampered\r\n"},
        {BLOCKDB_EIO, "-ERR I/O error\r\n"},
        {BLOCKDB_EBUSY, "-BUSY busy\r\n"},
        {BLOCKDB_EWOULDBLOCK,
         "-BUSY the server has too much to do; send the command again in a moment\r\n"},
        {BLOCKDB_ENOMEM, "-OOM the server has no memory for this command; send it again later\r\n"},
    };
    AUTO(buf_deinit) struct buf out = {0};
    struct resp_writer w = resp_writer_of(&out, 2);
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        resp_write_status(&w, cases[i].status, NULL);
        assert_text(&out, cases[i].reply);
    }
    (void)error_set(&err, BLOCKDB_EINVAL, "a message");
    resp_write_status(&w, BLOCKDB_EINVAL, &err);
    assert_text(&out, "-ERR a message\r\n");
}

static bool fail_one(void *context)
{
    unsigned *left = context;

    return (*left)-- == 0;
}

/* WRITER-1: after a failure nothing more is appended. */
static void test_replies_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 0; failed; n++) {
        AUTO(buf_deinit) struct buf out = {0};
        struct resp_writer w = resp_writer_of(&out, 2);
        unsigned left = n;

        mem_set_fail_hook(fail_one, &left);
        write_all(&w);
        mem_set_fail_hook(NULL, NULL);
        failed = w.failed;
    }
}

/* ---- Commands ------------------------------------------------------------------------------ */

static void test_table(void **state)
{
    size_t count;
    const struct resp_command *table = resp_command_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct resp_command *c = &table[i];
        char upper[64] = {0};

        assert_true(i == 0 || strcmp(table[i - 1].name, c->name) < 0);
        assert_ptr_equal(resp_command_find(slice_of_text(c->name)), c);
        for (size_t k = 0; c->name[k] != '\0'; k++) {
            upper[k] = c->name[k] >= 'a' && c->name[k] <= 'z' ? (char)(c->name[k] - 32)
                                                              : c->name[k];
        }
        assert_ptr_equal(resp_command_find(slice_of_text(upper)), c);
        assert_true((c->run == NULL) != (c->job == NULL));
        assert_true(c->job == NULL || (c->flags & RESP_ALONE) != 0);
        assert_true(c->first_key > 0 || (c->flags & (RESP_READS | RESP_WRITES)) == 0);
        assert_true(strlen(resp_group_name(c->group)) > 0);
        assert_int_equal(c->summary[strlen(c->summary) - 1], '.');
    }
    assert_null(resp_command_find(slice_of_text("")));
    assert_null(resp_command_find(slice_of_text("ge")));
    assert_null(resp_command_find(slice_of_text("gett")));
    assert_null(resp_command_find(slice_of("get\0", 4)));
}

static struct resp_keys keys_of(const char *name, size_t arg_count)
{
    return resp_command_keys(resp_command_find(slice_of_text(name)), arg_count);
}

static void test_keys(void **state)
{
    (void)state;
    assert_int_equal(keys_of("get", 2).count, 1);
    assert_int_equal(keys_of("set", 6).count, 1);
    assert_int_equal(keys_of("mget", 5).count, 4);
    assert_int_equal(keys_of("mset", 5).count, 2);
    assert_int_equal(keys_of("mset", 4).count, 2);
    assert_int_equal(keys_of("ping", 2).count, 0);
    assert_int_equal(keys_of("get", 1).count, 0);
    assert_true(resp_command_takes(resp_command_find(slice_of_text("get")), 2));
    assert_false(resp_command_takes(resp_command_find(slice_of_text("get")), 3));
    assert_true(resp_command_takes(resp_command_find(slice_of_text("mget")), 9));
    assert_false(resp_command_takes(resp_command_find(slice_of_text("mget")), 1));
    assert_false(resp_command_reads(resp_command_find(slice_of_text("set")), 3));
    assert_true(resp_command_reads(resp_command_find(slice_of_text("set")), 4));
}

static void test_rights(void **state)
{
    const struct slice prefix = slice_of_text("a/");
    const struct slice args[] = {slice_of_text("mset"), slice_of_text("a/1"), slice_of_text("v"),
                                 slice_of_text("b"), slice_of_text("v")};
    const struct resp_command *mset = resp_command_find(args[0]);
    const struct principal *p;
    struct error err;

    (void)state;
    assert_int_equal(principal_new("ann", RIGHT_WRITE, &prefix, 1, &p, &err), 0);
    assert_int_equal(resp_command_check(mset, p, args, 3, &err), 0);
    assert_int_equal(resp_command_check(mset, p, args, 5, &err), BLOCKDB_EDENIED);
    assert_int_equal(
        resp_command_check(resp_command_find(slice_of_text("blockdb.head")), p, args, 1, &err),
        BLOCKDB_EDENIED);
    assert_int_equal(resp_command_check(resp_command_find(slice_of_text("ping")), p, args, 1, &err),
                     0);
    principal_unref(p);
}

static void test_unknown_names(void **state)
{
    static const struct {
        const char *name;
        const char *part;
    } cases[] = {
        {"EXPIRE", "keys do not expire"},
        {"incr", "replaced by new versions"},
        {"LPUSH", "no lists"},
        {"flushall", "append-only"},
        {"eval", "runs no scripts"},
        {"publish", "no channels"},
        {"shutdown", "SIGTERM"},
        {"RANDOMKEY", "SCAN and KEYS list keys"},
        {"ROLE", "stands alone"},
        {"readonly", "no Redis cluster"},
        {"READWRITE", "no Redis cluster"},
        {"memory", "INFO memory"},
        {"LOLWUT", "draws nothing"},
        {"copy", "history of its own"},
        {"rename", "DEL the old one"},
        {"flushdb", "redact"},
        {"getbit", "GETRANGE"},
        {"bgsave", "WAITAOF"},
        {"monitor", "/api/v1/watch"},
        {"gett", "did you mean 'get'"},
        {"qqqqqqqqqqqq", "COMMAND LIST"},
        {"a\r\n+OK", "'a\\x0d\\x0a+OK'"},
        {" expire ", "COMMAND LIST"},
        {"", "COMMAND LIST"},
    };
    AUTO(buf_deinit) struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct resp_writer w = resp_writer_of(&out, 2);

        buf_reset(&out);
        resp_refuse_unknown(&w, slice_of_text(cases[i].name));
        assert_int_equal(buf_append_u8(&out, 0), 0);
        assert_non_null(strstr((const char *)out.data, "-ERR unknown command"));
        assert_non_null(strstr((const char *)out.data, cases[i].part));
        assert_ptr_equal(strchr((const char *)out.data, '\r'), out.data + out.len - 3);
    }
}

/* ---- Patterns ------------------------------------------------------------------------------ */

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } cases[] = {
        {"", "", true},           {"", "a", false},        {"*", "", true},
        {"*", "abc", true},       {"a*c", "abbc", true},   {"a*c", "abbd", false},
        {"a?c", "abc", true},     {"a?c", "ac", false},    {"?", "", false},
        {"[a-c]x", "bx", true},   {"[a-c]x", "dx", false}, {"[c-a]x", "bx", true},
        {"[^a]x", "bx", true},    {"[^a]x", "ax", false},  {"[ab", "a", true},
        {"[ab", "c", false},      {"\\*", "*", true},      {"\\*", "a", false},
        {"a\\", "a\\", true},     {"[\\]]", "]", true},    {"*a*a*a*", "aaa", true},
        {"*a*a*a*", "aa", false}, {"ab*", "a", false},     {"**b", "aab", true},
        {"[]", "a", false},       {"[a-]x", "-x", true},   {"*ab*ab", "abxab", true},
    };
    AUTO(buf_deinit) struct buf prefix = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            resp_glob_matches(slice_of_text(cases[i].pattern), slice_of_text(cases[i].text)),
            cases[i].matches);
    }
    assert_int_equal(resp_glob_prefix(slice_of_text("user:\\*1*2"), &prefix), 0);
    assert_text(&prefix, "user:*1");
}

/* A pattern of stars takes no exponential time. */
static void test_evil_pattern(void **state)
{
    char pattern[2000];
    char text[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = i % 2 == 0 ? 'a' : '*';
        text[i] = 'a';
    }
    pattern[sizeof(pattern) - 1] = 'b';
    assert_false(
        resp_glob_matches(slice_of(pattern, sizeof(pattern)), slice_of(text, sizeof(text))));
}

/* ---- Overlays ------------------------------------------------------------------------------ */

static void test_overlay(void **state)
{
    struct resp_overlay o = {0};
    struct arena arena;
    char keys[500][8];

    (void)state;
    arena_init(&arena, NULL);
    assert_null(resp_overlay_find(&o, slice_of_text("0")));
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "%u", i);
        assert_int_equal(
            resp_overlay_set(&o, &arena, slice_of_text(keys[i]), slice_of_text(keys[i]), false), 0);
    }
    assert_int_equal(resp_overlay_set(&o, &arena, slice_of_text("7"), slice_of(NULL, 0), true), 0);
    assert_int_equal(o.count, 500);
    for (unsigned i = 0; i < 500; i++) {
        const struct resp_overlay_entry *e = resp_overlay_find(&o, slice_of_text(keys[i]));

        assert_non_null(e);
        assert_int_equal(e->is_deleted, i == 7);
        assert_int_equal(e->value.len, i == 7 ? 0 : strlen(keys[i]));
    }
    assert_null(resp_overlay_find(&o, slice_of_text("500")));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_replies_without_memory),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_evil_pattern),
        cmocka_unit_test(test_overlay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
