/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis protocol on real sockets, loops and a database: what is sent and what comes back,
 * whole, in pieces and in pipelines; transactions that race; clients that go away.
 */
#include "base/mem.h"
#include "common/test_env.h"
#include "os/os.h"
#include "server/conn_group.h"
#include "server/resp/resp.h"
#include "server/resp/resp_worker.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REPLY_MS 10000
#define CLIENTS 8

struct fixture {
    char dir[64];
    struct blockdb *db;
    struct loop *loop;
    struct pool *pool;
    struct dispatch *dispatch;
    struct conn_group *group;
    atomic_int opening; /* a socket that the loop shall take; -1: none */
    struct loop_task open;
    atomic_int fail_after; /* allocations of the loop's thread until one fails; negative: none */
};

static bool fail_on_loop(void *context)
{
    struct fixture *f = context;

    return atomic_load(&f->fail_after) >= 0 && loop_is_current(f->loop) &&
           atomic_fetch_sub(&f->fail_after, 1) == 0;
}

static void on_open(struct loop_task *task)
{
    struct fixture *f = (struct fixture *)(void *)((char *)task - offsetof(struct fixture, open));
    struct conn_socket socket = {.fd = atomic_load(&f->opening), .protocol = resp_protocol()};

    (void)conn_open(f->group, &socket); /* on failure the client reads the end */
    atomic_store(&f->opening, -1);
}

static void on_abort(struct loop_task *task)
{
    struct fixture *f = (struct fixture *)(void *)((char *)task - offsetof(struct fixture, open));

    conn_group_abort(f->group);
}

/* A client of the loop. */
static int client_new(struct fixture *f)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    atomic_store(&f->opening, fds[0]);
    f->open.run = on_open;
    loop_post(f->loop, &f->open);
    while (atomic_load(&f->opening) >= 0) {
        (void)poll(NULL, 0, 1);
    }
    return fds[1];
}

static void client_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        ssize_t n;

        assert_int_equal(poll(&ready, 1, REPLY_MS), 1);
        n = send(fd, data, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        data += n;
        len -= (size_t)n;
    }
}

/* Reads at most cap bytes, all that comes until `len` are there or the end. */
static size_t client_read(int fd, char *out, size_t len)
{
    size_t at = 0;

    while (at < len) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&ready, 1, REPLY_MS), 1);
        n = recv(fd, out + at, len - at, 0);
        if (n <= 0) {
            break;
        }
        at += (size_t)n;
    }
    return at;
}

static void client_expect(int fd, const char *expected)
{
    size_t len = strlen(expected);
    char *got = calloc(1, len + 1);

    assert_non_null(got);
    (void)client_read(fd, got, len);
    assert_string_equal(got, expected);
    free(got);
}

/* Nothing more comes but the end. */
static void client_expect_end(int fd)
{
    char byte;

    assert_int_equal(client_read(fd, &byte, 1), 0);
    (void)close(fd);
}

static void talk(int fd, const char *text, const char *expected)
{
    client_send(fd, text, strlen(text));
    client_expect(fd, expected);
}

static int fixture_open(void **state, const char *name, const char *value)
{
    const struct pool_options pool_options = {
        .os = os_real(), .threads = {1, 1}, .queue_max = {64, 64}};
    const struct conn_limits limits = {.output_high = 1 << 20,
                                       .output_max = 64 << 20,
                                       .send_timeout_ms = 60000,
                                       .handshake_timeout_ms = 60000};
    struct fixture *f = calloc(1, sizeof(*f));
    struct blockdb_options *options = blockdb_options_new();
    struct resp_worker *worker;
    struct error err;

    assert_non_null(f);
    assert_non_null(options);
    assert_int_equal(blockdb_options_set(options, name, value, &err), 0);
    atomic_store(&f->opening, -1);
    atomic_store(&f->fail_after, -1);
    mem_set_fail_hook(fail_on_loop, f); /* before there are threads */
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_resp_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(blockdb_open(f->dir, options, BLOCKDB_OPEN_CREATE, &f->db, &err), 0);
    blockdb_options_free(options);
    assert_int_equal(loop_new(os_real(), 0, &f->loop, &err), 0);
    assert_int_equal(pool_new(&pool_options, &f->pool, &err), 0);
    assert_int_equal(
        dispatch_new(&(struct dispatch_options){.db = f->db, .pool = f->pool, .os = os_real()},
                     &f->dispatch),
        0);
    assert_int_equal(resp_worker_new(&(struct resp_worker_options){.loop = f->loop,
                                                                   .dispatch = f->dispatch,
                                                                   .os = os_real()},
                                     &worker),
                     0);
    assert_int_equal(conn_group_new(f->loop, NULL, &limits, &f->group), 0);
    assert_int_equal(loop_start(f->loop, &err), 0);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return fixture_open(state, "wal_sync_mode", "group");
}

static int setup_write_once(void **state)
{
    return fixture_open(state, "write_once", "true");
}

static int setup_always(void **state)
{
    return fixture_open(state, "wal_sync_mode", "always");
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    struct error err;

    f->open.run = on_abort; /* of connections that a failed test has left */
    loop_post(f->loop, &f->open);
    while (conn_group_count(f->group) > 0 || dispatch_pending(f->dispatch) > 0) {
        (void)poll(NULL, 0, 1);
    }
    pool_stop(f->pool);
    loop_stop(f->loop);
    conn_group_free(f->group);
    loop_free(f->loop);
    pool_free(f->pool);
    dispatch_free(f->dispatch);
    assert_int_equal(blockdb_close(f->db, &err), 0);
    mem_set_fail_hook(NULL, NULL);
    (void)snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* ---- Conversations ------------------------------------------------------------------------- */

struct exchange {
    const char *sent;
    const char *expected;
};

static const struct exchange conversation[] = {
    {"PING\r\n", "+PONG\r\n"},
    {"PING hello\r\n", "$5\r\nhello\r\n"},
    {"PING a b\r\n", "-ERR wrong number of arguments for 'ping' command\r\n"},
    {"ECHO \"\\x00\\r\\n\"\r\n", "$3\r\n\0\r\n\r\n"},
    {"SELECT 0\r\n", "+OK\r\n"},
    {"SELECT 1\r\n", "-ERR DB index is out of range: BlockDB has database 0 only\r\n"},
    {"SELECT x\r\n", "-ERR value is not an integer or out of range\r\n"},
    {"get a\r\n", "$-1\r\n"},
    {"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n", "+OK\r\n"},
    {"get a\r\n", "$2\r\n\r\n\r\n"},
    {"set a 1\r\nget a\r\nset a 2\r\nget a\r\n", "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n"},
    {"set a 3 NX\r\n", "$-1\r\n"},
    {"set a 3 xx get\r\n", "$1\r\n2\r\n"},
    {"set new 3 nx get\r\n", "$-1\r\n"},
    {"set a 4 nx get\r\n", "$1\r\n3\r\n"},
    {"set none 3 xx\r\n", "$-1\r\n"},
    {"set a 3 nx xx\r\n", "-ERR syntax error\r\n"},
    {"set a 3 what\r\n", "-ERR syntax error\r\n"},
    {"set a\r\n", "-ERR wrong number of arguments for 'set' command\r\n"},
    {"set \"\" 1\r\n", "-ERR the key is empty; a key has 1 to 4096 bytes\r\n"},
    {"setnx a 9\r\nsetnx nx 9\r\n", ":0\r\n:1\r\n"},
    {"getset a 5\r\ngetset fresh 1\r\n", "$1\r\n3\r\n$-1\r\n"},
    {"getdel fresh\r\ngetdel fresh\r\nget fresh\r\n", "$1\r\n1\r\n$-1\r\n$-1\r\n"},
    {"setnx fresh 2\r\nget fresh\r\n", ":1\r\n$1\r\n2\r\n"},
    {"mset x 1 y 2 z 3\r\n", "+OK\r\n"},
    {"mset x 1 y\r\n", "-ERR wrong number of arguments for 'mset' command\r\n"},
    {"mset x 1 \"\" 2\r\n", "-ERR a key has 1 to 4096 bytes\r\n"},
    {"mget x y none z x\r\n", "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n$1\r\n1\r\n"},
    {"msetnx u 1 x 2\r\nexists u\r\n", ":0\r\n:0\r\n"},
    {"msetnx u 1 v 2\r\nexists u v u\r\n", ":1\r\n:3\r\n"},
    {"msetnx u 1 v\r\n", "-ERR wrong number of arguments for 'msetnx' command\r\n"},
    {"del u u none v\r\nunlink u\r\n", ":2\r\n:0\r\n"},
    {"touch x u\r\n", ":1\r\n"},
    {"set s hello\r\nstrlen s\r\nstrlen none\r\n", "+OK\r\n:5\r\n:0\r\n"},
    {"getrange s 1 3\r\ngetrange s -3 -1\r\n", "$3\r\nell\r\n$3\r\nllo\r\n"},
    {"getrange s 3 1\r\ngetrange none 0 -1\r\n", "$0\r\n\r\n$0\r\n\r\n"},
    {"getrange s -100 99999999999999999\r\n", "$5\r\nhello\r\n"},
    {"getrange s a 1\r\n", "-ERR value is not an integer or out of range\r\n"},
    {"substr s 0 0\r\ntype s\r\ntype none\r\n", "$1\r\nh\r\n+string\r\n+none\r\n"},
    {"keys [xyz]\r\n", "*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n"},
    {"scan 0 match no* count 1000\r\n", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"scan 0 type list count 1000\r\n", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"scan 99999999\r\n", "-ERR invalid cursor\r\n"},
    {"scan x\r\n", "-ERR invalid cursor\r\n"},
    {"scan 0 match\r\n", "-ERR syntax error\r\n"},
    {"scan 0 count 0\r\n", "-ERR syntax error: COUNT is at least 1\r\n"},
    {"scan 0 what 1\r\n", "-ERR syntax error\r\n"},
    {"dbsize\r\n", ":8\r\n"},
    {"wait 1 0\r\nwaitaof 1 0 0\r\n", ":0\r\n*2\r\n:1\r\n:0\r\n"},
    {"waitaof 2 0 0\r\n", "-ERR value is not an integer or out of range\r\n"},
    {"wait x 0\r\n", "-ERR value is not an integer or out of range\r\n"},
    {"config get appendfsync\r\n", "*2\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n"},
    {"config get nothing\r\nconfig get\r\n",
     "*0\r\n-ERR CONFIG has one form: CONFIG GET pattern [pattern ...]\r\n"},
    {"config set a b\r\n",
     "-ERR the configuration is changed in its file, and read again on SIGHUP\r\n"},
    {"config get write_once\r\n", "*2\r\n$10\r\nwrite_once\r\n$5\r\nfalse\r\n"},
    {"command count x\r\n", ":43\r\n"},
    {"command getkeys mset a 1 b 2\r\n", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"command getkeys ping\r\n", "-ERR The command has no key arguments\r\n"},
    {"command info get nothing\r\n",
     "*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*-1\r\n"},
    {"command docs get none\r\n",
     "*2\r\n$3\r\nget\r\n*6\r\n$7\r\nsummary\r\n$27\r\nReturns the value of a key.\r\n$5\r\nsince"
     "\r\n$5\r\n0.1.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"},
    {"command list filterby pattern g*\r\n",
     "-ERR COMMAND LIST takes no filter here: it lists all\r\n"},
    {"command what\r\n",
     "-ERR unknown subcommand; COMMAND has COUNT, INFO, DOCS, LIST and GETKEYS\r\n"},
    {"client getname\r\nclient setname me\r\nclient getname\r\n", "$-1\r\n+OK\r\n$2\r\nme\r\n"},
    {"client setname \"a b\"\r\n", "-ERR Client names cannot contain spaces, newlines or special "
                                   "characters, and has at most 256 bytes\r\n"},
    {"client setinfo lib-name x\r\nclient setinfo lib-ver 1\r\n", "+OK\r\n+OK\r\n"},
    {"client setinfo lib x\r\n", "-ERR Unrecognized option: LIB-NAME and LIB-VER are known\r\n"},
    {"client no-evict on\r\nclient no-touch off\r\nclient reply on\r\n", "+OK\r\n+OK\r\n+OK\r\n"},
    {"client no-evict x\r\n", "-ERR syntax error\r\n"},
    {"client reply off\r\n", "-ERR CLIENT REPLY takes ON only: every command is answered\r\n"},
    {"client id x\r\n", "-ERR wrong number of arguments for 'client|id' command\r\n"},
    {"hello 4\r\n", "-NOPROTO unsupported protocol version\r\n"},
    {"hello x\r\n", "-ERR Protocol version is not an integer or out of range\r\n"},
    {"hello 2 what\r\n", "-ERR Syntax error in HELLO option\r\n"},
    {"auth x\r\n", "-ERR AUTH <password> called without any password configured for the default "
                   "user. Are you sure your configuration is correct?\r\n"},
    {"auth default x\r\nauth ann x\r\nauth a b c\r\n",
     "+OK\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n-ERR syntax "
     "error\r\n"},
    {"expire a 1\r\n", "-ERR unknown command 'expire': BlockDB is append-only: keys do not "
                       "expire\r\n"},
    {"blockdb.getat s seq 0\r\n", "$-1\r\n"},
    {"blockdb.getat s time 2000-01-01T00:00:00Z\r\n", "$-1\r\n"},
    {"blockdb.getat s time 99999999999999\r\n", "$5\r\nhello\r\n"},
    {"blockdb.getat s time x\r\n",
     "-ERR TIME takes milliseconds since 1970, or a time as 2026-01-31T12:00:00Z\r\n"},
    {"blockdb.getat s what 1\r\n", "-ERR syntax error at 'what' in blockdb.getat\r\n"},
    {"blockdb.history none\r\n", "*0\r\n"},
    {"blockdb.history s limit 0\r\n", "-ERR LIMIT is 1 to 10000; go on with BEFORE\r\n"},
    {"blockdb.history s limit\r\n", "-ERR syntax error at 'limit' in blockdb.history\r\n"},
    {"blockdb.proof key\r\n",
     "-ERR blockdb.proof takes KEY and a key, or SEQ and the number of an entry\r\n"},
    {"blockdb.proof what a\r\n", "-ERR syntax error at 'what' in blockdb.proof\r\n"},
    {"blockdb.proof key a what\r\n", "-ERR syntax error at 'what' in blockdb.proof\r\n"},
    {"blockdb.head x\r\n", "-ERR syntax error at 'x' in blockdb.head\r\n"},
    {"blockdb.verify sample 101\r\n", "-ERR SAMPLE is a whole percentage, 1 to 100\r\n"},
    {"blockdb.verify from\r\n", "-ERR syntax error at 'from' in blockdb.verify\r\n"},
    {"discard\r\nexec\r\n", "-ERR DISCARD without MULTI\r\n-ERR EXEC without MULTI\r\n"},
    {"multi\r\nset t 1\r\nget t\r\ndel t t\r\nget t\r\nset t 2 get\r\nmset p 1 q 2\r\nmget p t\r\n"
     "ping\r\nexec\r\n",
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED"
     "\r\n*8\r\n+OK\r\n$1\r\n1\r\n:1\r\n$-1\r\n$-1\r\n+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n+PONG"
     "\r\n"},
    {"multi\r\nmulti\r\nincr a\r\nexec\r\n",
     "+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR unknown command 'incr': BlockDB is "
     "append-only: values are replaced by new versions as a whole and not changed in part; read "
     "the value and SET the new one, with WATCH, MULTI and EXEC where others write, too\r\n"
     "-EXECABORT Transaction discarded because of previous errors.\r\n"},
    {"multi\r\nscan 0\r\ndiscard\r\n",
     "+OK\r\n-ERR scan is not possible between MULTI and EXEC\r\n+OK\r\n"},
    {"multi\r\nexec\r\n", "+OK\r\n*0\r\n"},
    {"watch a none\r\nmulti\r\nset w 1\r\nexec\r\n", "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"},
    {"watch a a\r\nset a 7\r\nmulti\r\nset w 2\r\nexec\r\nget w\r\n",
     "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n$1\r\n1\r\n"},
    {"watch a\r\nset a 8\r\nunwatch\r\nmulti\r\nset w 3\r\nexec\r\n",
     "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"},
    {"multi\r\nset \"\" 1\r\nset w 4\r\nexec\r\nget w\r\n",
     "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-ERR the key is empty; a key has 1 to 4096 "
     "bytes\r\n+OK\r\n"
     "$1\r\n4\r\n"},
    {"multi\r\nreset\r\nexec\r\n", "+OK\r\n+RESET\r\n-ERR EXEC without MULTI\r\n"},
    {"\r\n*0\r\nPING\r\n", "+PONG\r\n"},
};

#define CONVERSATION_COUNT (sizeof(conversation) / sizeof(conversation[0]))

/* The length of what is expected, which may hold zeros. */
static size_t expected_len(const struct exchange *e)
{
    return strncmp(e->sent, "ECHO", 4) == 0 ? 9 : strlen(e->expected);
}

static void converse(struct fixture *f, size_t piece)
{
    int fd = client_new(f);
    char got[1024];

    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        const struct exchange *e = &conversation[i];
        size_t sent_len = strlen(e->sent);
        size_t len = expected_len(e);

        for (size_t at = 0; at < sent_len; at += piece) {
            client_send(fd, e->sent + at, piece < sent_len - at ? piece : sent_len - at);
        }
        memset(got, 0, sizeof(got));
        assert_int_equal(client_read(fd, got, len), len);
        if (memcmp(got, e->expected, len) != 0) {
            print_error("sent: %s", e->sent);
            assert_string_equal(got, e->expected);
        }
    }
    talk(fd, "quit\r\nping\r\n", "+OK\r\n");
    client_expect_end(fd);
}

static void test_conversation(void **state)
{
    converse(*state, SIZE_MAX);
}

static void test_conversation_in_pieces(void **state)
{
    converse(*state, 1);
}

/* All at once: order and reading one's own writes must hold. */
static void test_conversation_as_one_pipeline(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf sent = {0};
    AUTO(buf_deinit) struct buf expected = {0};
    char *got;
    int fd = client_new(f);

    for (size_t i = 0; i < CONVERSATION_COUNT; i++) {
        assert_int_equal(buf_append(&sent, conversation[i].sent, strlen(conversation[i].sent)), 0);
        assert_int_equal(
            buf_append(&expected, conversation[i].expected, expected_len(&conversation[i])), 0);
    }
    client_send(fd, (const char *)sent.data, sent.len);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    got = calloc(1, expected.len + 1);
    assert_non_null(got);
    assert_int_equal(client_read(fd, got, expected.len), expected.len);
    assert_memory_equal(got, expected.data, expected.len);
    free(got);
    client_expect_end(fd);
}

static void test_resp3(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);

    client_send(fd, "hello 3 setname me\r\n", 20);
    client_expect(fd, "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\n"
                      "proto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\n"
                      "role\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
    talk(fd, "get none\r\nclient getname\r\n", "_\r\n$2\r\nme\r\n");
    talk(fd, "config get databases\r\n", "%1\r\n$9\r\ndatabases\r\n$1\r\n1\r\n");
    talk(fd, "set h 1\r\nblockdb.history h novalues\r\n",
         "+OK\r\n*1\r\n%3\r\n$3\r\nseq\r\n:0\r\n$7\r\ntime_ms\r\n:");
    (void)close(fd);
}

static void test_refused_bytes_close(void **state)
{
    static const struct exchange cases[] = {
        {"set a 1\r\n*1\r\n$99999999\r\n",
         "+OK\r\n-ERR Protocol error: invalid bulk length: a value has at most 16777216 bytes\r\n"},
        {"ping\r\nset \"a\r\nping\r\n",
         "+PONG\r\n-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"POST / HTTP/1.1\r\nHost: x\r\n\r\nset a evil\r\n", ""},
        {"ping\r\nHost: a\r\n", ""},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = client_new(f);

        talk(fd, cases[i].sent, cases[i].expected);
        client_expect_end(fd);
    }
}

/* Large values in both directions, and more output than a socket takes at once. */
static void test_large_values(void **state)
{
    struct fixture *f = *state;
    size_t len = (size_t)3 << 20;
    char *value = malloc(len + 2);
    char *got = malloc(len);
    char head[64];
    int fd = client_new(f);

    assert_non_null(value);
    assert_non_null(got);
    memset(value, 'v', len);
    memcpy(value + len, "\r\n", 2);
    (void)snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", len);
    client_send(fd, head, strlen(head));
    client_send(fd, value, len + 2);
    client_expect(fd, "+OK\r\n");
    client_send(fd, "get k\r\nget k\r\nmget k k\r\nping\r\n", 30);
    (void)snprintf(head, sizeof(head), "$%zu\r\n", len);
    for (int i = 0; i < 4; i++) {
        if (i == 2) {
            client_expect(fd, "*2\r\n");
        }
        client_expect(fd, head);
        assert_int_equal(client_read(fd, got, len), len);
        assert_memory_equal(got, value, len);
        client_expect(fd, "\r\n");
    }
    client_expect(fd, "+PONG\r\n");
    (void)close(fd);
    free(value);
    free(got);
}

/* A pipeline much longer than what may be in flight, from several clients at once. */
static void test_long_pipelines(void **state)
{
    struct fixture *f = *state;
    AUTO(buf_deinit) struct buf sent = {0};
    AUTO(buf_deinit) struct buf expected = {0};
    int fds[CLIENTS];
    unsigned count = test_rounds(3000, 100000);

    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(buf_appendf(&sent, "set k%u %u\r\n", i % 100, i), 0);
        assert_int_equal(buf_appendf(&expected, "+OK\r\n"), 0);
    }
    assert_int_equal(buf_appendf(&sent, "mset m 1 n 2\r\nget m\r\n"), 0);
    assert_int_equal(buf_appendf(&expected, "+OK\r\n$1\r\n1\r\n%c", 0), 0);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_new(f);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_send(fds[i], (const char *)sent.data, sent.len);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_expect(fds[i], (const char *)expected.data);
        (void)close(fds[i]);
    }
    assert_int_equal(blockdb_seq_count(f->db) >= (count + 2) * CLIENTS, 1);
}

/* SETNX and WATCH ... EXEC of many clients at once: exactly one wins each round. */
static void test_races(void **state)
{
    struct fixture *f = *state;
    int fds[CLIENTS];
    char got[CLIENTS][5];

    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_new(f);
    }
    for (int round = 0; round < 20; round++) {
        char text[64];
        int winners = 0;

        (void)snprintf(text, sizeof(text), "setnx lock%d x\r\n", round);
        for (int i = 0; i < CLIENTS; i++) {
            client_send(fds[i], text, strlen(text));
        }
        for (int i = 0; i < CLIENTS; i++) {
            assert_int_equal(client_read(fds[i], got[i], 4), 4);
            winners += got[i][1] == '1';
        }
        assert_int_equal(winners, 1);
        for (int i = 0; i < CLIENTS; i++) {
            talk(fds[i], "watch c\r\nmulti\r\nset c 1\r\n", "+OK\r\n+OK\r\n+QUEUED\r\n");
        }
        for (int i = 0; i < CLIENTS; i++) {
            client_send(fds[i], "exec\r\n", 6);
        }
        winners = 0;
        for (int i = 0; i < CLIENTS; i++) {
            assert_int_equal(client_read(fds[i], got[i], 4), 4);
            winners += got[i][1] == '1';
            client_expect(fds[i], got[i][1] == '1' ? "+OK\r\n" : "\n");
        }
        assert_int_equal(winners, 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
}

/* The line that comes next, without its end. */
static void client_line(int fd, char *out, size_t cap)
{
    size_t at = 0;

    do {
        assert_true(at + 1 < cap);
        assert_int_equal(client_read(fd, out + at, 1), 1);
        at++;
    } while (out[at - 1] != '\n');
    out[at - 2] = '\0';
}

/* GETSET of many clients at once: each value is replaced, and told, exactly once. */
static void test_read_modify_write_loses_nothing(void **state)
{
    struct fixture *f = *state;
    unsigned told[10 * CLIENTS + 1] = {0};
    char line[64];
    int fds[CLIENTS];

    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_new(f);
    }
    talk(fds[0], "set chain 0\r\n", "+OK\r\n");
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            (void)snprintf(line, sizeof(line), "getset chain %d\r\n", round * CLIENTS + i + 1);
            client_send(fds[i], line, strlen(line));
        }
        for (int i = 0; i < CLIENTS; i++) {
            client_line(fds[i], line, sizeof(line));
            assert_int_equal(line[0], '$');
            client_line(fds[i], line, sizeof(line));
            told[atoi(line)]++;
        }
    }
    talk(fds[0], "get chain\r\n", "$");
    client_line(fds[0], line, sizeof(line));
    client_line(fds[0], line, sizeof(line));
    told[atoi(line)]++;
    for (int i = 0; i <= 10 * CLIENTS; i++) {
        assert_int_equal(told[i], 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
}

/* Clients that leave in the middle of everything. */
static void test_clients_that_go_away(void **state)
{
    static const char *const last_words[] = {
        "set a 1\r\nset b 2\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\n",
        "multi\r\nset a 1\r\n",
        "watch a\r\nmulti\r\nset a 1\r\nexec\r\n",
        "keys *\r\n",
        "getset a 1\r\n",
        "del a b\r\n",
        "blockdb.verify\r\n",
        "set a 1\r\nget a\r\nset a 2\r\nget a\r\n",
        "quit\r\n",
    };
    struct fixture *f = *state;
    const struct linger hard = {.l_onoff = 1};

    for (unsigned round = 0; round < 10; round++) {
        for (size_t i = 0; i < sizeof(last_words) / sizeof(last_words[0]); i++) {
            int fd = client_new(f);

            client_send(fd, last_words[i], strlen(last_words[i]));
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
            (void)close(fd);
        }
    }
}

static void test_half_closed(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);

    client_send(fd, "set a 1\r\nset b 2\r\n", 18);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    client_expect(fd, "+OK\r\n+OK\r\n");
    client_expect_end(fd);
    fd = client_new(f);
    client_send(fd, "set a 1\r\nget a\r\nkeys a\r\n", 24);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    client_expect(fd, "+OK\r\n$1\r\n1\r\n*1\r\n$1\r\na\r\n");
    client_expect_end(fd);
}

static void test_scan_walks_all(void **state)
{
    struct fixture *f = *state;
    unsigned long long cursor = 0;
    unsigned seen = 0;
    int fd = client_new(f);

    for (int i = 0; i < 57; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "set key:%02d x\r\n", i);
        talk(fd, text, "+OK\r\n");
    }
    do {
        char text[64];
        char got[4096] = {0};
        size_t at = 0;

        (void)snprintf(text, sizeof(text), "scan %llu match key:* count 10\r\necho end\r\n",
                       cursor);
        client_send(fd, text, strlen(text));
        while (strstr(got, "$3\r\nend\r\n") == NULL) {
            at += client_read(fd, got + at, 1);
        }
        assert_int_equal(sscanf(got, "*2\r\n$%*u\r\n%llu", &cursor), 1);
        for (const char *p = got; (p = strstr(p, "key:")) != NULL; p++) {
            seen++;
        }
        talk(fd, "set key:99 later\r\ndel key:99\r\n", "+OK\r\n:1\r\n");
    } while (cursor != 0);
    assert_int_equal(seen, 57);
    (void)close(fd);
}

static void test_write_once(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);
    char got[8] = {0};

    talk(fd, "set a 1\r\nset b 2\r\nget a\r\n", "+OK\r\n+OK\r\n$1\r\n1\r\n");
    client_send(fd, "set a 2\r\n", 9);
    assert_int_equal(client_read(fd, got, 4), 4);
    assert_string_equal(got, "-ERR");
    (void)close(fd);
}

static void test_always(void **state)
{
    struct fixture *f = *state;
    int fd = client_new(f);

    talk(fd, "set a 1\r\nset a 2\r\nmset a 3 b 4\r\nget a\r\n", "+OK\r\n+OK\r\n+OK\r\n$1\r\n3\r\n");
    (void)close(fd);
}

/* ---- Short memory -------------------------------------------------------------------------- */

/* The n-th allocation of the loop fails: an error or a closed connection, no damage, and the next
 * client is served. */
static void test_memory(void **state)
{
    static const char text[] =
        "set a 1\r\nget a\r\nset a 2 get\r\nmget a b\r\nwatch a\r\nmulti\r\nset b \"x y\"\r\nget b"
        "\r\nexec\r\nclient setname me\r\nkeys *\r\nmset c 1 d 2 e 3 f 4 g 5\r\nquit\r\n";
    struct fixture *f = *state;

    for (int n = 0; n < 200; n++) {
        char got[512];
        int fd;

        atomic_store(&f->fail_after, n);
        fd = client_new(f);
        (void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL); /* it may be closed already */
        while (client_read(fd, got, sizeof(got)) == sizeof(got)) {
        }
        (void)close(fd);
        if (atomic_exchange(&f->fail_after, -1) >= 0) {
            break; /* nothing failed any more */
        }
    }
    atomic_store(&f->fail_after, -1);
    {
        int fd = client_new(f);

        talk(fd, "set a 9\r\nget a\r\n", "+OK\r\n$1\r\n9\r\n");
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_conversation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conversation_as_one_pipeline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resp3, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_bytes_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_pipelines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_races, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_modify_write_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clients_that_go_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_walks_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_once, setup_write_once, teardown),
        cmocka_unit_test_setup_teardown(test_always, setup_always, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
