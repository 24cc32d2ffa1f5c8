/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/loader.h"

void loader_init(struct loader *loader, struct source *source, enum blockdb_durability durability)
{
    *loader = (struct loader){
        .source = source, .durability = durability, .last_seq = BLOCKDB_SEQ_NONE};
    mutex_init(&loader->mu, LOCK_RANK_PROGRAM);
    cond_init(&loader->done);
}

/* Waits until at most `waiting_max` batches are unanswered; returns the first failure so far. */
static int loader_wait(struct loader *loader, unsigned waiting_max, struct error *err)
{
    int status;

    mutex_lock(&loader->mu);
    while (loader->waiting > waiting_max) {
        cond_wait(&loader->done, &loader->mu);
    }
    status = loader->status;
    if (status < 0 && err != NULL) {
        *err = loader->err;
    }
    mutex_unlock(&loader->mu);
    return status;
}

void loader_deinit(struct loader *loader)
{
    (void)loader_wait(loader, 0, NULL); /* the caller has the first failure already */
    loader->source->ops->batch_free(loader->batch);
    cond_deinit(&loader->done);
    mutex_deinit(&loader->mu);
}

/* A blockdb_write_cb. */
static void on_written(void *arg, int status, const struct blockdb_write_result *result,
                       const struct blockdb_error *err)
{
    struct loader *loader = arg;

    mutex_lock(&loader->mu);
    if (status < 0 && loader->status == BLOCKDB_OK) {
        loader->status = status;
        if (err != NULL) {
            loader->err = *err;
        } else {
            (void)error_set(&loader->err, status, "the batch was not written: %s",
                            blockdb_status_name(status));
        }
    } else if (status == BLOCKDB_OK) {
        loader->entries += result->count;
        loader->last_seq = result->first_seq + result->count - 1;
    }
    loader->waiting--;
    cond_signal(&loader->done);
    mutex_unlock(&loader->mu);
}

static int loader_submit(struct loader *loader, struct error *err)
{
    struct source_batch *batch = loader->batch;
    int rc = loader_wait(loader, LOADER_BATCHES_MAX - 1, err);

    if (rc < 0) {
        return rc;
    }
    mutex_lock(&loader->mu);
    loader->waiting++;
    mutex_unlock(&loader->mu);
    loader->batch = NULL;
    rc = loader->source->ops->batch_submit(batch, loader->durability, on_written, loader, err);
    if (rc < 0) {
        mutex_lock(&loader->mu);
        loader->waiting--;
        mutex_unlock(&loader->mu);
    }
    return rc;
}

/* Makes room in the batch for one more change of that many bytes. */
static int loader_make_room(struct loader *loader, size_t len, struct error *err)
{
    const struct source_ops *ops = loader->source->ops;

    if (loader->batch != NULL && (ops->batch_count(loader->batch) >= LOADER_ENTRIES_MAX ||
                                  (ops->batch_count(loader->batch) > 0 &&
                                   ops->batch_bytes(loader->batch) + len > LOADER_BYTES_MAX))) {
        int rc = loader_submit(loader, err);

        if (rc < 0) {
            return rc;
        }
    }
    return loader->batch != NULL ? BLOCKDB_OK : ops->batch_new(loader->source, &loader->batch, err);
}

int loader_put(struct loader *loader, struct slice key, struct slice value, struct error *err)
{
    struct source_put put = {.key = key, .value = value};
    int rc = loader_make_room(loader, key.len + value.len, err);

    return rc < 0 ? rc : loader->source->ops->batch_put(loader->batch, &put, err);
}

int loader_delete(struct loader *loader, struct slice key, struct error *err)
{
    int rc = loader_make_room(loader, key.len, err);

    return rc < 0 ? rc : loader->source->ops->batch_delete(loader->batch, key, err);
}

int loader_finish(struct loader *loader, struct error *err)
{
    if (loader->batch != NULL && loader->source->ops->batch_count(loader->batch) > 0) {
        int rc = loader_submit(loader, err);

        if (rc < 0) {
            return rc;
        }
    }
    return loader_wait(loader, 0, err);
}
