/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB under test, through its C interface. Two background threads, else its defaults.
 */
#include "base/mem.h"
#include "bin/bench/bench_engine.h"

#include <rocksdb/c.h>

#define PAGE_BYTES 4096
#define BACKGROUND_JOBS 2

struct database {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *tables;
    rocksdb_cache_t *cache;
};

struct session {
    rocksdb_t *db;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t *batch;
    rocksdb_pinnableslice_t *value; /* the last one read */
};

/* Turns a message of RocksDB, which it frees, into an error; NULL is success. */
static int outcome(char *message, const char *what, struct error *err)
{
    int rc;

    if (message == NULL) {
        return BLOCKDB_OK;
    }
    rc = error_set(err, BLOCKDB_EIO, "RocksDB cannot %s: %s", what, message);
    rocksdb_free(message);
    return rc;
}

static int compression_of(const char *name, int *out, struct error *err)
{
    static const struct {
        const char *name;
        int value;
    } known[] = {
        {"none", rocksdb_no_compression},
        {"snappy", rocksdb_snappy_compression},
        {"lz4", rocksdb_lz4_compression},
        {"zstd", rocksdb_zstd_compression},
    };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].value;
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EUNSUPPORTED, "RocksDB has no compression '%s'", name);
}

static void make_options(struct database *d, const struct bench_setup *setup, int compression)
{
    d->options = rocksdb_options_create();
    d->tables = rocksdb_block_based_options_create();
    d->cache = rocksdb_cache_create_lru(setup->cache_bytes);
    rocksdb_block_based_options_set_block_size(d->tables, PAGE_BYTES);
    rocksdb_block_based_options_set_block_cache(d->tables, d->cache);
    if (setup->bloom_bits > 0) {
        rocksdb_block_based_options_set_filter_policy(
            d->tables, rocksdb_filterpolicy_create_bloom_full(setup->bloom_bits));
    }
    rocksdb_options_set_block_based_table_factory(d->options, d->tables);
    rocksdb_options_set_create_if_missing(d->options, 1);
    rocksdb_options_set_write_buffer_size(d->options, setup->write_buffer_bytes);
    rocksdb_options_set_max_background_jobs(d->options, BACKGROUND_JOBS);
    rocksdb_options_set_compression(d->options, compression);
}

static int engine_close(void *db, struct error *err)
{
    struct database *d = db;

    (void)err; /* closing tells nothing */
    if (d->db != NULL) {
        rocksdb_close(d->db);
    }
    rocksdb_options_destroy(d->options);
    rocksdb_block_based_options_destroy(d->tables);
    rocksdb_cache_destroy(d->cache);
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
    d->db = rocksdb_open(d->options, setup->dir, &message);
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
    s->read = rocksdb_readoptions_create();
    s->write = rocksdb_writeoptions_create();
    s->batch = rocksdb_writebatch_create();
    *out_session = s;
    return BLOCKDB_OK;
}

static void drop_value(struct session *s)
{
    if (s->value != NULL) {
        rocksdb_pinnableslice_destroy(s->value);
        s->value = NULL;
    }
}

static void session_free(void *session)
{
    struct session *s = session;

    drop_value(s);
    rocksdb_readoptions_destroy(s->read);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_writebatch_destroy(s->batch);
    mem_free(s);
}

static int put(void *session, const struct bench_pair *pair, enum blockdb_durability durability,
               struct error *err)
{
    struct session *s = session;
    char *message = NULL;

    rocksdb_writeoptions_set_sync(s->write, bench_is_synced(durability));
    rocksdb_put(s->db, s->write, (const char *)pair->key.data, pair->key.len,
                (const char *)pair->value.data, pair->value.len, &message);
    return outcome(message, "put", err);
}

static int put_many(void *session, const struct bench_pair *pairs, size_t count,
                    enum blockdb_durability durability, struct error *err)
{
    struct session *s = session;
    char *message = NULL;
    size_t i;

    rocksdb_writebatch_clear(s->batch);
    for (i = 0; i < count; i++) {
        rocksdb_writebatch_put(s->batch, (const char *)pairs[i].key.data, pairs[i].key.len,
                               (const char *)pairs[i].value.data, pairs[i].value.len);
    }
    rocksdb_writeoptions_set_sync(s->write, bench_is_synced(durability));
    rocksdb_write(s->db, s->write, s->batch, &message);
    return outcome(message, "write a batch", err);
}

static int get(void *session, struct slice key, struct slice *out_value, struct error *err)
{
    struct session *s = session;
    char *message = NULL;
    const char *data;
    size_t len;

    drop_value(s);
    s->value = rocksdb_get_pinned(s->db, s->read, (const char *)key.data, key.len, &message);
    if (message != NULL) {
        return outcome(message, "get", err);
    }
    if (s->value == NULL) {
        return BLOCKDB_ENOTFOUND;
    }
    data = rocksdb_pinnableslice_value(s->value, &len);
    *out_value = slice_of(data, len);
    return BLOCKDB_OK;
}

static int scan(void *session, struct slice start, size_t count, bench_visit_fn visit, void *arg,
                struct error *err)
{
    struct session *s = session;
    rocksdb_iterator_t *iter = rocksdb_create_iterator(s->db, s->read);
    char *message = NULL;
    int rc = BLOCKDB_OK;

    rocksdb_iter_seek(iter, (const char *)start.data, start.len);
    while (rc == 0 && count-- > 0 && rocksdb_iter_valid(iter)) {
        size_t key_len;
        size_t value_len;
        const char *key = rocksdb_iter_key(iter, &key_len);
        const char *value = rocksdb_iter_value(iter, &value_len);

        rc = visit(arg, slice_of(key, key_len), slice_of(value, value_len));
        rocksdb_iter_next(iter);
    }
    rocksdb_iter_get_error(iter, &message);
    rocksdb_iter_destroy(iter);
    return message != NULL ? outcome(message, "scan", err) : rc;
}

const struct bench_engine bench_engine_rocksdb = {
    .name = "rocksdb",
    .title = "RocksDB",
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
