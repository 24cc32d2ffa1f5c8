/* SPDX-License-Identifier: Apache-2.0 */
/* Values larger than a request, in chunks under keys of their own: docs/format/chunks.md. */
#include "base/base64.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/client_priv.h"
#include "crypto/sha256.h"

#include <inttypes.h>
#include <string.h>

#define CHUNKS_VERSION 1
#define CHUNKS_MAX 262144
#define CHUNK_ID_LEN 16
#define CHUNK_ID_TEXT (2 * CHUNK_ID_LEN + 1)
#define CHUNK_KEY_EXTRA 50                 /* what is behind the user's key in a chunk's */
#define CHUNK_BYTES_MAX ((size_t)11 << 20) /* leaves room for base64 in a request of 16 MiB */

struct manifest {
    uint64_t size;
    uint64_t chunk_size;
    uint64_t version;
    char id[CHUNK_ID_TEXT];
    struct buf hashes;
};

static void manifest_deinit(struct manifest *m)
{
    buf_deinit(&m->hashes);
}

static int chunk_key(struct buf *out, struct slice key, const char *id, uint64_t index)
{
    buf_reset(out);
    if (buf_append_slice(out, key) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_appendf(out, "/.chunks/%s/%08" PRIx64, id, index);
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* One upload under way. */
struct upload {
    struct blockdb_client *client;
    struct slice key;
    blockdb_client_source_fn source;
    void *arg;
    struct buf chunk; /* being filled; its capacity is the chunk size */
    struct buf chunk_key;
    struct manifest manifest;
    bool is_at_end;
};

static void upload_deinit(struct upload *u)
{
    buf_deinit(&u->chunk);
    buf_deinit(&u->chunk_key);
    manifest_deinit(&u->manifest);
}

/* Reads the next chunk from the source; it is empty at the end. */
static int upload_fill(struct upload *u, struct error *err)
{
    size_t cap = (size_t)u->manifest.chunk_size;

    u->chunk.len = 0;
    while (u->chunk.len < cap && !u->is_at_end) {
        size_t got = 0;
        int rc = u->source(u->arg, u->chunk.data + u->chunk.len, cap - u->chunk.len, &got);

        if (rc != 0) {
            return error_set(err, rc < 0 ? rc : BLOCKDB_ECANCELED,
                             "the source of the value ended with %d", rc);
        }
        u->is_at_end = got == 0;
        u->chunk.len += got;
    }
    return BLOCKDB_OK;
}

static int upload_chunk(struct upload *u, uint64_t index, struct error *err)
{
    struct hash hash;

    if (index == CHUNKS_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "the value has more than %d chunks of %" PRIu64
                         " bytes: use larger chunks",
                         CHUNKS_MAX, u->manifest.chunk_size);
    }
    sha256_once(u->chunk.data, u->chunk.len, &hash);
    if (chunk_key(&u->chunk_key, u->key, u->manifest.id, index) < 0 ||
        buf_append(&u->manifest.hashes, hash.bytes, sizeof(hash.bytes)) < 0) {
        return error_set_no_memory(err);
    }
    u->manifest.size += u->chunk.len;
    return blockdb_client_put_if_absent(u->client, u->chunk_key.data, u->chunk_key.len,
                                        u->chunk.data, u->chunk.len, NULL, NULL, err);
}

static int manifest_write(const struct manifest *m, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    json_writer_member_u64(&w, "blockdb_chunks", CHUNKS_VERSION);
    json_writer_member_u64(&w, "size", m->size);
    json_writer_member_u64(&w, "chunk_size", m->chunk_size);
    json_writer_member_text(&w, "id", m->id);
    json_writer_key(&w, "hashes");
    json_writer_base64(&w, buf_slice(&m->hashes));
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

static int upload_finish(struct upload *u, struct blockdb_write_result *out, struct error *err)
{
    buf_reset(&u->chunk);
    if (manifest_write(&u->manifest, &u->chunk) < 0) {
        return error_set_no_memory(err);
    }
    return blockdb_client_put(u->client, u->key.data, u->key.len, u->chunk.data, u->chunk.len, NULL,
                              out, err);
}

static int upload_begin(struct upload *u, size_t chunk_bytes, struct error *err)
{
    uint8_t id[CHUNK_ID_LEN];
    int rc;

    if (u->key.len == 0 || u->key.len > BLOCKDB_KEY_MAX - CHUNK_KEY_EXTRA) {
        return error_set(err, BLOCKDB_ELIMIT, "the key of a chunked value has 1 to %d bytes",
                         BLOCKDB_KEY_MAX - CHUNK_KEY_EXTRA);
    }
    u->manifest.chunk_size = chunk_bytes > 0 ? chunk_bytes : BLOCKDB_CLIENT_CHUNK_BYTES;
    if (u->manifest.chunk_size > CHUNK_BYTES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "a chunk has at most %zu bytes", CHUNK_BYTES_MAX);
    }
    rc = os_random(u->client->os, id, sizeof(id), err);
    if (rc < 0) {
        return rc;
    }
    text_format_hex(u->manifest.id, id, sizeof(id));
    return buf_reserve(&u->chunk, (size_t)u->manifest.chunk_size) < 0 ? error_set_no_memory(err)
                                                                      : BLOCKDB_OK;
}

int blockdb_client_put_large(struct blockdb_client *client, const void *key, size_t key_len,
                             blockdb_client_source_fn source, void *arg, size_t chunk_bytes,
                             struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(upload_deinit)
    struct upload u = {
        .client = client, .key = slice_of(key, key_len), .source = source, .arg = arg};
    uint64_t index;
    int rc = upload_begin(&u, chunk_bytes, err);

    for (index = 0; rc == BLOCKDB_OK && !u.is_at_end; index++) {
        rc = upload_fill(&u, err);
        if (rc == BLOCKDB_OK && u.chunk.len > 0) {
            rc = upload_chunk(&u, index, err);
        }
    }
    return rc < 0 ? rc : upload_finish(&u, out_result, err);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void read_id(struct json_reader *r, char out[CHUNK_ID_TEXT])
{
    AUTO(buf_deinit) struct buf id = {0};
    uint8_t bytes[CHUNK_ID_LEN];

    if (json_reader_text(r, &id) && text_parse_hex(buf_slice(&id), bytes, sizeof(bytes)) == 0) {
        text_format_hex(out, bytes, sizeof(bytes));
    } else {
        r->failed = true;
    }
}

static void read_hashes(struct json_reader *r, struct buf *out)
{
    AUTO(buf_deinit) struct buf text = {0};

    buf_reset(out);
    if (json_reader_text(r, &text)) {
        int rc = base64_parse(out, buf_slice(&text));

        r->failed = rc < 0;
        r->short_memory = rc == BLOCKDB_ENOMEM;
    }
}

static uint64_t chunk_count(const struct manifest *m)
{
    return m->size / m->chunk_size + (m->size % m->chunk_size != 0);
}

static int manifest_parse(struct slice json, struct manifest *m, struct error *err)
{
    struct json_reader r = json_reader_of(json);
    struct slice key;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "blockdb_chunks")) {
            (void)json_reader_u64(&r, &m->version); /* failures are sticky */
        } else if (json_key_is(key, "size")) {
            (void)json_reader_u64(&r, &m->size);
        } else if (json_key_is(key, "chunk_size")) {
            (void)json_reader_u64(&r, &m->chunk_size);
        } else if (json_key_is(key, "id")) {
            read_id(&r, m->id);
        } else if (json_key_is(key, "hashes")) {
            read_hashes(&r, &m->hashes);
        } else {
            json_reader_skip(&r);
        }
    }
    if (!json_reader_done(&r) && r.short_memory) {
        return error_set_no_memory(err);
    }
    if (!json_reader_done(&r) || m->version == 0 || m->id[0] == '\0') {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "the value is no manifest of chunks: read it with get");
    }
    if (m->version != CHUNKS_VERSION) {
        return error_set(err, BLOCKDB_EVERSION, "the chunks are of the newer format %" PRIu64,
                         m->version);
    }
    if (m->chunk_size == 0 || m->chunk_size > BLOCKDB_VALUE_MAX || chunk_count(m) > CHUNKS_MAX ||
        m->hashes.len != chunk_count(m) * SHA256_LEN) {
        return error_set(err, BLOCKDB_ECORRUPT, "the manifest of chunks contradicts itself");
    }
    return BLOCKDB_OK;
}

/* Fetches chunk `index` and compares it with its hash. */
static int chunk_fetch(struct blockdb_client *client, struct slice key, const struct manifest *m,
                       uint64_t index, struct blockdb_value *out, struct error *err)
{
    uint64_t left = m->size - index * m->chunk_size;
    uint64_t len = left < m->chunk_size ? left : m->chunk_size;
    AUTO(buf_deinit) struct buf name = {0};
    struct hash hash = {{0}};
    int rc;

    if (chunk_key(&name, key, m->id, index) < 0) {
        return error_set_no_memory(err);
    }
    rc = blockdb_client_get(client, name.data, name.len, NULL, out, err);
    if (rc == BLOCKDB_OK) {
        sha256_once(out->data, out->len, &hash);
    }
    if (rc == BLOCKDB_ENOTFOUND ||
        (rc == BLOCKDB_OK &&
         (out->len != len || memcmp(hash.bytes, m->hashes.data + index * 32, SHA256_LEN) != 0))) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "chunk %" PRIu64 " of the value is %s its manifest has the hash of", index,
                         rc < 0 ? "missing, and" : "not the one that");
    }
    return rc;
}

int blockdb_client_get_large(struct blockdb_client *client, const void *key, size_t key_len,
                             blockdb_client_sink_fn sink, void *arg, uint64_t *out_bytes,
                             struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value value = {0};
    AUTO(manifest_deinit) struct manifest m = {0};
    struct slice name = slice_of(key, key_len);
    uint64_t index;
    int rc = blockdb_client_get(client, key, key_len, NULL, &value, err);

    if (rc == BLOCKDB_OK) {
        rc = manifest_parse(slice_of(value.data, value.len), &m, err);
    }
    for (index = 0; rc == BLOCKDB_OK && index < chunk_count(&m); index++) {
        rc = chunk_fetch(client, name, &m, index, &value, err);
        if (rc == BLOCKDB_OK) {
            int stopped = sink(arg, value.data, value.len);

            if (stopped != 0) {
                rc = error_set(err, stopped < 0 ? stopped : BLOCKDB_ECANCELED,
                               "the taker of the value ended with %d", stopped);
            }
        }
    }
    if (rc == BLOCKDB_OK && out_bytes != NULL) {
        *out_bytes = m.size;
    }
    return rc;
}
