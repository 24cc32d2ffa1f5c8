/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes to a server and reads back: one key, a batch, an older version, a scan.
 *
 * Build:  cc client_hello.c $(pkg-config --cflags --libs blockdb-client) -o client_hello
 * Run:    ./client_hello http://127.0.0.1:8080
 */
#include <blockdb/client.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int failed(const struct blockdb_error *err)
{
    fprintf(stderr, "%s: %s\n", blockdb_status_name(err->code), err->message);
    return 1;
}

static int write_some(struct blockdb_client *client, uint64_t *first_seq, struct blockdb_error *err)
{
    static const struct blockdb_client_pair pairs[] = {
        {"user:1001:profile", 17, "Ada", 3},
        {"user:1001:settings", 18, "dark", 4},
    };
    struct blockdb_write_result written;
    int rc = blockdb_client_put(client, "greeting", 8, "hello", 5, NULL, &written, err);

    if (rc == 0) {
        *first_seq = written.first_seq;
        rc = blockdb_client_put(client, "greeting", 8, "hello again", 11, NULL, NULL, err);
    }
    return rc == 0 ? blockdb_client_batch_put(client, pairs, 2, NULL, NULL, err) : rc;
}

static int read_some(struct blockdb_client *client, uint64_t first_seq, struct blockdb_error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    int rc = blockdb_client_get(client, "greeting", 8, NULL, &value, err);

    if (rc == 0) {
        printf("now: %.*s\n", (int)value.len, (const char *)value.data);
        options.at_seq = first_seq;
        rc = blockdb_client_get(client, "greeting", 8, &options, &value, err);
    }
    if (rc == 0) {
        printf("as of entry %" PRIu64 ": %.*s\n", first_seq, (int)value.len,
               (const char *)value.data);
    }
    blockdb_client_value_deinit(&value);
    return rc;
}

static int scan_some(struct blockdb_client *client, struct blockdb_error *err)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_client_iter *iter;
    int rc;

    options.prefix = "user:1001:";
    options.prefix_len = 10;
    rc = blockdb_client_iter_new(client, &options, &iter, err);
    if (rc != 0) {
        return rc;
    }
    while ((rc = blockdb_client_iter_next(iter, err)) == 0) {
        size_t key_len;
        size_t value_len;
        const char *key = blockdb_client_iter_key(iter, &key_len);
        const char *value = blockdb_client_iter_value(iter, &value_len);

        printf("%.*s = %.*s\n", (int)key_len, key, (int)value_len, value);
    }
    blockdb_client_iter_free(iter);
    return rc == BLOCKDB_ENOTFOUND ? 0 : rc;
}

int main(int argc, char **argv)
{
    struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;
    struct blockdb_client *client;
    struct blockdb_error err = {0};
    uint64_t first_seq = 0;
    int rc;

    if (argc > 1) {
        options.urls = argv[1];
    }
    if (blockdb_client_new(&options, &client, &err) != 0) {
        return failed(&err);
    }
    rc = write_some(client, &first_seq, &err);
    if (rc == 0) {
        rc = read_some(client, first_seq, &err);
    }
    if (rc == 0) {
        rc = scan_some(client, &err);
    }
    blockdb_client_free(client);
    return rc == 0 ? 0 : failed(&err);
}
