/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes to a server without waiting for each write: a queue of operations and their completions.
 *
 * Build:  cc client_queue.c $(pkg-config --cflags --libs blockdb-client) -o client_queue
 * Run:    ./client_queue http://127.0.0.1:8080
 */
#include <blockdb/client.h>
#include <inttypes.h>
#include <stdio.h>

#define WRITES 100
#define PATIENCE_MS 30000

static int failed(const struct blockdb_error *err)
{
    fprintf(stderr, "%s: %s\n", blockdb_status_name(err->code), err->message);
    return 1;
}

/* Takes one completion; 0 when the write succeeded. */
static int take(struct blockdb_client_queue *queue, struct blockdb_error *err)
{
    struct blockdb_client_completion done = {0};
    int rc = blockdb_client_queue_next(queue, PATIENCE_MS, &done);

    if (rc == 0 && done.status != 0) {
        *err = done.error;
        rc = done.status;
    }
    blockdb_client_value_deinit(&done.value);
    return rc;
}

static int run(struct blockdb_client_queue *queue, struct blockdb_error *err)
{
    unsigned submitted = 0;
    unsigned done = 0;
    int rc = 0;

    while (rc == 0 && done < WRITES) {
        char key[32];
        int len = snprintf(key, sizeof(key), "queue:%03u", submitted);

        if (submitted < WRITES) {
            rc = blockdb_client_queue_put(queue, submitted, key, (size_t)len, "value", 5,
                                          BLOCKDB_DURABILITY_DEFAULT, err);
            submitted += rc == 0;
            if (rc == 0) {
                continue; /* the next one; completions are taken when the queue is full */
            }
        }
        if (rc == 0 || rc == BLOCKDB_EBUSY) {
            rc = take(queue, err);
            done += rc == 0;
        }
    }
    printf("%u of %u writes are done\n", done, submitted);
    return rc;
}

int main(int argc, char **argv)
{
    struct blockdb_client_queue_options queue_options = BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT;
    struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;
    struct blockdb_client_queue *queue = NULL;
    struct blockdb_client *client;
    struct blockdb_error err = {0};
    int rc;

    if (argc > 1) {
        options.urls = argv[1];
    }
    queue_options.operations_max = 32;
    if (blockdb_client_new(&options, &client, &err) != 0) {
        return failed(&err);
    }
    rc = blockdb_client_queue_new(client, &queue_options, &queue, &err);
    if (rc == 0) {
        rc = run(queue, &err);
    }
    blockdb_client_queue_free(queue);
    blockdb_client_free(client);
    return rc == 0 ? 0 : failed(&err);
}
