/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing functions of the public header: each makes a request for commit.c.
 */
#include "base/mem.h"
#include "engine/batch.h"
#include "engine/commit.h"
#include "engine/db.h"
#include "engine/submission.h"

#include <stddef.h>

static const struct blockdb_write_options default_options = BLOCKDB_WRITE_OPTIONS_INIT;

static void copy_error(struct error *err, const struct error *cause)
{
    if (err != NULL) {
        *err = *cause;
    }
}

static int check_options(const struct blockdb_write_options *options, struct error *err)
{
    if (options->durability > BLOCKDB_DURABILITY_ALWAYS) {
        return error_set(err, BLOCKDB_EINVAL, "%d is no durability", (int)options->durability);
    }
    return BLOCKDB_OK;
}

/* These fields are younger than the struct. */
static bool asks_no_wait(const struct blockdb_write_options *options)
{
    return options->size > offsetof(struct blockdb_write_options, no_wait) && options->no_wait;
}

static bool asks_in_place(const struct blockdb_write_options *options)
{
    return options->size > offsetof(struct blockdb_write_options, in_place) && options->in_place;
}

static void request_init(struct commit_request *request, struct blockdb *db,
                         struct blockdb_batch *batch, const struct blockdb_write_options *options)
{
    /* The error is not cleared: it is large, and only read when the status says that it is set. */
    request->batch = batch;
    request->durability = commit_durability(db, options->durability);
    request->client_id = options->client_id;
    request->request = options->request;
    request->seal = false;
    request->seal_empty = false;
    request->freeze = false;
    request->rotate = false;
    request->cb = NULL;
    request->cb_arg = NULL;
    request->status = BLOCKDB_OK;
}

static int prepare_batch(struct blockdb_batch *batch, const struct blockdb_write_options *options,
                         struct error *err)
{
    int rc = check_options(options, err);

    if (rc == BLOCKDB_OK && (options->client_id != NULL || batch->has_request)) {
        rc = batch_set_request(batch, options->client_id, options->request, err);
    }
    if (rc == BLOCKDB_OK && !batch_is_light(batch)) {
        batch_hash(batch);
    }
    return rc;
}

int blockdb_write(struct blockdb *db, struct blockdb_batch *batch,
                  const struct blockdb_write_options *options,
                  struct blockdb_write_result *out_result, struct blockdb_error *err)
{
    struct commit_request request;
    int rc;

    if (options == NULL) {
        options = &default_options;
    }
    rc = prepare_batch(batch, options, err);
    if (rc < 0) {
        return rc;
    }
    request_init(&request, db, batch, options);
    rc = commit_run(db, &request);
    if (rc < 0) {
        copy_error(err, &request.error);
        return rc;
    }
    if (out_result != NULL) {
        *out_result = request.result;
    }
    return BLOCKDB_OK;
}

int blockdb_put(struct blockdb *db, const void *key, size_t key_len, const void *value,
                size_t value_len, const struct blockdb_write_options *options,
                struct blockdb_write_result *out_result, struct blockdb_error *err)
{
    AUTO(batch_deinit) struct blockdb_batch batch;
    int rc;

    batch_init(&batch, db);
    rc = blockdb_batch_put(&batch, key, key_len, value, value_len, err);
    if (rc < 0) {
        return rc;
    }
    return blockdb_write(db, &batch, options, out_result, err);
}

int blockdb_delete(struct blockdb *db, const void *key, size_t key_len,
                   const struct blockdb_write_options *options,
                   struct blockdb_write_result *out_result, struct blockdb_error *err)
{
    AUTO(batch_deinit) struct blockdb_batch batch;
    int rc;

    batch_init(&batch, db);
    rc = blockdb_batch_delete(&batch, key, key_len, err);
    if (rc < 0) {
        return rc;
    }
    return blockdb_write(db, &batch, options, out_result, err);
}

int blockdb_submit(struct blockdb *db, struct blockdb_batch *batch,
                   const struct blockdb_write_options *options, blockdb_write_cb cb, void *arg,
                   struct blockdb_error *err)
{
    struct submission *submission = submission_of_batch(batch);
    int rc;

    if (options == NULL) {
        options = &default_options;
    }
    rc = prepare_batch(batch, options, err);
    if (rc == BLOCKDB_OK) {
        struct commit_request *request = &submission->request;

        request_init(request, db, batch, options);
        request->in_place = asks_in_place(options);
        request->cb = cb;
        request->cb_arg = arg;
        if (options->client_id != NULL) { /* the caller only lends it for the call */
            request->client_id = memcpy(submission->client_id, options->client_id,
                                        BLOCKDB_CLIENT_ID_LEN);
        }
        rc = commit_submit(db, request, asks_no_wait(options), err);
    }
    if (rc < 0 && rc != BLOCKDB_EWOULDBLOCK) {
        blockdb_batch_free(batch);
    }
    return rc;
}

int blockdb_sync(struct blockdb *db, struct blockdb_error *err)
{
    return commit_sync(db, err);
}
