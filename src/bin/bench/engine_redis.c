/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server under test by the Redis protocol; each session has a connection. It works with a server
 * of Redis, too.
 */
#include "base/mem.h"
#include "base/text.h"
#include "bin/bench/redis_link.h"
#include "bin/bench/remote.h"
#include "client/url.h"
#include "crypto/secret.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>

#define TOKEN_BYTES 1024

struct opened {
    struct remote remote;
    struct url url;
    char token[TOKEN_BYTES]; /* empty: none */
};

struct session {
    struct opened *opened;
    struct redis_link link;
    struct remote_key key;
};

static struct slice word(const char *text)
{
    return slice_of_text(text);
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int read_token(struct opened *o, struct error *err)
{
    FILE *f = fopen(o->remote.token_file, "re");
    bool has_line;

    if (f == NULL) {
        return error_set_errno(err, errno, "cannot read '%s'", o->remote.token_file);
    }
    has_line = fgets(o->token, sizeof(o->token), f) != NULL;
    (void)fclose(f);
    o->token[strcspn(o->token, "\r\n")] = '\0';
    return has_line && o->token[0] != '\0'
               ? BLOCKDB_OK
               : error_set(err, BLOCKDB_EINVAL, "'%s' holds no token", o->remote.token_file);
}

static int opened_init(struct opened *o, const struct bench_setup *setup, struct error *err)
{
    int rc = remote_open(&o->remote, setup, true, err);

    if (rc == BLOCKDB_OK) {
        rc = url_parse(slice_of_text(o->remote.url), &o->url, err);
        rc = rc < 0 ? error_wrap(err, rc, "--redis") : rc;
    }
    if (rc == BLOCKDB_OK && setup->redis == NULL && o->remote.server.redis_port == 0) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "the server does not speak the Redis protocol: leave out --set resp_port");
    }
    if (rc == BLOCKDB_OK && o->remote.token_file != NULL) {
        rc = read_token(o, err);
    }
    return rc;
}

static int engine_close(void *db, struct error *err)
{
    struct opened *o = db;
    int rc = remote_close(&o->remote, err);

    secret_wipe(o->token, sizeof(o->token));
    mem_free(o);
    return rc;
}

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    struct opened *o = mem_calloc(1, sizeof(*o));
    struct error ignored; /* the first failure is told */
    int rc;

    if (o == NULL) {
        return error_set_no_memory(err);
    }
    rc = opened_init(o, setup, err);
    if (rc < 0) {
        IGNORE_RESULT(engine_close(o, &ignored));
        return rc;
    }
    *out_db = o;
    return BLOCKDB_OK;
}

static int64_t process(void *db)
{
    return remote_process(&((struct opened *)db)->remote);
}

/* ---- Commands ------------------------------------------------------------------------------ */

static int refused(const struct redis_reply *reply, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];

    text_show(shown, reply->text);
    return error_set(err, BLOCKDB_EIO, "the server answered: %s", shown);
}

/* Takes a reply that must be of some kind. */
static int expect(struct session *s, enum redis_kind kind, struct redis_reply *out,
                  struct error *err)
{
    int rc = redis_link_reply(&s->link, out, err);

    if (rc < 0 || out->kind == kind) {
        return rc;
    }
    if (out->kind == REDIS_ERROR) {
        return refused(out, err);
    }
    return error_set(err, BLOCKDB_EIO, "the server gave a reply of another kind than expected");
}

/* Sends what was collected, unless that ran out of memory. */
static int flush(struct session *s, int rc, struct error *err)
{
    return rc < 0 ? error_set_no_memory(err) : redis_link_send(&s->link, err);
}

static int expect_ok(struct session *s, struct error *err)
{
    struct redis_reply reply;

    return expect(s, REDIS_TEXT, &reply, err);
}

static void session_free(void *session)
{
    struct session *s = session;

    redis_link_close(&s->link);
    mem_free(s);
}

static int authenticate(struct session *s, struct error *err)
{
    struct slice words[] = {word("AUTH"), word(s->opened->token)};
    int rc;

    if (s->opened->token[0] == '\0') {
        return BLOCKDB_OK;
    }
    rc = flush(s, redis_link_words(&s->link, words, 2), err);
    return rc < 0 ? rc : expect_ok(s, err);
}

static int session_new(void *db, void **out_session, struct error *err)
{
    struct session *s = mem_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->opened = db;
    rc = redis_link_open(&s->link, &s->opened->url, err);
    if (rc == BLOCKDB_OK) {
        rc = authenticate(s, err);
    }
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    *out_session = s;
    return BLOCKDB_OK;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* The protocol has no durability of its own: the server decides. */
static int check_durability(const struct session *s, enum blockdb_durability durability,
                            struct error *err)
{
    if (bench_is_synced(durability) && s->opened->remote.is_unsynced) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "the Redis protocol cannot ask for a sync, and this server was started "
                         "with an unsynced --durability: give group or always");
    }
    return BLOCKDB_OK;
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    struct slice words[] = {word("SET"), remote_key_of(&s->opened->remote, pair->key, &s->key),
                            pair->value};
    int rc = check_durability(s, durability, err);

    if (rc == BLOCKDB_OK) {
        rc = flush(s, redis_link_words(&s->link, words, 3), err);
    }
    return rc < 0 ? rc : expect_ok(s, err);
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    size_t i;
    int rc = check_durability(s, durability, err);

    if (rc < 0) {
        return rc;
    }
    rc = redis_link_command(&s->link, 1 + 2 * count);
    if (rc == BLOCKDB_OK) {
        rc = redis_link_word(&s->link, word("MSET"));
    }
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = redis_link_word(&s->link, remote_key_of(&s->opened->remote, pairs[i].key, &s->key));
        if (rc == BLOCKDB_OK) {
            rc = redis_link_word(&s->link, pairs[i].value);
        }
    }
    rc = flush(s, rc, err);
    return rc < 0 ? rc : expect_ok(s, err);
}

static int put_each(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    size_t i;
    int rc = check_durability(s, durability, err);

    if (rc < 0) {
        return rc;
    }
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        struct slice words[] = {
            word("SET"), remote_key_of(&s->opened->remote, pairs[i].key, &s->key), pairs[i].value};

        rc = redis_link_words(&s->link, words, 3);
    }
    rc = flush(s, rc, err);
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        rc = expect_ok(s, err);
    }
    return rc;
}

/* MULTI, SET, EXEC behind the WATCH of get_to_change. */
static int put_changed(void *session, const struct bench_pair *pair,
                       enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    struct slice begin = word("MULTI");
    struct slice end = word("EXEC");
    struct slice set[] = {word("SET"), remote_key_of(&s->opened->remote, pair->key, &s->key),
                          pair->value};
    struct redis_reply reply;
    int rc = check_durability(s, durability, err);

    if (rc < 0) {
        return rc;
    }
    rc = redis_link_words(&s->link, &begin, 1);
    if (rc == BLOCKDB_OK) {
        rc = redis_link_words(&s->link, set, 3);
    }
    if (rc == BLOCKDB_OK) {
        rc = redis_link_words(&s->link, &end, 1);
    }
    rc = flush(s, rc, err);
    if (rc == BLOCKDB_OK) {
        rc = expect_ok(s, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = expect_ok(s, err); /* QUEUED */
    }
    if (rc == BLOCKDB_OK) {
        rc = redis_link_reply(&s->link, &reply, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (reply.kind == REDIS_NULL) {
        return BLOCKDB_ECONFLICT;
    }
    return reply.kind == REDIS_ARRAY && reply.number == 1 ? expect_ok(s, err)
                                                          : refused(&reply, err);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int take_value(struct session *s, struct slice *out_value, struct error *err)
{
    struct redis_reply reply;
    int rc = redis_link_reply(&s->link, &reply, err);

    if (rc < 0) {
        return rc;
    }
    if (reply.kind == REDIS_NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    if (reply.kind != REDIS_BULK) {
        return refused(&reply, err);
    }
    *out_value = reply.text;
    return BLOCKDB_OK;
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    struct session *s = session;
    struct slice words[] = {word("GET"), remote_key_of(&s->opened->remote, key, &s->key)};
    int rc = flush(s, redis_link_words(&s->link, words, 2), err);

    return rc < 0 ? rc : take_value(s, out_value, err);
}

static int get_each(void *session, const struct bench_pair *pairs, size_t count,
                    bench_answer_fn answer, void *arg, struct error *err)
{
    struct session *s = session;
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        struct slice words[] = {word("GET"),
                                remote_key_of(&s->opened->remote, pairs[i].key, &s->key)};

        rc = redis_link_words(&s->link, words, 2);
    }
    rc = flush(s, rc, err);
    for (i = 0; rc == BLOCKDB_OK && i < count; i++) {
        struct slice value = {0};
        int status = take_value(s, &value, err);

        rc = answer(arg, status, value, err);
    }
    return rc;
}

static int get_to_change(void *session, struct slice key, struct slice *out_value,
                         struct error *err)
{
    struct session *s = session;
    struct slice words[] = {word("WATCH"), remote_key_of(&s->opened->remote, key, &s->key)};
    int rc = redis_link_words(&s->link, words, 2);

    words[0] = word("GET");
    if (rc == BLOCKDB_OK) {
        rc = redis_link_words(&s->link, words, 2);
    }
    rc = flush(s, rc, err);
    if (rc == BLOCKDB_OK) {
        rc = expect_ok(s, err);
    }
    return rc < 0 ? rc : take_value(s, out_value, err);
}

const struct bench_engine bench_engine_redis = {
    .name = "redis",
    .title = "Redis protocol",
    .is_remote = true,
    .open = engine_open,
    .close = engine_close,
    .process = process,
    .session_new = session_new,
    .session_free = session_free,
    .put = put,
    .put_many = put_many,
    .put_each = put_each,
    .get_each = get_each,
    .get_to_change = get_to_change,
    .put_changed = put_changed,
    .get = get,
};
