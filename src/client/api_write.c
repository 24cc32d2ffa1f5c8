/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: put, delete, batches. */
#include "base/json_writer.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/batch_body.h"
#include "client/shape.h"

static const char *durability_name(const struct blockdb_write_options *options)
{
    if (options == NULL) {
        return NULL;
    }
    switch (options->durability) {
    case BLOCKDB_DURABILITY_NONE:
        return "none";
    case BLOCKDB_DURABILITY_INTERVAL:
        return "interval";
    case BLOCKDB_DURABILITY_GROUP:
        return "group";
    case BLOCKDB_DURABILITY_ALWAYS:
        return "always";
    case BLOCKDB_DURABILITY_DEFAULT:
        break;
    }
    return NULL;
}

static int written(struct ask *ask, struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_write_result result;
    int rc = ask_run(ask, err);

    if (rc == BLOCKDB_OK) {
        rc = shape_written_parse(answer_body(&ask->slot->answer), &result, err);
    }
    if (rc == BLOCKDB_OK && out != NULL) {
        *out = result;
    }
    return rc;
}

/* A put, known in advance to be of `if_absent` or not. */
struct put {
    struct slice key, value;
    bool if_absent;
};

static int put_body(const struct put *put, const struct blockdb_write_options *options,
                    struct buf *out)
{
    const char *durability = durability_name(options);
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    shape_write_pair(&w, put->key, &put->value);
    if (put->if_absent) {
        json_writer_member_bool(&w, "if_absent", true);
    }
    if (durability != NULL) {
        json_writer_member_text(&w, "durability", durability);
    }
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}

static int put_run(struct blockdb_client *client, const struct put *put,
                   const struct blockdb_write_options *options, struct blockdb_write_result *out,
                   struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/put");
    ask.content_type = "application/json";
    ask_number(&ask, options);
    if (put_body(put, options, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    return written(&ask, out, err);
}

int blockdb_client_put(struct blockdb_client *client, const void *key, size_t key_len,
                       const void *value, size_t value_len,
                       const struct blockdb_write_options *options,
                       struct blockdb_write_result *out_result, struct error *err)
{
    struct put put = {.key = slice_of(key, key_len), .value = slice_of(value, value_len)};

    return put_run(client, &put, options, out_result, err);
}

int blockdb_client_put_if_absent(struct blockdb_client *client, const void *key, size_t key_len,
                                 const void *value, size_t value_len,
                                 const struct blockdb_write_options *options,
                                 struct blockdb_write_result *out_result, struct error *err)
{
    struct put put = {
        .key = slice_of(key, key_len), .value = slice_of(value, value_len), .if_absent = true};

    return put_run(client, &put, options, out_result, err);
}

int blockdb_client_delete(struct blockdb_client *client, const void *key, size_t key_len,
                          const struct blockdb_write_options *options,
                          struct blockdb_write_result *out_result, struct error *err)
{
    const char *durability = durability_name(options);
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "DELETE", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/delete/");
    ask_path_encoded(&ask, slice_of(key, key_len));
    if (durability != NULL) {
        ask_parameter(&ask, "durability");
        ask_path(&ask, durability);
    }
    ask_number(&ask, options);
    return written(&ask, out_result, err);
}

/* ---- Batches ------------------------------------------------------------------------------- */

int blockdb_client_write(struct blockdb_client *client, struct blockdb_client_batch *batch,
                         const struct blockdb_write_options *options,
                         struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/batch");
    ask.content_type = "application/json";
    ask_number(&ask, options);
    if (batch_body_append(batch, durability_name(options), &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    return written(&ask, out_result, err);
}

static void batch_free_ptr(struct blockdb_client_batch **batch)
{
    blockdb_client_batch_free(*batch);
}

int blockdb_client_batch_put(struct blockdb_client *client, const struct blockdb_client_pair *pairs,
                             size_t count, const struct blockdb_write_options *options,
                             struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(batch_free_ptr) struct blockdb_client_batch *batch = blockdb_client_batch_new();
    size_t i;
    int rc = batch != NULL ? BLOCKDB_OK : error_set_no_memory(err);

    for (i = 0; i < count && rc == BLOCKDB_OK; i++) {
        rc = blockdb_client_batch_add_put(batch, pairs[i].key, pairs[i].key_len, pairs[i].value,
                                          pairs[i].value_len, err);
    }
    return rc < 0 ? rc : blockdb_client_write(client, batch, options, out_result, err);
}
