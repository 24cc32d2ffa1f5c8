/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous use: operations wait in a list for the queue's threads, completions in another for
 * the caller. A thread does what a blocking caller would do, so retries, the leader and time
 * limits are the same.
 */
#include "base/mem.h"
#include "client/client_priv.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NS_PER_MS 1000000ULL

enum operation_type { OPERATION_PUT, OPERATION_DELETE, OPERATION_GET, OPERATION_WRITE };

struct operation {
    struct operation *next;
    enum operation_type type;
    enum blockdb_durability durability;
    uint64_t at_seq;
    struct blockdb_client_batch *batch; /* owned */
    struct blockdb_client_completion completion;
    size_t key_len;
    size_t value_len;
    uint8_t bytes[]; /* key, then value */
};

/* A list to append to. */
struct operation_list {
    struct operation *first;
    struct operation *last;
};

struct blockdb_client_queue {
    /* Constant after blockdb_client_queue_new(). */
    struct blockdb_client *client;
    unsigned operations_max;
    struct os_thread **threads;
    unsigned thread_count;
    int event_fd; /* counts completions */

    struct mutex mu;
    struct cond submitted;
    struct cond completed;
    /* Guarded by mu. */
    struct operation_list waiting;
    struct operation_list done;
    unsigned count; /* submitted and not taken */
    bool is_closing;
};

static void operation_free(struct operation *op)
{
    if (op != NULL) {
        blockdb_client_batch_free(op->batch);
        blockdb_client_value_deinit(&op->completion.value);
        mem_free(op);
    }
}

static void list_append(struct operation_list *list, struct operation *op)
{
    op->next = NULL;
    if (list->last != NULL) {
        list->last->next = op;
    } else {
        list->first = op;
    }
    list->last = op;
}

static struct operation *list_take(struct operation_list *list)
{
    struct operation *op = list->first;

    if (op != NULL) {
        list->first = op->next;
        list->last = list->first != NULL ? list->last : NULL;
    }
    return op;
}

static void list_free(struct operation_list *list)
{
    struct operation *op;

    while ((op = list_take(list)) != NULL) {
        operation_free(op);
    }
}

/* ---- The queue's threads ------------------------------------------------------------------- */

static void operation_run(struct blockdb_client *client, struct operation *op)
{
    struct blockdb_client_completion *c = &op->completion;
    struct blockdb_write_options write = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_read_options read = BLOCKDB_READ_OPTIONS_INIT;
    const uint8_t *value = op->bytes + op->key_len;

    write.durability = op->durability;
    read.at_seq = op->at_seq;
    switch (op->type) {
    case OPERATION_PUT:
        c->status = blockdb_client_put(client, op->bytes, op->key_len, value, op->value_len, &write,
                                       &c->written, &c->error);
        break;
    case OPERATION_DELETE:
        c->status = blockdb_client_delete(client, op->bytes, op->key_len, &write, &c->written,
                                          &c->error);
        break;
    case OPERATION_GET:
        c->status = blockdb_client_get(client, op->bytes, op->key_len, &read, &c->value, &c->error);
        break;
    case OPERATION_WRITE:
        c->status = blockdb_client_write(client, op->batch, &write, &c->written, &c->error);
        break;
    }
}

/* Waits for an operation; NULL when the queue is closing. */
static struct operation *queue_wait(struct blockdb_client_queue *queue)
{
    struct operation *op = NULL;

    mutex_lock(&queue->mu);
    while (!queue->is_closing && (op = list_take(&queue->waiting)) == NULL) {
        cond_wait(&queue->submitted, &queue->mu);
    }
    mutex_unlock(&queue->mu);
    return op;
}

static void queue_thread(void *arg)
{
    struct blockdb_client_queue *queue = arg;
    struct operation *op;

    while ((op = queue_wait(queue)) != NULL) {
        operation_run(queue->client, op);
        mutex_lock(&queue->mu);
        list_append(&queue->done, op);
        cond_signal(&queue->completed);
        /* Not later, or a completion could be taken before it is counted. Cannot be full. */
        (void)eventfd_write(queue->event_fd, 1);
        mutex_unlock(&queue->mu);
    }
}

/* ---- Making and freeing -------------------------------------------------------------------- */

void blockdb_client_queue_free(struct blockdb_client_queue *queue)
{
    unsigned i;

    if (queue == NULL) {
        return;
    }
    mutex_lock(&queue->mu);
    queue->is_closing = true;
    cond_broadcast(&queue->submitted);
    mutex_unlock(&queue->mu);
    for (i = 0; i < queue->thread_count; i++) {
        os_thread_join(queue->client->os, queue->threads[i]);
    }
    list_free(&queue->waiting);
    list_free(&queue->done);
    if (queue->event_fd >= 0) {
        (void)close(queue->event_fd); /* nothing is kept in it */
    }
    cond_deinit(&queue->submitted);
    cond_deinit(&queue->completed);
    mutex_deinit(&queue->mu);
    mem_free(queue->threads);
    mem_free(queue);
}

static void queue_free_ptr(struct blockdb_client_queue **queue)
{
    blockdb_client_queue_free(*queue);
}

static int queue_start(struct blockdb_client_queue *queue, unsigned threads, struct error *err)
{
    queue->threads = mem_calloc(threads, sizeof(*queue->threads));
    if (queue->threads == NULL) {
        return error_set_no_memory(err);
    }
    while (queue->thread_count < threads) {
        int rc = os_thread_start(queue->client->os, "client-queue", queue_thread, queue,
                                 &queue->threads[queue->thread_count], err);

        if (rc < 0) {
            return rc;
        }
        queue->thread_count++;
    }
    return BLOCKDB_OK;
}

int blockdb_client_queue_new(struct blockdb_client *client,
                             const struct blockdb_client_queue_options *options,
                             struct blockdb_client_queue **out_queue, struct error *err)
{
    static const struct blockdb_client_queue_options defaults = BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT;
    const struct blockdb_client_queue_options *o = options != NULL ? options : &defaults;
    unsigned threads = o->threads < client->slots_max ? o->threads : client->slots_max;
    AUTO(queue_free_ptr) struct blockdb_client_queue *queue = NULL;
    int rc;

    if (o->threads == 0 || o->operations_max == 0) {
        return error_set(err, BLOCKDB_EINVAL, "threads and operations_max must be above 0");
    }
    queue = mem_calloc(1, sizeof(*queue));
    if (queue == NULL) {
        return error_set_no_memory(err);
    }
    queue->client = client;
    queue->operations_max = o->operations_max;
    mutex_init(&queue->mu, LOCK_RANK_CLIENT);
    cond_init(&queue->submitted);
    cond_init(&queue->completed);
    queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    if (queue->event_fd < 0) {
        return error_set(err, BLOCKDB_EIO, "no descriptor for the queue's completions");
    }
    rc = queue_start(queue, threads, err);
    if (rc == BLOCKDB_OK) {
        *out_queue = TAKE(queue);
    }
    return rc;
}

int blockdb_client_queue_fd(const struct blockdb_client_queue *queue)
{
    return queue->event_fd;
}

/* ---- Submitting ---------------------------------------------------------------------------- */

static struct operation *operation_new(enum operation_type type, uint64_t tag, struct slice key,
                                       struct slice value)
{
    struct operation *op = mem_calloc(1, sizeof(*op) + key.len + value.len);

    if (op == NULL) {
        return NULL;
    }
    op->type = type;
    op->completion.tag = tag;
    op->at_seq = BLOCKDB_SEQ_NONE;
    op->key_len = key.len;
    op->value_len = value.len;
    if (key.len > 0) {
        memcpy(op->bytes, key.data, key.len);
    }
    if (value.len > 0) {
        memcpy(op->bytes + key.len, value.data, value.len);
    }
    return op;
}

/* Takes op, which may be NULL for memory that was short. */
static int submit(struct blockdb_client_queue *queue, struct operation *op, struct error *err)
{
    bool is_full;

    if (op == NULL) {
        return error_set_no_memory(err);
    }
    mutex_lock(&queue->mu);
    is_full = queue->count >= queue->operations_max;
    if (!is_full) {
        list_append(&queue->waiting, op);
        queue->count++;
        cond_signal(&queue->submitted);
    }
    mutex_unlock(&queue->mu);
    if (is_full) {
        operation_free(op);
        return error_set(err, BLOCKDB_EBUSY,
                         "the queue has %u operations (operations_max): take completions first",
                         queue->operations_max);
    }
    return BLOCKDB_OK;
}

int blockdb_client_queue_put(struct blockdb_client_queue *queue, uint64_t tag, const void *key,
                             size_t key_len, const void *value, size_t value_len,
                             enum blockdb_durability durability, struct error *err)
{
    struct operation *op = operation_new(OPERATION_PUT, tag, slice_of(key, key_len),
                                         slice_of(value, value_len));

    if (op != NULL) {
        op->durability = durability;
    }
    return submit(queue, op, err);
}

int blockdb_client_queue_delete(struct blockdb_client_queue *queue, uint64_t tag, const void *key,
                                size_t key_len, enum blockdb_durability durability,
                                struct error *err)
{
    struct operation *op = operation_new(OPERATION_DELETE, tag, slice_of(key, key_len),
                                         slice_of(NULL, 0));

    if (op != NULL) {
        op->durability = durability;
    }
    return submit(queue, op, err);
}

int blockdb_client_queue_get(struct blockdb_client_queue *queue, uint64_t tag, const void *key,
                             size_t key_len, uint64_t at_seq, struct error *err)
{
    struct operation *op = operation_new(OPERATION_GET, tag, slice_of(key, key_len),
                                         slice_of(NULL, 0));

    if (op != NULL) {
        op->at_seq = at_seq;
    }
    return submit(queue, op, err);
}

int blockdb_client_queue_write(struct blockdb_client_queue *queue, uint64_t tag,
                               struct blockdb_client_batch *batch,
                               enum blockdb_durability durability, struct error *err)
{
    struct operation *op = operation_new(OPERATION_WRITE, tag, slice_of(NULL, 0),
                                         slice_of(NULL, 0));

    if (op == NULL) {
        blockdb_client_batch_free(batch);
    } else {
        op->batch = batch;
        op->durability = durability;
    }
    return submit(queue, op, err);
}

/* ---- Completions --------------------------------------------------------------------------- */

int blockdb_client_queue_next(struct blockdb_client_queue *queue, uint32_t timeout_ms,
                              struct blockdb_client_completion *out_completion)
{
    uint64_t deadline_ns = os_monotonic_ns(queue->client->os) + timeout_ms * NS_PER_MS;
    struct operation *op;
    eventfd_t ignored;
    int rc = BLOCKDB_ENOTFOUND;

    mutex_lock(&queue->mu);
    while ((op = list_take(&queue->done)) == NULL && queue->count > 0) {
        uint64_t now = os_monotonic_ns(queue->client->os);

        rc = BLOCKDB_ETIMEDOUT;
        if (now >= deadline_ns) {
            break;
        }
        (void)cond_wait_for(&queue->completed, &queue->mu, deadline_ns - now);
    }
    queue->count -= op != NULL;
    mutex_unlock(&queue->mu);
    if (op == NULL) {
        return rc;
    }
    (void)eventfd_read(queue->event_fd, &ignored); /* one completion is less */
    blockdb_client_value_deinit(&out_completion->value);
    *out_completion = op->completion;
    op->completion.value = (struct blockdb_value){0};
    operation_free(op);
    return BLOCKDB_OK;
}
