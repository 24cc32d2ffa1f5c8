/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LevelDB under test, through its C interface, with its defaults.
 */
#include "base/mem.h"
#include "bin/bench/bench_engine.h"

#include <leveldb/c.h>

#define PAGE_BYTES 4096

struct database {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter; /* NULL: none */
};

struct session {
    leveldb_t *db;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
    leveldb_writebatch_t *batch;
    char *value; /* the last one read */
};

/* Turns a message of LevelDB, which it frees, into an error; NULL is success. */
static int outcome(char *message, const char *what, struct error *err)
{
    int rc;

    if (message == NULL) {
        return BLOCKDB_OK;
    }
    rc = error_set(err, BLOCKDB_EIO, "LevelDB cannot %s: %s", what, message);
    leveldb_free(message);
    return rc;
}

static int compression_of(const char *name, int *out, struct error *err)
{
    if (strcmp(name, "none") == 0 || strcmp(name, "snappy") == 0) {
        *out = name[0] == 'n' ? leveldb_no_compression : leveldb_snappy_compression;
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EUNSUPPORTED,
                     "LevelDB has no compression '%s'; use --compression snappy or none, or leave "
                     "it out with --engines",
                     name);
}

static void make_options(struct database *d, const struct bench_setup *setup, int compression)
{
    d->options = leveldb_options_create();
    d->cache = leveldb_cache_create_lru(setup->cache_bytes);
    leveldb_options_set_cache(d->options, d->cache);
    leveldb_options_set_block_size(d->options, PAGE_BYTES);
    if (setup->bloom_bits > 0) {
        d->filter = leveldb_filterpolicy_create_bloom((int)setup->bloom_bits);
        leveldb_options_set_filter_policy(d->options, d->filter);
    }
    leveldb_options_set_create_if_missing(d->options, 1);
    leveldb_options_set_write_buffer_size(d->options, setup->write_buffer_bytes);
    leveldb_options_set_compression(d->options, compression);
}

static int engine_close(void *db, struct error *err)
{
    struct database *d = db;

    (void)err; /* closing tells nothing */
    if (d->db != NULL) {
        leveldb_close(d->db);
    }
    leveldb_options_destroy(d->options);
    leveldb_cache_destroy(d->cache);
    if (d->filter != NULL) {
        leveldb_filterpolicy_destroy(d->filter);
    }
    mem_free(d);
    return BLOCKDB_OK;
}

static int engine_open(const struct bench_setup *setup, void **out_db, struct error *err)
{
    struct database *d;
    char *message = NULL;
    int compression = 0;
    int rc = compression_of(setup->compression, &compression, err);

    if (rc < 0) {
        return rc;
    }
    d = mem_calloc(1, sizeof(*d));
    if (d == NULL) {
        return error_set_no_memory(err);
    }
    make_options(d, setup, compression);
    d->db = leveldb_open(d->options, setup->dir, &message);
    rc = outcome(message, "open a database", err);
    if (rc < 0) {
        IGNORE_RESULT(engine_close(d, NULL)); /* it cannot fail */
        return rc;
    }
    *out_db = d;
    return BLOCKDB_OK;
}

static int session_new(void *db, void **out_session, struct error *err)
{
    struct session *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->db = ((struct database *)db)->db;
    s->read = leveldb_readoptions_create();
    s->write = leveldb_writeoptions_create();
    s->batch = leveldb_writebatch_create();
    *out_session = s;
    return BLOCKDB_OK;
}

static void drop_value(struct session *s)
{
    if (s->value != NULL) {
        leveldb_free(s->value);
        s->value = NULL;
    }
}

static void session_free(void *session)
{
    struct session *s = session;

    drop_value(s);
    leveldb_readoptions_destroy(s->read);
    leveldb_writeoptions_destroy(s->write);
    leveldb_writebatch_destroy(s->batch);
    mem_free(s);
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    char *message = NULL;

    leveldb_writeoptions_set_sync(s->write, bench_is_synced(durability));
    leveldb_put(s->db, s->write, (const char *)pair->key.data, pair->key.len,
                (const char *)pair->value.data, pair->value.len, &message);
    return outcome(message, "put", err);
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    char *message = NULL;
    size_t i;

    leveldb_writebatch_clear(s->batch);
    for (i = 0; i < count; i++) {
        leveldb_writebatch_put(s->batch, (const char *)pairs[i].key.data, pairs[i].key.len,
                               (const char *)pairs[i].value.data, pairs[i].value.len);
    }
    leveldb_writeoptions_set_sync(s->write, bench_is_synced(durability));
    leveldb_write(s->db, s->write, s->batch, &message);
    return outcome(message, "write a batch", err);
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    struct session *s = session;
    char *message = NULL;
    size_t len;

    drop_value(s);
    s->value = leveldb_get(s->db, s->read, (const char *)key.data, key.len, &len, &message);
    if (message != NULL) {
        return outcome(message, "get", err);
    }
    if (s->value == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    *out_value = slice_of(s->value, len);
    return BLOCKDB_OK;
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    leveldb_iterator_t *iter = leveldb_create_iterator(s->db, s->read);
    char *message = NULL;
    int rc = BLOCKDB_OK;

    leveldb_iter_seek(iter, (const char *)start.data, start.len);
    while (rc == 0 && count-- > 0 && leveldb_iter_valid(iter)) {
        size_t key_len;
        size_t value_len;
        const char *key = leveldb_iter_key(iter, &key_len);
        const char *value = leveldb_iter_value(iter, &value_len);

        rc = visit(arg, slice_of(key, key_len), slice_of(value, value_len));
        leveldb_iter_next(iter);
    }
    leveldb_iter_get_error(iter, &message);
    leveldb_iter_destroy(iter);
    return message != NULL ? outcome(message, "scan", err) : rc;
}

const struct bench_engine bench_engine_leveldb = {
    .name = "leveldb",
    .title = "LevelDB",
    .is_peer = true,
    .open = engine_open,
    .close = engine_close,
    .session_new = session_new,
    .session_free = session_free,
    .put = put,
    .put_many = put_many,
    .get = get,
    .scan = scan,
};
