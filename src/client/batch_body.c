/* SPDX-License-Identifier: Apache-2.0 */
#include "client/batch_body.h"

#include "base/json_writer.h"
#include "base/mem.h"
#include "client/shape.h"

#define AROUND_BYTES 64 /* at most, of what stands around the operations */

struct blockdb_client_batch {
    struct buf operations; /* objects with commas between them */
    size_t count;          /* puts and deletes */
};

struct blockdb_client_batch *blockdb_client_batch_new(void)
{
    return mem_calloc(1, sizeof(struct blockdb_client_batch));
}

void blockdb_client_batch_free(struct blockdb_client_batch *batch)
{
    if (batch != NULL) {
        buf_deinit(&batch->operations);
        mem_free(batch);
    }
}

void blockdb_client_batch_reset(struct blockdb_client_batch *batch)
{
    buf_reset(&batch->operations);
    batch->count = 0;
}

/* One operation: its type, key, and what else it has. */
struct operation {
    const char *type;
    struct slice key;
    const struct slice *value; /* NULL: none */
    uint64_t seq;              /* BLOCKDB_SEQ_NONE: none */
};

static int check_key(struct slice key, struct error *err)
{
    if (key.len == 0 || key.len > BLOCKDB_KEY_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "a key has 1 to %d bytes, not %zu", BLOCKDB_KEY_MAX,
                         key.len);
    }
    return BLOCKDB_OK;
}

static int add(struct blockdb_client_batch *batch, const struct operation *op, struct error *err)
{
    size_t before = batch->operations.len;
    struct json_writer w;
    int rc = check_key(op->key, err);

    if (rc < 0) {
        return rc;
    }
    if (before > 0 && buf_append_u8(&batch->operations, ',') < 0) {
        return error_set_no_memory(err);
    }
    json_writer_init(&w, &batch->operations);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "type", op->type);
    shape_write_pair(&w, op->key, op->value);
    if (op->seq != BLOCKDB_SEQ_NONE) {
        json_writer_member_u64(&w, "seq", op->seq);
    }
    json_writer_end_object(&w);
    if (json_writer_finish(&w) < 0) {
        batch->operations.len = before;
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

int blockdb_client_batch_add_put(struct blockdb_client_batch *batch, const void *key,
                                 size_t key_len, const void *value, size_t value_len,
                                 struct error *err)
{
    struct slice bytes = slice_of(value, value_len);
    struct operation op = {
        .type = "put", .key = slice_of(key, key_len), .value = &bytes, .seq = BLOCKDB_SEQ_NONE};
    int rc = add(batch, &op, err);

    batch->count += rc == BLOCKDB_OK;
    return rc;
}

int blockdb_client_batch_add_delete(struct blockdb_client_batch *batch, const void *key,
                                    size_t key_len, struct error *err)
{
    struct operation op = {
        .type = "delete", .key = slice_of(key, key_len), .seq = BLOCKDB_SEQ_NONE};
    int rc = add(batch, &op, err);

    batch->count += rc == BLOCKDB_OK;
    return rc;
}

int blockdb_client_batch_require_absent(struct blockdb_client_batch *batch, const void *key,
                                        size_t key_len, struct error *err)
{
    struct operation op = {
        .type = "require_absent", .key = slice_of(key, key_len), .seq = BLOCKDB_SEQ_NONE};

    return add(batch, &op, err);
}

int blockdb_client_batch_require_seq(struct blockdb_client_batch *batch, const void *key,
                                     size_t key_len, uint64_t seq, struct error *err)
{
    struct operation op = {.type = "require_seq", .key = slice_of(key, key_len), .seq = seq};

    return add(batch, &op, err);
}

size_t blockdb_client_batch_count(const struct blockdb_client_batch *batch)
{
    return batch->count;
}

size_t blockdb_client_batch_bytes(const struct blockdb_client_batch *batch)
{
    return batch->operations.len + AROUND_BYTES;
}

int batch_body_append(const struct blockdb_client_batch *batch, const char *durability,
                      struct buf *out)
{
    int rc = buf_reserve(out, batch->operations.len + AROUND_BYTES);

    if (rc == BLOCKDB_OK) {
        rc = buf_appendf(out, "{\"operations\":[");
    }
    if (rc == BLOCKDB_OK) {
        rc = buf_append_slice(out, buf_slice(&batch->operations));
    }
    if (rc == BLOCKDB_OK) {
        rc = durability != NULL ? buf_appendf(out, "],\"durability\":\"%s\"}", durability)
                                : buf_appendf(out, "]}");
    }
    return rc;
}
